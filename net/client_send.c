#include "net/client_internal.h"

#include <inttypes.h>
#include <string.h>

#include <sodium.h>

#define BEGIN_TIMEOUT_MS 5000u
#define CHUNKS_TIMEOUT_MS 20000u
#define FINISH_TIMEOUT_MS 30000u
#define WINDOW_WAIT_MS 500u     /* the fast wait so long for the slow ones of a window */
#define GIVE_UP_MS 3000u        /* a peer that fails so long is not waited for */
#define STRAGGLER_MIN_MS 10000u /* others get as long again as the needed ones took, or this */
#define AFTER_DEADLINE_MS 2000u /* a receipt may still be on its way */

/* --- requests ----------------------------------------------------------------------------------
 */

static vs_err post_begin(vs_client *c, vs_client_peer *p, uint64_t now_ms, vs_outbox *out)
{
    vsw_Request head = vs_client_request(c, vsw_Request_submit_begin_tag);
    vs_buf body = {0};
    head.op.submit_begin.round = c->round.id.round;
    vs_buf_bytes(&body, c->header_bytes.p, c->header_bytes.len);
    vs_buf_bytes(&body, c->header_sig, sizeof c->header_sig);
    vs_buf_bytes(&body, c->input.enrolment, sizeof c->input.enrolment);
    vs_err err = vs_buf_check(&body);
    vs_out *item =
        err == VS_OK ? vs_client_post(c, out, p->j, &p->link, now_ms, BEGIN_TIMEOUT_MS) : NULL;
    if (item != NULL) err = vs_request_encode(&item->msg, &head, body.p, body.len);
    vs_buf_free(&body);
    return item == NULL ? VS_ERR_NOMEM : err;
}

static vs_err post_finish(vs_client *c, vs_client_peer *p, uint64_t now_ms, vs_outbox *out)
{
    vsw_Request head = vs_client_request(c, vsw_Request_submit_finish_tag);
    vs_buf body = {0};
    head.op.submit_finish.round = c->round.id.round;
    memcpy(head.op.submit_finish.submission, c->header.submission.b, 32);
    vs_buf_bytes(&body, c->trailer_bytes.p, c->trailer_bytes.len);
    vs_buf_bytes(&body, c->trailer_sig, sizeof c->trailer_sig);
    vs_err err = vs_buf_check(&body);
    vs_out *item =
        err == VS_OK ? vs_client_post(c, out, p->j, &p->link, now_ms, FINISH_TIMEOUT_MS) : NULL;
    if (item != NULL) err = vs_request_encode(&item->msg, &head, body.p, body.len);
    vs_buf_free(&body);
    return item == NULL ? VS_ERR_NOMEM : err;
}

/* Block of the encoder that chunk c of a vector share comes from (chunk 0, the nonce, goes along
 * with block 0). */
static uint32_t block_of(uint32_t chunk)
{
    return chunk == 0 ? 0 : chunk - 1;
}

static bool in_window(const vs_client *c, const vs_client_peer *p)
{
    uint32_t b = block_of(p->next);
    return b >= c->window.first_block && b < c->window.first_block + c->window.n_blocks;
}

/* Plain bytes of a chunk; borrowed from the window or written to secret[32]. */
static const uint8_t *chunk_bytes(const vs_client *c, const vs_client_peer *p, uint32_t chunk,
                                  uint8_t secret[32])
{
    if (chunk == 0) {
        vs_encoder_nonce(c->encoder, p->j, secret);
        return secret;
    }
    if (p->is_seed) {
        vs_encoder_seed(c->encoder, p->j, secret);
        return secret;
    }
    size_t position = (size_t)(p - c->peers);
    size_t block = block_of(chunk) - c->window.first_block;
    return c->window.bytes + (position * c->window.cap + block) * VS_CHUNK_BYTES;
}

static size_t sealed_bytes(const vs_client *c, const vs_client_peer *p, uint32_t end)
{
    size_t sum = 0;
    for (uint32_t chunk = p->next; chunk < end; chunk++) {
        sum +=
            vs_sealed_share_plain(c->round.layout.columns, p->is_seed, chunk) + VS_SEAL_TAG_BYTES;
    }
    return sum;
}

/* Chunks p->next .. end, to out, which has sealed_bytes of them. */
static vs_err seal_chunks(vs_client *c, vs_client_peer *p, uint32_t end, uint8_t *out)
{
    uint8_t secret[32];
    vs_err err = VS_OK;
    for (uint32_t chunk = p->next; err == VS_OK && chunk < end; chunk++) {
        uint32_t plain = vs_sealed_share_plain(c->round.layout.columns, p->is_seed, chunk);
        err = vs_seal_chunk(p->seal, out, chunk_bytes(c, p, chunk, secret), plain, chunk,
                            chunk + 1 == p->chunks);
        out += plain + VS_SEAL_TAG_BYTES;
    }
    sodium_memzero(secret, sizeof secret);
    return err;
}

/* The chunks are sealed where they leave from: the body is what follows the head. */
static vs_err post_chunks(vs_client *c, vs_client_peer *p, uint64_t now_ms, vs_outbox *out)
{
    vsw_Request head = vs_client_request(c, vsw_Request_submit_chunk_tag);
    uint32_t end = p->chunks;
    if (!p->is_seed && end > c->window.first_block + c->window.n_blocks + 1) {
        end = c->window.first_block + c->window.n_blocks + 1;
    }
    if (end > p->next + VS_CLIENT_CHUNKS_MAX) end = p->next + VS_CLIENT_CHUNKS_MAX;
    head.op.submit_chunk.round = c->round.id.round;
    memcpy(head.op.submit_chunk.submission, c->header.submission.b, 32);
    head.op.submit_chunk.first_chunk = p->next;
    vs_out *item = vs_client_post(c, out, p->j, &p->link, now_ms, CHUNKS_TIMEOUT_MS);
    if (item == NULL) return VS_ERR_NOMEM;
    vs_err err = vs_request_encode(&item->msg, &head, NULL, 0);
    if (err != VS_OK) return err;
    uint8_t *sealed = vs_buf_extend(&item->msg, sealed_bytes(c, p, end));
    return sealed == NULL ? VS_ERR_NOMEM : seal_chunks(c, p, end, sealed);
}

/* --- window ------------------------------------------------------------------------------------
 */

static vs_err fill_window(vs_client *c, uint32_t first, uint64_t now_ms)
{
    vs_client_window *w = &c->window;
    uint32_t total = vs_encoder_blocks(c->encoder);
    w->first_block = first;
    w->n_blocks = 0;
    w->since_ms = now_ms;
    while (w->n_blocks < w->cap && first + w->n_blocks < total) {
        const uint32_t b = first + w->n_blocks;
        vs_err err = vs_encoder_make(c->encoder, b, 1);
        if (err == VS_OK) err = vs_client_prove_block(c, b);
        if (err != VS_OK) return err;
        for (uint32_t i = 0; i < c->n_peers; i++) {
            size_t count;
            const vs_fe *row = vs_encoder_share(c->encoder, c->peers[i].j, b, &count);
            uint8_t *to = w->bytes + ((size_t)i * w->cap + w->n_blocks) * VS_CHUNK_BYTES;
            if (!c->peers[i].is_seed) vs_fe_encode_many(to, row, count);
        }
        w->n_blocks++;
    }
    return VS_OK;
}

/* A vector peer that waits for blocks outside of the window. */
static bool waits(const vs_client *c, const vs_client_peer *p, uint64_t now_ms)
{
    return p->state == VS_CLIENT_PEER_CHUNKS && !p->is_seed && !p->link.in_flight &&
           now_ms >= p->link.retry_at && !in_window(c, p);
}

/* A vector peer that may still want the blocks of the window. */
static bool holds(const vs_client *c, const vs_client_peer *p)
{
    return p->state == VS_CLIENT_PEER_CHUNKS && !p->is_seed && p->link.in_flight && !p->behind &&
           p->link.failing_since == 0 &&
           block_of(p->next) < c->window.first_block + c->window.n_blocks;
}

/* Move the window to where the waiting peers are. Peers stay in step; one that is slow is waited
 * for once and then left behind, so it costs the others little. */
static vs_err move_window(vs_client *c, uint64_t now_ms, bool *moved)
{
    uint32_t first = UINT32_MAX;
    bool held = false;
    *moved = false;
    for (uint32_t i = 0; i < c->n_peers; i++) {
        const vs_client_peer *p = &c->peers[i];
        if (waits(c, p, now_ms) && block_of(p->next) < first) first = block_of(p->next);
        if (holds(c, p)) held = true;
    }
    if (first == UINT32_MAX) return VS_OK;
    if (held && now_ms < c->window.since_ms + WINDOW_WAIT_MS) return VS_OK;
    for (uint32_t i = 0; held && i < c->n_peers; i++) {
        if (holds(c, &c->peers[i])) c->peers[i].behind = true;
    }
    *moved = true;
    return fill_window(c, first, now_ms);
}

/* --- pump --------------------------------------------------------------------------------------
 */

static vs_err post_next(vs_client *c, vs_client_peer *p, uint64_t now_ms, vs_outbox *out)
{
    if (p->link.in_flight || now_ms < p->link.retry_at) return VS_OK;
    switch (p->state) {
    case VS_CLIENT_PEER_BEGIN: return post_begin(c, p, now_ms, out);
    case VS_CLIENT_PEER_CHUNKS:
        if (!p->is_seed && !in_window(c, p)) return VS_OK;
        p->behind = false;
        return post_chunks(c, p, now_ms, out);
    case VS_CLIENT_PEER_FINISH: return c->w_ready ? post_finish(c, p, now_ms, out) : VS_OK;
    case VS_CLIENT_PEER_RECEIPT:
    case VS_CLIENT_PEER_REFUSED: return VS_OK;
    }
    return VS_OK;
}

static vs_err post_all(vs_client *c, uint64_t now_ms, vs_outbox *out)
{
    vs_err err = VS_OK;
    for (uint32_t i = 0; i < c->n_peers && err == VS_OK; i++) {
        err = post_next(c, &c->peers[i], now_ms, out);
    }
    return err;
}

typedef struct tally {
    uint32_t receipts, refused, given_up, finishing;
} tally;

static tally count(const vs_client *c, uint64_t now_ms)
{
    tally t = {0};
    for (uint32_t i = 0; i < c->n_peers; i++) {
        const vs_client_peer *p = &c->peers[i];
        if (p->state == VS_CLIENT_PEER_RECEIPT) {
            t.receipts++;
        } else if (p->state == VS_CLIENT_PEER_REFUSED) {
            t.refused++;
        } else if (p->link.failing_since != 0 && now_ms >= p->link.failing_since + GIVE_UP_MS) {
            t.given_up++;
        }
        if (p->state == VS_CLIENT_PEER_FINISH) t.finishing++;
    }
    return t;
}

/* Is it decided? Enough receipts and nobody worth waiting for; or impossible; or too late. */
static vs_err decide(vs_client *c, uint64_t now_ms, vs_diag *diag)
{
    tally t = count(c, now_ms);
    char excuses[300];
    if (t.receipts >= c->status.needed) {
        if (c->enough_ms == 0) c->enough_ms = now_ms;
        uint64_t took = c->enough_ms - c->started_ms;
        uint64_t patience = took > STRAGGLER_MIN_MS ? took : STRAGGLER_MIN_MS;
        if (t.receipts + t.refused + t.given_up == c->n_peers ||
            now_ms >= c->enough_ms + patience) {
            c->status.phase = VS_CLIENT_MANIFEST;
            c->started_ms = now_ms;
            return vs_client_record_sent(c, diag);
        }
        return VS_OK;
    }
    vs_client_send_excuses(c, excuses, sizeof excuses);
    if (c->n_peers - t.refused < c->status.needed) {
        /* What was sent before a restart may be complete at them: this side cannot tell. */
        vs_client_fail(c, "round %" PRIu64 ": %u of %u shareholders can take it, %u needed: %s%s",
                       c->round.id.round, c->n_peers - t.refused, c->n_peers, c->status.needed,
                       excuses,
                       c->resumed ? "; what was sent before the restart may be in the sum all the "
                                    "same, the ledger's set shows it"
                                  : "");
        return VS_OK;
    }
    /* A resumed submission may be complete at shareholders whose receipts were lost: ask them. */
    uint64_t end = c->round.open.deadline * 1000 + AFTER_DEADLINE_MS;
    if (c->resumed && end < c->started_ms + GIVE_UP_MS) end = c->started_ms + GIVE_UP_MS;
    if (now_ms < end) return VS_OK;
    vs_err err = vs_client_record_end(c, VS_CLIENT_RECORD_LATE, diag);
    vs_client_fail(c, "round %" PRIu64 ": the deadline passed with %u of %u needed receipts: %s",
                   c->round.id.round, t.receipts, c->status.needed, excuses);
    return err;
}

vs_err vs_client_send_pump(vs_client *c, uint64_t now_ms, vs_outbox *out, vs_diag *diag)
{
    bool moved = false;
    vs_err err = decide(c, now_ms, diag);
    if (err != VS_OK || c->status.phase != VS_CLIENT_SENDING) return err;
    err = post_all(c, now_ms, out);
    if (err == VS_OK) err = move_window(c, now_ms, &moved);
    if (err == VS_OK && moved) err = post_all(c, now_ms, out);
    if (err == VS_OK && !moved && !c->w_ready && count(c, now_ms).finishing > 0) {
        err = vs_client_prove_slice(c);
        if (err == VS_OK && c->w_ready) err = post_all(c, now_ms, out);
    }
    return err;
}
