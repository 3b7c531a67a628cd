#include "cli/commands.h"

#include <string.h>

#include "cli/suggest.h"

/* A group title or a command. */
typedef struct entry {
    const char *title;
    const vs_command *command;
} entry;

static const entry table[] = {
#define GROUP(text) {.title = (text), .command = NULL},
#define COMMAND(x) {.title = NULL, .command = &vs_cmd_##x},
#include "cli/commands.def"
#undef GROUP
#undef COMMAND
};
enum { N_ENTRIES = sizeof table / sizeof table[0] };

/* Bytes of the first word of a command's name if there is a second one, else 0. */
static size_t group_len(const vs_command *command)
{
    const char *space = strchr(command->name, ' ');
    return space == NULL ? 0 : (size_t)(space - command->name);
}

static bool in_group(const vs_command *command, const char *group)
{
    size_t len = group_len(command);
    return len != 0 && strlen(group) == len && memcmp(command->name, group, len) == 0;
}

/* All commands, or those of one group. Titles of empty groups are left out. */
static void list(FILE *out, const char *group)
{
    const char *title = NULL;
    for (size_t i = 0; i < N_ENTRIES; i++) {
        const vs_command *c = table[i].command;
        if (c == NULL) title = table[i].title;
        if (c == NULL || (group != NULL && !in_group(c, group))) continue;
        if (group == NULL && title != NULL) (void)fprintf(out, "\n%s\n", title);
        title = NULL;
        (void)fprintf(out, "    %-26s %s\n", c->name, c->summary);
    }
}

static void program_help(FILE *out)
{
    (void)fprintf(out,
                  "veilsum adds up secret vectors: clients split them into shares, a committee\n"
                  "adds the shares, and only the sum is ever put together again.\n\n"
                  "usage: veilsum COMMAND [OPTIONS]\n"
                  "       veilsum COMMAND --help | --help | --version\n");
    list(out, NULL);
    (void)fprintf(out, "\nExit status: 0 done; 1 refused, or a check failed; 2 wrong usage.\n");
}

static bool is_group(const char *word)
{
    for (size_t i = 0; i < N_ENTRIES; i++) {
        if (table[i].command != NULL && in_group(table[i].command, word)) return true;
    }
    return false;
}

static const vs_command *find(const char *first, const char *second)
{
    for (size_t i = 0; i < N_ENTRIES; i++) {
        const vs_command *c = table[i].command;
        if (c == NULL) continue;
        size_t group = group_len(c);
        if (group == 0 && strcmp(c->name, first) == 0) return c;
        if (second != NULL && in_group(c, first) && strcmp(c->name + group + 1, second) == 0) {
            return c;
        }
    }
    return NULL;
}

static int unknown_command(const char *word)
{
    vs_suggestion near = vs_suggest_start(word, strlen(word));
    vs_diag text;
    for (size_t i = 0; i < N_ENTRIES; i++) {
        if (table[i].command != NULL) vs_suggest_try(&near, table[i].command->name);
    }
    (void)vs_fail(&text, VS_ERR_MALFORMED, "\"%s\" is not a command", word);
    if (near.best != NULL) {
        (void)fprintf(stderr, "veilsum: %s; did you mean %s?\n", text.text, near.best);
    } else {
        (void)fprintf(stderr, "veilsum: %s\nSee: veilsum --help\n", text.text);
    }
    return VS_EXIT_USAGE;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static bool is_version(const char *word)
{
    return strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0;
}

static int run_group(const char *group, const char *word)
{
    bool help = word != NULL && is_help(word);
    if (!help && word != NULL) {
        vs_diag text;
        (void)vs_fail(&text, VS_ERR_MALFORMED, "\"%s\" is not a command of it", word);
        (void)fprintf(stderr, "veilsum %s: %s\n", group, text.text);
    }
    FILE *out = help ? stdout : stderr;
    (void)fprintf(out, "usage: veilsum %s COMMAND [OPTIONS]\n\n", group);
    list(out, group);
    return help ? VS_EXIT_OK : VS_EXIT_USAGE;
}

int vs_commands_main(int argc, char *const *argv)
{
    if (argc == 0) {
        program_help(stderr);
        return VS_EXIT_USAGE;
    }
    if (is_help(argv[0])) {
        program_help(stdout);
        return VS_EXIT_OK;
    }
    if (is_version(argv[0]) || (argc > 1 && is_group(argv[0]) && is_version(argv[1]))) {
        (void)printf("veilsum %s\n", VS_VERSION);
        return VS_EXIT_OK;
    }
    const vs_command *command = find(argv[0], argc > 1 ? argv[1] : NULL);
    if (command != NULL) {
        int words = group_len(command) == 0 ? 1 : 2;
        return vs_command_run(command, argc - words, argv + words);
    }
    if (is_group(argv[0])) return run_group(argv[0], argc > 1 ? argv[1] : NULL);
    return unknown_command(argv[0]);
}
