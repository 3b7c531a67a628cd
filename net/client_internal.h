/* net/client_internal.h - the client's state, shared by client*.c only.
 *
 * client.c steps and finishes; client_ask.c learns the round and decides whether to submit;
 * client_record.c keeps what was submitted for which model; client_prepare.c makes header (pass 1)
 * and trailer; client_peer.c is one shareholder; client_send.c uploads to all of them (pass 2). */
#ifndef VS_NET_CLIENT_INTERNAL_H
#define VS_NET_CLIENT_INTERNAL_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

#include "mpc/proof.h"
#include "net/client.h"
#include "net/encoder.h"
#include "net/round.h"
#include "net/seal.h"
#include "net/submission.h"
#include "net/wire.h"

#define VS_CLIENT_PURPOSE_MAX 200u /* bytes of a purpose string */
#define VS_CLIENT_ASK_TIMEOUT_MS 5000u
#define VS_CLIENT_CHUNKS_MAX 8u /* sealed chunks of one request: about 512 KiB */

/* One request at a time to one peer, with backoff between failures. */
typedef struct vs_client_link {
    bool in_flight;
    uint64_t tag;
    uint64_t sent_at, retry_at; /* ms */
    uint64_t failing_since;     /* ms; 0 = it answers */
    uint32_t backoff_ms;
    char why[200]; /* why it fails or refuses */
} vs_client_link;

/* Retry later: doubles the backoff from 200 ms to 2 s. */
void vs_client_link_failed(vs_client_link *link, uint64_t now_ms, const char *fmt, ...)
    VS_PRINTF(3, 4);
void vs_client_link_ok(vs_client_link *link);

typedef enum vs_client_peer_state {
    VS_CLIENT_PEER_BEGIN,
    VS_CLIENT_PEER_CHUNKS,
    VS_CLIENT_PEER_FINISH,
    VS_CLIENT_PEER_RECEIPT, /* has given a valid one */
    VS_CLIENT_PEER_REFUSED,
} vs_client_peer_state;

typedef struct vs_client_peer {
    uint32_t j;
    bool is_seed; /* j <= t: its share is a seed */
    vs_client_peer_state state;
    vs_client_link link;
    vs_seal *seal;
    uint32_t next, chunks; /* next chunk it wants, of how many */
    uint32_t most;         /* most chunks it ever held, for the progress shown */
    bool begun;
    bool behind; /* too slow for the window: the others do not wait for it */
} vs_client_peer;

/* The record of what was submitted; never holds the seed. */
typedef enum vs_client_record_state {
    VS_CLIENT_RECORD_SENDING = 1,
    VS_CLIENT_RECORD_DONE = 2,
    VS_CLIENT_RECORD_LATE = 3, /* not enough receipts by the deadline; the seed is erased */
    VS_CLIENT_RECORD_SENT = 4, /* enough receipts are in; the aggregator may not know yet */
} vs_client_record_state;

typedef struct vs_client_record {
    vs_client_record_state state;
    vs_h32 federation_id;
    uint64_t round;
    vs_h32 params_hash;
    uint8_t salt[32]; /* keeps update_hash from telling a low-entropy update */
    vs_h32 update_hash;
    vs_h32 seed_hash;
    /* of a finished submission, for a restarted client's report */
    vs_h32 pseudonym, manifest_hash;
    uint32_t receipts, listed;
    uint64_t bytes, clipped;
    double norm;
    bool norm_clipped;
} vs_client_record;

/* Blocks first_block.. of every listed vector share as plain bytes: what pass 2 seals from. */
typedef struct vs_client_window {
    uint8_t *bytes; /* secret; peer p, block b at (p * cap + b) * VS_CHUNK_BYTES */
    uint32_t cap;   /* blocks */
    uint32_t first_block, n_blocks;
    uint64_t since_ms;
} vs_client_window;

struct vs_client {
    const vs_federation *fed;
    const vs_keys *keys;
    vs_store store;
    vs_rng rng;
    vs_client_input input;
    char purpose[VS_CLIENT_PURPOSE_MAX + 1];
    char record_key[96]; /* also names the seed, with the round */
    vs_client_status status;
    uint64_t last_tag;
    vs_client_link aggregator;
    bool looked_up; /* whether the record reports the named round as done */
    bool asking_closure;
    bool resumed; /* the record was there: shareholders may hold receipts past the deadline */
    vs_client_record record;

    vs_round round; /* from here on: valid once phase > ASKING */
    vs_buf open;    /* the envelope that it came in */
    vs_encoder *encoder;
    vs_pool *pool;   /* NULL: one thread */
    uint32_t hashed; /* blocks hashed in pass 1 */
    vs_share_root *roots;
    vs_header header;
    vs_buf header_bytes, trailer_bytes;
    uint8_t header_sig[64], trailer_sig[64];
    vs_fe2 rho;
    vs_proof_acc *proofs; /* r of them: W, column by column */
    uint32_t proven;      /* blocks in proofs */
    bool w_ready;
    vs_fe2 w[VS_SHAREHOLDERS_MAX];

    uint32_t n_peers;
    vs_client_peer *peers; /* those of `open` */
    vs_client_window window;
    uint64_t started_ms; /* SENDING */
    uint64_t enough_ms;  /* when the needed receipts were in; 0 = not yet */
};

/* Phase FAILED with this message. */
void vs_client_fail(vs_client *c, const char *fmt, ...) VS_PRINTF(2, 3);
/* The aggregator is asked again later; status.error says what it waits for meanwhile: shown when
 * the user's patience ends first. */
void vs_client_wait(vs_client *c, uint64_t now_ms, const char *what, const char *text);
/* Start a message to a peer: tag, flight. NULL when out of memory. */
vs_out *vs_client_post(vs_client *c, vs_outbox *out, uint32_t peer, vs_client_link *link,
                       uint64_t now_ms, uint32_t timeout_ms);
vsw_Request vs_client_request(const vs_client *c, pb_size_t op);

/* --- client_ask.c: which round, and may we submit to it? --- */

VS_MUST_CHECK vs_err vs_client_ask(vs_client *c, uint64_t now_ms, vs_outbox *out, vs_diag *diag);
VS_MUST_CHECK vs_err vs_client_ask_reply(vs_client *c, uint64_t now_ms, const vs_reply *reply,
                                         vs_diag *diag);
bool vs_client_is_transient(vsw_Code code); /* asking again may help */

/* --- client_record.c --- */

/* Bound to the salt of the record: H(label || salt || weight || dim || root over the doubles as
 * vs_share_root_of || loss || accuracy); metrics NULL: without the last two. */
void vs_client_update_hash(vs_h32 *out, const uint8_t salt[32], const double *update, uint64_t dim,
                           uint64_t weight, const double metrics[2]);
void vs_client_input_hash(vs_h32 *out, const vs_client *c, const uint8_t salt[32]);
void vs_client_record_name(vs_client *c); /* fills record_key */
VS_MUST_CHECK vs_err vs_client_record_load(vs_client *c, bool *found, vs_diag *diag);
/* New seed and record, durable on return; makes the encoder. A refusal is phase FAILED. */
VS_MUST_CHECK vs_err vs_client_record_begin(vs_client *c, vs_diag *diag);
/* The encoder from the seed of the record that was loaded. */
VS_MUST_CHECK vs_err vs_client_record_resume(vs_client *c, vs_diag *diag);
/* Enough receipts are in: durable, so that a restart knows it even when the round is over. */
VS_MUST_CHECK vs_err vs_client_record_sent(vs_client *c, vs_diag *diag);
/* Record the end durably, then erase the seed. */
VS_MUST_CHECK vs_err vs_client_record_end(vs_client *c, vs_client_record_state state,
                                          vs_diag *diag);
VS_MUST_CHECK vs_err vs_client_record_erase_seed(vs_client *c, vs_diag *diag);
/* Valid distinct `closed` statements of the recorded round among the envelopes in body. */
VS_MUST_CHECK vs_err vs_client_closure_count(const vs_client *c, const uint8_t *body, size_t len,
                                             uint32_t *n_valid);

/* --- client_evidence.c --- */

#define VS_CLIENT_EVIDENCE_NAME "evidence-%016" PRIx64 /* of a round: a blob of the store */
/* Keep the `open` that a submission is started for. */
VS_MUST_CHECK vs_err vs_client_open_keep(vs_client *c, vs_diag *diag);
/* The aggregator shows another one: *kept when both are kept as evidence. */
VS_MUST_CHECK vs_err vs_client_accuse(vs_client *c, bool *kept, vs_diag *diag);

/* --- client_prepare.c --- */

VS_MUST_CHECK vs_err vs_client_hash_start(vs_client *c);
/* Some blocks of pass 1; *done when the header is ready and signed. */
VS_MUST_CHECK vs_err vs_client_hash_slice(vs_client *c, bool *done);
/* Feed block b, which the encoder made last, to W if it is the next one. */
VS_MUST_CHECK vs_err vs_client_prove_block(vs_client *c, uint32_t b);
/* Make some missing blocks for W; sets w_ready (and trailer) at the end. */
VS_MUST_CHECK vs_err vs_client_prove_slice(vs_client *c);

/* --- client_peer.c: one shareholder --- */

VS_MUST_CHECK vs_err vs_client_send_start(vs_client *c, uint64_t now_ms);
VS_MUST_CHECK vs_err vs_client_send_reply(vs_client *c, vs_client_peer *p, uint64_t now_ms,
                                          const vs_event *event);
/* "shareholder 2 refused: late; shareholder 4 unreachable: ..." of those without receipt. */
void vs_client_send_excuses(const vs_client *c, char *out, size_t cap);
void vs_client_send_free(vs_client *c);

/* --- client_send.c --- */

/* Send what can be sent; moves on to MANIFEST or FAILED when it is decided. */
VS_MUST_CHECK vs_err vs_client_send_pump(vs_client *c, uint64_t now_ms, vs_outbox *out,
                                         vs_diag *diag);
#endif /* VS_NET_CLIENT_INTERNAL_H */
