#include "ledger/entry.h"

#include <string.h>

#include "ledger/entry_fields.h"

static const char *const kind_names[] = {
    [VS_ENTRY_FEDERATION] = "federation",
    [VS_ENTRY_OPEN] = "open",
    [VS_ENTRY_SET] = "set",
    [VS_ENTRY_ANSWER] = "answer",
    [VS_ENTRY_RESULT] = "result",
    [VS_ENTRY_ABORT] = "abort",
    [VS_ENTRY_CLOSED] = "closed",
    [VS_ENTRY_EVIDENCE] = "evidence",
    [VS_ENTRY_KEY] = "key",
};

static const char *const party_names[] = {
    [VS_PARTY_CLIENT] = "client",
    [VS_PARTY_SHAREHOLDER] = "shareholder",
    [VS_PARTY_AGGREGATOR] = "aggregator",
    [VS_PARTY_LOG] = "log",
};

static const char *const claim_names[] = {
    [VS_CLAIM_TWO_SUBMISSIONS] = "two-submissions",
    [VS_CLAIM_TWO_PROOFS] = "two-proofs",
    [VS_CLAIM_INCONSISTENT_SHARE] = "inconsistent-share",
    [VS_CLAIM_TWO_LISTS] = "two-lists",
    [VS_CLAIM_TWO_VOTES] = "two-votes",
    [VS_CLAIM_VOTE_AND_CLOSED] = "vote-and-closed",
    [VS_CLAIM_TWO_ENTRIES] = "two-entries",
    [VS_CLAIM_TWO_PROPOSALS] = "two-proposals",
    [VS_CLAIM_TWO_LOGS] = "two-logs",
    [VS_CLAIM_STATEMENT] = "statement",
};

static const char *const action_names[] = {
    [VS_KEY_REVOKE] = "revoke",
    [VS_KEY_ROTATE] = "rotate",
};

static const char *const reason_names[] = {
    [VS_ABORT_CANCELLED] = "cancelled",
    [VS_ABORT_TOO_FEW_SHAREHOLDERS] = "too-few-shareholders",
    [VS_ABORT_TOO_FEW_CLIENTS] = "too-few-clients",
    [VS_ABORT_TOO_FEW_VOTES] = "too-few-votes",
    [VS_ABORT_TOO_FEW_ANSWERS] = "too-few-answers",
    [VS_ABORT_UNDECODABLE] = "undecodable",
    [VS_ABORT_UNCERTAIN] = "uncertain",
    [VS_ABORT_RANGE] = "range",
    [VS_ABORT_EXPIRED] = "expired",
};

const char *vs_entry_kind_name(vs_entry_kind kind)
{
    VS_ASSERT(kind >= VS_ENTRY_FEDERATION && kind <= VS_ENTRY_KIND_LAST);
    return kind_names[kind];
}

vs_err vs_entry_kind_parse(vs_entry_kind *out, const char *name)
{
    for (int k = VS_ENTRY_FEDERATION; k <= VS_ENTRY_KIND_LAST; k++) {
        if (strcmp(kind_names[k], name) != 0) continue;
        *out = (vs_entry_kind)k;
        return VS_OK;
    }
    return VS_ERR_MALFORMED;
}

const char *vs_abort_reason_name(vs_abort_reason reason)
{
    VS_ASSERT(reason >= VS_ABORT_CANCELLED && reason <= VS_ABORT_EXPIRED);
    return reason_names[reason];
}

const char *vs_claim_name(vs_claim claim)
{
    VS_ASSERT(claim >= VS_CLAIM_TWO_SUBMISSIONS && claim <= VS_CLAIM_STATEMENT);
    return claim_names[claim];
}

const char *vs_party_name(vs_party party)
{
    VS_ASSERT(party >= VS_PARTY_CLIENT && party <= VS_PARTY_LOG);
    return party_names[party];
}

const char *vs_key_action_name(vs_key_action action)
{
    VS_ASSERT(action == VS_KEY_REVOKE || action == VS_KEY_ROTATE);
    return action_names[action];
}

vs_err vs_abort_reason_parse(vs_abort_reason *out, const char *name)
{
    for (int r = VS_ABORT_CANCELLED; r <= VS_ABORT_EXPIRED; r++) {
        if (strcmp(reason_names[r], name) != 0) continue;
        *out = (vs_abort_reason)r;
        return VS_OK;
    }
    return VS_ERR_MALFORMED;
}

/* --- tables: order here is the order on the wire --------------------------------------------- */

#define PLAIN(s, member, t)                                                                        \
    {                                                                                              \
        .name = #member, .type = (t), .offset = offsetof(s, member)                                \
    }
#define RANGED(s, member, t, lo, hi)                                                               \
    {                                                                                              \
        .name = #member, .type = (t), .offset = offsetof(s, member), .min = (lo), .max = (hi)      \
    }
#define NAMED(s, member, table, lo, hi)                                                            \
    {                                                                                              \
        .name = #member, .type = VS_FIELD_NAME, .offset = offsetof(s, member), .min = (lo),        \
        .max = (hi), .names = (table)                                                              \
    }
#define OPTIONAL(s, member, t, hi)                                                                 \
    {                                                                                              \
        .name = #member, .type = (t), .offset = offsetof(s, member), .max = (hi), .optional = true \
    }
#define INDEX(s) RANGED(s, index, VS_FIELD_U32, 1, VS_ENTRY_SHAREHOLDERS_MAX)
#define LIST(s, member, lo, type_of_one, elements)                                                 \
    {                                                                                              \
        .name = #member, .type = VS_FIELD_LIST, .offset = offsetof(s, member), .min = (lo),        \
        .max = VS_ENTRY_SHAREHOLDERS_MAX, .count_offset = offsetof(s, n_##member),                 \
        .stride = sizeof(type_of_one), .element = (elements),                                      \
        .n_element = sizeof(elements) / sizeof((elements)[0])                                      \
    }
#define INDICES(s, member)                                                                         \
    {                                                                                              \
        .name = #member, .type = VS_FIELD_LIST, .offset = offsetof(s, member),                     \
        .max = VS_ENTRY_SHAREHOLDERS_MAX, .count_offset = offsetof(s, n_##member),                 \
        .stride = sizeof(uint32_t)                                                                 \
    }

static const vs_field head_fields[] = {
    PLAIN(vs_entry, origin, VS_FIELD_ORIGIN),
    PLAIN(vs_entry, federation, VS_FIELD_HASH),
    RANGED(vs_entry, round, VS_FIELD_U64, 0, VS_ENTRY_INT_MAX),
    PLAIN(vs_entry, kind, VS_FIELD_KIND),
    PLAIN(vs_entry, prev, VS_FIELD_HASH),
};

static const vs_field federation_fields[] = {
    PLAIN(vs_entry_federation, file, VS_FIELD_HASH),
    PLAIN(vs_entry_federation, log_key, VS_FIELD_VKEY),
};

static const vs_field shareholder_fields[] = {
    INDEX(vs_entry_shareholder),
    PLAIN(vs_entry_shareholder, key, VS_FIELD_KEY),
    PLAIN(vs_entry_shareholder, sig, VS_FIELD_SIG),
};

static const vs_field open_fields[] = {
    RANGED(vs_entry_open, dim, VS_FIELD_U32, 1, VS_ENTRY_DIM_MAX),
    RANGED(vs_entry_open, weight_digits, VS_FIELD_U32, 1, 64),
    RANGED(vs_entry_open, quantization_bits, VS_FIELD_U32, 1, 32),
    RANGED(vs_entry_open, max_clients, VS_FIELD_U32, 2, VS_ENTRY_CLIENTS_MAX),
    RANGED(vs_entry_open, min_clients, VS_FIELD_U32, 2, VS_ENTRY_CLIENTS_MAX),
    RANGED(vs_entry_open, target_clients, VS_FIELD_U32, 0, VS_ENTRY_CLIENTS_MAX),
    PLAIN(vs_entry_open, model_hash, VS_FIELD_HASH),
    RANGED(vs_entry_open, clip_norm, VS_FIELD_REAL, 0, 0),
    RANGED(vs_entry_open, clipping_range, VS_FIELD_REAL, 1, 0),
    RANGED(vs_entry_open, max_weight, VS_FIELD_U64, 1, UINT64_C(1) << 48),
    PLAIN(vs_entry_open, stochastic_rounding, VS_FIELD_BOOL),
    OPTIONAL(vs_entry_open, rotation, VS_FIELD_BOOL, 0),
    OPTIONAL(vs_entry_open, metrics, VS_FIELD_U32, 8),
    OPTIONAL(vs_entry_open, signal_levels, VS_FIELD_U64, UINT32_MAX),
    OPTIONAL(vs_entry_open, noise_variance, VS_FIELD_U64, UINT64_C(1) << 40),
    OPTIONAL(vs_entry_open, epsilon, VS_FIELD_REAL, 0),
    RANGED(vs_entry_open, opened_at, VS_FIELD_U64, 0, VS_ENTRY_TIME_MAX),
    RANGED(vs_entry_open, deadline, VS_FIELD_U64, 0, VS_ENTRY_TIME_MAX),
    RANGED(vs_entry_open, hard_expiry, VS_FIELD_U64, 0, VS_ENTRY_TIME_MAX),
    PLAIN(vs_entry_open, aggregator_key, VS_FIELD_KEY),
    LIST(vs_entry_open, shareholders, 1, vs_entry_shareholder, shareholder_fields),
};

static const vs_field vote_fields[] = {
    INDEX(vs_entry_vote),
    PLAIN(vs_entry_vote, sig, VS_FIELD_SIG),
};

static const vs_field set_fields[] = {
    PLAIN(vs_entry_set, params_hash, VS_FIELD_HASH),
    RANGED(vs_entry_set, count, VS_FIELD_U32, 1, VS_ENTRY_CLIENTS_MAX),
    PLAIN(vs_entry_set, records, VS_FIELD_HASH),
    RANGED(vs_entry_set, rejected_count, VS_FIELD_U32, 0, UINT32_MAX),
    PLAIN(vs_entry_set, rejected, VS_FIELD_HASH),
    PLAIN(vs_entry_set, records_blob, VS_FIELD_HASH),
    PLAIN(vs_entry_set, rejected_blob, VS_FIELD_HASH),
    LIST(vs_entry_set, votes, 1, vs_entry_vote, vote_fields),
};

static const vs_field answer_fields[] = {
    INDEX(vs_entry_answer),
    PLAIN(vs_entry_answer, set, VS_FIELD_HASH),
    PLAIN(vs_entry_answer, answer_hash, VS_FIELD_HASH),
    RANGED(vs_entry_answer, checkpoint_size, VS_FIELD_U64, 1, VS_ENTRY_INT_MAX),
    PLAIN(vs_entry_answer, checkpoint_root, VS_FIELD_HASH),
};

static const vs_field blob_fields[] = {
    INDEX(vs_entry_blob),
    PLAIN(vs_entry_blob, blob, VS_FIELD_HASH),
};

static const vs_field result_fields[] = {
    PLAIN(vs_entry_result, set, VS_FIELD_HASH),
    PLAIN(vs_entry_result, sum_hash, VS_FIELD_HASH),
    PLAIN(vs_entry_result, sum_blob, VS_FIELD_HASH),
    RANGED(vs_entry_result, count, VS_FIELD_U32, 1, VS_ENTRY_CLIENTS_MAX),
    RANGED(vs_entry_result, weight_sum, VS_FIELD_U64, 0, VS_ENTRY_INT_MAX),
    PLAIN(vs_entry_result, model_hash, VS_FIELD_HASH),
    LIST(vs_entry_result, answers, 1, vs_entry_blob, blob_fields),
    INDICES(vs_entry_result, wrong),
    INDICES(vs_entry_result, outvoted),
    PLAIN(vs_entry_result, margin, VS_FIELD_MARGIN),
    PLAIN(vs_entry_result, certain, VS_FIELD_BOOL),
    OPTIONAL(vs_entry_result, next_clip_norm, VS_FIELD_REAL, 0),
};

static const vs_field abort_fields[] = {
    PLAIN(vs_entry_abort, reason, VS_FIELD_REASON),
    RANGED(vs_entry_abort, detail, VS_FIELD_DETAIL, 0, VS_ENTRY_DETAIL_MAX),
    PLAIN(vs_entry_abort, closed, VS_FIELD_BOOL),
    INDICES(vs_entry_abort, not_voting),
};

static const vs_field closed_fields[] = {
    INDEX(vs_entry_closed),
    PLAIN(vs_entry_closed, params_hash, VS_FIELD_HASH),
};

static const vs_field evidence_fields[] = {
    NAMED(vs_entry_evidence, claim, claim_names, VS_CLAIM_TWO_SUBMISSIONS, VS_CLAIM_STATEMENT),
    NAMED(vs_entry_evidence, party, party_names, VS_PARTY_CLIENT, VS_PARTY_LOG),
    RANGED(vs_entry_evidence, index, VS_FIELD_U32, 0, VS_ENTRY_SHAREHOLDERS_MAX),
    PLAIN(vs_entry_evidence, key, VS_FIELD_KEY),
    PLAIN(vs_entry_evidence, pseudonym, VS_FIELD_HASH),
    RANGED(vs_entry_evidence, about, VS_FIELD_U64, 0, VS_ENTRY_INT_MAX),
    RANGED(vs_entry_evidence, reason, VS_FIELD_U32, 0, VS_REASON_MAX),
    RANGED(vs_entry_evidence, size, VS_FIELD_U64, 1, VS_ENTRY_INT_MAX),
    PLAIN(vs_entry_evidence, blob, VS_FIELD_HASH),
};

static const vs_field key_fields[] = {
    NAMED(vs_entry_key, action, action_names, VS_KEY_REVOKE, VS_KEY_ROTATE),
    NAMED(vs_entry_key, party, party_names, VS_PARTY_CLIENT, VS_PARTY_SHAREHOLDER),
    RANGED(vs_entry_key, index, VS_FIELD_U32, 0, VS_ENTRY_SHAREHOLDERS_MAX),
    PLAIN(vs_entry_key, old_key, VS_FIELD_KEY),
    PLAIN(vs_entry_key, new_key, VS_FIELD_KEY),
    PLAIN(vs_entry_key, new_cosigner, VS_FIELD_KEY),
    PLAIN(vs_entry_key, signer, VS_FIELD_KEY),
    PLAIN(vs_entry_key, sig, VS_FIELD_SIG),
    PLAIN(vs_entry_key, enrolment, VS_FIELD_SIG),
};

#define TABLE(t)                                                                                   \
    {                                                                                              \
        .field = (t), .n = sizeof(t) / sizeof((t)[0])                                              \
    }

vs_field_table vs_entry_head_fields(void)
{
    return (vs_field_table)TABLE(head_fields);
}

vs_field_table vs_entry_kind_fields(vs_entry_kind kind)
{
    static const vs_field_table tables[] = {
        [VS_ENTRY_FEDERATION] = TABLE(federation_fields),
        [VS_ENTRY_OPEN] = TABLE(open_fields),
        [VS_ENTRY_SET] = TABLE(set_fields),
        [VS_ENTRY_ANSWER] = TABLE(answer_fields),
        [VS_ENTRY_RESULT] = TABLE(result_fields),
        [VS_ENTRY_ABORT] = TABLE(abort_fields),
        [VS_ENTRY_CLOSED] = TABLE(closed_fields),
        [VS_ENTRY_EVIDENCE] = TABLE(evidence_fields),
        [VS_ENTRY_KEY] = TABLE(key_fields),
    };
    VS_ASSERT(kind >= VS_ENTRY_FEDERATION && kind <= VS_ENTRY_KIND_LAST);
    return tables[kind];
}

bool vs_field_is_zero(const vs_field *f, const char *at)
{
    static const char zeros[sizeof(uint64_t)];
    VS_ASSERT(f->optional);
    switch (f->type) {
    case VS_FIELD_BOOL: return memcmp(at, zeros, sizeof(bool)) == 0;
    case VS_FIELD_U32: return memcmp(at, zeros, sizeof(uint32_t)) == 0;
    case VS_FIELD_U64:
    case VS_FIELD_REAL: return memcmp(at, zeros, sizeof(uint64_t)) == 0;
    default: break;
    }
    VS_ASSERT(!"no such optional member");
    return false;
}

/* --- rules between members ------------------------------------------------------------------- */

static vs_err check_federation(const vs_entry *e, vs_diag *diag)
{
    if (e->round != 0) {
        return vs_fail(diag, VS_ERR_LIMIT, "member \"round\" must be 0 for a federation entry");
    }
    if (!vs_h32_is_zero(&e->prev)) {
        return vs_fail(diag, VS_ERR_LIMIT, "member \"prev\" must be zero for a federation entry");
    }
    if (!vs_h32_equal(&e->federation, &e->u.federation.file)) {
        return vs_fail(diag, VS_ERR_LIMIT, "member \"file\" must equal member \"federation\"");
    }
    return VS_OK;
}

static vs_err check_open(const vs_entry_open *o, vs_diag *diag)
{
    if (o->min_clients > o->max_clients) {
        return vs_fail(diag, VS_ERR_LIMIT, "member \"min_clients\": %u is above max_clients %u",
                       (unsigned)o->min_clients, (unsigned)o->max_clients);
    }
    if (o->target_clients > o->max_clients) {
        return vs_fail(diag, VS_ERR_LIMIT, "member \"target_clients\": %u is above max_clients %u",
                       (unsigned)o->target_clients, (unsigned)o->max_clients);
    }
    if ((o->signal_levels == 0) != (o->noise_variance == 0) ||
        (o->signal_levels == 0 && o->epsilon != 0)) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "members \"signal_levels\", \"noise_variance\" and \"epsilon\" go together");
    }
    if (o->deadline < o->opened_at) {
        return vs_fail(diag, VS_ERR_LIMIT, "member \"deadline\" is before opened_at");
    }
    if (o->hard_expiry < o->deadline) {
        return vs_fail(diag, VS_ERR_LIMIT, "member \"hard_expiry\" is before deadline");
    }
    return VS_OK;
}

static vs_err check_evidence(const vs_entry_evidence *e, vs_diag *diag)
{
    bool statement = e->claim == VS_CLAIM_STATEMENT;
    bool share = statement || e->claim == VS_CLAIM_INCONSISTENT_SHARE;
    if ((e->index != 0) != (e->party == VS_PARTY_SHAREHOLDER || share)) {
        return vs_fail(diag, VS_ERR_LIMIT, "member \"index\": a shareholder is named, or none");
    }
    if (statement != vs_h32_is_zero(&e->key)) {
        return vs_fail(diag, VS_ERR_LIMIT, "member \"key\" is zero for a statement only");
    }
    if ((e->party == VS_PARTY_CLIENT) == vs_h32_is_zero(&e->pseudonym)) {
        return vs_fail(diag, VS_ERR_LIMIT, "member \"pseudonym\" is for a client only");
    }
    if (statement != (e->reason != 0)) {
        return vs_fail(diag, VS_ERR_LIMIT, "member \"reason\" is for a statement only");
    }
    return VS_OK;
}

static vs_err check_key(const vs_entry_key *k, vs_diag *diag)
{
    bool client = k->party == VS_PARTY_CLIENT;
    bool revoke = k->action == VS_KEY_REVOKE;
    if (client != (k->index == 0)) {
        return vs_fail(diag, VS_ERR_LIMIT, "member \"index\" is for a shareholder only");
    }
    if (revoke != vs_h32_is_zero(&k->new_key)) {
        return vs_fail(diag, VS_ERR_LIMIT, "member \"new_key\" is for a rotation only");
    }
    if ((revoke || client) != vs_h32_is_zero(&k->new_cosigner)) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "member \"new_cosigner\" is for a shareholder's rotation only");
    }
    if (vs_h32_equal(&k->old_key, &k->new_key)) {
        return vs_fail(diag, VS_ERR_LIMIT, "member \"new_key\" equals old_key");
    }
    return VS_OK;
}

vs_err vs_entry_check(const vs_entry *e, vs_diag *diag)
{
    if (e->kind == VS_ENTRY_FEDERATION) return check_federation(e, diag);
    if (e->kind == VS_ENTRY_KEY) return check_key(&e->u.key, diag);
    if (e->round == 0) {
        return vs_fail(diag, VS_ERR_LIMIT, "member \"round\" must be 1 or more");
    }
    if (e->kind == VS_ENTRY_EVIDENCE) return check_evidence(&e->u.evidence, diag);
    return e->kind == VS_ENTRY_OPEN ? check_open(&e->u.open, diag) : VS_OK;
}
