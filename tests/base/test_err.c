#include <signal.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/err.h"

Test(err, every_code_has_its_name)
{
    static const char *const names[] = {"ok",    "malformed", "proof", "state",
                                        "limit", "nomem",     "io",    "timeout"};
    for (int i = 0; i < 8; i++) cr_expect_str_eq(vs_err_name((vs_err)i), names[i]);
    cr_expect_str_eq(vs_err_name((vs_err)99), "unknown");
}

Test(err, fail_writes_the_message_and_passes_the_code_on)
{
    vs_diag diag;
    cr_expect_eq(vs_fail(&diag, VS_ERR_LIMIT, "%s is %d", "x", 7), VS_ERR_LIMIT);
    cr_expect_str_eq(diag.text, "x is 7");
    cr_expect_eq(vs_fail(NULL, VS_ERR_IO, "%s", "nowhere"), VS_ERR_IO);
}

/* What a peer sends must not move the cursor of whoever reads the log. */
Test(err, control_characters_become_question_marks)
{
    vs_diag diag;
    (void)vs_fail(&diag, VS_ERR_MALFORMED, "a%sb", "\x1b[2J\n\r\t\x7f");
    cr_expect_str_eq(diag.text, "a?[2J????b");
    vs_diag_prefix(&diag, "p%c", '\n');
    cr_expect_str_eq(diag.text, "p?: a?[2J????b");
}

Test(err, messages_are_cut_to_fit)
{
    char longer[2 * VS_DIAG_BYTES];
    vs_diag diag;
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    (void)vs_fail(&diag, VS_ERR_IO, "%s", longer);
    cr_expect_eq(strlen(diag.text), VS_DIAG_BYTES - 1);
    vs_diag_prefix(&diag, "%s", "first");
    cr_expect_eq(strlen(diag.text), VS_DIAG_BYTES - 1);
    cr_expect_eq(strncmp(diag.text, "first: xxx", 10), 0);
    vs_diag_prefix(&diag, "%s", longer);
    cr_expect_eq(strlen(diag.text), VS_DIAG_BYTES - 1);
    vs_diag_prefix(NULL, "x");
}

Test(err, assertion_stops_in_every_build, .signal = SIGABRT)
{
    VS_ASSERT(1 + 1 == 3);
}
