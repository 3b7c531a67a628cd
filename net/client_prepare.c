#include "net/client_internal.h"

#include <stdlib.h>

#include <sodium.h>

#define SLICE_CHUNKS 256u /* chunks made per step: some tens of milliseconds */

static uint32_t slice_blocks(const vs_client *c)
{
    uint32_t blocks = SLICE_CHUNKS / c->fed->committee.n;
    return blocks == 0 ? 1 : blocks;
}

vs_err vs_client_hash_start(vs_client *c)
{
    uint32_t n = c->round.open.n_shareholders, r = vs_committee_r(&c->fed->committee);
    c->roots = calloc(n, sizeof *c->roots);
    c->proofs = calloc(r, sizeof *c->proofs);
    if (c->roots == NULL || c->proofs == NULL) return VS_ERR_NOMEM;
    for (uint32_t i = 0; i < n; i++) vs_share_root_init(&c->roots[i]);
    c->hashed = 0;
    return VS_OK;
}

/* c_j of the share at position i. */
static void commit(vs_client *c, uint32_t i, const vs_h32 *ctx)
{
    uint32_t j = c->round.open.shareholders[i].index;
    uint8_t secret[32];
    vs_h32 root;
    if (j <= c->fed->committee.t) {
        vs_encoder_seed(c->encoder, j, secret);
        vs_share_root_seed(&root, secret);
    } else {
        vs_share_root_final(&c->roots[i], &root);
    }
    vs_encoder_nonce(c->encoder, j, secret);
    vs_commit_share(&c->header.share[i].commitment, ctx, j, secret, &root);
    vs_encoder_ephemeral_secret(c->encoder, j, secret);
    vs_seal_public(&c->header.share[i].ephemeral_key, secret);
    c->header.share[i].j = j;
    c->header.share[i].sealed_len =
        vs_sealed_share_len(c->round.layout.columns, j <= c->fed->committee.t);
    sodium_memzero(secret, sizeof secret);
}

static vs_err make_header(vs_client *c)
{
    vs_header *h = &c->header;
    vs_h32 pseudonym, ctx;
    h->id = c->round.id;
    h->model_hash = c->input.model_hash;
    h->params_hash = c->round.params_hash;
    h->client_key = c->keys->pub.identity;
    vs_encoder_salt(c->encoder, &h->salt);
    h->count = c->round.open.n_shareholders;
    vs_pseudonym(&pseudonym, &h->id, &h->client_key, &h->salt);
    vs_context(&ctx, &h->id, &h->model_hash, &h->params_hash, &pseudonym);
    for (uint32_t i = 0; i < h->count; i++) commit(c, i, &ctx);
    vs_header_derive(h);
    vs_buf_reset(&c->header_bytes);
    vs_err err = vs_header_encode(&c->header_bytes, h);
    if (err == VS_OK) err = vs_challenge(&c->rho, &h->ctx, &h->commit_root);
    if (err != VS_OK) return err;
    vs_sign(c->header_sig, c->header_bytes.p, c->header_bytes.len, c->keys->identity_seed);
    for (uint32_t i = 0; i < vs_committee_r(&c->fed->committee); i++) {
        vs_proof_start(&c->proofs[i], c->rho, c->round.layout.columns);
    }
    c->status.pseudonym = h->pseudonym;
    c->status.salt = h->salt;
    c->status.clipped = vs_encoder_clipped(c->encoder);
    c->status.norm = vs_encoder_norm(c->encoder, &c->status.norm_clipped);
    return VS_OK;
}

vs_err vs_client_hash_slice(vs_client *c, bool *done)
{
    const uint32_t total = vs_encoder_blocks(c->encoder), group = vs_encoder_group(c->encoder);
    vs_share_root *roots[VS_SHAREHOLDERS_MAX] = {NULL}; /* those of seeds are not made of blocks */
    vs_err err = VS_OK;
    for (uint32_t i = 0; i < c->round.open.n_shareholders; i++) {
        uint32_t j = c->round.open.shareholders[i].index;
        if (j > c->fed->committee.t) roots[j - 1] = &c->roots[i];
    }
    for (uint32_t i = 0; err == VS_OK && i < slice_blocks(c) && c->hashed < total; i += group) {
        uint32_t count = total - c->hashed < group ? total - c->hashed : group;
        err = vs_encoder_make_vectors(c->encoder, c->hashed, count);
        if (err == VS_OK) {
            err =
                vs_encoder_hash(c->encoder, roots, c->fed->committee.n, c->hashed, count, c->pool);
        }
        if (err == VS_OK) c->hashed += count;
    }
    *done = err == VS_OK && c->hashed == total;
    if (*done) err = make_header(c);
    return err;
}

/* --- W ------------------------------------------------------------------------------------------
 */

static vs_err make_trailer(vs_client *c)
{
    uint32_t r = vs_committee_r(&c->fed->committee);
    for (uint32_t i = 0; i < r; i++) c->w[i] = vs_proof_final(&c->proofs[i]);
    vs_buf_reset(&c->trailer_bytes);
    vs_err err = vs_trailer_encode(&c->trailer_bytes, &c->round.id, &c->header.submission, c->w, r);
    if (err != VS_OK) return err;
    vs_sign(c->trailer_sig, c->trailer_bytes.p, c->trailer_bytes.len, c->keys->identity_seed);
    vs_manifest_hash(&c->status.manifest_hash, c->header_bytes.p, c->header_bytes.len, c->w, r);
    c->w_ready = true;
    return VS_OK;
}

/* W(item + 1), block c->proven. */
static void prove_share(void *ctx, size_t item, uint32_t thread)
{
    vs_client *c = ctx;
    size_t count;
    const vs_fe *row = vs_encoder_share(c->encoder, (uint32_t)item + 1, c->proven, &count);
    (void)thread;
    vs_proof_update(&c->proofs[item], row, count);
}

vs_err vs_client_prove_block(vs_client *c, uint32_t b)
{
    if (c->w_ready || b != c->proven) return VS_OK;
    vs_pool_run(c->pool, vs_committee_r(&c->fed->committee), prove_share, c);
    c->proven++;
    return c->proven == vs_encoder_blocks(c->encoder) ? make_trailer(c) : VS_OK;
}

vs_err vs_client_prove_slice(vs_client *c)
{
    vs_err err = VS_OK;
    for (uint32_t i = 0; err == VS_OK && !c->w_ready && i < slice_blocks(c); i++) {
        uint32_t b = c->proven;
        err = vs_encoder_make(c->encoder, b, 1);
        if (err == VS_OK) err = vs_client_prove_block(c, b);
    }
    return err;
}
