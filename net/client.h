/* net/client.h - the client: one submission, resumable, never two for one model. */
#ifndef VS_NET_CLIENT_H
#define VS_NET_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"
#include "net/federation.h"
#include "net/keys.h"
#include "net/step.h"
#include "net/store.h"

typedef struct vs_client vs_client;

typedef struct vs_client_input {
    uint64_t round;       /* 0 = the newest one */
    const double *update; /* dim values, 1 .. VS_DIM_MAX, borrowed until the client is freed */
    uint64_t dim;
    uint64_t weight;
    bool has_metrics; /* needed where the federation has metrics, not used elsewhere */
    double loss, accuracy;
    vs_h32 model_hash;   /* the model the update was computed from; zeros = none */
    uint32_t threads;    /* that quantise, share, hash and prove; 0 = 1 */
    const char *purpose; /* from the client's own configuration; "" = none */
    uint8_t enrolment[64];
    /* Only in federations marked demo: receives the quantised coordinates (digits included) of what
     * is submitted, once. NULL otherwise; VS_ERR_STATE if set and the federation is not a demo. */
    void (*reveal)(void *ctx, uint64_t round, const uint32_t *coords, uint32_t n);
    void *reveal_ctx;
    /* Only in federations marked demo, without a mechanism (else VS_ERR_STATE): does not clip to
     * clip_norm, as a client can that lies. Nobody would see it; for experiments. */
    bool skip_norm_clip;
} vs_client_input;

typedef enum vs_client_phase {
    VS_CLIENT_ASKING,   /* round_info, and closure of an earlier round if the record needs it */
    VS_CLIENT_HASHING,  /* pass 1 */
    VS_CLIENT_SENDING,  /* pass 2 */
    VS_CLIENT_MANIFEST, /* receipts in, telling the aggregator */
    VS_CLIENT_DONE,
    VS_CLIENT_FAILED,
} vs_client_phase;

typedef struct vs_client_status {
    vs_client_phase phase;
    uint64_t round;
    uint32_t receipts; /* valid receipts so far */
    uint32_t listed;   /* shareholders of the round */
    uint32_t needed;   /* receipts without which the submission is not counted on */
    uint64_t bytes_sent;
    uint64_t bytes_total;
    uint64_t clipped; /* coordinates clipped to the range */
    bool norm_clipped;
    double norm;
    vs_h32 pseudonym, manifest_hash;
    vs_h32 salt; /* of the pseudonym; zero once the submission has been recorded as sent */
    vs_diag
        error; /* FAILED: why; DONE: what was not perfect ("shareholder 3 unreachable"), or "" */
} vs_client_status;

/* fed, keys, input->update are borrowed. Before the first byte leaves, a 32-byte submission seed
 * bound to the hash of the update is durable in the store; everything random derives from it, so a
 * restarted client sends exactly the same bytes. The record (model_hash, purpose) -> (round, update
 * hash) stays. */
VS_MUST_CHECK vs_err vs_client_new(vs_client **out, const vs_federation *fed, const vs_keys *keys,
                                   vs_store store, vs_rng rng, const vs_client_input *input,
                                   vs_diag *diag);
void vs_client_free(vs_client *client);
/* Events TICK, REPLY, LOST. Starts on the first TICK. Anything but VS_OK is the machine's. */
VS_MUST_CHECK vs_err vs_client_step(vs_client *client, uint64_t now_ms, const vs_event *event,
                                    vs_outbox *out, vs_diag *diag);
const vs_client_status *vs_client_state(const vs_client *client);
/* It has computing to do and wants the next TICK at once. */
bool vs_client_is_busy(const vs_client *client);

#endif /* VS_NET_CLIENT_H */
