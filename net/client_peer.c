#include "net/client_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#define WINDOW_BLOCKS_TOTAL 128u /* blocks of all peers together: 8 MiB */
#define SIGNATURE_BYTES 64u

static VS_PRINTF(2, 3) void refuse(vs_client_peer *p, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(p->link.why, sizeof p->link.why, fmt, args);
    va_end(args);
    p->state = VS_CLIENT_PEER_REFUSED;
}

/* --- start and end -----------------------------------------------------------------------------
 */

static vs_err open_peer(vs_client *c, uint32_t position)
{
    vs_client_peer *p = &c->peers[position];
    const vs_entry_shareholder *s = &c->round.open.shareholders[position];
    uint8_t secret[32];
    p->j = s->index;
    p->is_seed = p->j <= c->fed->committee.t;
    p->chunks = vs_sealed_share_chunks(c->round.layout.columns, p->is_seed);
    vs_encoder_ephemeral_secret(c->encoder, p->j, secret);
    vs_err err = vs_seal_new_sender(&p->seal, secret, &s->key, &c->header.ctx, p->j);
    sodium_memzero(secret, sizeof secret);
    if (err == VS_ERR_PROOF) { /* its key is a low-order point */
        refuse(p, "its round key is not a key");
        err = VS_OK;
    }
    return err;
}

static uint64_t peer_bytes(const vs_client *c, const vs_client_peer *p, uint32_t chunks)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < chunks && i < 2; i++) { /* all but the first and the last are equal */
        sum += vs_sealed_share_plain(c->round.layout.columns, p->is_seed, i) + VS_SEAL_TAG_BYTES;
    }
    if (chunks <= 2) return sum;
    if (chunks == p->chunks) return vs_sealed_share_len(c->round.layout.columns, p->is_seed);
    return sum + (uint64_t)(chunks - 2) * (VS_SEAL_CHUNK_MAX + VS_SEAL_TAG_BYTES);
}

static uint64_t head_bytes(const vs_client *c)
{
    return c->header_bytes.len + 2 * (uint64_t)SIGNATURE_BYTES;
}

static uint64_t tail_bytes(const vs_client *c)
{
    return vs_trailer_len(vs_committee_r(&c->fed->committee)) + SIGNATURE_BYTES;
}

static void count_bytes(vs_client *c)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < c->n_peers; i++) {
        const vs_client_peer *p = &c->peers[i];
        if (p->begun) sum += head_bytes(c) + peer_bytes(c, p, p->most);
        if (p->state == VS_CLIENT_PEER_RECEIPT) sum += tail_bytes(c);
    }
    c->status.bytes_sent = sum;
}

vs_err vs_client_send_start(vs_client *c, uint64_t now_ms)
{
    uint32_t n = c->round.open.n_shareholders;
    uint32_t cap = WINDOW_BLOCKS_TOTAL / n;
    if (cap < 1) cap = 1;
    if (cap > VS_CLIENT_CHUNKS_MAX) cap = VS_CLIENT_CHUNKS_MAX;
    if (cap > vs_encoder_blocks(c->encoder)) cap = vs_encoder_blocks(c->encoder);
    c->peers = calloc(n, sizeof *c->peers);
    c->window.bytes = malloc((size_t)n * cap * VS_CHUNK_BYTES);
    c->window.cap = cap;
    if (c->peers == NULL || c->window.bytes == NULL) return VS_ERR_NOMEM;
    c->n_peers = n;
    c->status.listed = n;
    c->status.needed = vs_committee_needed(&c->fed->committee);
    c->status.bytes_total = 0;
    for (uint32_t i = 0; i < n; i++) {
        vs_err err = open_peer(c, i);
        if (err != VS_OK) return err;
        c->status.bytes_total +=
            head_bytes(c) + peer_bytes(c, &c->peers[i], c->peers[i].chunks) + tail_bytes(c);
    }
    c->started_ms = now_ms;
    c->status.phase = VS_CLIENT_SENDING;
    return VS_OK;
}

void vs_client_send_free(vs_client *c)
{
    for (uint32_t i = 0; i < c->n_peers; i++) vs_seal_free(c->peers[i].seal);
    free(c->peers);
    c->peers = NULL;
    if (c->window.bytes != NULL) {
        sodium_memzero(c->window.bytes, (size_t)c->n_peers * c->window.cap * VS_CHUNK_BYTES);
    }
    free(c->window.bytes);
    c->window = (vs_client_window){0};
    c->n_peers = 0;
}

void vs_client_send_excuses(const vs_client *c, char *out, size_t cap)
{
    size_t len = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < c->n_peers; i++) {
        const vs_client_peer *p = &c->peers[i];
        if (p->state == VS_CLIENT_PEER_RECEIPT) continue;
        bool refused = p->state == VS_CLIENT_PEER_REFUSED;
        int n = snprintf(out + len, cap - len, "%sshareholder %u %s%s%s", len > 0 ? "; " : "", p->j,
                         refused ? "refused" : "gave no receipt", p->link.why[0] ? ": " : "",
                         p->link.why);
        if (n < 0 || (size_t)n >= cap - len) return; /* cut: the line is full */
        len += (size_t)n;
    }
}

/* --- replies -----------------------------------------------------------------------------------
 */

/* Ask again from the start: submit_begin is idempotent and tells the next chunk. */
static void retry(vs_client_peer *p, uint64_t now_ms, const char *what, const char *text)
{
    p->state = VS_CLIENT_PEER_BEGIN;
    vs_client_link_failed(&p->link, now_ms, "%s%s%s", what, text[0] ? ": " : "", text);
}

static void take_error(vs_client_peer *p, uint64_t now_ms, const vsw_Error *error)
{
    const char *name = vs_code_name(error->code);
    bool under_way = p->state != VS_CLIENT_PEER_BEGIN; /* it may have restarted and forgotten */
    switch (error->code) {
    case vsw_Code_BUSY:
    case vsw_Code_UNKNOWN_ROUND: /* `open` has not reached it yet */
    case vsw_Code_NOT_FOUND: retry(p, now_ms, name, error->text); return;
    case vsw_Code_STATE:
    case vsw_Code_MALFORMED: /* a chunk damaged on its way is discarded, not the client */
        if (under_way) {
            retry(p, now_ms, name, error->text);
            return;
        }
        break;
    default: break;
    }
    refuse(p, "%s%s%s", name, error->text[0] ? ": " : "", error->text);
}

static void take_progress(vs_client_peer *p, uint64_t now_ms, const vsw_Progress *progress)
{
    if (progress->total != p->chunks || progress->next > progress->total) {
        refuse(p, "it counts other chunks than were agreed");
        return;
    }
    uint32_t next = (uint32_t)progress->next;
    if (p->state == VS_CLIENT_PEER_CHUNKS && next <= p->next) {
        p->next = next; /* it discarded what came: no reason to hurry */
        vs_client_link_failed(&p->link, now_ms, "takes no chunk after %u", next);
        return;
    }
    if (p->state == VS_CLIENT_PEER_FINISH && next == p->chunks) {
        retry(p, now_ms, "gives no receipt", "");
        return;
    }
    p->next = next;
    p->most = next > p->most ? next : p->most;
    p->begun = true;
    p->state = next == p->chunks ? VS_CLIENT_PEER_FINISH : VS_CLIENT_PEER_CHUNKS;
    vs_client_link_ok(&p->link);
}

static vs_err take_receipt(vs_client *c, vs_client_peer *p, const vsw_Receipt *receipt)
{
    vs_buf bytes = {0};
    vs_err err = vs_receipt_bytes(&bytes, &c->round.id, p->j, &c->status.manifest_hash);
    if (err == VS_OK) {
        const vs_h32 *key = &c->fed->shareholder[p->j - 1].party.key;
        if (memcmp(receipt->manifest_hash, c->status.manifest_hash.b, 32) != 0) {
            refuse(p, "its receipt is for another submission");
        } else if (vs_verify(receipt->signature, bytes.p, bytes.len, key) != VS_OK) {
            refuse(p, "the signature of its receipt fails");
        } else {
            p->state = VS_CLIENT_PEER_RECEIPT;
            p->most = p->chunks;
            c->status.receipts++;
            vs_client_link_ok(&p->link);
        }
    }
    vs_buf_free(&bytes);
    return err;
}

vs_err vs_client_send_reply(vs_client *c, vs_client_peer *p, uint64_t now_ms, const vs_event *event)
{
    vs_reply reply;
    vs_err err = VS_OK;
    if (p->state == VS_CLIENT_PEER_REFUSED || p->state == VS_CLIENT_PEER_RECEIPT) return VS_OK;
    if (event->kind == VS_EVENT_LOST) {
        retry(p, now_ms, "unreachable", event->text != NULL ? event->text : "");
    } else if (vs_reply_decode(&reply, event->msg, event->len) != VS_OK) {
        retry(p, now_ms, "sent what is not a reply", "");
    } else if (reply.head.which_result == vsw_Reply_error_tag) {
        take_error(p, now_ms, &reply.head.result.error);
    } else if (reply.head.which_result == vsw_Reply_progress_tag) {
        take_progress(p, now_ms, &reply.head.result.progress);
    } else if (reply.head.which_result == vsw_Reply_receipt_tag &&
               p->state == VS_CLIENT_PEER_FINISH) {
        err = take_receipt(c, p, &reply.head.result.receipt);
    } else {
        refuse(p, "it answered something else than was asked");
    }
    count_bytes(c);
    return err;
}
