/* net/replay_impl.h - inside of the replay: shared by net/replay*.c only. */
#ifndef VS_NET_REPLAY_IMPL_H
#define VS_NET_REPLAY_IMPL_H

#include "base/hash.h"
#include "ledger/entry.h"
#include "net/budget.h"
#include "net/replay.h"

/* Entries of one round after its set: at most one answer of each shareholder. */
#define VS_REPLAY_ROOTS_MAX (VS_SHAREHOLDERS_MAX + 1u)

/* Owns nothing but keys: a clone is a copy with its own. */
struct vs_replay {
    const vs_federation *fed;
    vs_blob_source blobs;
    bool check_records;
    bool trusted;
    bool allow_private;
    vs_merkle tree;
    vs_h32 prev; /* what the next entry must name */
    uint64_t last_round;
    vs_keyring keys;
    vs_replay_count count;
    vs_round_view view; /* of last_round, if that is not 0 */
    vs_budget budget;   /* of the rounds before it, and of it once it is over */
    /* root[i]: of the first set_index + 1 + i entries, i < n_roots: what an answer may name. */
    uint32_t n_roots;
    vs_h32 root[VS_REPLAY_ROOTS_MAX];
};

/* Rules of `set` and `result` against the newest round. Nothing in rp changes. */
VS_MUST_CHECK vs_err vs_replay_check_set(const vs_replay *rp, const vs_entry_set *set,
                                         vs_diag *diag);
VS_MUST_CHECK vs_err vs_replay_check_result(const vs_replay *rp, const vs_entry_result *result,
                                            vs_diag *diag);

/* Rules of `evidence` and `key` (replay_keys.c). Nothing in rp changes. */
VS_MUST_CHECK vs_err vs_replay_check_evidence(const vs_replay *rp, const vs_entry *entry,
                                              vs_diag *diag);
VS_MUST_CHECK vs_err vs_replay_check_key(const vs_replay *rp, const vs_entry *entry, vs_diag *diag);

/* VS_OK iff the whole blob is `size` bytes long and hashes to its name. out (size bytes) may be
 * NULL. VS_ERR_STATE: not here; VS_ERR_PROOF: other bytes. */
VS_MUST_CHECK vs_err vs_replay_read_blob(const vs_replay *rp, const vs_h32 *name, uint64_t size,
                                         uint8_t *out, vs_diag *diag);

#endif /* VS_NET_REPLAY_IMPL_H */
