/* A command line from anywhere: the command runs only with arguments that fit its table. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARGS_MAX = 24 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    stdout = stderr =
        fopen("/dev/null", "w"); /* what it says; the fuzzer writes to the descriptor */
    VS_ASSERT(stdout != NULL);
    return 0;
}

static int run(const vs_args *args)
{
    uint64_t n = vs_args_uint(args, "number");
    VS_ASSERT(n >= 2 && n <= 128);
    VS_ASSERT(isfinite(vs_args_real(args, "real")));
    const char *profile = vs_args_text(args, "profile");
    VS_ASSERT(strcmp(profile, "robust") == 0 || strcmp(profile, "private") == 0);
    VS_ASSERT(vs_args_text(args, "name") != NULL);
    for (uint32_t i = 0; i < vs_args_count(args, "key"); i++) {
        VS_ASSERT(vs_args_nth(args, "key", i) != NULL);
    }
    VS_ASSERT(vs_args_positionals(args) >= 1 && vs_args_positionals(args) <= 3);
    VS_ASSERT(vs_args_positional(args, 0) != NULL && vs_args_positional(args, 3) == NULL);
    return vs_args_flag(args, "json") ? VS_EXIT_FAILED : VS_EXIT_OK;
}

static const vs_opt options[] = {
    {.name = "number",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .min = 2,
     .max = 128,
     .fallback = "3",
     .help = "A number."},
    {.name = "real", .arg = "X", .kind = VS_OPT_REAL, .fallback = "1.5", .help = "A number."},
    {.name = "profile",
     .arg = "robust|private",
     .kind = VS_OPT_CHOICE,
     .fallback = "robust",
     .help = "A word."},
    {.name = "name", .arg = "NAME", .kind = VS_OPT_TEXT, .required = true, .help = "A name."},
    {.name = "key", .arg = "KEY", .kind = VS_OPT_TEXT, .repeat = true, .help = "A key."},
    VS_OPT_JSON,
    {.name = NULL}};
static const vs_positional positionals[] = {{.name = "FILE", .min = 1, .max = 3, .help = "Files."},
                                            {.name = NULL}};
static const vs_command command = {.name = "fuzz",
                                   .summary = "a command",
                                   .description = "A command.",
                                   .options = options,
                                   .positionals = positionals,
                                   .examples = "veilsum fuzz\n",
                                   .run = run};

/* Zero bytes divide the arguments. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    char *argv[ARGS_MAX];
    int argc = 0;
    VS_ASSERT(text != NULL);
    if (size != 0) memcpy(text, data, size);
    text[size] = '\0';
    for (size_t at = 0; at < size && argc < ARGS_MAX; at += strlen(text + at) + 1) {
        argv[argc++] = text + at;
    }
    int status = vs_command_run(&command, argc, argv);
    VS_ASSERT(status == VS_EXIT_OK || status == VS_EXIT_FAILED || status == VS_EXIT_USAGE);
    free(text);
    return 0;
}
