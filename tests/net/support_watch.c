#include "tests/net/support_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "ledger/dsse.h"
#include "ledger/entry.h"
#include "ledger/fsck.h"
#include "net/audit.h"
#include "net/wire.h"
#include "tests/support.h"

enum { CLIENTS_MAX = 16, ROUNDS_MAX = 16 };

/* What a party said once in a round. */
typedef struct said {
    bool it;
    vs_h32 hash;
} said;

typedef struct watched_round {
    said list[VS_SHAREHOLDERS_MAX + 1], vote[VS_SHAREHOLDERS_MAX + 1];
    said answer[VS_SHAREHOLDERS_MAX + 1], closed[VS_SHAREHOLDERS_MAX + 1];
    said header[CLIENTS_MAX];
    vs_h32 pseudonym[CLIENTS_MAX]; /* by the header */
    /* receipts of shareholder j, before its list: manifests */
    vs_h32 receipt[VS_SHAREHOLDERS_MAX + 1][CLIENTS_MAX];
    uint32_t n_receipts[VS_SHAREHOLDERS_MAX + 1];
} watched_round;

struct vs_watch {
    vs_sim *sim;
    watched_round round[ROUNDS_MAX + 1];
};

vs_watch *vs_watch_new(vs_sim *sim)
{
    vs_watch *w = calloc(1, sizeof *w);
    VS_ASSERT(w != NULL);
    w->sim = sim;
    return w;
}

void vs_watch_free(vs_watch *w)
{
    free(w);
}

static void once(said *s, const void *bytes, size_t len)
{
    vs_h32 hash;
    vs_sha256(&hash, bytes, len);
    VS_ASSERT(!s->it || vs_h32_equal(&s->hash, &hash)); /* it said something else before */
    s->it = true;
    s->hash = hash;
}

/* --- replies of shareholders --------------------------------------------------------------------
 */

static void on_receipt(watched_round *r, uint32_t j, const vs_h32 *manifest)
{
    for (uint32_t i = 0; i < r->n_receipts[j]; i++) {
        if (vs_h32_equal(&r->receipt[j][i], manifest)) return;
    }
    VS_ASSERT(!r->list[j].it); /* frozen: no new one */
    VS_ASSERT(r->n_receipts[j] < CLIENTS_MAX);
    r->receipt[j][r->n_receipts[j]++] = *manifest;
}

static void on_list(watched_round *r, uint32_t j, const uint8_t *records, size_t len)
{
    once(&r->list[j], records, len);
    for (uint32_t i = 0; i < r->n_receipts[j]; i++) {
        bool found = false;
        for (size_t at = 0; at + VS_RECORD_BYTES <= len; at += VS_RECORD_BYTES) {
            vs_record record;
            vs_record_decode(&record, records + at);
            found |= vs_h32_equal(&record.manifest_hash, &r->receipt[j][i]);
        }
        VS_ASSERT(found); /* a receipt is honoured */
    }
}

/* The round that an `answer` or `closed` envelope is about. */
static watched_round *round_of_envelope(vs_watch *w, const vs_reply *reply, const char *kind)
{
    vs_dsse dsse = {0};
    vs_entry *entry = calloc(1, sizeof *entry);
    watched_round *r = NULL;
    VS_ASSERT(entry != NULL);
    if (vs_dsse_parse(&dsse, reply->body, reply->body_len, NULL) == VS_OK &&
        strcmp(dsse.kind, kind) == 0 &&
        vs_entry_decode(entry, dsse.kind, dsse.payload.p, dsse.payload.len, NULL) == VS_OK &&
        entry->round >= 1 && entry->round <= ROUNDS_MAX) {
        r = &w->round[entry->round];
        if (strcmp(kind, "answer") == 0) VS_ASSERT(vs_sim_logged(w->sim, entry->round, "set"));
    }
    vs_dsse_free(&dsse);
    free(entry);
    return r;
}

static void on_reply(vs_watch *w, uint32_t j, watched_round *r, const vs_reply *reply)
{
    watched_round *named = NULL;
    switch (reply->head.which_result) {
    case vsw_Reply_receipt_tag: {
        vs_h32 manifest;
        memcpy(manifest.b, reply->head.result.receipt.manifest_hash, 32);
        on_receipt(r, j, &manifest);
        break;
    }
    case vsw_Reply_list_tag: on_list(r, j, reply->body, reply->body_len); break;
    case vsw_Reply_vote_tag:
        once(&r->vote[j], reply->head.result.vote.signature, 64);
        VS_ASSERT(!r->closed[j].it);
        break;
    case vsw_Reply_answer_tag:
        named = round_of_envelope(w, reply, "answer");
        if (named != NULL) once(&named->answer[j], reply->body, reply->body_len);
        break;
    case vsw_Reply_ok_tag:
        named = reply->body_len == 0 ? NULL : round_of_envelope(w, reply, "closed");
        if (named == NULL) break;
        once(&named->closed[j], reply->body, reply->body_len);
        VS_ASSERT(!named->vote[j].it);
        break;
    default: break;
    }
}

static void keep_pseudonym(vs_h32 *out, const vs_request *request)
{
    vs_header *h = malloc(sizeof *h);
    VS_ASSERT(h != NULL && request->body_len > 128); /* header and two signatures */
    VS_ASSERT(vs_header_decode(h, request->body, request->body_len - 128) == VS_OK);
    *out = h->pseudonym;
    free(h);
}

void vs_watch_message(vs_watch *w, uint32_t from, uint32_t to, bool is_reply, const vs_buf *msg)
{
    vs_request request;
    vs_reply reply;
    /* Messages name their round in different ways; one round runs at a time, and each of the
     * federation's rounds is watched as the newest in the log. */
    uint64_t newest = vs_sim_newest(w->sim);
    if (newest < 1 || newest > ROUNDS_MAX) return;
    watched_round *r = &w->round[newest];
    if (is_reply && from >= 1 && from <= VS_SHAREHOLDERS_MAX &&
        vs_reply_decode(&reply, msg->p, msg->len) == VS_OK) {
        on_reply(w, from, r, &reply);
    }
    if (!is_reply && from >= VS_SIM_CLIENT && from < VS_SIM_CLIENT + CLIENTS_MAX && to >= 1 &&
        to <= VS_SHAREHOLDERS_MAX && vs_request_decode(&request, msg->p, msg->len) == VS_OK &&
        request.head.which_op == vsw_Request_submit_begin_tag &&
        request.head.op.submit_begin.round == newest) {
        once(&r->header[from - VS_SIM_CLIENT], request.body, request.body_len);
        keep_pseudonym(&r->pseudonym[from - VS_SIM_CLIENT], &request);
    }
}

/* --- the end ------------------------------------------------------------------------------------
 */

static bool in_records(const vs_buf *records, const vs_h32 *pseudonym)
{
    for (size_t at = 0; at + VS_RECORD_BYTES <= records->len; at += VS_RECORD_BYTES) {
        vs_record record;
        vs_record_decode(&record, records->p + at);
        if (vs_h32_equal(&record.pseudonym, pseudonym)) return true;
    }
    return false;
}

static uint32_t expect_exact(const vs_watch *w, uint64_t round)
{
    uint32_t n = 0, included = 0;
    vs_buf records = {0}, rejected = {0};
    uint64_t *sums = vs_sim_sums(w->sim, round, &n);
    VS_ASSERT(sums != NULL && vs_sim_records(w->sim, round, &records, &rejected));
    uint64_t *want = calloc(n, sizeof *want);
    VS_ASSERT(want != NULL);
    for (uint32_t i = 0; i < vs_sim_n_clients(w->sim); i++) {
        uint32_t len = 0;
        bool is_in =
            w->round[round].header[i].it && in_records(&records, &w->round[round].pseudonym[i]);
        const vs_client_status *s = vs_sim_client(w->sim, i);
        if (!is_in && s != NULL && s->phase == VS_CLIENT_DONE && s->round == round) {
            VS_ASSERT(in_records(&rejected, &w->round[round].pseudonym[i])); /* with a reason */
        }
        if (!is_in) continue;
        const uint32_t *coords = vs_sim_coordinates(w->sim, i, &len);
        VS_ASSERT(len == n);
        for (uint32_t c = 0; c < n; c++) want[c] += coords[c];
        included++;
    }
    VS_ASSERT(included == records.len / VS_RECORD_BYTES);
    VS_ASSERT(memcmp(sums, want, n * sizeof *sums) == 0);
    vs_buf_free(&records);
    vs_buf_free(&rejected);
    free(want);
    free(sums);
    return included;
}

static void problem(void *ctx, const char *text)
{
    (void)ctx;
    (void)fprintf(stderr, "audit or fsck: %s\n", text);
}

bool vs_watch_end(vs_watch *w, uint64_t round, uint32_t *included)
{
    vs_audit_report report;
    vs_diag diag = {{0}};
    char folder[600];
    uint32_t n = 0;
    if (!vs_sim_is_up(w->sim, VS_PEER_AGGREGATOR)) (void)vs_sim_run(w->sim, NULL, NULL, 2000);
    vsw_Phase phase = vs_sim_round_info(w->sim, round).phase;
    VS_ASSERT(phase == vsw_Phase_FINAL || phase == vsw_Phase_ABORTED || phase == vsw_Phase_IDLE);
    if (phase == vsw_Phase_FINAL) {
        n = expect_exact(w, round);
    } else {
        VS_ASSERT(vs_sim_sums(w->sim, round, &(uint32_t){0}) == NULL);
    }
    vs_sim_crash(w->sim, VS_PEER_AGGREGATOR, false);
    (void)snprintf(folder, sizeof folder, "%s/ledger", vs_sim_ledger_folder(w->sim));
    vs_err err =
        vs_audit_dir(&report, folder, vs_sim_federation(w->sim), NULL, problem, NULL, &diag);
    if (err != VS_OK) (void)fprintf(stderr, "audit: %s\n", diag.text);
    VS_ASSERT(err == VS_OK && report.ok);
    vs_fsck_report fsck;
    err = vs_fsck(folder, NULL, problem, NULL, &fsck, &diag);
    if (err != VS_OK) (void)fprintf(stderr, "fsck: %s\n", diag.text);
    VS_ASSERT(err == VS_OK && fsck.n_problems == 0);
    if (included != NULL) *included = n;
    return phase == vsw_Phase_FINAL;
}
