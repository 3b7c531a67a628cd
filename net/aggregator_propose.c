/* Q and U out of the shareholders' lists (design: "SET").
 *
 * Lists are sorted, so one walk over all of them at once sees every record with the shareholders
 * that hold it. Only a record on at least `needed` = max(q, r + margin) lists can be in U; these
 * are the clients by which a shareholder is measured, so t liars cannot make others look
 * incomplete. */
#include <stdlib.h>
#include <string.h>

#include "net/aggregator_impl.h"

/* One pseudonym: the record that most lists name for it. */
typedef struct group {
    const uint8_t *record;
    uint32_t count;                     /* lists that hold exactly this record */
    bool held[VS_SHAREHOLDERS_MAX + 1]; /* by j */
} group;

typedef struct walk {
    const ag_t *ag;
    uint32_t next[VS_SHAREHOLDERS_MAX + 1]; /* by j: first record not passed */
} walk;

static const uint8_t *record_at(const walk *w, uint32_t j)
{
    const ag_peer *p = &w->ag->peer[j];
    if (p->list == NULL || w->next[j] >= p->n_list) return NULL;
    return p->list + (size_t)w->next[j] * VS_RECORD_BYTES;
}

static bool same_pseudonym(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, VS_H32_BYTES) == 0;
}

/* The lists that hold exactly this record. */
static void collect_holders(group *g, const walk *w, const uint8_t *record)
{
    g->record = record;
    g->count = 0;
    memset(g->held, 0, sizeof g->held);
    for (uint32_t j = 1; j <= w->ag->fed->committee.n; j++) {
        const uint8_t *other = record_at(w, j);
        g->held[j] = other != NULL && memcmp(other, record, VS_RECORD_BYTES) == 0;
        g->count += g->held[j];
    }
}

/* The next pseudonym in ascending order; false at the end. */
static bool walk_next(walk *w, group *out)
{
    uint32_t n = w->ag->fed->committee.n;
    const uint8_t *least = NULL;
    uint32_t covered = 0; /* lists whose record was counted */
    uint32_t having = 0;
    for (uint32_t j = 1; j <= n; j++) {
        const uint8_t *record = record_at(w, j);
        if (record == NULL) continue;
        int order = least == NULL ? -1 : memcmp(record, least, VS_H32_BYTES);
        if (order < 0) least = record;
        having = order < 0 ? 1 : having + (order == 0);
    }
    if (least == NULL) return false;
    collect_holders(out, w, least);
    covered = out->count;
    for (uint32_t j = 1; j <= n && covered < having; j++) { /* rare: they differ */
        const uint8_t *record = record_at(w, j);
        group other;
        if (record == NULL || !same_pseudonym(record, least) || out->held[j]) continue;
        collect_holders(&other, w, record);
        if (other.count > out->count) *out = other;
    }
    for (uint32_t j = 1; j <= n; j++) {
        const uint8_t *record = record_at(w, j);
        if (record != NULL && same_pseudonym(record, least)) w->next[j]++;
    }
    return true;
}

/* --- what the aggregator knows of a pseudonym ------------------------------------------------- */

static int by_pseudonym(const void *a, const void *b)
{
    const ag_manifest *const *x = a;
    const ag_manifest *const *y = b;
    return vs_h32_compare_vartime(&(*x)->record.pseudonym, &(*y)->record.pseudonym);
}

/* All manifests, ascending by pseudonym (salted hashes: equal ones do not occur). */
static const ag_manifest **sort_manifests(const ag_t *ag)
{
    const ag_manifest **list = malloc((ag->n_manifests + (size_t)1) * sizeof(void *));
    if (list == NULL) return NULL;
    for (uint32_t i = 0; i < ag->n_manifests; i++) list[i] = &ag->manifests[i];
    qsort(list, ag->n_manifests, sizeof(void *), by_pseudonym);
    return list;
}

/* --- Q ---------------------------------------------------------------------------------------- */

/* missing[j]: how many of the clients on at least `needed` lists shareholder j lacks. */
static uint32_t count_missing(const ag_t *ag, uint32_t needed, uint32_t *missing)
{
    walk w = {.ag = ag};
    group g;
    uint32_t clients = 0;
    while (walk_next(&w, &g)) {
        if (g.count < needed) continue;
        clients++;
        for (uint32_t j = 1; j <= ag->fed->committee.n; j++) {
            missing[j] += ag->peer[j].list != NULL && !g.held[j];
        }
    }
    return clients;
}

/* Start with every list; drop the worst while it misses too many and enough remain. */
static void choose_q(const ag_t *ag, ag_choice *out, uint32_t needed)
{
    uint32_t missing[VS_SHAREHOLDERS_MAX + 1] = {0};
    uint32_t clients = count_missing(ag, needed, missing);
    double allowed = ag->fed->max_missing * (double)clients;
    for (uint32_t j = 1; j <= ag->fed->committee.n; j++) {
        out->in_q[j] = ag->peer[j].list != NULL;
        out->n_q += out->in_q[j];
    }
    while (out->n_q > needed) {
        uint32_t worst = 0;
        for (uint32_t j = 1; j <= ag->fed->committee.n; j++) {
            if (out->in_q[j] && (worst == 0 || missing[j] > missing[worst])) worst = j;
        }
        if ((double)missing[worst] <= allowed) break;
        out->in_q[worst] = false;
        out->n_q--;
    }
}

/* --- U and the rest --------------------------------------------------------------------------- */

static bool on_all_of_q(const ag_t *ag, const ag_choice *c, const group *g)
{
    for (uint32_t j = 1; j <= ag->fed->committee.n; j++) {
        if (c->in_q[j] && !g->held[j]) return false;
    }
    return true;
}

static void add_rejected(ag_choice *out, const uint8_t *record, vs_reject reason)
{
    uint8_t bytes[VS_RECORD_BYTES];
    vs_record r;
    vs_record_decode(&r, record);
    vs_rejected_encode(bytes, &r.pseudonym, &r.manifest_hash, reason);
    vs_buf_bytes(&out->rejected, bytes, sizeof bytes);
    out->rejected_count++;
}

typedef struct merge {
    const ag_t *ag;
    ag_choice *out;
    const ag_manifest **manifests;
    uint32_t next_manifest;
    uint32_t room;       /* rejected records that a vote request can carry */
    uint32_t room_other; /* of these, for records that only t or fewer shareholders know */
} merge;

/* Is the record in U, else does it go to the rejected ones? Called in ascending order of
 * pseudonyms; g NULL: only the aggregator has it, m NULL: only shareholders have it. */
static void place(merge *x, const group *g, const ag_manifest *m, bool count_only, uint32_t *known)
{
    ag_choice *out = x->out;
    bool duplicate = m != NULL && m->duplicate;
    if (g != NULL && !duplicate && on_all_of_q(x->ag, out, g)) {
        out->count++;
        if (!count_only) vs_buf_bytes(&out->records, g->record, VS_RECORD_BYTES);
        return;
    }
    bool sure = m != NULL || g->count > x->ag->fed->committee.t;
    if (sure) (*known)++;
    if (count_only || out->rejected_count >= x->room) return;
    if (!sure && x->room_other == 0) return;
    if (!sure) x->room_other--;
    uint8_t own[VS_RECORD_BYTES];
    if (m != NULL) vs_record_encode(own, &m->record);
    add_rejected(out, m != NULL ? own : g->record,
                 duplicate ? VS_REJECT_DUPLICATE : VS_REJECT_INCOMPLETE);
}

/* One walk over lists and manifests together. */
static void merge_all(merge *x, bool count_only, uint32_t *known)
{
    walk w = {.ag = x->ag};
    group g;
    bool more = walk_next(&w, &g);
    x->next_manifest = 0;
    x->out->count = 0;
    *known = 0;
    while (more || x->next_manifest < x->ag->n_manifests) {
        const ag_manifest *m =
            x->next_manifest < x->ag->n_manifests ? x->manifests[x->next_manifest] : NULL;
        int order = m == NULL ? -1 : 1; /* of the list's record against the manifest's */
        if (m != NULL && more) {
            order = memcmp(g.record, m->record.pseudonym.b, VS_H32_BYTES);
        }
        place(x, order <= 0 ? &g : NULL, order >= 0 ? m : NULL, count_only, known);
        if (order >= 0) x->next_manifest++;
        if (order <= 0) more = walk_next(&w, &g);
    }
}

vs_err vs_ag_choose(ag_t *ag, ag_choice *out)
{
    uint32_t known = 0;
    merge x = {.ag = ag, .out = out};
    x.manifests = sort_manifests(ag);
    if (x.manifests == NULL) return VS_ERR_NOMEM;
    choose_q(ag, out, vs_committee_needed(&ag->fed->committee));
    merge_all(&x, true, &known);
    /* Proposal, records and rejected records travel in one body. */
    size_t left = VS_WIRE_BODY_MAX - 64u - vs_proposal_len() - (size_t)out->count * VS_RECORD_BYTES;
    x.room = (uint32_t)(left / VS_RECORD_BYTES);
    x.room_other = x.room > known ? x.room - known : 0;
    merge_all(&x, false, &known);
    free(x.manifests);
    vs_err err = vs_buf_check(&out->records);
    return err == VS_OK ? vs_buf_check(&out->rejected) : err;
}
