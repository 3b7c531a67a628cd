/* A witness (C2SP tlog-witness), and a log that asks one. */
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/log.h"
#include "net/witness.h"
#include "tests/support.h"

typedef struct party {
    uint8_t seed[32];
    vs_note_key key;
} party;

typedef struct scene {
    char *dir;
    party log, other, cosigner;
    vs_log *l;
    vs_store store;
    vs_tlog_policy *logs;
    vs_witness *w;
    vs_witness_reply r;
} scene;

static party party_of(const char *name, uint8_t type, uint8_t n)
{
    party p = {.seed = {n}};
    vs_h32 pk;
    uint8_t sk[crypto_sign_SECRETKEYBYTES];
    (void)crypto_sign_seed_keypair(pk.b, sk, p.seed);
    cr_assert_eq(vs_note_key_make(&p.key, name, type, &pk, NULL), VS_OK);
    return p;
}

static void start(scene *s)
{
    vs_witness_free(s->w);
    cr_assert_eq(vs_witness_new(&s->w, s->logs, &s->cosigner.key, s->cosigner.seed, s->store, NULL),
                 VS_OK);
}

static scene scene_new(void)
{
    cr_assert_geq(sodium_init(), 0);
    scene s = {.dir = vs_test_folder_new(),
               .log = party_of("example.org/log", VS_NOTE_ED25519, 1),
               .other = party_of("example.org/other", VS_NOTE_ED25519, 2),
               .cosigner = party_of("w.example.org", VS_NOTE_COSIGNATURE, 3),
               .logs = calloc(1, sizeof *s.logs)};
    char path[400];
    (void)snprintf(path, sizeof path, "%s/log", s.dir);
    cr_assert_eq(vs_log_create(&s.l, path, s.log.key.name, &s.log.key, s.log.seed, NULL), VS_OK);
    cr_assert_eq(vs_store_mem_open(&s.store), VS_OK);
    s.logs->n_logs = 1;
    s.logs->log[0].key = s.log.key;
    start(&s);
    return s;
}

static void scene_free(scene *s)
{
    vs_witness_free(s->w);
    vs_store_mem_close(&s->store);
    vs_log_close(s->l);
    vs_buf_free(&s->r.body);
    free(s->logs);
    vs_test_folder_remove(s->dir);
}

static void append(vs_log *log, uint32_t n, char c)
{
    uint64_t first;
    for (uint32_t i = 0; i < n; i++) {
        vs_bytes e = {(const uint8_t *)&c, 1};
        cr_assert_eq(vs_log_append(log, &e, 1, &first, NULL, NULL), VS_OK);
    }
}

static uint16_t post(scene *s, const void *body, size_t len)
{
    vs_diag diag = {{0}};
    vs_buf_free(&s->r.body);
    s->r = (vs_witness_reply){0};
    cr_assert_eq(vs_witness_add_checkpoint(s->w, body, len, 1700000000, &s->r, &diag), VS_OK, "%s",
                 diag.text);
    vs_buf_u8(&s->r.body, 0);
    s->r.body.len--;
    return s->r.status;
}

static uint16_t ask(scene *s, vs_log *log, uint64_t old)
{
    vs_buf request = {0};
    cr_assert_eq(vs_witness_ask(&request, log, old, NULL), VS_OK);
    uint16_t status = post(s, request.p, request.len);
    vs_buf_free(&request);
    return status;
}

Test(witness, cosigns_what_extends_what_it_has_seen)
{
    uint64_t known = 0;
    bool stored = false;
    vs_diag diag = {{0}};
    scene s = scene_new();
    for (uint32_t i = 1; i <= 9; i++) {
        append(s.l, i % 3 + 1, 'x');
        cr_assert_eq(ask(&s, s.l, known), 200, "%s", (char *)s.r.body.p);
        cr_assert_eq(vs_witness_take(s.l, vs_log_size(s.l), &s.cosigner.key, 200, &s.r.body, &known,
                                     &stored, &diag),
                     VS_OK, "%s", diag.text);
        cr_expect(stored && known == vs_log_size(s.l));
    }
    cr_expect_eq(ask(&s, s.l, known), 200, "the same size again");
    vs_policy policy = {.log_key = s.log.key, .n_cosigners = 1, .quorum = 1};
    policy.cosigner[0] = s.cosigner.key;
    uint64_t size = 0;
    bool found = false;
    cr_assert_eq(vs_log_cosigned_by(s.l, &policy, &size, &found, NULL), VS_OK);
    cr_expect(found && size == vs_log_size(s.l));
    scene_free(&s);
}

/* 409 with the size that it knows; a witness that starts again knows it still. */
Test(witness, tells_what_it_knows)
{
    uint64_t known = 0;
    bool stored = true;
    scene s = scene_new();
    append(s.l, 5, 'x');
    cr_assert_eq(ask(&s, s.l, 3), 409);
    cr_expect_str_eq((char *)s.r.body.p, "0\n");
    cr_expect_str_eq(s.r.content_type, "text/x.tlog.size");
    cr_assert_eq(ask(&s, s.l, 0), 200);
    append(s.l, 2, 'y');
    start(&s);
    cr_assert_eq(ask(&s, s.l, 0), 409);
    cr_expect_str_eq((char *)s.r.body.p, "5\n");
    cr_assert_eq(vs_witness_take(s.l, 7, &s.cosigner.key, 409, &s.r.body, &known, &stored, NULL),
                 VS_OK);
    cr_expect(known == 5 && !stored);
    cr_expect_eq(ask(&s, s.l, known), 200);
    scene_free(&s);
}

Test(witness, never_cosigns_a_fork_or_a_smaller_tree)
{
    char path[400];
    vs_log *fork;
    scene s = scene_new();
    (void)snprintf(path, sizeof path, "%s/fork", s.dir);
    cr_assert_eq(vs_log_create(&fork, path, s.log.key.name, &s.log.key, s.log.seed, NULL), VS_OK);
    append(s.l, 6, 'x');
    append(fork, 4, 'x');
    cr_assert_eq(ask(&s, s.l, 0), 200);
    cr_expect_eq(ask(&s, fork, 0), 409, "smaller, from the start");
    cr_expect_eq(ask(&s, fork, 4), 409, "smaller");
    append(fork, 2, 'y');
    cr_expect_eq(ask(&s, fork, 6), 409, "as large, another root");
    append(fork, 3, 'y');
    cr_expect_eq(ask(&s, fork, 6), 422, "larger, not an extension");
    append(s.l, 1, 'x');
    cr_expect_eq(ask(&s, s.l, 6), 200, "the log itself goes on");
    vs_log_close(fork);
    scene_free(&s);
}

Test(witness, refuses_what_is_malformed_unknown_or_unsigned)
{
    char path[400];
    vs_log *other;
    scene s = scene_new();
    static const char *const bad[] = {"",
                                      "old\n\n",
                                      "old 1",
                                      "old 01\n\nx\n",
                                      "old -1\n\nx\n",
                                      "older 1\n\nx\n",
                                      "old 0\nnothash\n\nx\n",
                                      "old 0\n\n",
                                      "old 0\n\nno note at all\n",
                                      "old 0\nAAAA\n\nx\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(post(&s, bad[i], strlen(bad[i])), 400, "case %zu", i);
    }
    (void)snprintf(path, sizeof path, "%s/other", s.dir);
    cr_assert_eq(vs_log_create(&other, path, s.other.key.name, &s.other.key, s.other.seed, NULL),
                 VS_OK);
    append(other, 2, 'x');
    cr_expect_eq(ask(&s, other, 0), 404, "an origin that is not configured");
    vs_buf request = {0};
    append(s.l, 3, 'x');
    cr_assert_eq(vs_witness_ask(&request, s.l, 0, NULL), VS_OK);
    request.p[request.len - 10] ^= 1; /* in the log's signature */
    cr_expect_eq(post(&s, request.p, request.len), 403);
    vs_buf_free(&request);
    cr_assert_eq(vs_witness_ask(&request, s.l, 0, NULL), VS_OK);
    request.p[4] = '9'; /* old 9, the checkpoint has 3 */
    cr_expect_eq(post(&s, request.p, request.len), 400);
    vs_buf_free(&request);
    cr_expect_eq(ask(&s, s.l, 0), 200, "none of that moved it");
    vs_log_close(other);
    scene_free(&s);
}

/* A proof from size 0 must be empty. */
Test(witness, refuses_a_proof_from_nothing)
{
    vs_buf note = {0}, body = {0};
    scene s = scene_new();
    append(s.l, 2, 'x');
    cr_assert_eq(vs_log_checkpoint(s.l, &note, NULL), VS_OK);
    vs_witness_request q = {.proof = {.n = 1}, .note = note.p, .note_len = note.len};
    cr_assert_eq(vs_witness_request_format(&body, &q), VS_OK);
    cr_expect_eq(post(&s, body.p, body.len), 422);
    vs_buf_free(&note);
    vs_buf_free(&body);
    scene_free(&s);
}

/* The state is durable before the signature is made: a store that fails gives no cosignature. */
Test(witness, gives_no_signature_that_it_could_forget)
{
    vs_buf request = {0};
    vs_diag diag = {{0}};
    scene s = scene_new();
    append(s.l, 2, 'x');
    cr_assert_eq(vs_witness_ask(&request, s.l, 0, NULL), VS_OK);
    vs_store_mem_fail_at(&s.store, 1);
    cr_expect_eq(vs_witness_add_checkpoint(s.w, request.p, request.len, 1, &s.r, &diag), VS_ERR_IO);
    cr_expect(s.r.status == 0 && s.r.body.len == 0);
    vs_store_mem_fail_at(&s.store, 0);
    cr_expect_eq(post(&s, request.p, request.len), 200);
    vs_buf_free(&request);
    scene_free(&s);
}

Test(witness, a_log_takes_no_wrong_cosignature)
{
    uint64_t known = 0;
    bool stored = false;
    vs_diag diag = {{0}};
    scene s = scene_new();
    append(s.l, 2, 'x');
    cr_assert_eq(ask(&s, s.l, 0), 200);
    s.r.body.p[s.r.body.len - 10] ^= 1;
    cr_expect_neq(vs_witness_take(s.l, 2, &s.cosigner.key, 200, &s.r.body, &known, &stored, &diag),
                  VS_OK);
    cr_expect(!stored && known == 0);
    party other = party_of("w2", VS_NOTE_COSIGNATURE, 9);
    cr_expect_eq(vs_witness_take(s.l, 2, &other.key, 200, &s.r.body, &known, &stored, &diag),
                 VS_ERR_PROOF);
    cr_expect_eq(vs_witness_take(s.l, 2, &s.cosigner.key, 500, &s.r.body, &known, &stored, &diag),
                 VS_ERR_STATE);
    scene_free(&s);
}
