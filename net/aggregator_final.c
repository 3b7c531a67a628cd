/* The end of a round: answers and result into the log, sum shares to the shareholders. */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "net/aggregator_impl.h"
#include "net/result.h"

/* --- answers into the log --------------------------------------------------------------------- */

/* Sum share j becomes a blob of the log. */
static vs_err publish_sum(ag_t *ag, uint32_t j)
{
    char name[64];
    vs_buf bytes = {0};
    vs_h32 blob;
    bool found = false;
    size_t len = (size_t)ag->round.layout.columns * VS_FE_BYTES;
    vs_ag_sum_name(name, ag->last_round, j);
    vs_err err =
        ag->store.ops->blob_read(ag->store.ctx, name, 0, len + 1, &bytes, &found, ag->diag);
    if (err == VS_OK && (!found || bytes.len != len)) {
        err = vs_fail(ag->diag, VS_ERR_IO, "the aggregator's store: blob %s is not %zu bytes", name,
                      len);
    }
    if (err == VS_OK) err = vs_log_blob_put(ag->log, bytes.p, bytes.len, &blob, ag->diag);
    vs_buf_free(&bytes);
    return err;
}

/* Every sum share durable as a blob, then all answers in one batch. */
static vs_err log_answers(ag_t *ag)
{
    vs_bytes bytes[VS_SHAREHOLDERS_MAX];
    vs_entry_kind kinds[VS_SHAREHOLDERS_MAX];
    uint32_t n = 0;
    for (uint32_t j = 1; j <= ag->fed->committee.n; j++) {
        ag_peer *p = &ag->peer[j];
        if (!p->done) continue;
        vs_err err = publish_sum(ag, j);
        if (err != VS_OK) return err;
        kinds[n] = VS_ENTRY_ANSWER;
        bytes[n++] = (vs_bytes){p->answer.p, p->answer.len};
    }
    vs_err err = vs_ag_append(ag, ag->last_round, kinds, bytes, n, NULL);
    if (err == VS_OK) ag->answers_logged = true;
    return err;
}

/* --- the result ------------------------------------------------------------------------------- */

/* The logged answers with their sum shares, and where the decoded sums go. */
typedef struct outcome {
    ag_t *ag;
    vs_result_in in;
    vs_result result;
    vs_h32 blob[VS_SHAREHOLDERS_MAX];
    vs_map map[VS_SHAREHOLDERS_MAX];
    uint8_t *sums; /* L u64 */
} outcome;

static vs_err source_size(void *ctx, uint32_t a, uint64_t *bytes)
{
    const outcome *o = ctx;
    *bytes = o->map[a].len;
    return VS_OK;
}

static vs_err source_read(void *ctx, uint32_t a, uint64_t first, uint8_t *out, size_t count)
{
    const outcome *o = ctx;
    memcpy(out, o->map[a].p + first * VS_FE_BYTES, count * VS_FE_BYTES);
    return VS_OK;
}

static vs_err sink_sums(void *ctx, uint64_t first, const uint64_t *sums, size_t n)
{
    outcome *o = ctx;
    for (size_t i = 0; i < n; i++) vs_store_le64(o->sums + 8 * (first + i), sums[i]);
    return VS_OK;
}

/* Hash of the store's copy of sum share j: that is the blob's name. */
static vs_err name_of_sum(ag_t *ag, uint32_t j, vs_h32 *blob)
{
    char name[64];
    vs_hash h;
    vs_buf piece = {0};
    vs_err err = VS_OK;
    bool found = true;
    uint64_t at = 0;
    vs_hash_init(&h);
    vs_ag_sum_name(name, ag->last_round, j);
    do {
        vs_buf_reset(&piece);
        err = ag->store.ops->blob_read(ag->store.ctx, name, at, VS_AG_BLOB_PAGE, &piece, &found,
                                       ag->diag);
        vs_hash_bytes(&h, piece.p, piece.len);
        at += piece.len;
    } while (err == VS_OK && found && piece.len == VS_AG_BLOB_PAGE);
    vs_buf_free(&piece);
    vs_hash_final(&h, blob);
    if (err == VS_OK && !found) {
        err = vs_fail(ag->diag, VS_ERR_IO, "the aggregator's store: blob %s is missing", name);
    }
    return err;
}

static vs_err add_answer(outcome *o, uint64_t log_index)
{
    ag_t *ag = o->ag;
    uint32_t a = o->in.n_answers;
    vs_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) return VS_ERR_NOMEM;
    vs_err err = vs_ag_read_entry(ag, log_index, entry, NULL);
    if (err == VS_OK) {
        o->in.index[a] = entry->u.answer.index;
        o->in.answer_hash[a] = entry->u.answer.answer_hash;
        err = name_of_sum(ag, entry->u.answer.index, &o->blob[a]);
    }
    free(entry);
    if (err != VS_OK) return err;
    char *path = vs_log_blob_path(ag->log, &o->blob[a]);
    if (path == NULL) return VS_ERR_NOMEM;
    err = vs_map_file(&o->map[a], path, ag->diag);
    free(path);
    if (err == VS_OK) o->in.n_answers++;
    return err;
}

static vs_err gather(outcome *o)
{
    ag_t *ag = o->ag;
    uint64_t index;
    vs_err err = VS_OK;
    o->in.committee = &ag->fed->committee;
    o->in.layout = &ag->round.layout;
    o->in.id = vs_ag_id(ag, ag->last_round);
    o->in.n_clients = ag->included;
    o->in.weight_digits = ag->round.open.weight_digits;
    o->in.n_metrics = ag->round.open.metrics;
    o->in.set_leaf_hash = ag->set_leaf;
    for (uint32_t nth = 0; err == VS_OK && nth < VS_SHAREHOLDERS_MAX; nth++) {
        if (!vs_ag_find(ag, ag->last_round, VS_ENTRY_ANSWER, nth, &index)) break;
        err = add_answer(o, index);
    }
    if (err != VS_OK) return err;
    o->sums = malloc((size_t)ag->round.layout.dim * 8);
    return o->sums == NULL ? VS_ERR_NOMEM : VS_OK;
}

static void outcome_clear(outcome *o)
{
    for (uint32_t a = 0; a < VS_SHAREHOLDERS_MAX; a++) vs_unmap(&o->map[a]);
    free(o->sums);
}

static void tell_metrics(const outcome *o)
{
    ag_t *ag = o->ag;
    vs_metrics mean;
    if (ag->round.open.epsilon != 0) {
        vs_ag_notice(ag, "round %" PRIu64 ": epsilon %.4g of %g spent, delta %g", ag->last_round,
                     ag->round.open.epsilon, ag->fed->privacy.max_epsilon, ag->fed->privacy.delta);
    }
    if (ag->round.open.metrics == 0) return;
    vs_round_metrics(&mean, &ag->round, o->result.metric_sum, ag->included, o->result.weight_sum);
    vs_ag_notice(ag,
                 "round %" PRIu64
                 ": loss %.4f, accuracy %.2f %%, %.0f %% of the clients within clip_norm %.4g",
                 ag->last_round, mean.loss, 100 * mean.accuracy, 100 * mean.unclipped,
                 ag->round.open.clip_norm);
}

static vs_err log_result(outcome *o)
{
    ag_t *ag = o->ag;
    vs_buf envelope = {0};
    vs_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) return VS_ERR_NOMEM;
    vs_ag_entry_begin(ag, entry, VS_ENTRY_RESULT, ag->last_round);
    vs_entry_result *e = &entry->u.result;
    e->set = ag->set_leaf;
    e->sum_hash = o->result.sum_hash;
    e->count = ag->included;
    e->weight_sum = o->result.weight_sum;
    e->model_hash = ag->round.open.model_hash;
    e->margin = o->result.margin;
    e->certain = o->result.certain;
    e->next_clip_norm = vs_budget_next_clip(ag->fed, &ag->round, o->result.metric_sum, ag->included,
                                            o->result.weight_sum);
    for (uint32_t a = 0; a < o->in.n_answers; a++) {
        e->answers[e->n_answers++] = (vs_entry_blob){o->in.index[a], o->blob[a]};
        if (!o->result.wrong[a]) continue;
        if (e->certain)
            e->wrong[e->n_wrong++] = o->in.index[a];
        else
            e->outvoted[e->n_outvoted++] = o->in.index[a];
    }
    vs_err err =
        vs_log_blob_put(ag->log, o->sums, (size_t)ag->round.layout.dim * 8, &e->sum_blob, ag->diag);
    if (err == VS_OK) err = vs_ag_entry_sign(ag, &envelope, entry);
    if (err == VS_OK) {
        vs_entry_kind kind = VS_ENTRY_RESULT;
        vs_bytes bytes = {envelope.p, envelope.len};
        err = vs_ag_append(ag, ag->last_round, &kind, &bytes, 1, NULL);
    }
    vs_buf_free(&envelope);
    free(entry);
    if (err != VS_OK) return err;
    vs_ag_enter(ag, vsw_Phase_PUBLISHING);
    vs_ag_notice(ag, "round %" PRIu64 ": result of %u clients from %u answers, %u wrong, %s",
                 ag->last_round, ag->included, o->in.n_answers, o->result.n_wrong,
                 o->result.certain ? "certain" : "uncertain");
    tell_metrics(o);
    return vs_ag_clean(ag, ag->last_round);
}

static vs_err log_outcome(outcome *o)
{
    ag_t *ag = o->ag;
    uint32_t m = o->in.n_answers;
    switch (o->result.verdict) {
    case VS_RESULT_OK: return log_result(o);
    case VS_RESULT_TOO_FEW:
        return vs_ag_abort(ag, VS_ABORT_TOO_FEW_ANSWERS, "%u answers, %u of them cannot be used", m,
                           o->result.n_wrong);
    case VS_RESULT_UNDECODABLE:
        return vs_ag_abort(ag, VS_ABORT_UNDECODABLE,
                           "%u answers contradict each other in more places than can be located",
                           m);
    case VS_RESULT_UNCERTAIN:
        return vs_ag_abort(ag, VS_ABORT_UNCERTAIN,
                           "%u answers leave a margin of %d, the federation asks for %u", m,
                           (int)o->result.margin, ag->fed->committee.margin);
    case VS_RESULT_RANGE:
        return vs_ag_abort(ag, VS_ABORT_RANGE,
                           "the sum is not one that %u clients can have: a client shared values "
                           "out of range",
                           ag->included);
    }
    return VS_OK;
}

vs_err vs_ag_finish(ag_t *ag)
{
    vs_err err = ag->answers_logged ? VS_OK : log_answers(ag);
    if (err != VS_OK) return err;
    outcome *o = calloc(1, sizeof *o);
    if (o == NULL) return VS_ERR_NOMEM;
    o->ag = ag;
    vs_sum_source source = {source_size, source_read, o};
    vs_sum_sink sink = {sink_sums, o};
    err = gather(o);
    if (err == VS_OK) err = vs_result_compute(&o->result, &o->in, &source, &sink, ag->diag);
    if (err == VS_OK) err = log_outcome(o);
    outcome_clear(o);
    free(o);
    return err;
}

/* --- PUBLISHING ------------------------------------------------------------------------------- */

vs_err vs_ag_publish_advance(ag_t *ag, bool *moved)
{
    if (vs_ag_cosigned(ag) < vs_committee_q(&ag->fed->committee)) return VS_OK;
    *moved = true;
    vs_ag_enter(ag, vsw_Phase_FINAL);
    vs_ag_notice(ag, "round %" PRIu64 ": final", ag->last_round);
    return VS_OK;
}

/* --- what the store kept of the round --------------------------------------------------------- */

typedef struct key_list {
    vs_buf text; /* keys, each with its zero byte */
    size_t n;
    const char *manifest; /* how the keys of manifests begin */
    uint32_t n_manifests;
} key_list;

static vs_err list_key(void *ctx, const char *key, const uint8_t *value, size_t len)
{
    key_list *list = ctx;
    (void)value;
    (void)len;
    vs_buf_bytes(&list->text, key, strlen(key) + 1);
    list->n++;
    if (strncmp(key, list->manifest, strlen(list->manifest)) == 0) list->n_manifests++;
    return vs_buf_check(&list->text);
}

/* Where the number of clients of a round without a set is kept: its log does not tell. */
static void submitted_key(char out[VS_STORE_NAME_MAX + 1], uint64_t round)
{
    (void)snprintf(out, VS_STORE_NAME_MAX + 1, "submitted/%08llu", (unsigned long long)round);
}

vs_err vs_ag_submitted(ag_t *ag, uint64_t round, uint32_t *count)
{
    char key[VS_STORE_NAME_MAX + 1];
    vs_buf value = {0};
    bool found;
    *count = 0;
    submitted_key(key, round);
    vs_err err = vs_ag_get(ag, key, &value, &found);
    if (err == VS_OK && found && value.len == 4) *count = vs_load_le32(value.p);
    vs_buf_free(&value);
    return err;
}

static vs_err drop_keys(ag_t *ag, uint64_t round)
{
    char prefix[VS_STORE_NAME_MAX + 1], manifest[VS_STORE_NAME_MAX + 1];
    char submitted[VS_STORE_NAME_MAX + 1];
    uint8_t count[4];
    key_list list = {.manifest = manifest};
    vs_store_item *items = NULL;
    vs_ag_key(prefix, round, "");
    vs_ag_key(manifest, round, "manifest/");
    submitted_key(submitted, round);
    vs_err err = ag->store.ops->scan(ag->store.ctx, prefix, list_key, &list, ag->diag);
    if (err == VS_OK && list.n > 0) {
        items = calloc(list.n + 1, sizeof *items);
        if (items == NULL) err = VS_ERR_NOMEM;
        const char *key = (const char *)list.text.p;
        for (size_t i = 0; err == VS_OK && i < list.n; i++, key += strlen(key) + 1) {
            items[i].key = key;
        }
        if (list.n_manifests > 0 && items != NULL) {
            vs_store_le32(count, list.n_manifests);
            items[list.n++] =
                (vs_store_item){.key = submitted, .value = count, .len = sizeof count};
        }
        if (err == VS_OK) err = ag->store.ops->put(ag->store.ctx, items, list.n, ag->diag);
    }
    free(items);
    vs_buf_free(&list.text);
    return err;
}

vs_err vs_ag_clean(ag_t *ag, uint64_t round)
{
    char name[VS_STORE_NAME_MAX + 1];
    sodium_memzero(ag->round_secret, sizeof ag->round_secret);
    vs_ag_key(name, round, "secret");
    vs_err err = ag->store.ops->secret_erase(ag->store.ctx, name, ag->diag);
    for (uint32_t j = 1; err == VS_OK && j <= ag->fed->committee.n; j++) {
        vs_ag_sum_name(name, round, j);
        err = ag->store.ops->blob_remove(ag->store.ctx, name, ag->diag);
    }
    return err == VS_OK ? drop_keys(ag, round) : err;
}
