/* bench ledger: a log of many rounds as an aggregator and its shareholders would leave it (every
 * entry, vote, round key and cosignature really signed, sum shares that really decode), and its
 * audit. Only the clients are missing: their records are random, since the log holds nothing of
 * them but pseudonyms and hashes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "base/rng.h"
#include "bench/ledger_impl.h"
#include "ledger/dsse.h"
#include "ledger/export.h"
#include "mpc/pack.h"
#include "mpc/prg.h"
#include "mpc/sharing.h"
#include "net/audit.h"
#include "net/budget.h"
#include "net/keys.h"
#include "net/result.h"
#include "net/seal.h"
#include "net/submission.h"

enum { N = 5, T = 1, K = 2, CLIENTS = 10, DIM = 100, PATH_BYTES = 4096, NOW = 1700000000 };

typedef struct maker {
    vs_federation *fed;
    vs_keys *admin, *aggregator, *shareholder[N];
    vs_log *log;
    vs_rng rng;
    vs_h32 prev;
    vs_round round;
    vs_entry *e; /* the entry that is being made */
    vs_buf sum[N], records;
    vs_h32 set_leaf;
    vs_diag *diag;
} maker;

/* --- the federation ----------------------------------------------------------------------------
 */

static vs_err keys_of(maker *m, vs_keys **out, vs_fed_party *party, const char *name, unsigned i)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%s-%u", name, i);
    vs_err err = vs_keys_generate(out, text, &m->rng, m->diag);
    if (err == VS_OK && party != NULL) {
        memcpy(party->name, (*out)->pub.name, sizeof party->name);
        party->key = (*out)->pub.identity;
        (void)snprintf(party->address, sizeof party->address, "tcp://127.0.0.1:%u", 7000 + i);
    }
    return err;
}

static void fill(vs_federation *f)
{
    (void)snprintf(f->name, sizeof f->name, "bench");
    (void)snprintf(f->origin, sizeof f->origin, "bench.example/rounds");
    f->public_results = true;
    f->committee = (vs_committee){.n = N, .t = T, .k = K, .margin = T};
    f->max_clients = 16;
    f->min_clients = 2;
    f->max_missing = 0.05;
    f->min_cover = 0.8;
    f->round_timeout_s = 60;
    f->answer_timeout_s = 60;
    f->quantiser = (vs_quantiser){.clip_norm = 8,
                                  .clipping_range = 1,
                                  .bits = 16,
                                  .max_weight = 1000,
                                  .stochastic_rounding = true};
}

static vs_err make_federation(maker *m)
{
    vs_buf text = {0};
    vs_federation *f = calloc(1, sizeof *f);
    if (f == NULL) return VS_ERR_NOMEM;
    fill(f);
    vs_err err = keys_of(m, &m->admin, NULL, "admin", 0);
    if (err == VS_OK) err = keys_of(m, &m->aggregator, &f->aggregator, "aggregator", 0);
    for (uint32_t j = 0; err == VS_OK && j < N; j++) {
        err = keys_of(m, &m->shareholder[j], &f->shareholder[j].party, "shareholder", j + 1);
        if (err == VS_OK) f->shareholder[j].cosigner_key = m->shareholder[j]->pub.cosigner;
    }
    if (err == VS_OK) {
        memcpy(f->admin_name, m->admin->pub.name, sizeof f->admin_name);
        f->admin_key = m->admin->pub.identity;
        err = vs_note_key_make(&f->log_key, f->origin, VS_NOTE_ED25519,
                               &m->aggregator->pub.log.public_key, m->diag);
    }
    if (err == VS_OK) err = vs_federation_format(&text, f, m->diag);
    if (err == VS_OK) err = vs_federation_parse(&m->fed, text.p, text.len, "bench", m->diag);
    vs_buf_free(&text);
    free(f);
    return err;
}

/* --- entries -----------------------------------------------------------------------------------
 */

static vs_entry *begin(maker *m, vs_entry_kind kind, uint64_t round)
{
    memset(m->e, 0, sizeof *m->e);
    m->e->kind = kind;
    (void)snprintf(m->e->origin, sizeof m->e->origin, "%s", m->fed->origin);
    m->e->federation = m->fed->id;
    m->e->round = round;
    m->e->prev = m->prev;
    return m->e;
}

static vs_err sign_entry(maker *m, vs_buf *envelope, const uint8_t seed[32])
{
    vs_buf payload = {0};
    vs_err err = vs_entry_encode(&payload, m->e, m->diag);
    if (err == VS_OK) {
        err = vs_dsse_sign(envelope, vs_entry_kind_name(m->e->kind), payload.p, payload.len, seed,
                           m->diag);
    }
    vs_buf_free(&payload);
    return err;
}

static vs_err append_entry(maker *m, const uint8_t seed[32], vs_buf *envelope, vs_h32 *leaf)
{
    uint64_t first;
    vs_err err = sign_entry(m, envelope, seed);
    vs_bytes bytes = {envelope->p, envelope->len};
    return err == VS_OK ? vs_log_append(m->log, &bytes, 1, &first, leaf, m->diag) : err;
}

static vs_err add_federation(maker *m)
{
    vs_h32 name;
    vs_buf envelope = {0};
    vs_entry *e = begin(m, VS_ENTRY_FEDERATION, 0);
    e->u.federation.file = m->fed->id;
    e->u.federation.log_key = m->fed->log_key;
    vs_err err = vs_log_blob_put(m->log, m->fed->file.p, m->fed->file.len, &name, m->diag);
    if (err == VS_OK) {
        err = append_entry(m, m->aggregator->identity_seed, &envelope, &m->prev);
    }
    vs_buf_free(&envelope);
    return err;
}

static vs_err add_round_key(maker *m, vs_entry_open *o, uint32_t j, const vs_round_id *id)
{
    uint8_t secret[32];
    vs_buf bytes = {0};
    vs_entry_shareholder *s = &o->shareholders[j - 1];
    vs_err err = vs_rng_fill(&m->rng, secret, sizeof secret);
    s->index = j;
    if (err == VS_OK) {
        vs_seal_public(&s->key, secret);
        err = vs_round_key_bytes(&bytes, id, j, &s->key);
    }
    if (err == VS_OK) vs_sign(s->sig, bytes.p, bytes.len, m->shareholder[j - 1]->identity_seed);
    vs_buf_free(&bytes);
    return err;
}

static vs_err add_open(maker *m, uint64_t round)
{
    uint8_t secret[32];
    vs_buf envelope = {0};
    vs_budget budget;
    vs_entry_open *o = &begin(m, VS_ENTRY_OPEN, round)->u.open;
    const vs_round_id id = {.federation_id = m->fed->id, .round = round};
    o->dim = DIM;
    vs_budget_init(&budget, m->fed);
    vs_err err = vs_budget_next(&budget, m->fed, o, m->diag);
    if (err == VS_OK) err = vs_round_fill_open(o, m->fed, m->diag);
    if (err == VS_OK) err = vs_rng_fill(&m->rng, secret, sizeof secret);
    if (err != VS_OK) return err;
    vs_seal_public(&o->aggregator_key, secret);
    o->opened_at = NOW + round * 100;
    o->deadline = o->opened_at + 30;
    o->hard_expiry = o->opened_at + 60;
    o->n_shareholders = N;
    for (uint32_t j = 1; err == VS_OK && j <= N; j++) err = add_round_key(m, o, j, &id);
    if (err == VS_OK) err = append_entry(m, m->aggregator->identity_seed, &envelope, NULL);
    if (err == VS_OK) {
        err = vs_round_from_open(&m->round, m->fed, envelope.p, envelope.len, m->diag);
    }
    vs_buf_free(&envelope);
    return err;
}

static int by_pseudonym(const void *a, const void *b)
{
    return memcmp(a, b, VS_H32_BYTES);
}

static vs_err add_set(maker *m, uint64_t round)
{
    vs_h32 none;
    vs_buf envelope = {0};
    vs_entry_set *set = &begin(m, VS_ENTRY_SET, round)->u.set;
    vs_proposal p = {.id = m->round.id, .params_hash = m->round.params_hash, .count = CLIENTS};
    vs_buf_reset(&m->records);
    uint8_t *at = vs_buf_extend(&m->records, (size_t)CLIENTS * VS_RECORD_BYTES);
    vs_err err = at == NULL ? VS_ERR_NOMEM : vs_rng_fill(&m->rng, at, m->records.len);
    if (err != VS_OK) return err;
    qsort(at, CLIENTS, VS_RECORD_BYTES, by_pseudonym);
    err = vs_records_root(&p.root, at, CLIENTS);
    if (err == VS_OK) err = vs_records_root(&p.rejected_root, (const uint8_t *)"", 0);
    if (err == VS_OK) {
        err = vs_log_blob_put(m->log, at, m->records.len, &set->records_blob, m->diag);
    }
    if (err == VS_OK) err = vs_log_blob_put(m->log, "", 0, &none, m->diag);
    set->rejected_blob = none;
    set->params_hash = p.params_hash;
    set->count = p.count;
    set->records = p.root;
    set->rejected = p.rejected_root;
    for (uint32_t j = 1; err == VS_OK && j <= vs_committee_q(&m->fed->committee); j++) {
        vs_buf bytes = {0};
        err = vs_vote_bytes(&bytes, &p, j);
        set->votes[set->n_votes].index = j;
        if (err == VS_OK) {
            vs_sign(set->votes[set->n_votes++].sig, bytes.p, bytes.len,
                    m->shareholder[j - 1]->identity_seed);
        }
        vs_buf_free(&bytes);
    }
    if (err == VS_OK) {
        err = append_entry(m, m->aggregator->identity_seed, &envelope, &m->set_leaf);
    }
    vs_buf_free(&envelope);
    return err;
}

/* --- sums: packed, shared, and what the shareholders answer --------------------------------------
 */

typedef struct rows {
    vs_fe *secret[K], *seed[T], *out[N - T];
} rows;

static vs_err share_sums(maker *m, rows *r, vs_sharing *sharing)
{
    const vs_layout *layout = &m->round.layout;
    uint8_t seed[VS_SEED_BYTES];
    vs_prg *prg = NULL;
    uint32_t *coordinate = calloc(layout->dim, sizeof *coordinate);
    if (coordinate == NULL) return VS_ERR_NOMEM;
    vs_err err = vs_rng_fill(&m->rng, coordinate, layout->dim * sizeof *coordinate);
    for (uint32_t i = 0; i < layout->dim; i++) coordinate[i] &= 0xffff;
    for (uint32_t i = m->round.open.dim; i < layout->dim; i++) coordinate[i] = 7; /* weight */
    if (err == VS_OK) {
        vs_pack_columns(layout, r->secret, coordinate, layout->dim, layout->columns);
        err = vs_rng_fill(&m->rng, seed, sizeof seed);
    }
    if (err == VS_OK) err = vs_prg_new(&prg, seed, VS_PRG_SHARE);
    if (err == VS_OK) {
        vs_prg_fill(prg, r->seed[0], 0, layout->columns);
        vs_share_columns(sharing, r->out, (const vs_fe *const *)r->secret,
                         (const vs_fe *const *)r->seed, layout->columns);
    }
    vs_prg_free(prg);
    free(coordinate);
    return err;
}

static vs_err make_sums(maker *m)
{
    const uint32_t columns = m->round.layout.columns;
    rows r;
    vs_sharing *sharing = NULL;
    vs_fe *all = calloc((size_t)(K + N) * columns, sizeof *all);
    if (all == NULL) return VS_ERR_NOMEM;
    for (uint32_t i = 0; i < K; i++) r.secret[i] = all + (size_t)i * columns;
    r.seed[0] = all + (size_t)K * columns;
    for (uint32_t i = 0; i < N - T; i++) r.out[i] = all + (size_t)(K + T + i) * columns;
    vs_err err = vs_sharing_new(&sharing, N, T, K);
    if (err == VS_OK) err = share_sums(m, &r, sharing);
    for (uint32_t j = 0; err == VS_OK && j < N; j++) {
        vs_buf_reset(&m->sum[j]);
        uint8_t *at = vs_buf_extend(&m->sum[j], (size_t)columns * VS_FE_BYTES);
        if (at == NULL)
            err = VS_ERR_NOMEM;
        else
            vs_fe_encode_many(at, j < T ? r.seed[j] : r.out[j - T], columns);
    }
    vs_sharing_free(sharing);
    free(all);
    return err;
}

static vs_err add_answers(maker *m, uint64_t round, vs_h32 hash[N], vs_h32 blob[N])
{
    vs_buf envelope[N] = {0};
    vs_bytes bytes[N];
    uint64_t first;
    vs_h32 root;
    uint64_t size = vs_log_size(m->log);
    vs_log_root(m->log, &root);
    vs_err err = make_sums(m);
    for (uint32_t j = 0; err == VS_OK && j < N; j++) {
        vs_hash h;
        vs_answer_hash_start(&h, &m->round.id, j + 1);
        vs_hash_bytes(&h, m->sum[j].p, m->sum[j].len);
        vs_hash_final(&h, &hash[j]);
        err = vs_log_blob_put(m->log, m->sum[j].p, m->sum[j].len, &blob[j], m->diag);
        begin(m, VS_ENTRY_ANSWER, round)->u.answer = (vs_entry_answer){
            .index = j + 1,
            .set = m->set_leaf,
            .answer_hash = hash[j],
            .checkpoint_size = size,
            .checkpoint_root = root,
        };
        if (err == VS_OK) err = sign_entry(m, &envelope[j], m->shareholder[j]->identity_seed);
        bytes[j] = (vs_bytes){envelope[j].p, envelope[j].len};
    }
    if (err == VS_OK) err = vs_log_append(m->log, bytes, N, &first, NULL, m->diag);
    for (uint32_t j = 0; j < N; j++) vs_buf_free(&envelope[j]);
    return err;
}

static vs_err sum_size(void *ctx, uint32_t a, uint64_t *bytes)
{
    *bytes = ((const maker *)ctx)->sum[a].len;
    return VS_OK;
}

static vs_err sum_read(void *ctx, uint32_t a, uint64_t first, uint8_t *out, size_t count)
{
    memcpy(out, ((const maker *)ctx)->sum[a].p + first * VS_FE_BYTES, count * VS_FE_BYTES);
    return VS_OK;
}

static vs_err take_sums(void *ctx, uint64_t first, const uint64_t *sums, size_t n)
{
    (void)first;
    for (size_t i = 0; i < n; i++) vs_buf_u64(ctx, sums[i]);
    return vs_buf_check(ctx);
}

static vs_err compute(maker *m, vs_result *found, vs_buf *sums, const vs_h32 hash[N])
{
    vs_sum_source source = {.size = sum_size, .read = sum_read, .ctx = m};
    vs_sum_sink sink = {.sums = take_sums, .ctx = sums};
    vs_result_in *in = calloc(1, sizeof *in);
    if (in == NULL) return VS_ERR_NOMEM;
    *in = (vs_result_in){.committee = &m->fed->committee,
                         .layout = &m->round.layout,
                         .id = m->round.id,
                         .n_clients = CLIENTS,
                         .weight_digits = m->round.open.weight_digits,
                         .n_metrics = m->round.open.metrics,
                         .set_leaf_hash = m->set_leaf,
                         .n_answers = N};
    for (uint32_t j = 0; j < N; j++) {
        in->index[j] = j + 1;
        in->answer_hash[j] = hash[j];
    }
    vs_err err = vs_result_compute(found, in, &source, &sink, m->diag);
    free(in);
    if (err == VS_OK && found->verdict != VS_RESULT_OK) {
        err = vs_fail(m->diag, VS_ERR_PROOF, "bench ledger: the sums of a round do not decode");
    }
    return err;
}

static vs_err add_result(maker *m, uint64_t round, const vs_h32 hash[N], const vs_h32 blob[N])
{
    vs_result found;
    vs_buf sums = {0};
    vs_buf envelope = {0};
    vs_entry_result *r = &begin(m, VS_ENTRY_RESULT, round)->u.result;
    vs_err err = compute(m, &found, &sums, hash);
    if (err == VS_OK) err = vs_log_blob_put(m->log, sums.p, sums.len, &r->sum_blob, m->diag);
    if (err == VS_OK) {
        r->set = m->set_leaf;
        r->sum_hash = found.sum_hash;
        r->count = CLIENTS;
        r->weight_sum = found.weight_sum;
        r->model_hash = m->round.open.model_hash;
        r->margin = found.margin;
        r->certain = found.certain;
        r->next_clip_norm =
            vs_budget_next_clip(m->fed, &m->round, found.metric_sum, CLIENTS, found.weight_sum);
        r->n_answers = N;
        for (uint32_t j = 0; j < N; j++) r->answers[j] = (vs_entry_blob){j + 1, blob[j]};
        err = append_entry(m, m->aggregator->identity_seed, &envelope, &m->prev);
    }
    vs_buf_free(&envelope);
    vs_buf_free(&sums);
    return err;
}

static vs_err cosign(maker *m)
{
    vs_buf note = {0};
    vs_note_result *who = malloc(sizeof *who);
    vs_err err = who == NULL ? VS_ERR_NOMEM : vs_log_checkpoint(m->log, &note, m->diag);
    if (err == VS_OK) err = vs_note_verify(who, note.p, note.len, &m->fed->log_key, 1, m->diag);
    if (err == VS_OK) err = vs_db_begin(vs_log_db(m->log), m->diag); /* one commit for all */
    for (uint32_t j = 0; err == VS_OK && j < vs_committee_q(&m->fed->committee); j++) {
        uint8_t sig[VS_COSIGNATURE_BYTES];
        vs_cosign(sig, (const char *)note.p, who->text_len, NOW, m->shareholder[j]->cosigner_seed);
        err = vs_log_add_cosignature(m->log, vs_log_size(m->log),
                                     &m->fed->shareholder[j].cosigner_key, sig, m->diag);
    }
    if (err == VS_OK) err = vs_db_commit(vs_log_db(m->log), m->diag);
    free(who);
    vs_buf_free(&note);
    return err;
}

static vs_err add_round(maker *m, uint64_t round)
{
    vs_h32 hash[N], blob[N];
    vs_err err = add_open(m, round);
    if (err == VS_OK) err = add_set(m, round);
    if (err == VS_OK) err = add_answers(m, round, hash, blob);
    if (err == VS_OK) err = add_result(m, round, hash, blob);
    return err == VS_OK ? cosign(m) : err;
}

static vs_err make_log(maker *m, const char *dir, uint32_t rounds)
{
    vs_err err = make_federation(m);
    if (err == VS_OK) {
        err = vs_log_create(&m->log, dir, m->fed->origin, &m->fed->log_key, m->aggregator->log_seed,
                            m->diag);
    }
    if (err == VS_OK) err = add_federation(m);
    for (uint64_t round = 1; err == VS_OK && round <= rounds; round++) err = add_round(m, round);
    return err;
}

static void maker_clear(maker *m)
{
    vs_log_close(m->log);
    vs_federation_free(m->fed);
    vs_keys_free(m->admin);
    vs_keys_free(m->aggregator);
    for (uint32_t j = 0; j < N; j++) {
        vs_keys_free(m->shareholder[j]);
        vs_buf_free(&m->sum[j]);
    }
    vs_buf_free(&m->records);
    free(m->e);
}

/* --- audits ------------------------------------------------------------------------------------
 */

static void keep_problem(void *ctx, const char *text)
{
    vs_diag *diag = ctx;
    if (diag->text[0] == '\0') (void)vs_fail(diag, VS_OK, "bench ledger: audit: %s", text);
}

static vs_err verdict(const vs_audit_report *r, uint32_t rounds, vs_diag *diag)
{
    if (r->ok && r->n_rounds == rounds) return VS_OK;
    if (diag->text[0] == '\0')
        (void)vs_fail(diag, VS_OK, "bench ledger: the audit found %u rounds", r->n_rounds);
    return VS_ERR_PROOF;
}

static vs_err audit_both(vs_bench_ledger_result *out, const maker *m, const char *ledger,
                         const char *public, uint32_t rounds, vs_diag *diag)
{
    vs_audit_report *r = calloc(1, sizeof *r);
    vs_audit_in in = {.fed = m->fed, .on_problem = keep_problem, .ctx = diag};
    vs_fetch fetch = vs_fetch_folder(public);
    if (r == NULL) return VS_ERR_NOMEM;
    diag->text[0] = '\0';
    double from = vs_bench_now_us();
    vs_err err = vs_audit_ledger(r, ledger, &in, diag);
    out->audit_s = (vs_bench_now_us() - from) / 1e6;
    if (err == VS_OK) err = verdict(r, rounds, diag);
    out->round_entries = r->size;
    if (err == VS_OK) {
        from = vs_bench_now_us();
        err = vs_audit_published(r, &fetch, &in, diag);
        out->audit_published_s = (vs_bench_now_us() - from) / 1e6;
    }
    if (err == VS_OK) err = verdict(r, rounds, diag);
    free(r);
    return err;
}

static vs_err publish(maker *m, const char *public)
{
    vs_export *e = NULL;
    vs_err err = vs_export_open(&e, public, m->log, &m->fed->policy, true, false, m->diag);
    if (err == VS_OK) err = vs_export_update(e, m->diag);
    vs_export_free(e);
    return err;
}

vs_err vs_bench_ledger_audit(vs_bench_ledger_result *out, const char *dir,
                             const vs_bench_ledger_spec *spec, vs_diag *diag)
{
    char ledger[PATH_BYTES + 16], public[PATH_BYTES + 16];
    maker m = {.rng = vs_rng_system(), .diag = diag, .e = malloc(sizeof *m.e)};
    (void)snprintf(ledger, sizeof ledger, "%s/rounds", dir);
    (void)snprintf(public, sizeof public, "%s/public", dir);
    vs_bench_say(spec, "a log of %u rounds", spec->rounds);
    double from = vs_bench_now_us();
    vs_err err = m.e == NULL ? VS_ERR_NOMEM : make_log(&m, ledger, spec->rounds);
    out->make_s = (vs_bench_now_us() - from) / 1e6;
    out->rounds = spec->rounds;
    if (err == VS_OK) {
        vs_bench_say(spec, "export and audit of %u rounds", spec->rounds);
        from = vs_bench_now_us();
        err = publish(&m, public);
        out->export_s = (vs_bench_now_us() - from) / 1e6;
    }
    vs_log_close(m.log);
    m.log = NULL;
    if (err == VS_OK) err = audit_both(out, &m, ledger, public, spec->rounds, diag);
    maker_clear(&m);
    return err;
}
