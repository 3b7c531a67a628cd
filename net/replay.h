/* net/replay.h - the rules of the log, entry by entry: the same code for shareholders that cosign
 * and for auditors.
 *
 * Feed every envelope in order. Each is checked alone (DSSE signature by the right key, payload,
 * origin, federation) and against what came before: `federation` first; rounds without gaps; one
 * `open`, at most one `set`, `set` before every `answer`, q valid votes by distinct shareholders of
 * `open`, min_clients <= count <= N; every answer by its shareholder, once, naming this set, never
 * after its `closed`; `result` or `abort` last; `prev` as docs/LEDGER.md says; and a `result` is
 * recomputed from the sum shares. `evidence` and `key` stand anywhere but between a `set` and its
 * round's end, a shareholder's `key` only where no round runs; evidence is checked from its blob
 * (when check_records). sum_blob of a result is the SHA-256 of its L sums as u64,
 * little-endian; a logged answer that it names no blob for counts as an erasure. */
#ifndef VS_NET_REPLAY_H
#define VS_NET_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "net/federation.h"
#include "net/keyring.h"
#include "net/result.h"
#include "net/round.h"

typedef enum vs_replay_phase {
    VS_REPLAY_OPEN = 1, /* open logged */
    VS_REPLAY_SET,      /* set logged */
    VS_REPLAY_RESULT,   /* finished */
    VS_REPLAY_ABORT,
} vs_replay_phase;

/* What the log says of one round. */
typedef struct vs_round_view {
    vs_round round; /* from open */
    vs_replay_phase phase;
    vs_entry_set set;
    vs_h32 set_leaf;
    uint64_t set_index; /* log index of the set entry */
    uint32_t n_answers;
    uint32_t answer_index[VS_SHAREHOLDERS_MAX]; /* ascending j */
    vs_h32 answer_hash[VS_SHAREHOLDERS_MAX];
    bool closed[VS_SHAREHOLDERS_MAX + 1]; /* by j */
    uint32_t n_closed;
    vs_entry_result result;
    vs_entry_abort abort;
} vs_round_view;

/* Reads blobs by name (SHA-256): sum shares and records. read gives VS_ERR_STATE when the blob is
 * not there. The callee need not check the hash: replay does. */
typedef struct vs_blob_source {
    vs_err (*size)(void *ctx, const vs_h32 *name, uint64_t *bytes);
    vs_err (*read)(void *ctx, const vs_h32 *name, uint64_t offset, uint8_t *out, size_t len);
    void *ctx;
} vs_blob_source;

typedef struct vs_replay vs_replay;

/* fed is borrowed and must outlive the replay. blobs->read is used for `set` records and evidence
 * (skipped when check_records is false: a shareholder voted on those already and is not given the
 * others) and for results. */
VS_MUST_CHECK vs_err vs_replay_new(vs_replay **out, const vs_federation *fed,
                                   const vs_blob_source *blobs, bool check_records);
void vs_replay_free(vs_replay *rp);

/* Next entry. VS_OK: accepted. Otherwise the replay is unchanged and diag says why ("entry 12:
 * answer of shareholder 3 names another set"): VS_ERR_MALFORMED it does not decode, VS_ERR_PROOF it
 * breaks a rule, VS_ERR_STATE a blob that it needs is not here (yet). VS_ERR_IO etc. pass up. */
VS_MUST_CHECK vs_err vs_replay_entry(vs_replay *rp, const uint8_t *envelope, size_t len,
                                     vs_diag *diag);

/* While trusted, entries are ones that this party checked before and kept in its own store: only
 * the state is rebuilt, without signatures, votes, records and results. The caller compares the
 * root with the one it kept. */
void vs_replay_set_trusted(vs_replay *rp, bool trusted);

/* For readers from outside: a result none of whose sum shares is here passes without being
 * recomputed, where the federation does not make results public. */
void vs_replay_allow_private(vs_replay *rp);

uint64_t vs_replay_size(const vs_replay *rp);
void vs_replay_root(const vs_replay *rp, vs_h32 *root);
/* Keys that entries revoked or rotated so far. */
const vs_keyring *vs_replay_keys(const vs_replay *rp);
/* Entries of these kinds so far. */
typedef struct vs_replay_count {
    uint32_t proofs, statements, keys;
} vs_replay_count;
vs_replay_count vs_replay_counts(const vs_replay *rp);
/* Leaf hash of the federation's previous result or abort (or its federation entry). */
void vs_replay_prev(const vs_replay *rp, vs_h32 *prev);
uint64_t vs_replay_last_round(const vs_replay *rp); /* 0 if none */
/* The newest round (round == last_round) or NULL; older rounds keep only what the rules need. */
const vs_round_view *vs_replay_round(const vs_replay *rp, uint64_t round);

/* `open` of the round after those in the log, before it is in the log: clip_norm, epsilon and
 * max_epsilon against what the log's rounds have spent. VS_ERR_PROOF names the claim; VS_ERR_STATE:
 * the log here does not end with the round before. */
VS_MUST_CHECK vs_err vs_replay_check_open(const vs_replay *rp, const vs_round *round,
                                          vs_diag *diag);
/* Epsilon of all rounds that count, an open one included. 0 without differential privacy. */
double vs_replay_epsilon(const vs_replay *rp);

/* Provisional entries: save before a batch, restore if the checkpoint does not match. */
VS_MUST_CHECK vs_err vs_replay_clone(vs_replay **out, const vs_replay *rp);

#endif /* VS_NET_REPLAY_H */
