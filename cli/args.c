#include "cli/args.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/suggest.h"

typedef struct given {
    const vs_opt *opt; /* NULL: positional */
    const char *value; /* borrowed from argv; NULL for a flag */
} given;

struct vs_args {
    const vs_command *command;
    uint32_t n;
    given *item;
};

/* --- what a value must look like ---------------------------------------------------------------
 */

static bool parse_uint(const char *text, uint64_t *out)
{
    size_t len = strlen(text);
    uint64_t v = 0;
    if (len == 0) return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (v > (UINT64_MAX - digit) / 10) return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

static bool parse_real(const char *text, double *out)
{
    char *end = NULL;
    if (text[0] == '\0' || strspn(text, "0123456789+-.eE") != strlen(text)) return false;
    *out = strtod(text, &end);
    return *end == '\0' && isfinite(*out);
}

/* words: "robust|private" */
static bool is_choice(const char *words, const char *text)
{
    size_t len = strlen(text);
    while (*words != '\0') {
        size_t word = strcspn(words, "|");
        if (word == len && memcmp(words, text, len) == 0) return true;
        words += word + (words[word] == '|');
    }
    return false;
}

static int check_value(const vs_args *args, const vs_opt *opt, const char *text)
{
    uint64_t v;
    double real;
    switch (opt->kind) {
    case VS_OPT_FLAG:
    case VS_OPT_TEXT: return VS_EXIT_OK;
    case VS_OPT_UINT:
        if (!parse_uint(text, &v)) {
            return vs_args_usage(args, "--%s: \"%s\" is not a whole number", opt->name, text);
        }
        if (v < opt->min || (opt->max != 0 && v > opt->max)) {
            if (opt->max == 0) {
                return vs_args_usage(args, "--%s: %s is below %llu", opt->name, text,
                                     (unsigned long long)opt->min);
            }
            return vs_args_usage(args, "--%s: %s is outside %llu..%llu", opt->name, text,
                                 (unsigned long long)opt->min, (unsigned long long)opt->max);
        }
        return VS_EXIT_OK;
    case VS_OPT_REAL:
        if (parse_real(text, &real)) return VS_EXIT_OK;
        return vs_args_usage(args, "--%s: \"%s\" is not a number", opt->name, text);
    case VS_OPT_CHOICE:
        if (is_choice(opt->arg, text)) return VS_EXIT_OK;
        return vs_args_usage(args, "--%s: \"%s\" is not one of %s", opt->name, text, opt->arg);
    }
    return VS_EXIT_OK;
}

/* --- parsing -----------------------------------------------------------------------------------
 */

static const vs_opt *find_opt(const vs_command *command, const char *name, size_t len)
{
    for (const vs_opt *o = command->options; o != NULL && o->name != NULL; o++) {
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0) return o;
    }
    return NULL;
}

static int unknown_option(const vs_args *args, const char *text, size_t len)
{
    vs_suggestion near = vs_suggest_start(text + 2, len - 2);
    for (const vs_opt *o = args->command->options; o != NULL && o->name != NULL; o++) {
        vs_suggest_try(&near, o->name);
    }
    if (near.best == NULL) {
        return vs_args_usage(args, "%.*s: unknown option", (int)len, text);
    }
    return vs_args_usage(args, "%.*s: unknown option; did you mean --%s?", (int)len, text,
                         near.best);
}

/* argv[*i] starts with --; takes the next argument too if it is the value. */
static int parse_option(vs_args *args, int argc, char *const *argv, int *i)
{
    const char *text = argv[*i];
    const char *equals = strchr(text, '=');
    size_t len = equals == NULL ? strlen(text) : (size_t)(equals - text);
    const vs_opt *opt = find_opt(args->command, text + 2, len - 2);
    const char *value = equals == NULL ? NULL : equals + 1;
    if (opt == NULL) return unknown_option(args, text, len);
    if (!opt->repeat && vs_args_given(args, opt->name)) {
        return vs_args_usage(args, "--%s: given twice", opt->name);
    }
    if (opt->kind == VS_OPT_FLAG) {
        if (value != NULL) return vs_args_usage(args, "--%s: takes no value", opt->name);
    } else {
        if (value == NULL && *i + 1 < argc && strncmp(argv[*i + 1], "--", 2) != 0) {
            value = argv[++*i];
        }
        if (value == NULL) {
            return vs_args_usage(args, "--%s: needs a value: --%s %s", opt->name, opt->name,
                                 opt->arg);
        }
        int status = check_value(args, opt, value);
        if (status != VS_EXIT_OK) return status;
    }
    args->item[args->n++] = (given){.opt = opt, .value = value};
    return VS_EXIT_OK;
}

static int check_positionals(const vs_args *args)
{
    uint32_t n = vs_args_positionals(args);
    uint32_t min = 0, max = 0;
    for (const vs_positional *p = args->command->positionals; p != NULL && p->name != NULL; p++) {
        min += p->min;
        max += p->max;
        if (n < min) return vs_args_usage(args, "%s is missing", p->name);
    }
    if (n > max)
        return vs_args_usage(args, "\"%s\": unexpected argument", vs_args_positional(args, max));
    return VS_EXIT_OK;
}

static int parse_all(vs_args *args, int argc, char *const *argv)
{
    bool options_end = false;
    for (int i = 0; i < argc; i++) {
        if (!options_end && strcmp(argv[i], "--") == 0) {
            options_end = true;
        } else if (!options_end && strncmp(argv[i], "--", 2) == 0) {
            int status = parse_option(args, argc, argv, &i);
            if (status != VS_EXIT_OK) return status;
        } else if (!options_end && argv[i][0] == '-' && argv[i][1] != '\0') {
            return vs_args_usage(args, "%s: unknown option; options have two dashes", argv[i]);
        } else {
            args->item[args->n++] = (given){.opt = NULL, .value = argv[i]};
        }
    }
    for (const vs_opt *o = args->command->options; o != NULL && o->name != NULL; o++) {
        if (o->required && !vs_args_given(args, o->name)) {
            return vs_args_usage(args, "--%s %s is missing", o->name, o->arg);
        }
    }
    return check_positionals(args);
}

/* --help and --version count wherever an option may stand. */
static bool asks_for(int argc, char *const *argv, const char *word, const char *letter)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], word) == 0 || strcmp(argv[i], letter) == 0) return true;
    }
    return false;
}

int vs_command_run(const vs_command *command, int argc, char *const *argv)
{
    if (asks_for(argc, argv, "--help", "-h")) {
        vs_command_help(command, stdout);
        return VS_EXIT_OK;
    }
    if (asks_for(argc, argv, "--version", "-V")) {
        (void)printf("veilsum %s\n", VS_VERSION);
        return VS_EXIT_OK;
    }
    vs_args args = {.command = command};
    args.item = calloc((size_t)argc + 1, sizeof *args.item);
    if (args.item == NULL) {
        (void)fprintf(stderr, "veilsum: out of memory\n");
        return VS_EXIT_FAILED;
    }
    int status = parse_all(&args, argc, argv);
    if (status == VS_EXIT_OK) status = command->run(&args);
    free(args.item);
    return status;
}

int vs_args_usage(const vs_args *args, const char *fmt, ...)
{
    vs_diag text; /* one line of printable text whatever was typed */
    char raw[VS_DIAG_BYTES];
    va_list list;
    va_start(list, fmt);
    (void)vsnprintf(raw, sizeof raw, fmt, list);
    va_end(list);
    (void)vs_fail(&text, VS_ERR_MALFORMED, "%s", raw);
    (void)fprintf(stderr, "veilsum %s: %s\nSee: veilsum %s --help\n", args->command->name,
                  text.text, args->command->name);
    return VS_EXIT_USAGE;
}

/* --- access ------------------------------------------------------------------------------------
 */

static const vs_opt *must_find(const vs_args *args, const char *name)
{
    const vs_opt *opt = find_opt(args->command, name, strlen(name));
    VS_ASSERT(opt != NULL);
    return opt;
}

uint32_t vs_args_count(const vs_args *args, const char *name)
{
    const vs_opt *opt = must_find(args, name);
    uint32_t count = 0;
    for (uint32_t i = 0; i < args->n; i++) count += args->item[i].opt == opt;
    return count;
}

const char *vs_args_nth(const vs_args *args, const char *name, uint32_t i)
{
    const vs_opt *opt = must_find(args, name);
    for (uint32_t at = 0; at < args->n; at++) {
        if (args->item[at].opt == opt && i-- == 0) return args->item[at].value;
    }
    VS_ASSERT(!"index of a repeated option");
    return NULL;
}

bool vs_args_given(const vs_args *args, const char *name)
{
    return vs_args_count(args, name) > 0;
}

bool vs_args_flag(const vs_args *args, const char *name)
{
    VS_ASSERT(must_find(args, name)->kind == VS_OPT_FLAG);
    return vs_args_given(args, name);
}

const char *vs_args_text(const vs_args *args, const char *name)
{
    return vs_args_given(args, name) ? vs_args_nth(args, name, 0) : must_find(args, name)->fallback;
}

uint64_t vs_args_uint(const vs_args *args, const char *name)
{
    uint64_t v = 0;
    const char *text = vs_args_text(args, name);
    VS_ASSERT(must_find(args, name)->kind == VS_OPT_UINT);
    VS_ASSERT(text == NULL || parse_uint(text, &v)); /* parsing has checked it */
    return v;
}

double vs_args_real(const vs_args *args, const char *name)
{
    double v = 0;
    const char *text = vs_args_text(args, name);
    VS_ASSERT(must_find(args, name)->kind == VS_OPT_REAL);
    VS_ASSERT(text == NULL || parse_real(text, &v));
    return v;
}

uint32_t vs_args_positionals(const vs_args *args)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < args->n; i++) n += args->item[i].opt == NULL;
    return n;
}

const char *vs_args_positional(const vs_args *args, uint32_t i)
{
    for (uint32_t at = 0; at < args->n; at++) {
        if (args->item[at].opt == NULL && i-- == 0) return args->item[at].value;
    }
    return NULL;
}
