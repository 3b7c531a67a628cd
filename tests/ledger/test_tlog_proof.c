#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "ledger/policy.h"
#include "ledger/tlog_proof.h"
#include "tests/ledger/support_ledger.h"
#include "tests/support.h"

enum { LEAVES = 11, COSIGNERS = 4, QUORUM = 3 };

typedef struct world {
    sample_key log;
    sample_key cosigner[COSIGNERS];
    vs_policy policy;
    char entry[LEAVES][16];
    vs_h32 leaf[LEAVES];
    vs_h32 root;
    vs_buf text; /* of the checkpoint */
    vs_buf note; /* signed by the log and the first QUORUM cosigners */
} world;

static vs_err read_node(void *ctx, uint32_t level, uint64_t index, vs_h32 *out)
{
    const world *w = ctx;
    vs_merkle m;
    vs_merkle_init(&m);
    for (uint64_t i = index << level; i < (index + 1) << level; i++) {
        vs_merkle_append(&m, &w->leaf[i]);
    }
    vs_merkle_root(&m, out);
    return VS_OK;
}

static void cosign(vs_buf *note, const world *w, uint32_t i)
{
    uint8_t sig[VS_COSIGNATURE_BYTES];
    vs_cosign(sig, (const char *)w->text.p, w->text.len, 1700000000 + i, w->cosigner[i].seed);
    cr_assert_eq(vs_note_add_line(note, &w->cosigner[i].key, sig, sizeof sig), VS_OK);
}

static void sign_note(vs_buf *note, const world *w, uint32_t n_cosigners)
{
    cr_assert_eq(vs_note_sign(note, (const char *)w->text.p, w->text.len, &w->log.key, w->log.seed),
                 VS_OK);
    for (uint32_t i = 0; i < n_cosigners; i++) cosign(note, w, i);
}

static world *world_new(void)
{
    world *w = calloc(1, sizeof *w);
    w->log = sample_key_of("example.org/log", VS_NOTE_ED25519, 1);
    w->policy.log_key = w->log.key;
    w->policy.n_cosigners = COSIGNERS;
    w->policy.quorum = QUORUM;
    for (uint32_t i = 0; i < COSIGNERS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "shareholder-%u", i + 1);
        w->cosigner[i] = sample_key_of(name, VS_NOTE_COSIGNATURE, 10 + i);
        w->policy.cosigner[i] = w->cosigner[i].key;
    }
    for (uint32_t i = 0; i < LEAVES; i++) {
        (void)snprintf(w->entry[i], sizeof w->entry[i], "entry %u", i);
        vs_merkle_leaf(&w->leaf[i], w->entry[i], strlen(w->entry[i]));
    }
    vs_tree_reader tree = {read_node, w};
    cr_assert_eq(vs_tree_root(&tree, LEAVES, &w->root), VS_OK);
    vs_checkpoint c = {.origin = "example.org/log", .size = LEAVES, .root = w->root};
    cr_assert_eq(vs_checkpoint_format(&w->text, &c), VS_OK);
    sign_note(&w->note, w, QUORUM);
    return w;
}

static void world_free(world *w)
{
    vs_buf_free(&w->text);
    vs_buf_free(&w->note);
    free(w);
}

static vs_buf receipt_of(world *w, uint64_t index)
{
    vs_buf out = {0};
    vs_tree_reader tree = {read_node, w};
    vs_tlog_proof p = {.index = index, .checkpoint = w->note};
    cr_assert_eq(vs_tree_prove_inclusion(&tree, index, LEAVES, &p.path), VS_OK);
    cr_assert_eq(vs_tlog_proof_format(&out, &p), VS_OK);
    return out;
}

static vs_err check(const world *w, const vs_buf *receipt, const char *entry)
{
    vs_policy_result r;
    vs_diag diag = {{0}};
    vs_err err = vs_tlog_proof_verify_entry(&r, receipt->p, receipt->len, &w->policy, entry,
                                            strlen(entry), &diag);
    cr_expect_eq(err == VS_OK, diag.text[0] == '\0');
    cr_expect_eq(r.checkpoint.size, err == VS_OK ? LEAVES : 0);
    return err;
}

Test(tlog_proof, receipts_of_all_entries_verify)
{
    world *w = world_new();
    for (uint32_t i = 0; i < LEAVES; i++) {
        vs_buf receipt = receipt_of(w, i);
        cr_expect_eq(check(w, &receipt, w->entry[i]), VS_OK);
        cr_expect_eq(check(w, &receipt, w->entry[(i + 1) % LEAVES]), VS_ERR_PROOF);
        vs_buf_free(&receipt);
    }
    world_free(w);
}

/* What is not the checkpoint's unknown or surplus part cannot change. */
Test(tlog_proof, any_flipped_bit_is_refused)
{
    world *w = world_new();
    vs_buf receipt = receipt_of(w, 6);
    for (size_t i = 0; i < receipt.len * 8; i++) {
        receipt.p[i / 8] ^= (uint8_t)(1u << (i % 8));
        cr_expect_neq(check(w, &receipt, w->entry[6]), VS_OK, "bit %zu", i);
        receipt.p[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
    vs_buf_free(&receipt);
    world_free(w);
}

static vs_err parse(const char *text)
{
    vs_tlog_proof p;
    vs_diag diag = {{0}};
    vs_err err = vs_tlog_proof_parse(&p, (const uint8_t *)text, strlen(text), &diag);
    if (err == VS_OK) {
        vs_buf b = {0};
        cr_assert_eq(vs_tlog_proof_format(&b, &p), VS_OK);
        cr_expect(b.len == strlen(text) && memcmp(b.p, text, b.len) == 0, "%s", text);
        vs_buf_free(&b);
    }
    vs_tlog_proof_free(&p);
    return err;
}

#define H "rzFuy5Go7nrpkhBwKy1HWPMM3eO/YePY54fXRoH5Cm4=\n"
#define V1 "c2sp.org/tlog-proof@v1\n"

Test(tlog_proof, form)
{
    cr_expect_eq(parse(V1 "index 0\n\nx\n"), VS_OK);
    cr_expect_eq(parse(V1 "extra AA==\nindex 9223372036854775807\n" H H "\nx\n\ny\n"), VS_OK);
    const char *bad[] = {"",
                         V1,
                         V1 "index 0\n",
                         V1 "index 0\n\n",
                         V1 "index 0\n" H,
                         V1 "index 0\n" H "x\n",
                         V1 "index 00\n\nx\n",
                         V1 "index 9223372036854775808\n\nx\n",
                         V1 "index  0\n\nx\n",
                         V1 "index 0 \n\nx\n",
                         V1 "extra \nindex 0\n\nx\n",
                         V1 "extra AB==\nindex 0\n\nx\n",
                         V1 "extra AA==\nextra AA==\nindex 0\n\nx\n",
                         V1 "index 0\nextra AA==\n\nx\n",
                         V1 "index 0\nAA==\n\nx\n",
                         "c2sp.org/tlog-proof@v1 \nindex 0\n\nx\n",
                         "c2sp.org/tlog-proof@v2\nindex 0\n\nx\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(parse(bad[i]), VS_ERR_MALFORMED, "case %zu", i);
    }
    vs_buf many = {0};
    vs_buf_text(&many, V1 "index 0\n");
    for (unsigned i = 0; i < VS_TREE_PATH_MAX + 1; i++) vs_buf_text(&many, H);
    vs_buf_label(&many, "\nx\n");
    cr_expect_eq(parse((const char *)many.p), VS_ERR_MALFORMED);
    vs_buf_free(&many);
}

static vs_err judge(const vs_policy *p, const vs_buf *note, vs_policy_result *r, vs_diag *diag)
{
    memset(diag, 0, sizeof *diag);
    return vs_policy_verify(r, p, note->p, note->len, diag);
}

Test(policy, quorum_counts_distinct_cosigners)
{
    world *w = world_new();
    vs_policy_result r;
    vs_diag diag;
    cr_expect_eq(judge(&w->policy, &w->note, &r, &diag), VS_OK, "%s", diag.text);
    cr_expect_eq(r.n_cosigned, QUORUM);
    cr_expect(r.cosigned[0] && r.cosigned[2] && !r.cosigned[3]);
    cr_expect_eq(r.time_s[2], 1700000002);
    cr_expect(vs_h32_equal(&r.checkpoint.root, &w->root));
    vs_buf few = {0};
    sign_note(&few, w, QUORUM - 1);
    cosign(&few, w, 0); /* again the first */
    cr_expect_eq(judge(&w->policy, &few, &r, &diag), VS_ERR_PROOF);
    cr_expect_not_null(strstr(diag.text, "2 of 4 cosignatures, 3 needed"), "%s", diag.text);
    cr_expect_eq(r.checkpoint.size, 0);
    w->policy.quorum = 2;
    cr_expect_eq(judge(&w->policy, &few, &r, &diag), VS_OK);
    vs_buf_free(&few);
    world_free(w);
}

Test(policy, cosignatures_without_the_log_are_not_enough)
{
    world *w = world_new();
    vs_policy_result r;
    vs_diag diag;
    sample_key other = sample_key_of("example.org/log", VS_NOTE_ED25519, 99);
    w->policy.log_key = other.key;
    cr_expect_eq(judge(&w->policy, &w->note, &r, &diag), VS_ERR_PROOF);
    cr_expect_not_null(strstr(diag.text, "log key"), "%s", diag.text);
    world_free(w);
}

Test(policy, the_origin_is_the_log_keys_name)
{
    world *w = world_new();
    vs_policy_result r;
    vs_diag diag;
    vs_buf note = {0};
    sample_key log = sample_key_of("example.org/other", VS_NOTE_ED25519, 1);
    w->policy.log_key = log.key;
    w->policy.quorum = 0;
    cr_assert_eq(vs_note_sign(&note, (const char *)w->text.p, w->text.len, &log.key, log.seed),
                 VS_OK);
    cr_expect_eq(judge(&w->policy, &note, &r, &diag), VS_ERR_PROOF);
    cr_expect_not_null(strstr(diag.text, "origin"), "%s", diag.text);
    vs_buf_reset(&note);
    cr_assert_eq(vs_note_sign(&note, "no checkpoint\n", 14, &log.key, log.seed), VS_OK);
    cr_expect_eq(judge(&w->policy, &note, &r, &diag), VS_ERR_MALFORMED);
    vs_buf_free(&note);
    world_free(w);
}

Test(policy, its_own_rules)
{
    world *w = world_new();
    vs_policy p = w->policy;
    cr_expect_eq(vs_policy_check(&p, NULL), VS_OK);
    p.quorum = COSIGNERS + 1;
    cr_expect_eq(vs_policy_check(&p, NULL), VS_ERR_LIMIT);
    p = w->policy;
    p.n_cosigners = VS_POLICY_COSIGNERS_MAX + 1;
    cr_expect_eq(vs_policy_check(&p, NULL), VS_ERR_LIMIT);
    p = w->policy;
    p.log_key.type = VS_NOTE_COSIGNATURE;
    cr_expect_eq(vs_policy_check(&p, NULL), VS_ERR_LIMIT);
    p = w->policy;
    p.cosigner[1].type = VS_NOTE_ED25519;
    cr_expect_eq(vs_policy_check(&p, NULL), VS_ERR_LIMIT);
    p = w->policy;
    p.cosigner[3] = sample_key_of("another-name", VS_NOTE_COSIGNATURE, 10).key; /* key of 1 */
    cr_expect_eq(vs_policy_check(&p, NULL), VS_ERR_LIMIT);
    p = w->policy;
    p.cosigner[3] = sample_key_of("log-as-cosigner", VS_NOTE_COSIGNATURE, 1).key;
    cr_expect_eq(vs_policy_check(&p, NULL), VS_ERR_LIMIT);
    world_free(w);
}
