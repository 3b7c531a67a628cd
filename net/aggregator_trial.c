/* Would the answers that are here give a result? Asked before they are logged, because nothing can
 * be added to them afterwards. */
#include <stdlib.h>
#include <string.h>

#include "net/aggregator_impl.h"
#include "net/result.h"

typedef struct trial {
    ag_t *ag;
    vs_result_in in;
    vs_result result;
} trial;

static void sum_name(char out[64], const trial *t, uint32_t a)
{
    vs_ag_sum_name(out, t->ag->last_round, t->in.index[a]);
}

static vs_err size_of(void *ctx, uint32_t a, uint64_t *bytes)
{
    trial *t = ctx;
    char name[64];
    bool found = false;
    sum_name(name, t, a);
    return t->ag->store.ops->blob_size(t->ag->store.ctx, name, bytes, &found, t->ag->diag);
}

static vs_err read_at(void *ctx, uint32_t a, uint64_t first, uint8_t *out, size_t count)
{
    trial *t = ctx;
    char name[64];
    bool found = false;
    vs_buf piece = {0};
    sum_name(name, t, a);
    vs_err err = t->ag->store.ops->blob_read(t->ag->store.ctx, name, first * VS_FE_BYTES,
                                             count * VS_FE_BYTES, &piece, &found, t->ag->diag);
    if (err == VS_OK && piece.len != count * VS_FE_BYTES) {
        err = vs_fail(t->ag->diag, VS_ERR_IO, "the aggregator's store: blob %s is cut short", name);
    }
    if (err == VS_OK) memcpy(out, piece.p, piece.len);
    vs_buf_free(&piece);
    return err;
}

vs_err vs_ag_answers_decode(ag_t *ag, bool *enough)
{
    uint32_t have = vs_ag_count_done(ag);
    *enough = false;
    if (ag->tried_answers == have) return VS_OK; /* the same as last time: no */
    trial *t = calloc(1, sizeof *t);
    if (t == NULL) return VS_ERR_NOMEM;
    t->ag = ag;
    t->in.committee = &ag->fed->committee;
    t->in.layout = &ag->round.layout;
    t->in.id = vs_ag_id(ag, ag->last_round);
    t->in.n_clients = ag->included;
    t->in.weight_digits = ag->round.open.weight_digits;
    t->in.n_metrics = ag->round.open.metrics;
    t->in.set_leaf_hash = ag->set_leaf;
    for (uint32_t j = 1; j <= ag->fed->committee.n; j++) {
        if (!ag->peer[j].done) continue;
        t->in.index[t->in.n_answers] = j;
        t->in.answer_hash[t->in.n_answers++] = ag->peer[j].answer_hash;
    }
    const vs_sum_source source = {size_of, read_at, t};
    vs_err err = vs_result_compute(&t->result, &t->in, &source, NULL, ag->diag);
    /* More answers do not bring a sum back into its range. */
    *enough =
        err == VS_OK && (t->result.verdict == VS_RESULT_OK || t->result.verdict == VS_RESULT_RANGE);
    if (err == VS_OK && !*enough) {
        ag->tried_answers = have;
        vs_ag_notice(ag, "round %llu: %u answers contradict each other; waiting for another one",
                     (unsigned long long)ag->last_round, have);
    }
    free(t);
    return err;
}
