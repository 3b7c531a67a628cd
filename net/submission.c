#include "net/submission.h"

#include <string.h>

#define HEADER_LABEL "veilsum/v1 header"
#define TRAILER_LABEL "veilsum/v1 trailer"

/* label, federation, round, model, params, client key, salt, count */
#define HEADER_FIXED_BYTES (sizeof HEADER_LABEL + (size_t)(32 + 8 + 4 * 32 + 4))
#define HEADER_SHARE_BYTES (4 + 32 + 32 + 8)

size_t vs_header_len(uint32_t count)
{
    return HEADER_FIXED_BYTES + (size_t)count * HEADER_SHARE_BYTES;
}

static bool shares_in_order(const vs_header *h)
{
    if (h->count < 1 || h->count > VS_SHAREHOLDERS_MAX) return false;
    uint32_t before = 0;
    for (uint32_t i = 0; i < h->count; i++) {
        if (h->share[i].j <= before || h->share[i].j > VS_SHAREHOLDERS_MAX) return false;
        before = h->share[i].j;
    }
    return true;
}

vs_err vs_header_encode(vs_buf *out, const vs_header *h)
{
    VS_ASSERT(out != NULL && h != NULL && shares_in_order(h));
    vs_buf_label(out, HEADER_LABEL);
    vs_buf_h32(out, &h->id.federation_id);
    vs_buf_u64(out, h->id.round);
    vs_buf_h32(out, &h->model_hash);
    vs_buf_h32(out, &h->params_hash);
    vs_buf_h32(out, &h->client_key);
    vs_buf_h32(out, &h->salt);
    vs_buf_u32(out, h->count);
    for (uint32_t i = 0; i < h->count; i++) {
        vs_buf_u32(out, h->share[i].j);
        vs_buf_h32(out, &h->share[i].commitment);
        vs_buf_h32(out, &h->share[i].ephemeral_key);
        vs_buf_u64(out, h->share[i].sealed_len);
    }
    return vs_buf_check(out);
}

/* H(header bytes), from the fields: the encoding is canonical. */
static void hash_header(vs_h32 *out, const vs_header *h)
{
    vs_hash hash;
    vs_hash_start(&hash, HEADER_LABEL);
    vs_hash_h32(&hash, &h->id.federation_id);
    vs_hash_u64(&hash, h->id.round);
    vs_hash_h32(&hash, &h->model_hash);
    vs_hash_h32(&hash, &h->params_hash);
    vs_hash_h32(&hash, &h->client_key);
    vs_hash_h32(&hash, &h->salt);
    vs_hash_u32(&hash, h->count);
    for (uint32_t i = 0; i < h->count; i++) {
        vs_hash_u32(&hash, h->share[i].j);
        vs_hash_h32(&hash, &h->share[i].commitment);
        vs_hash_h32(&hash, &h->share[i].ephemeral_key);
        vs_hash_u64(&hash, h->share[i].sealed_len);
    }
    vs_hash_final(&hash, out);
}

void vs_header_derive(vs_header *h)
{
    vs_h32 c[VS_SHAREHOLDERS_MAX];
    VS_ASSERT(h != NULL && shares_in_order(h));
    vs_pseudonym(&h->pseudonym, &h->id, &h->client_key, &h->salt);
    vs_context(&h->ctx, &h->id, &h->model_hash, &h->params_hash, &h->pseudonym);
    for (uint32_t i = 0; i < h->count; i++) c[i] = h->share[i].commitment;
    vs_commit_root(&h->commit_root, c, h->count);
    hash_header(&h->submission, h);
}

vs_err vs_header_decode(vs_header *out, const uint8_t *bytes, size_t len)
{
    VS_ASSERT(out != NULL && (bytes != NULL || len == 0));
    vs_header h = {0};
    vs_reader r = vs_reader_of(bytes, len);
    vs_read_label(&r, HEADER_LABEL);
    vs_read_h32(&r, &h.id.federation_id);
    h.id.round = vs_read_u64(&r);
    vs_read_h32(&r, &h.model_hash);
    vs_read_h32(&r, &h.params_hash);
    vs_read_h32(&r, &h.client_key);
    vs_read_h32(&r, &h.salt);
    h.count = vs_read_u32(&r);
    if (h.count > VS_SHAREHOLDERS_MAX) return VS_ERR_MALFORMED;
    for (uint32_t i = 0; i < h.count; i++) {
        h.share[i].j = vs_read_u32(&r);
        vs_read_h32(&r, &h.share[i].commitment);
        vs_read_h32(&r, &h.share[i].ephemeral_key);
        h.share[i].sealed_len = vs_read_u64(&r);
    }
    if (!vs_reader_done(&r) || !shares_in_order(&h)) return VS_ERR_MALFORMED;
    vs_header_derive(&h);
    *out = h;
    return VS_OK;
}

size_t vs_trailer_len(uint32_t r)
{
    return sizeof TRAILER_LABEL + 32 + 8 + 32 + (size_t)r * VS_FE2_BYTES;
}

vs_err vs_trailer_encode(vs_buf *out, const vs_round_id *id, const vs_h32 *submission,
                         const vs_fe2 *w, uint32_t r)
{
    VS_ASSERT(out != NULL && id != NULL && submission != NULL && w != NULL);
    VS_ASSERT(r >= 1 && r <= VS_SHAREHOLDERS_MAX);
    vs_buf_label(out, TRAILER_LABEL);
    vs_buf_h32(out, &id->federation_id);
    vs_buf_u64(out, id->round);
    vs_buf_h32(out, submission);
    for (uint32_t i = 0; i < r; i++) {
        vs_buf_u64(out, w[i].re.v);
        vs_buf_u64(out, w[i].im.v);
    }
    return vs_buf_check(out);
}

vs_err vs_trailer_decode(vs_fe2 *w, uint32_t r, const vs_round_id *id, const vs_h32 *submission,
                         const uint8_t *bytes, size_t len)
{
    VS_ASSERT(w != NULL && id != NULL && submission != NULL && (bytes != NULL || len == 0));
    VS_ASSERT(r >= 1 && r <= VS_SHAREHOLDERS_MAX);
    vs_fe2 read[VS_SHAREHOLDERS_MAX];
    vs_h32 federation_id, named;
    vs_reader in = vs_reader_of(bytes, len);
    vs_read_label(&in, TRAILER_LABEL);
    vs_read_h32(&in, &federation_id);
    uint64_t round = vs_read_u64(&in);
    vs_read_h32(&in, &named);
    const uint8_t *values = vs_read_bytes(&in, (size_t)r * VS_FE2_BYTES);
    if (!vs_reader_done(&in)) return VS_ERR_MALFORMED;
    if (!vs_h32_equal(&federation_id, &id->federation_id) || round != id->round ||
        !vs_h32_equal(&named, submission)) {
        return VS_ERR_STATE;
    }
    uint64_t bad = 0; /* W is public */
    for (uint32_t i = 0; i < r; i++) {
        bad |= vs_fe_decode(&read[i].re, values + (size_t)i * VS_FE2_BYTES);
        bad |= vs_fe_decode(&read[i].im, values + (size_t)i * VS_FE2_BYTES + VS_FE_BYTES);
    }
    if (bad != 0) return VS_ERR_MALFORMED;
    memcpy(w, read, r * sizeof *w);
    return VS_OK;
}

void vs_manifest_hash(vs_h32 *out, const uint8_t *header, size_t header_len, const vs_fe2 *w,
                      uint32_t r)
{
    VS_ASSERT(out != NULL && header != NULL && w != NULL);
    vs_hash hash;
    vs_hash_init(&hash); /* the header starts with its label */
    vs_hash_bytes(&hash, header, header_len);
    for (uint32_t i = 0; i < r; i++) {
        vs_hash_u64(&hash, w[i].re.v);
        vs_hash_u64(&hash, w[i].im.v);
    }
    vs_hash_final(&hash, out);
}
