/* tests/net/replay_scene.h - a log built entry by entry beside a replay, for tests of its rules. */
#ifndef VS_TESTS_NET_REPLAY_SCENE_H
#define VS_TESTS_NET_REPLAY_SCENE_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/dsse.h"
#include "net/budget.h"
#include "net/replay.h"
#include "net/result.h"
#include "tests/net/support_open.h"
#include "tests/net/support_round.h"
#include "tests/support.h"

/* n 5, t 1, k 2, margin 1: r = 3, q = 4, 3 closed statements prove that there is no set. */
enum { CLIENTS = 3, DIM = 40, NOW = 1700000000, BLOBS = 12 };

typedef struct scene {
    vs_test_fed *tf;
    vs_test_open *open;
    vs_round round;
    vs_test_log *log;
    vs_test_sub *sub[CLIENTS];
    vs_buf records;
    vs_buf sum[6]; /* [j] */
    vs_h32 set_leaf;
    vs_replay *rp;
    vs_buf blob[BLOBS];
    vs_h32 blob_name[BLOBS];
    uint32_t n_blobs;
    bool fail_blobs;
} scene;

static inline int find_blob(const scene *s, const vs_h32 *name)
{
    for (uint32_t i = 0; i < s->n_blobs; i++) {
        if (vs_h32_equal(&s->blob_name[i], name)) return (int)i;
    }
    return -1;
}

static inline vs_err blob_size(void *ctx, const vs_h32 *name, uint64_t *bytes)
{
    const scene *s = ctx;
    int i = find_blob(s, name);
    if (s->fail_blobs) return VS_ERR_IO;
    if (i < 0) return VS_ERR_STATE;
    *bytes = s->blob[i].len;
    return VS_OK;
}

static inline vs_err blob_read(void *ctx, const vs_h32 *name, uint64_t offset, uint8_t *out,
                               size_t len)
{
    const scene *s = ctx;
    int i = find_blob(s, name);
    if (i < 0) return VS_ERR_STATE;
    cr_assert_leq(offset + len, s->blob[i].len);
    memcpy(out, s->blob[i].p + offset, len);
    return VS_OK;
}

static inline void put_blob(scene *s, const void *data, size_t len)
{
    cr_assert_lt(s->n_blobs, BLOBS);
    vs_buf_bytes(&s->blob[s->n_blobs], data, len);
    vs_sha256(&s->blob_name[s->n_blobs++], data, len);
}

static inline scene *scene_new_adjusted(bool check_records, void (*adjust)(vs_federation *draft))
{
    const vs_test_fed_config config = {
        .n_clients = CLIENTS, .max_clients = 4, .seed = 5, .adjust = adjust};
    scene *s = calloc(1, sizeof *s);
    s->tf = vs_test_federation_new(&config);
    s->open = vs_test_open_new(s->tf, 1, DIM, NOW, 7);
    s->log = vs_test_log_new(s->tf);
    vs_blob_source source = {.size = blob_size, .read = blob_read, .ctx = s};
    cr_assert_eq(vs_replay_new(&s->rp, s->tf->fed, &source, check_records), VS_OK);
    put_blob(s, "", 0);
    return s;
}

static inline scene *scene_new(bool check_records)
{
    return scene_new_adjusted(check_records, NULL);
}

static inline void scene_free(scene *s)
{
    vs_replay_free(s->rp);
    for (uint32_t i = 0; i < CLIENTS; i++) vs_test_sub_free(s->sub[i]);
    for (uint32_t i = 0; i < BLOBS; i++) vs_buf_free(&s->blob[i]);
    for (uint32_t j = 0; j < 6; j++) vs_buf_free(&s->sum[j]);
    vs_buf_free(&s->records);
    vs_test_log_free(s->log);
    vs_test_open_free(s->open);
    vs_test_federation_free(s->tf);
    free(s);
}

static inline const uint8_t *aggregator(const scene *s)
{
    return s->tf->aggregator->identity_seed;
}

static inline const uint8_t *shareholder(const scene *s, uint32_t j)
{
    return s->tf->shareholder[j - 1]->identity_seed;
}

static inline void accept(scene *s, const vs_entry *e, const uint8_t *seed)
{
    vs_buf envelope = {0};
    vs_diag diag = {{0}};
    vs_h32 root, expected;
    vs_test_sign_entry(&envelope, e, seed);
    vs_err err = vs_replay_entry(s->rp, envelope.p, envelope.len, &diag);
    cr_assert_eq(err, VS_OK, "%s: %s", vs_entry_kind_name(e->kind), diag.text);
    vs_test_log_add(s->log, &envelope, e->kind);
    vs_merkle_root(&s->log->tree, &expected);
    vs_replay_root(s->rp, &root);
    cr_assert(vs_h32_equal(&root, &expected));
    vs_buf_free(&envelope);
}

/* Refused with this error and a message that has this text; the replay did not change. */
static inline void refuse_with(scene *s, const vs_entry *e, const uint8_t *seed, vs_err expected,
                               const char *text)
{
    vs_buf envelope = {0};
    vs_diag diag = {{0}};
    vs_replay *before = NULL;
    vs_h32 root, root_before;
    cr_assert_eq(vs_replay_clone(&before, s->rp), VS_OK);
    vs_test_sign_entry(&envelope, e, seed);
    vs_err err = vs_replay_entry(s->rp, envelope.p, envelope.len, &diag);
    cr_expect_eq(err, expected, "\"%s\" expected, got %s: %s", text, vs_err_name(err), diag.text);
    cr_expect_not_null(strstr(diag.text, text), "\"%s\" expected, got: %s", text, diag.text);
    cr_expect_eq(strncmp(diag.text, "entry ", 6), 0, "%s", diag.text);
    vs_replay_root(s->rp, &root);
    vs_replay_root(before, &root_before);
    cr_expect(vs_h32_equal(&root, &root_before));
    cr_expect_eq(vs_replay_size(s->rp), s->log->n);
    vs_replay_free(before);
    vs_buf_free(&envelope);
}

static inline void refuse(scene *s, const vs_entry *e, const uint8_t *seed, const char *text)
{
    refuse_with(s, e, seed, VS_ERR_PROOF, text);
}

/* --- the honest way, step by step ----------------------------------------------------------------
 */

static inline void to_federation(scene *s)
{
    vs_entry e = vs_test_entry_federation(s->log);
    accept(s, &e, aggregator(s));
}

static inline void to_open(scene *s)
{
    if (s->log->n == 0) to_federation(s);
    s->open->entry.prev = s->log->prev;
    s->round = vs_test_open_round(s->open, s->tf);
    accept(s, &s->open->entry, aggregator(s));
}

static inline vs_entry set_entry(scene *s)
{
    for (uint32_t i = 0; i < CLIENTS && s->sub[i] == NULL; i++) {
        s->sub[i] = vs_test_sub_new(s->tf, &s->round, i, 100 + i, NULL);
    }
    vs_test_records(&s->records, s->sub, CLIENTS);
    put_blob(s, s->records.p, s->records.len);
    for (uint32_t j = 1; j <= 5; j++) vs_test_sum_share(&s->sum[j], s->sub, CLIENTS, j);
    return vs_test_entry_set(s->log, &s->round, &s->records, 4);
}

static inline void to_set(scene *s)
{
    to_open(s);
    vs_entry e = set_entry(s);
    accept(s, &e, aggregator(s));
    s->set_leaf = s->log->leaf[s->log->n - 1];
}

static inline vs_entry answer_entry(scene *s, uint32_t j)
{
    return vs_test_entry_answer(s->log, &s->round, j, &s->set_leaf, &s->sum[j]);
}

static inline void to_answers(scene *s)
{
    to_set(s);
    for (uint32_t j = 5; j >= 1; j--) {
        vs_entry e = answer_entry(s, j);
        accept(s, &e, shareholder(s, j));
        put_blob(s, s->sum[j].p, s->sum[j].len);
    }
}

static inline vs_err sum_size(void *ctx, uint32_t a, uint64_t *bytes)
{
    *bytes = ((scene *)ctx)->sum[a + 1].len;
    return VS_OK;
}

static inline vs_err sum_read(void *ctx, uint32_t a, uint64_t first, uint8_t *out, size_t count)
{
    memcpy(out, ((scene *)ctx)->sum[a + 1].p + first * 8, count * 8);
    return VS_OK;
}

static inline vs_err take_sums(void *ctx, uint64_t first, const uint64_t *sums, size_t n)
{
    (void)first;
    for (size_t i = 0; i < n; i++) vs_hash_u64(ctx, sums[i]);
    return VS_OK;
}

/* The result that the five logged answers give. */
static inline vs_entry result_entry(scene *s)
{
    const vs_round_view *v = vs_replay_round(s->rp, 1);
    vs_entry e = vs_test_entry(s->log, VS_ENTRY_RESULT, 1);
    vs_entry_result *out = &e.u.result;
    vs_hash sums;
    vs_result found;
    vs_sum_source source = {.size = sum_size, .read = sum_read, .ctx = s};
    vs_sum_sink sink = {.sums = take_sums, .ctx = &sums};
    vs_result_in in = {.committee = &s->tf->fed->committee,
                       .layout = &s->round.layout,
                       .id = s->round.id,
                       .n_clients = CLIENTS,
                       .weight_digits = s->round.open.weight_digits,
                       .n_metrics = s->round.open.metrics,
                       .set_leaf_hash = s->set_leaf,
                       .n_answers = v->n_answers};
    memcpy(in.index, v->answer_index, sizeof in.index);
    memcpy(in.answer_hash, v->answer_hash, sizeof in.answer_hash);
    vs_hash_init(&sums);
    cr_assert_eq(vs_result_compute(&found, &in, &source, &sink, NULL), VS_OK);
    cr_assert_eq(found.verdict, VS_RESULT_OK);
    vs_hash_final(&sums, &out->sum_blob);
    out->set = s->set_leaf;
    out->sum_hash = found.sum_hash;
    out->count = CLIENTS;
    out->weight_sum = found.weight_sum;
    out->model_hash = s->round.open.model_hash;
    out->margin = found.margin;
    out->certain = found.certain;
    out->next_clip_norm =
        vs_budget_next_clip(s->tf->fed, &s->round, found.metric_sum, CLIENTS, found.weight_sum);
    for (uint32_t a = 0; a < v->n_answers; a++) {
        out->answers[out->n_answers].index = v->answer_index[a];
        const vs_buf *sum = &s->sum[v->answer_index[a]];
        vs_sha256(&out->answers[out->n_answers++].blob, sum->p, sum->len);
        if (found.wrong[a]) out->wrong[out->n_wrong++] = v->answer_index[a];
    }
    return e;
}

static inline vs_entry abort_entry(scene *s, vs_abort_reason reason, bool closed)
{
    vs_entry e = vs_test_entry(s->log, VS_ENTRY_ABORT, 1);
    e.u.abort.reason = reason;
    e.u.abort.closed = closed;
    memcpy(e.u.abort.detail, "because", 8);
    return e;
}

static inline vs_entry closed_entry(scene *s, uint32_t j)
{
    vs_entry e = vs_test_entry(s->log, VS_ENTRY_CLOSED, 1);
    e.u.closed.index = j;
    e.u.closed.params_hash = s->round.params_hash;
    return e;
}

#endif /* VS_TESTS_NET_REPLAY_SCENE_H */
