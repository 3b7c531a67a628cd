/* cli/args.h - one command of the program: what it takes, its manual page, its parsed arguments.
 *
 * A command is a constant table (vs_command). Options are read as `--name value` and
 * `--name=value`;
 * `--` ends them. What does not fit the table never reaches the command: the parser says
 * `veilsum submit: --weight: "abc" is not a whole number` and the program ends with status 2.
 * `COMMAND --help` prints a manual page made from the same table. */
#ifndef VS_CLI_ARGS_H
#define VS_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

/* Exit status of the program. */
enum { VS_EXIT_OK = 0, VS_EXIT_FAILED = 1, VS_EXIT_USAGE = 2 };

typedef enum vs_opt_kind {
    VS_OPT_FLAG, /* no value */
    VS_OPT_TEXT,
    VS_OPT_UINT,   /* whole number, min..max where max is not 0 */
    VS_OPT_REAL,   /* finite decimal number */
    VS_OPT_CHOICE, /* one of the words in arg, as in "robust|private" */
} vs_opt_kind;

typedef struct vs_opt {
    const char *name; /* without the dashes; NULL ends the list */
    const char *arg;  /* name of the value in the manual: "FILE"; NULL for a flag */
    vs_opt_kind kind;
    bool required;
    bool repeat;          /* may be given more than once */
    uint64_t min, max;    /* UINT */
    const char *fallback; /* value when it is not given, shown in the manual; NULL: none */
    const char *help;     /* sentences; the manual adds the default */
} vs_opt;

/* Positional arguments, in order; name NULL ends the list. Only the last may have max > 1. */
typedef struct vs_positional {
    const char *name; /* "FILE" */
    uint32_t min, max;
    const char *help;
} vs_positional;

typedef struct vs_args vs_args;

typedef struct vs_command {
    const char *name;        /* at most 26 characters: "keygen" or "federation new" */
    const char *summary;     /* at most 49 characters, lower case, no full stop */
    const char *description; /* paragraphs divided by an empty line; wrapped by the manual; a
                                paragraph that starts with a space keeps its lines */
    const vs_opt *options;
    const vs_positional *positionals;
    const char *examples;            /* lines, kept as they are */
    int (*run)(const vs_args *args); /* exit status */
} vs_command;

/* The option of every command that prints results. */
#define VS_OPT_JSON                                                                                \
    {                                                                                              \
        .name = "json", .kind = VS_OPT_FLAG, .help = "Print JSON instead of text."                 \
    }

/* Parse what follows the command's name and run it. Returns the exit status. */
int vs_command_run(const vs_command *command, int argc, char *const *argv);
/* The manual page. */
void vs_command_help(const vs_command *command, FILE *out);

/* --- inside a command; asking for an option that is not in its table is a caller bug ------------
 */

bool vs_args_flag(const vs_args *args, const char *name);
bool vs_args_given(const vs_args *args, const char *name);       /* on the command line */
const char *vs_args_text(const vs_args *args, const char *name); /* or fallback, or NULL */
uint64_t vs_args_uint(const vs_args *args, const char *name);    /* or fallback, or 0 */
double vs_args_real(const vs_args *args, const char *name);      /* or fallback, or 0 */
uint32_t vs_args_count(const vs_args *args, const char *name);   /* of a repeated option */
const char *vs_args_nth(const vs_args *args, const char *name, uint32_t i); /* i < count */
uint32_t vs_args_positionals(const vs_args *args);
const char *vs_args_positional(const vs_args *args, uint32_t i); /* NULL beyond the last */

/* "veilsum submit: <message>" and where to find help, to stderr. Returns VS_EXIT_USAGE. */
int vs_args_usage(const vs_args *args, const char *fmt, ...) VS_PRINTF(2, 3);

#endif /* VS_CLI_ARGS_H */
