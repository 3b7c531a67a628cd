/* Header, trailer and proposal of a submission: refused, or exactly one encoding and derived values
 * that agree with the bytes. */
#include <string.h>

#include "net/submission.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const vs_buf *out, const uint8_t *data, size_t size)
{
    VS_ASSERT(out->len == size && memcmp(out->p, data, size) == 0);
}

static void header(const uint8_t *data, size_t size)
{
    vs_header h;
    vs_h32 hash;
    vs_buf out = {0};
    if (vs_header_decode(&h, data, size) != VS_OK) return;
    VS_ASSERT(vs_header_encode(&out, &h) == VS_OK);
    same(&out, data, size);
    vs_sha256(&hash, data, size);
    VS_ASSERT(vs_h32_equal(&hash, &h.submission));
    vs_buf_free(&out);
}

static void trailer(const uint8_t *data, size_t size)
{
    /* the values that a valid trailer must name are taken from the input itself */
    const size_t fixed = vs_trailer_len(0);
    vs_round_id id;
    vs_h32 submission;
    vs_fe2 w[VS_SHAREHOLDERS_MAX];
    vs_buf out = {0};
    if (size < fixed + VS_FE2_BYTES || size > vs_trailer_len(VS_SHAREHOLDERS_MAX)) return;
    uint32_t r = (uint32_t)((size - fixed) / VS_FE2_BYTES);
    vs_reader in = vs_reader_of(data + fixed - 72, 72);
    vs_read_h32(&in, &id.federation_id);
    id.round = vs_read_u64(&in);
    vs_read_h32(&in, &submission);
    if (vs_trailer_decode(w, r, &id, &submission, data, size) != VS_OK) return;
    VS_ASSERT(vs_trailer_encode(&out, &id, &submission, w, r) == VS_OK);
    same(&out, data, size);
    vs_buf_free(&out);
}

static void proposal(const uint8_t *data, size_t size)
{
    vs_proposal p;
    vs_buf out = {0};
    if (vs_proposal_decode(&p, data, size) != VS_OK) return;
    VS_ASSERT(vs_proposal_encode(&out, &p) == VS_OK);
    same(&out, data, size);
    vs_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    header(data, size);
    trailer(data, size);
    proposal(data, size);
    return 0;
}
