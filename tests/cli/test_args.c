#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tests/cli/support_run.h"

#define SHOW "veilsum federation show: "
#define SHOW_END "\nSee: veilsum federation show --help\n"
#define NEW "veilsum federation new: "
#define NEW_END "\nSee: veilsum federation new --help\n"

Test(cli, version_and_help_stand_everywhere_and_succeed)
{
    static const char *const before[][3] = {
        {NULL}, {"keygen", NULL}, {"federation", NULL}, {"federation", "new", NULL}};
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        const char *args[4] = {NULL};
        size_t n = 0;
        while (before[i][n] != NULL) args[n] = before[i][n], n++;
        args[n] = "--version";
        vs_run run = vs_run_program("/", args);
        cr_expect_eq(run.status, 0);
        cr_expect_str_eq(run.out, "veilsum " VS_VERSION "\n");
        cr_expect_str_empty(run.err);
        vs_run_free(&run);
        args[n] = "--help";
        run = vs_run_program("/", args);
        cr_expect_eq(run.status, 0);
        cr_expect(strstr(run.out, "veilsum") != NULL);
        cr_expect_str_empty(run.err);
        vs_run_free(&run);
    }
}

Test(cli, every_command_has_a_whole_manual_page_of_80_columns)
{
    vs_run all = VS_RUN("/", "--help");
    cr_assert_eq(all.status, 0);
    uint32_t n = 0;
    char *rest = NULL;
    for (char *line = strtok_r(all.out, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char first[40], second[40];
        cr_expect_leq(strlen(line), 80, "%s", line);
        if (strncmp(line, "    ", 4) != 0 || line[4] == ' ') continue;
        char *gap = strstr(line + 4, "  "); /* the name ends at two spaces */
        if (gap == NULL) continue;
        *gap = '\0';
        int words = sscanf(line, "%39s %39s", first, second);
        vs_run run =
            words == 2 ? VS_RUN("/", first, second, "--help") : VS_RUN("/", first, "--help");
        cr_expect_eq(run.status, 0, "%s", line);
        static const char *const parts[] = {"NAME\n",      "\nSYNOPSIS\n", "\nDESCRIPTION\n",
                                            "\nOPTIONS\n", "\nEXAMPLES\n", "\nEXIT STATUS\n"};
        for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++) {
            cr_expect(strstr(run.out, parts[p]) != NULL, "%s: no %s", line, parts[p]);
        }
        for (const char *c = run.out; *c != '\0'; c += strcspn(c, "\n"), c += *c == '\n') {
            cr_expect_leq(strcspn(c, "\n"), 80, "%s: %.90s", line, c);
        }
        vs_run_free(&run);
        n++;
    }
    cr_expect_geq(n, 4);
    vs_run_free(&all);
}

Test(cli, wrong_usage_is_named_and_gives_status_2)
{
    cr_expect(VS_RUN_EXPECT(
        "/", 2, "", "veilsum: \"keygn\" is not a command; did you mean keygen?\n", "keygn"));
    cr_expect(VS_RUN_EXPECT("/", 2, "", "veilsum: \"x?y\" is not a command\nSee: veilsum --help\n",
                            "x\ny"));
    cr_expect(VS_RUN_EXPECT("/", 2, "", NULL, "federation"));
    cr_expect(VS_RUN_EXPECT("/", 2, "", NULL, "federation", "nwe"));
    cr_expect(VS_RUN_EXPECT("/", 2, "", SHOW "FILE is missing" SHOW_END, "federation", "show"));
    cr_expect(VS_RUN_EXPECT("/", 2, "", SHOW "\"b\": unexpected argument" SHOW_END, "federation",
                            "show", "a", "b"));
    cr_expect(VS_RUN_EXPECT("/", 2, "", SHOW "--json: takes no value" SHOW_END, "federation",
                            "show", "--json=1", "a"));
    cr_expect(VS_RUN_EXPECT("/", 2, "", SHOW "--jsn: unknown option; did you mean --json?" SHOW_END,
                            "federation", "show", "--jsn", "a"));
    cr_expect(VS_RUN_EXPECT("/", 2, "", SHOW "--colour: unknown option" SHOW_END, "federation",
                            "show", "--colour=red", "a"));
    cr_expect(VS_RUN_EXPECT("/", 2, "", SHOW "-j: unknown option; options have two dashes" SHOW_END,
                            "federation", "show", "-j", "a"));
    cr_expect(VS_RUN_EXPECT("/", 2, "", SHOW "--json: given twice" SHOW_END, "federation", "show",
                            "--json", "--json", "a"));
    cr_expect(VS_RUN_EXPECT("/", 2, "", NEW "--name NAME is missing" NEW_END, "federation", "new"));
}

Test(cli, bad_values_are_named_and_give_status_2)
{
    static const struct {
        const char *option, *value, *message;
    } cases[] = {
        {"--max-clients", "abc", "--max-clients: \"abc\" is not a whole number"},
        {"--max-clients", "", "--max-clients: \"\" is not a whole number"},
        {"--max-clients", "1.5", "--max-clients: \"1.5\" is not a whole number"},
        {"--max-clients", "-1", "--max-clients: \"-1\" is not a whole number"},
        {"--max-clients", "18446744073709551616",
         "--max-clients: \"18446744073709551616\" is not a whole number"},
        {"--max-clients", "32769", "--max-clients: 32769 is outside 0..32768"},
        {"--max-clients", NULL, "--max-clients: needs a value: --max-clients N"},
        {"--max-clients", "--demo", "--max-clients: needs a value: --max-clients N"},
        {"--clip-norm", "ten", "--clip-norm: \"ten\" is not a number"},
        {"--clip-norm", "inf", "--clip-norm: \"inf\" is not a number"},
        {"--clip-norm", "1e999", "--clip-norm: \"1e999\" is not a number"},
        {"--clip-norm", "0x10", "--clip-norm: \"0x10\" is not a number"},
        {"--rounding", "up", "--rounding: \"up\" is not one of stochastic|nearest"},
        {"--rounding", "stochastic|nearest",
         "--rounding: \"stochastic|nearest\" is not one of stochastic|nearest"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[300];
        (void)snprintf(text, sizeof text, NEW "%s" NEW_END, cases[i].message);
        cr_expect(
            VS_RUN_EXPECT("/", 2, "", text, "federation", "new", cases[i].option, cases[i].value),
            "case %zu", i);
    }
}

Test(cli, two_dashes_end_the_options)
{
    cr_expect(VS_RUN_EXPECT("/", 1, "", "veilsum: --json: cannot open: No such file or directory\n",
                            "federation", "show", "--", "--json"));
    cr_expect(VS_RUN_EXPECT("/", 1, "", "veilsum: --help: cannot open: No such file or directory\n",
                            "federation", "show", "--", "--help"));
}
