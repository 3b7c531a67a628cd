/* vectors generate, vectors check. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "mpc/params.h"
#include "net/vectors.h"

/* --seed in hex, 1 to 64 bytes. */
static bool read_seed(vs_vectors_seed *seed, uint8_t bytes[VS_VECTORS_SEED_MAX], const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len % 2 != 0 || len / 2 > VS_VECTORS_SEED_MAX) return false;
    *seed = (vs_vectors_seed){.bytes = bytes, .len = len / 2};
    return vs_hex_decode(bytes, len / 2, text) == VS_OK;
}

/* --- vectors generate --------------------------------------------------------------------------
 */

static const char *const numbers[] = {"n", "t", "k", "len", "bits", "max-clients"};
enum { N_NUMBERS = sizeof numbers / sizeof numbers[0] };

static uint32_t number(const vs_args *args, const char *name)
{
    return (uint32_t)vs_args_uint(args, name);
}

static int run_generate(const vs_args *args)
{
    uint8_t bytes[VS_VECTORS_SEED_MAX];
    vs_vectors_seed seed;
    vs_buf text = {0};
    vs_diag diag = {{0}};
    const char *suite = vs_args_text(args, "suite");
    if (!read_seed(&seed, bytes, vs_args_text(args, "seed"))) {
        return vs_args_usage(args, "--seed: must be 1 to %u bytes in hex", VS_VECTORS_SEED_MAX);
    }
    for (size_t i = 0; i < N_NUMBERS; i++) {
        if (suite != NULL && vs_args_given(args, numbers[i])) {
            return vs_args_usage(args, "--%s: a suite has its own numbers", numbers[i]);
        }
        if (suite == NULL && !vs_args_given(args, numbers[i])) {
            return vs_args_usage(args, "--%s is missing", numbers[i]);
        }
    }
    vs_vectors_params params = {.n = number(args, "n"),
                                .t = number(args, "t"),
                                .k = number(args, "k"),
                                .len = number(args, "len"),
                                .bits = number(args, "bits"),
                                .max_clients = number(args, "max-clients")};
    vs_err err = suite != NULL ? vs_vectors_generate_suite(&text, suite, seed, &diag)
                               : vs_vectors_generate(&text, &params, seed, &diag);
    if (err == VS_OK) (void)fwrite(text.p, 1, text.len, stdout);
    vs_buf_free(&text);
    return err == VS_OK ? VS_EXIT_OK : vs_out_fail(&diag);
}

static const vs_opt generate_options[] = {
    {.name = "n",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .max = UINT32_MAX,
     .help = "Shareholders, 2 to 128. This and the next five are for the core object."},
    {.name = "t",
     .arg = "T",
     .kind = VS_OPT_UINT,
     .max = UINT32_MAX,
     .help = "Privacy threshold: any T shareholders learn nothing."},
    {.name = "k",
     .arg = "K",
     .kind = VS_OPT_UINT,
     .max = UINT32_MAX,
     .help = "Secrets in one polynomial; T + K is at most N."},
    {.name = "len",
     .arg = "LEN",
     .kind = VS_OPT_UINT,
     .max = UINT32_MAX,
     .help = "Coordinates of the vector."},
    {.name = "bits",
     .arg = "BITS",
     .kind = VS_OPT_UINT,
     .max = UINT32_MAX,
     .help = "Bits of a coordinate, 1 to 32."},
    {.name = "max-clients",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .max = UINT32_MAX,
     .help = "Most clients whose vectors are added, 2 to 32768: sets the width of a slot."},
    {.name = "suite",
     .arg = "NAME",
     .kind = VS_OPT_TEXT,
     .help = "Print a suite instead: reconstruction, sealing, manifest, records, quantiser, "
             "redraw, errors, update or chunk."},
    {.name = "seed",
     .arg = "HEX",
     .kind = VS_OPT_TEXT,
     .required = true,
     .help = "Every random input derives from these 1 to 64 bytes; the same seed gives the same "
             "file."},
    {0}};

const vs_command vs_cmd_vectors_generate = {
    .name = "vectors generate",
    .summary = "print test vectors for other implementers",
    .description =
        "Prints one JSON object with all random inputs and all outputs: one client's submission "
        "from coordinates to W, or a suite of cases. docs/VECTORS.md explains every member and how "
        "inputs derive from the seed.",
    .options = generate_options,
    .examples = "veilsum vectors generate --n 5 --t 1 --k 2 --len 20 --bits 8 \\\n"
                "    --max-clients 10 --seed 00ff\n"
                "veilsum vectors generate --suite errors --seed 01 > errors.json",
    .run = run_generate};

/* --- vectors check -----------------------------------------------------------------------------
 */

/* Exit status of one file. */
static int check_file(const char *path, const vs_vectors_seed *seed)
{
    vs_buf text = {0}, report = {0};
    vs_diag diag = {{0}};
    int status = VS_EXIT_OK;
    const char *file = strcmp(path, "-") == 0 ? "/dev/stdin" : path;
    vs_err err = vs_file_read(&text, file, VS_VECTORS_FILE_MAX, &diag);
    if (err == VS_OK) err = vs_vectors_check(&report, text.p, text.len, path, seed, &diag);
    if (err == VS_OK) {
        (void)printf("%s: ok\n", path);
    } else if (err == VS_ERR_PROOF && report.len > 0) {
        (void)fflush(stdout);
        (void)fwrite(report.p, 1, report.len, stderr);
        status = VS_EXIT_FAILED;
    } else {
        status = vs_out_fail(&diag);
    }
    vs_buf_free(&text);
    vs_buf_free(&report);
    return status;
}

static int run_check(const vs_args *args)
{
    uint8_t bytes[VS_VECTORS_SEED_MAX];
    vs_vectors_seed seed;
    const char *hex = vs_args_text(args, "seed");
    int status = VS_EXIT_OK;
    if (hex != NULL && !read_seed(&seed, bytes, hex)) {
        return vs_args_usage(args, "--seed: must be 1 to %u bytes in hex", VS_VECTORS_SEED_MAX);
    }
    for (uint32_t i = 0; i < vs_args_positionals(args); i++) {
        int one = check_file(vs_args_positional(args, i), hex == NULL ? NULL : &seed);
        if (one != VS_EXIT_OK) status = one;
    }
    return status;
}

static const vs_opt check_options[] = {
    {.name = "seed",
     .arg = "HEX",
     .kind = VS_OPT_TEXT,
     .help = "The inputs must also be what this seed gives. Suites name their seed themselves."},
    {0}};
static const vs_positional check_files[] = {
    {.name = "FILE",
     .min = 1,
     .max = 1000,
     .help = "Vector files, core objects or suites; - is standard input."},
    {0}};

const vs_command vs_cmd_vectors_check = {
    .name = "vectors check",
    .summary = "compute test vectors again and compare",
    .description =
        "Takes the inputs from each file, computes all outputs and says which member of which file "
        "differs. Exit status 1 if any does.",
    .options = check_options,
    .positionals = check_files,
    .examples = "veilsum vectors check tests/vectors/*.json\n"
                "veilsum vectors check --seed 00ff mine.json\n"
                "veilsum vectors generate --suite records --seed 01 | veilsum vectors check -",
    .run = run_check};
