/* Rules of a `set` entry: votes, numbers, records (net/replay.h). */
#include <stdlib.h>
#include <string.h>

#include "net/keys.h"
#include "net/replay_impl.h"
#include "net/submission.h"

/* Blobs are read in pieces of this many bytes when only their hash is wanted. */
#define PIECE_BYTES 65536u
/* Records that one vote message can carry (net/wire.h): more were never voted on. */
#define RECORDS_BYTES_MAX (UINT32_C(4) << 20)

vs_err vs_replay_read_blob(const vs_replay *rp, const vs_h32 *name, uint64_t size, uint8_t *out,
                           vs_diag *diag)
{
    char hex[VS_HEX_CHARS(VS_H32_BYTES)];
    uint64_t there = 0;
    vs_hash h;
    vs_h32 hash;
    vs_hex_encode(hex, name->b, sizeof name->b);
    vs_err err = rp->blobs.size(rp->blobs.ctx, name, &there);
    if (err == VS_ERR_STATE) return vs_fail(diag, err, "blob %s is not here", hex);
    if (err != VS_OK) return vs_fail(diag, err, "blob %s cannot be read", hex);
    if (there != size) {
        return vs_fail(diag, VS_ERR_PROOF, "blob %s has %llu bytes, not %llu", hex,
                       (unsigned long long)there, (unsigned long long)size);
    }
    uint8_t *piece = NULL; /* where nobody wants the bytes */
    if (out == NULL) {
        piece = malloc(PIECE_BYTES);
        if (piece == NULL) return vs_fail(diag, VS_ERR_NOMEM, "out of memory");
    }
    vs_hash_init(&h);
    for (uint64_t at = 0; at < size && err == VS_OK;) {
        size_t n = size - at < PIECE_BYTES ? (size_t)(size - at) : PIECE_BYTES;
        uint8_t *into = piece != NULL ? piece : out + at;
        err = rp->blobs.read(rp->blobs.ctx, name, at, into, n);
        if (err == VS_OK) vs_hash_bytes(&h, into, n);
        at += n;
    }
    vs_hash_final(&h, &hash);
    free(piece);
    if (err != VS_OK) return vs_fail(diag, err, "blob %s cannot be read", hex);
    if (!vs_h32_equal(&hash, name)) {
        return vs_fail(diag, VS_ERR_PROOF, "blob %s does not hash to its name", hex);
    }
    return VS_OK;
}

static vs_err check_votes(const vs_replay *rp, const vs_entry_set *set, vs_diag *diag)
{
    const vs_round_view *v = &rp->view;
    const uint32_t q = vs_committee_q(&rp->fed->committee);
    const vs_proposal proposal = {.id = v->round.id,
                                  .params_hash = set->params_hash,
                                  .count = set->count,
                                  .root = set->records,
                                  .rejected_count = set->rejected_count,
                                  .rejected_root = set->rejected};
    if (set->n_votes < q) {
        return vs_fail(diag, VS_ERR_PROOF, "set has %u votes, %u are needed", set->n_votes, q);
    }
    vs_buf bytes = {0};
    vs_err err = VS_OK;
    for (uint32_t i = 0; i < set->n_votes && err == VS_OK; i++) {
        const vs_entry_vote *vote = &set->votes[i];
        if (vote->index == 0 || (i > 0 && vote->index <= set->votes[i - 1].index)) {
            err = vs_fail(diag, VS_ERR_PROOF, "set: votes are not of distinct shareholders");
        } else if (vs_round_position(&v->round, vote->index) < 0) {
            err = vs_fail(diag, VS_ERR_PROOF,
                          "set: vote of shareholder %u, which open does not "
                          "list",
                          vote->index);
        } else if (v->closed[vote->index]) {
            err = vs_fail(diag, VS_ERR_PROOF, "set: vote of shareholder %u after its closed",
                          vote->index);
        } else if (!rp->trusted) {
            vs_buf_reset(&bytes);
            err = vs_vote_bytes(&bytes, &proposal, vote->index);
            if (err == VS_OK) {
                err = vs_verify(vote->sig, bytes.p, bytes.len,
                                &rp->fed->shareholder[vote->index - 1].party.key);
                if (err != VS_OK) {
                    err = vs_fail(diag, VS_ERR_PROOF,
                                  "set: the signature of shareholder %u's vote fails", vote->index);
                }
            }
        }
    }
    vs_buf_free(&bytes);
    return err;
}

/* Both sorted by pseudonym: no client may be in both. */
static vs_err check_disjoint(const uint8_t *records, uint32_t n, const uint8_t *rejected,
                             uint32_t n_rejected, vs_diag *diag)
{
    for (uint32_t i = 0, k = 0; i < n && k < n_rejected;) {
        int order = memcmp(records + (size_t)i * VS_RECORD_BYTES,
                           rejected + (size_t)k * VS_RECORD_BYTES, VS_H32_BYTES);
        if (order == 0)
            return vs_fail(diag, VS_ERR_PROOF, "set: a client is included and rejected");
        if (order < 0)
            i++;
        else
            k++;
    }
    return VS_OK;
}

static vs_err check_rejected(const uint8_t *rejected, uint32_t n, vs_diag *diag)
{
    static const uint8_t zeros[31];
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *tail = rejected + (size_t)i * VS_RECORD_BYTES + 64;
        if (tail[0] < VS_REJECT_LATE || tail[0] > VS_REJECT_INCOMPLETE ||
            memcmp(tail + 1, zeros, sizeof zeros) != 0) {
            return vs_fail(diag, VS_ERR_PROOF, "set: rejected record %u has no valid reason", i);
        }
    }
    return VS_OK;
}

static vs_err check_root(const uint8_t *records, uint32_t n, const vs_h32 *root, const char *what,
                         vs_diag *diag)
{
    vs_h32 found;
    if (vs_records_root(&found, records, n) != VS_OK) {
        return vs_fail(diag, VS_ERR_PROOF, "set: %s are not sorted by pseudonym", what);
    }
    if (!vs_h32_equal(&found, root)) {
        return vs_fail(diag, VS_ERR_PROOF, "set: %s do not have the root that was voted on", what);
    }
    return VS_OK;
}

static vs_err check_records(const vs_replay *rp, const vs_entry_set *set, vs_diag *diag)
{
    size_t included = (size_t)set->count * VS_RECORD_BYTES;
    size_t rejected = (size_t)set->rejected_count * VS_RECORD_BYTES;
    uint8_t *bytes = calloc(1, included + rejected + 1);
    if (bytes == NULL) return vs_fail(diag, VS_ERR_NOMEM, "set: out of memory");
    vs_err err = vs_replay_read_blob(rp, &set->records_blob, included, bytes, diag);
    if (err == VS_OK) {
        err = vs_replay_read_blob(rp, &set->rejected_blob, rejected, bytes + included, diag);
    }
    if (err != VS_OK) vs_diag_prefix(diag, "set");
    if (err == VS_OK) err = check_root(bytes, set->count, &set->records, "records", diag);
    if (err == VS_OK) {
        err = check_root(bytes + included, set->rejected_count, &set->rejected, "rejected records",
                         diag);
    }
    if (err == VS_OK) err = check_rejected(bytes + included, set->rejected_count, diag);
    if (err == VS_OK) {
        err = check_disjoint(bytes, set->count, bytes + included, set->rejected_count, diag);
    }
    free(bytes);
    return err;
}

vs_err vs_replay_check_set(const vs_replay *rp, const vs_entry_set *set, vs_diag *diag)
{
    const vs_round_view *v = &rp->view;
    const vs_entry_open *open = &v->round.open;
    if (v->phase == VS_REPLAY_SET) return vs_fail(diag, VS_ERR_PROOF, "a second set of one round");
    if (v->phase != VS_REPLAY_OPEN) {
        return vs_fail(diag, VS_ERR_PROOF, "set of a round that is over");
    }
    if (!vs_h32_equal(&set->params_hash, &v->round.params_hash)) {
        return vs_fail(diag, VS_ERR_PROOF, "set: params_hash is not the open's");
    }
    if (set->count < open->min_clients || set->count > open->max_clients) {
        return vs_fail(diag, VS_ERR_PROOF, "set of %u clients, the round admits %u to %u",
                       set->count, open->min_clients, open->max_clients);
    }
    if (set->rejected_count > RECORDS_BYTES_MAX / VS_RECORD_BYTES) {
        return vs_fail(diag, VS_ERR_PROOF, "set rejects %u clients, more than a vote can carry",
                       set->rejected_count);
    }
    vs_err err = check_votes(rp, set, diag);
    if (err == VS_OK && rp->check_records && !rp->trusted) err = check_records(rp, set, diag);
    return err;
}
