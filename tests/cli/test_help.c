/* docs/CLI.md tells of every command and option that the program has. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "tests/cli/support_run.h"

enum { WORDS = 4, LINE = 512 };

static char *read_manual(void)
{
    vs_buf text = {0};
    vs_diag diag;
    cr_assert_eq(vs_file_read(&text, VS_SOURCE_DIR "/docs/CLI.md", 1 << 20, &diag), VS_OK, "%s",
                 diag.text);
    vs_buf_u8(&text, 0);
    cr_assert_eq(vs_buf_check(&text), VS_OK);
    return (char *)text.p;
}

/* The part of the manual from this command's title to the next title; NULL: it has none. */
static char *section_of(const char *manual, const char *command)
{
    char title[LINE];
    (void)snprintf(title, sizeof title, "\n### veilsum %s\n", command);
    const char *start = strstr(manual, title);
    if (start == NULL) return NULL;
    start += strlen(title);
    const char *end = strstr(start, "\n### ");
    return strndup(start, end == NULL ? strlen(start) : (size_t)(end - start));
}

/* Every "    --option" line of the manual page stands in the section. */
static void expect_options(const char *command, const char *page, const char *section)
{
    uint32_t n_options = 0;
    const char *at = strstr(page, "\nOPTIONS\n");
    cr_assert_not_null(at, "%s", command);
    while ((at = strstr(at, "\n    --")) != NULL) {
        char option[LINE];
        at += strlen("\n    ");
        (void)snprintf(option, sizeof option, "%.*s", (int)strcspn(at, "\n"), at);
        cr_expect(strstr(section, option) != NULL, "veilsum %s: docs/CLI.md lacks \"%s\"", command,
                  option);
        n_options++;
    }
    cr_expect(n_options >= 1, "%s", command);
}

static void check_command(const char *manual, const char *command)
{
    char words[LINE];
    const char *args[WORDS + 2] = {NULL};
    uint32_t n = 0;
    char *rest = NULL;
    (void)snprintf(words, sizeof words, "%s", command);
    for (char *w = strtok_r(words, " ", &rest); w != NULL && n < WORDS;
         w = strtok_r(NULL, " ", &rest)) {
        args[n++] = w;
    }
    args[n] = "--help";
    vs_run run = vs_run_program("/", args);
    cr_expect_eq(run.status, 0, "%s", command);
    cr_expect_str_empty(run.err, "%s", command);
    char *section = section_of(manual, command);
    cr_expect_not_null(section, "docs/CLI.md lacks \"### veilsum %s\": run ./dev docs", command);
    if (section != NULL) expect_options(command, run.out, section);
    free(section);
    vs_run_free(&run);
}

Test(cli_help, docs_tell_every_command_and_option)
{
    char *manual = read_manual();
    vs_run run = VS_RUN("/", "--help");
    char *rest = NULL;
    uint32_t n_commands = 0;
    cr_assert_eq(run.status, 0);
    for (char *line = strtok_r(run.out, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char command[32];
        if (strncmp(line, "    ", 4) != 0 || line[4] == ' ') continue; /* "    name   summary" */
        (void)snprintf(command, sizeof command, "%.26s", line + 4);
        for (size_t len = strlen(command); len > 0 && command[len - 1] == ' ';) {
            command[--len] = '\0';
        }
        check_command(manual, command);
        n_commands++;
    }
    cr_expect(n_commands >= 5);
    vs_run_free(&run);
    free(manual);
}
