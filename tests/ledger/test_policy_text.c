/* Trust policies as text. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/policy_text.h"
#include "tests/ledger/support_ledger.h"

enum { WITNESSES = 6 };

typedef struct scene {
    sample_key log, other, w[WITNESSES];
    char log_vkey[VS_VKEY_CHARS], other_vkey[VS_VKEY_CHARS], vkey[WITNESSES][VS_VKEY_CHARS];
    vs_tlog_policy *policy;
    vs_tlog_result *result;
    vs_diag diag;
} scene;

static scene scene_new(void)
{
    scene s = {.log = sample_key_of("example.org/log", VS_NOTE_ED25519, 1),
               .other = sample_key_of("example.org/other", VS_NOTE_ED25519, 2),
               .policy = calloc(1, sizeof *s.policy),
               .result = calloc(1, sizeof *s.result)};
    cr_assert(s.policy != NULL && s.result != NULL);
    vs_note_key_format(s.log_vkey, &s.log.key);
    vs_note_key_format(s.other_vkey, &s.other.key);
    for (uint64_t i = 0; i < WITNESSES; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "w%u", (unsigned)i);
        s.w[i] = sample_key_of(name, VS_NOTE_COSIGNATURE, 10 + i);
        vs_note_key_format(s.vkey[i], &s.w[i].key);
    }
    return s;
}

static void scene_free(scene *s)
{
    free(s->policy);
    free(s->result);
}

static vs_err parse(scene *s, const char *text)
{
    return vs_tlog_policy_parse(s->policy, text, strlen(text), &s->diag);
}

/* %0..%5 are the witnesses' keys, %l and %o the logs'. */
static char *with_keys(const scene *s, const char *pattern)
{
    vs_buf b = {0};
    for (const char *c = pattern; *c != '\0'; c++) {
        if (*c != '%') {
            vs_buf_u8(&b, (uint8_t)*c);
            continue;
        }
        c++;
        vs_buf_text(&b, *c == 'l' ? s->log_vkey : *c == 'o' ? s->other_vkey : s->vkey[*c - '0']);
    }
    vs_buf_u8(&b, 0);
    return (char *)b.p;
}

/* Does a checkpoint with these cosigners meet the policy? */
static bool met(scene *s, const char *cosigners)
{
    vs_buf note = {0};
    vs_checkpoint c = {.size = 5};
    vs_buf text = {0};
    (void)snprintf(c.origin, sizeof c.origin, "%s", s->log.key.name);
    cr_assert_eq(vs_checkpoint_format(&text, &c), VS_OK);
    cr_assert_eq(vs_note_sign(&note, (const char *)text.p, text.len, &s->log.key, s->log.seed),
                 VS_OK);
    for (; *cosigners != '\0'; cosigners++) {
        const sample_key *w = &s->w[*cosigners - '0'];
        uint8_t sig[VS_COSIGNATURE_BYTES];
        vs_cosign(sig, (const char *)text.p, text.len, 1700000000, w->seed);
        cr_assert_eq(vs_note_add_line(&note, &w->key, sig, sizeof sig), VS_OK);
    }
    cr_assert_eq(vs_tlog_policy_verify(s->result, s->policy, note.p, note.len, &s->diag), VS_OK,
                 "%s", s->diag.text);
    cr_expect_eq(s->result->checkpoint.size, 5);
    vs_buf_free(&note);
    vs_buf_free(&text);
    return s->result->quorum;
}

/* The specification's example: two of X and one of Y. */
Test(policy_text, groups_of_groups)
{
    scene s = scene_new();
    char *text = with_keys(&s, "# who signs\n\n log %l\thttps://log.example.org/ \nlog %o\n"
                               "witness X1 %0\nwitness X2 %1\nwitness X3 %2\n"
                               "group X-witnesses 2 X1 X2 X3\n"
                               "witness Y1 %3 https://w.example.org/y1\nwitness Y2 %4\n"
                               "witness Y3 %5\ngroup Y-witnesses any Y1 Y2 Y3\n"
                               "group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n");
    cr_assert_eq(parse(&s, text), VS_OK, "%s", s.diag.text);
    cr_expect_eq(s.policy->n_logs, 2);
    cr_expect_str_eq(s.policy->log[0].url, "https://log.example.org/");
    cr_expect_str_eq(s.policy->witness[3].url, "https://w.example.org/y1");
    for (unsigned set = 0; set < 64; set++) {
        char who[8] = "";
        for (unsigned i = 0; i < 6; i++) {
            if (set >> i & 1) (void)snprintf(who + strlen(who), 2, "%u", i);
        }
        bool want = __builtin_popcount(set & 7) >= 2 && (set >> 3) != 0;
        cr_expect_eq(met(&s, who), want, "%s", who);
        cr_expect_eq(s.result->n_cosigned, (uint32_t)__builtin_popcount(set));
    }
    free(text);
    scene_free(&s);
}

Test(policy_text, one_witness_or_none)
{
    scene s = scene_new();
    char *one = with_keys(&s, "log %l\nwitness a %0\nwitness b %1\nquorum b\n");
    cr_assert_eq(parse(&s, one), VS_OK, "%s", s.diag.text);
    cr_expect(!met(&s, "0") && met(&s, "1"));
    char *none = with_keys(&s, "log %l\nquorum none\n");
    cr_assert_eq(parse(&s, none), VS_OK, "%s", s.diag.text);
    cr_expect(met(&s, ""));
    free(one);
    free(none);
    scene_free(&s);
}

Test(policy_text, says_what_is_wrong_and_where)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "no quorum line"},
        {"log %l\n", "no quorum line"},
        {"quorum none", "line 1: does not end in a newline"},
        {"quorum none\nquorum none\n", "line 2: a second quorum"},
        {"quorum a\n", "line 1: the quorum's name is not defined above"},
        {"quorum none x\n", "takes one name"},
        {"log\nquorum none\n", "line 1: must be a key"},
        {"log %l a b\nquorum none\n", "line 1: must be a key"},
        {"log x\nquorum none\n", "line 1: key"},
        {"log %0\nquorum none\n", "must be of type 0x01"},
        {"witness a %l\nquorum none\n", "must be of type 0x04"},
        {"log %l\nlog %l\nquorum none\n", "line 2: this key is listed already"},
        {"witness a %0\nwitness b %0\nquorum none\n", "line 2: this key is listed already"},
        {"witness a %0\nwitness a %1\nquorum none\n", "line 2: this name is defined already"},
        {"witness none %0\nquorum none\n", "the name none is taken"},
        {"witness a\nquorum none\n", "a witness has a name and a key"},
        {"witness a %0\ngroup g 2 a\nquorum g\n", "line 2: a group needs"},
        {"witness a %0\ngroup g 0 a\nquorum g\n", "line 2: a group needs"},
        {"witness a %0\ngroup g 01 a\nquorum g\n", "line 2: a group needs"},
        {"witness a %0\ngroup g some a\nquorum g\n", "line 2: a group needs"},
        {"witness a %0\ngroup g any\nquorum none\n", "line 2: a group has"},
        {"group g any g\nquorum g\n", "line 1: a member is not defined above"},
        {"witness a %0\ngroup g any a a\nquorum g\n", "line 2: a member is listed twice"},
        {"witness a %0\ngroup g any a\ngroup h any a\nquorum g\n", "in another group already"},
        {"hello\nquorum none\n", "line 1: must begin with"},
        {"log \x01\nquorum none\n", "line 1: a control character"},
        {"quorum none\r\n", "line 1: a control character"},
    };
    scene s = scene_new();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        vs_tlog_policy zero = {0};
        char *text = with_keys(&s, bad[i].text);
        cr_expect_eq(parse(&s, text), VS_ERR_MALFORMED, "case %zu", i);
        cr_expect_not_null(strstr(s.diag.text, bad[i].says), "case %zu: %s", i, s.diag.text);
        cr_expect_eq(memcmp(s.policy, &zero, sizeof zero), 0, "nothing is left of it");
        free(text);
    }
    scene_free(&s);
}

/* What we write for a federation is read again, and asks for the same. */
Test(policy_text, a_simple_policy_there_and_back)
{
    scene s = scene_new();
    vs_buf text = {0};
    vs_policy simple = {.log_key = s.log.key, .n_cosigners = 4, .quorum = 3};
    for (uint32_t i = 0; i < 4; i++) simple.cosigner[i] = s.w[i].key;
    cr_assert_eq(vs_policy_text_format(&text, &simple), VS_OK);
    cr_assert_eq(vs_tlog_policy_parse(s.policy, text.p, text.len, &s.diag), VS_OK, "%s",
                 s.diag.text);
    cr_expect(met(&s, "013") && !met(&s, "13") && !met(&s, "145"));
    vs_tlog_policy_of(s.policy, &simple);
    cr_expect(met(&s, "013") && !met(&s, "13"));
    vs_buf_free(&text);
    scene_free(&s);
}

Test(policy_text, the_log_of_the_origin_must_have_signed)
{
    vs_buf note = {0};
    scene s = scene_new();
    char *text = with_keys(&s, "log %o\nquorum none\n");
    cr_assert_eq(parse(&s, text), VS_OK);
    const char *body = "example.org/log\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    cr_assert_eq(vs_note_sign(&note, body, strlen(body), &s.other.key, s.other.seed), VS_OK);
    cr_expect_eq(vs_tlog_policy_verify(s.result, s.policy, note.p, note.len, &s.diag),
                 VS_ERR_PROOF);
    cr_expect_not_null(strstr(s.diag.text, "not signed by a log of the policy"), "%s", s.diag.text);
    vs_buf_free(&note);
    free(text);
    scene_free(&s);
}
