/* ledger/entry.h - payloads of ledger entries: structs, strict JSON both ways.
 *
 * An entry is a DSSE envelope (ledger/dsse.h) around one such payload. Every payload carries
 * origin, federation, round, kind and prev, then the members of its kind. Hashes are lower-case
 * hex, keys and signatures base64, integers JSON integers below 2^63.
 * Encoding is deterministic: fixed member order, compact. Decoding refuses unknown, missing and
 * duplicate members and values out of range, and names the member. Members of features that are off
 * (0 or false) are left out, and refused when they are there with that value. Public data. */
#ifndef VS_LEDGER_ENTRY_H
#define VS_LEDGER_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/note.h"

#define VS_ENTRY_SHAREHOLDERS_MAX 128u /* shareholder indices are 1..128 */
#define VS_ENTRY_DETAIL_MAX 200u       /* bytes of an abort's detail */
#define VS_ENTRY_CLIENTS_MAX 32768u    /* clients of one round */
/* Counted in 32 bits; the columns that they take are bounded by whoever knows the packing. */
#define VS_ENTRY_DIM_MAX (UINT32_MAX - 64)
#define VS_ENTRY_TIME_MAX UINT64_C(253402300799) /* unix seconds: the end of the year 9999 */
#define VS_ENTRY_INT_MAX ((uint64_t)INT64_MAX)   /* largest integer of a payload */

typedef enum vs_entry_kind {
    VS_ENTRY_FEDERATION = 1,
    VS_ENTRY_OPEN,
    VS_ENTRY_SET,
    VS_ENTRY_ANSWER,
    VS_ENTRY_RESULT,
    VS_ENTRY_ABORT,
    VS_ENTRY_CLOSED,
    VS_ENTRY_EVIDENCE,
    VS_ENTRY_KEY,
} vs_entry_kind;
#define VS_ENTRY_KIND_LAST VS_ENTRY_KEY

typedef enum vs_abort_reason {
    VS_ABORT_CANCELLED = 1,
    VS_ABORT_TOO_FEW_SHAREHOLDERS,
    VS_ABORT_TOO_FEW_CLIENTS,
    VS_ABORT_TOO_FEW_VOTES,
    VS_ABORT_TOO_FEW_ANSWERS,
    VS_ABORT_UNDECODABLE,
    VS_ABORT_UNCERTAIN,
    VS_ABORT_RANGE,
    VS_ABORT_EXPIRED,
} vs_abort_reason;

/* --- federation: round 0, prev zero -------------------------------------------------------- */

typedef struct vs_entry_federation {
    vs_h32 file;         /* SHA-256 of the federation file, a blob; equals vs_entry.federation */
    vs_note_key log_key; /* type 0x01 */
} vs_entry_federation;

/* --- open ------------------------------------------------------------------------------------ */

typedef struct vs_entry_shareholder {
    uint32_t index;  /* 1..128 */
    vs_h32 key;      /* X25519 round key */
    uint8_t sig[64]; /* by the shareholder, over the round key statement (docs/WIRE.md) */
} vs_entry_shareholder;

typedef struct vs_entry_open {
    uint32_t dim;               /* coordinates without weight digits, 1..VS_ENTRY_DIM_MAX */
    uint32_t weight_digits;     /* 1..64 */
    uint32_t quantization_bits; /* 1..32 */
    uint32_t max_clients;       /* 2..32768 */
    uint32_t min_clients;       /* 2..max_clients */
    uint32_t target_clients;    /* 0..max_clients; 0: collect until the deadline */
    vs_h32 model_hash;
    double clip_norm;      /* >= 0, finite; 0: no L2 clip */
    double clipping_range; /* > 0, finite */
    uint64_t max_weight;   /* 1..2^48 */
    bool stochastic_rounding;
    /* Left out of the payload where they are 0 or false. */
    bool rotation;           /* random signs and Walsh-Hadamard before rounding */
    uint32_t metrics;        /* coordinates between update and weight digits, 0..8 */
    uint64_t signal_levels;  /* under differential privacy: grid steps between -R and R */
    uint64_t noise_variance; /* of one client's noise in one coordinate, steps^2 */
    double epsilon;          /* spent once this round counts */
    uint64_t opened_at;      /* unix seconds; opened_at <= deadline <= hard_expiry */
    uint64_t deadline;
    uint64_t hard_expiry;
    vs_h32 aggregator_key;   /* X25519 */
    uint32_t n_shareholders; /* 1..128, ascending index */
    vs_entry_shareholder shareholders[VS_ENTRY_SHAREHOLDERS_MAX];
} vs_entry_open;

/* --- set ------------------------------------------------------------------------------------- */

typedef struct vs_entry_vote {
    uint32_t index;  /* 1..128 */
    uint8_t sig[64]; /* over the vote statement (docs/WIRE.md) */
} vs_entry_vote;

typedef struct vs_entry_set {
    vs_h32 params_hash;
    uint32_t count; /* clients in the set */
    vs_h32 records; /* RFC 6962 root over their records */
    uint32_t rejected_count;
    vs_h32 rejected; /* root over the rejected records */
    vs_h32 records_blob;
    vs_h32 rejected_blob;
    uint32_t n_votes; /* 1..128, ascending index */
    vs_entry_vote votes[VS_ENTRY_SHAREHOLDERS_MAX];
} vs_entry_set;

/* --- answer ---------------------------------------------------------------------------------- */

typedef struct vs_entry_answer {
    uint32_t index; /* 1..128 */
    vs_h32 set;     /* leaf hash of the set entry */
    vs_h32 answer_hash;
    uint64_t checkpoint_size; /* the checkpoint the shareholder verified, 1.. */
    vs_h32 checkpoint_root;
} vs_entry_answer;

/* --- result ---------------------------------------------------------------------------------- */

typedef struct vs_entry_blob {
    uint32_t index; /* 1..128 */
    vs_h32 blob;    /* the sum share */
} vs_entry_blob;

typedef struct vs_entry_result {
    vs_h32 set; /* leaf hash of the set entry */
    vs_h32 sum_hash;
    vs_h32 sum_blob;
    uint32_t count; /* clients in the sum */
    uint64_t weight_sum;
    vs_h32 model_hash;
    uint32_t n_answers; /* 1..128, ascending index */
    vs_entry_blob answers[VS_ENTRY_SHAREHOLDERS_MAX];
    uint32_t n_wrong; /* proven wrong, 0..128, ascending */
    uint32_t wrong[VS_ENTRY_SHAREHOLDERS_MAX];
    uint32_t n_outvoted; /* outvoted but not proven wrong, 0..128, ascending */
    uint32_t outvoted[VS_ENTRY_SHAREHOLDERS_MAX];
    int32_t margin; /* m - r - e, -128..128 */
    bool certain;
    double next_clip_norm; /* with adaptive clipping, else 0 and left out of the payload */
} vs_entry_result;

/* --- abort, closed --------------------------------------------------------------------------- */

typedef struct vs_entry_abort {
    vs_abort_reason reason;
    char detail[VS_ENTRY_DETAIL_MAX + 1]; /* UTF-8 */
    bool closed;                          /* enough `closed` statements are in the log */
    uint32_t n_not_voting;                /* 0..128, ascending */
    uint32_t not_voting[VS_ENTRY_SHAREHOLDERS_MAX];
} vs_entry_abort;

typedef struct vs_entry_closed {
    uint32_t index; /* 1..128; this entry is signed by that shareholder */
    vs_h32 params_hash;
} vs_entry_closed;

/* --- evidence, key ---------------------------------------------------------------------------- */

typedef enum vs_party {
    VS_PARTY_CLIENT = 1,
    VS_PARTY_SHAREHOLDER,
    VS_PARTY_AGGREGATOR,
    VS_PARTY_LOG,
} vs_party;

/* What evidence shows (net/evidence.h says what each consists of). */
typedef enum vs_claim {
    VS_CLAIM_TWO_SUBMISSIONS = 1, /* a client: two headers */
    VS_CLAIM_TWO_PROOFS,          /* a client: two W for one header */
    VS_CLAIM_INCONSISTENT_SHARE,  /* a client: a share that opens c_j and fails W */
    VS_CLAIM_TWO_LISTS,           /* a shareholder */
    VS_CLAIM_TWO_VOTES,           /* a shareholder */
    VS_CLAIM_VOTE_AND_CLOSED,     /* a shareholder */
    VS_CLAIM_TWO_ENTRIES,         /* a shareholder: answers; the aggregator: open, set, result */
    VS_CLAIM_TWO_PROPOSALS,       /* the aggregator: two orders to vote */
    VS_CLAIM_TWO_LOGS,            /* the log: two checkpoints that are not of one log */
    VS_CLAIM_STATEMENT,           /* no proof: what a shareholder says about a submission */
} vs_claim;

/* Reason of a statement: the rejection reasons of docs/WIRE.md, 0 for other claims. */
#define VS_REASON_MAX 10u

typedef struct vs_entry_evidence {
    vs_claim claim;
    vs_party party;   /* who is accused */
    uint32_t index;   /* the accused shareholder; for a complaint about a share, who complains; 0 */
    vs_h32 key;       /* of the accused; zero for a statement, which unmasks nobody */
    vs_h32 pseudonym; /* of the accused client in that round (evidence unmasks it); else zero */
    uint64_t about;   /* the round that it is about, 0 if none */
    uint32_t reason;  /* 0..VS_REASON_MAX */
    uint64_t size;    /* bytes of the blob */
    vs_h32 blob;
} vs_entry_evidence;

typedef enum vs_key_action {
    VS_KEY_REVOKE = 1,
    VS_KEY_ROTATE,
} vs_key_action;

typedef struct vs_entry_key {
    vs_key_action action;
    vs_party party;        /* client or shareholder */
    uint32_t index;        /* the shareholder, 0 for a client */
    vs_h32 old_key;        /* identity */
    vs_h32 new_key;        /* identity; zero when revoked */
    vs_h32 new_cosigner;   /* of a shareholder that rotates; else zero */
    vs_h32 signer;         /* the admin's key or old_key */
    uint8_t sig[64];       /* over the key statement (docs/WIRE.md) */
    uint8_t enrolment[64]; /* of old_key, where a client rotates by itself; else zeros */
} vs_entry_key;

/* --- any entry ------------------------------------------------------------------------------- */

/* About 20 KiB, no pointers, copyable. */
typedef struct vs_entry {
    vs_entry_kind kind;
    char origin[VS_NOTE_NAME_MAX + 1]; /* of the log */
    vs_h32 federation;
    uint64_t round; /* 0 for `federation`; the newest for `key` (0 before the first); else 1.. */
    vs_h32 prev;    /* leaf hash of the federation's previous result, abort or federation entry */
    union {
        vs_entry_federation federation;
        vs_entry_open open;
        vs_entry_set set;
        vs_entry_answer answer;
        vs_entry_result result;
        vs_entry_abort abort;
        vs_entry_closed closed;
        vs_entry_evidence evidence;
        vs_entry_key key;
    } u;
} vs_entry;

/* "open" etc., as in payloadType. kind must be one of the enum. */
const char *vs_entry_kind_name(vs_entry_kind kind);
/* VS_ERR_MALFORMED for a name that is none (of a later version, say). */
VS_MUST_CHECK vs_err vs_entry_kind_parse(vs_entry_kind *out, const char *name);
/* "too-few-clients" etc. */
const char *vs_abort_reason_name(vs_abort_reason reason);
/* "two-votes", "shareholder", "revoke" etc. */
const char *vs_claim_name(vs_claim claim);
const char *vs_party_name(vs_party party);
const char *vs_key_action_name(vs_key_action action);

/* Append the payload to *payload. VS_ERR_LIMIT when a value is out of range or a list not
 * ascending (the message names the member; *payload keeps its length), VS_ERR_NOMEM. */
VS_MUST_CHECK vs_err vs_entry_encode(vs_buf *payload, const vs_entry *entry, vs_diag *diag);
/* Decode a payload whose envelope says `kind` (vs_dsse.kind); the payload must say the same.
 * VS_ERR_MALFORMED, or VS_ERR_LIMIT for a value out of range; *out is zero then. */
VS_MUST_CHECK vs_err vs_entry_decode(vs_entry *out, const char *kind, const void *payload,
                                     size_t len, vs_diag *diag);

#endif /* VS_LEDGER_ENTRY_H */
