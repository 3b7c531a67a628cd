/* net/federation.h - the federation file: the contract that every party follows.
 *
 * JSON; federation_id = SHA-256 of the exact bytes of the file, so nobody can change a word of it
 * unseen. Errors name file, line and rule:
 * "federation.json: line 12: num_shares 4 is below reconstruction_threshold 5". */
#ifndef VS_NET_FEDERATION_H
#define VS_NET_FEDERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "fl/privacy.h"
#include "fl/quantise.h"
#include "fl/tensors.h"
#include "ledger/note.h"
#include "ledger/policy.h"
#include "mpc/params.h"
#include "net/address.h"
#include "net/tls.h"

#define VS_REWARD_MAX 1000000u         /* credits for one submission */
#define VS_FEDERATION_FILE_MAX 524288u /* bytes */

typedef struct vs_fed_party {
    char name[VS_NOTE_NAME_MAX + 1];
    vs_h32 key; /* Ed25519 identity */
    char address[VS_ADDRESS_MAX + 1];
} vs_fed_party;

typedef struct vs_fed_shareholder {
    vs_fed_party party;
    vs_note_key cosigner_key;
} vs_fed_shareholder;

typedef struct vs_federation {
    vs_h32 id;   /* SHA-256 of file */
    vs_buf file; /* the exact bytes, owned */
    char name[VS_NOTE_NAME_MAX + 1];
    char origin[VS_NOTE_NAME_MAX + 1]; /* of the log */
    bool demo;           /* clients may leave their quantised updates in a folder: for demos only */
    bool public_results; /* results and sum shares are served to everyone */
    vs_committee committee; /* num_shares, privacy_threshold, packing, margin */
    uint32_t max_clients;   /* N */
    uint32_t min_clients;
    double max_missing; /* a shareholder that misses more of the clients leaves the certificate,
                           0.05 */
    double min_cover;   /* a set must cover this part of a voter's own list, 0.8 */
    /* Credits that `ledger state` grants a pseudonym for a submission in a final round's sum, and
     * takes for one that was rejected there. 0: no rule. */
    uint32_t reward_included, reward_rejected;
    uint32_t round_timeout_s;  /* collection at most this long */
    uint32_t answer_timeout_s; /* everything after collection at most this long */
    vs_quantiser quantiser;    /* quantization_bits, clip_norm, clipping_range, max_weight,
                                  stochastic_rounding; with rotation clipping_range is the
                                  round's, k_stddevs * clip_norm / sqrt(dim), and clip_norm here */
    bool rotation;             /* "hadamard" */
    double k_stddevs;          /* default 4 */
    bool metrics; /* loss, accuracy and "within clip_norm" are summed beside the update */
    double target_unclipped_quantile;   /* adaptive clipping: 0 is off (the default) */
    double adaptive_clip_learning_rate; /* default 0.2 */
    vs_privacy privacy;                 /* mechanism "none" by default */
    uint32_t num_params;                /* values of an update in every round; 0: each round says */
    uint32_t n_tensors;                 /* 0: an update has no named parts */
    vs_tensor_shape *tensor; /* owned; in the order of the flat vector, num_params values in all */
    char admin_name[VS_NOTE_NAME_MAX + 1];
    vs_h32 admin_key; /* enrols clients, opens and cancels rounds */
    vs_fed_party aggregator;
    vs_note_key log_key; /* its name is origin: sign checkpoints with this key and the aggregator's
                            vs_keys.log_seed, not with its vs_keys.pub.log */
    vs_fed_shareholder shareholder[VS_SHAREHOLDERS_MAX]; /* [j-1] is shareholder j */
    vs_policy policy;                                    /* log key, cosigner keys, quorum q */
    vs_tls *tls; /* owned, not of the file; NULL: none was found, or no address needs it */
} vs_federation;

/* Read and check everything. On VS_OK the caller owns *out (vs_federation_free). When an address is
 * tls+tcp://, also the TLS folder: the one that VEILSUM_TLS names, or `tls` beside the file, or
 * none if neither is there. */
VS_MUST_CHECK vs_err vs_federation_load(vs_federation **out, const char *path, vs_diag *diag);
/* The same from bytes; name is for messages. */
VS_MUST_CHECK vs_err vs_federation_parse(vs_federation **out, const uint8_t *bytes, size_t len,
                                         const char *name, vs_diag *diag);
void vs_federation_free(vs_federation *fed);
/* Take this TLS folder instead. */
VS_MUST_CHECK vs_err vs_federation_use_tls(vs_federation *fed, const char *dir, vs_diag *diag);
/* Append the file's text for a filled-in struct (id, file, policy ignored), readable JSON with one
 * member per line. What it writes, parse accepts, or it returns the rule that is broken. */
VS_MUST_CHECK vs_err vs_federation_format(vs_buf *out, const vs_federation *fed, vs_diag *diag);

/* Coordinates of the metrics: VS_METRICS_N or 0. */
uint32_t vs_federation_n_metrics(const vs_federation *fed);

/* What the federation survives, for `federation show`. */
typedef struct vs_tolerance {
    uint32_t colluders;       /* t */
    uint32_t lost_before_set; /* n - max(q, r + margin) */
    uint32_t lost_after_set;  /* n - max(q, r + margin): answers, and cosignatures of the result */
    uint32_t liars_detected;  /* wrong sum shares that cannot pass unseen */
    uint32_t liars_corrected; /* wrong sum shares with which the result is still certain, all
                                 answering */
    double upload_factor;     /* field elements sent per packed element: (n - t) / k */
} vs_tolerance;
vs_tolerance vs_federation_tolerance(const vs_committee *c);

/* Index of the shareholder with this identity key, 0 if none. */
uint32_t vs_federation_shareholder(const vs_federation *fed, const vs_h32 *key);

#endif /* VS_NET_FEDERATION_H */
