/* The small fixed layouts that a party signs (net/submission.h, docs/WIRE.md "Fixed layouts"). */
#include "net/submission.h"

#define PROPOSAL_LABEL "veilsum/v1 set"

static void begin(vs_buf *out, const char *label, const vs_round_id *id)
{
    VS_ASSERT(out != NULL && id != NULL);
    vs_buf_label(out, label);
    vs_buf_h32(out, &id->federation_id);
    vs_buf_u64(out, id->round);
}

vs_err vs_round_key_bytes(vs_buf *out, const vs_round_id *id, uint32_t j, const vs_h32 *key)
{
    begin(out, "veilsum/v1 round key", id);
    vs_buf_u32(out, j);
    vs_buf_h32(out, key);
    return vs_buf_check(out);
}

vs_err vs_receipt_bytes(vs_buf *out, const vs_round_id *id, uint32_t j, const vs_h32 *manifest_hash)
{
    begin(out, "veilsum/v1 receipt", id);
    vs_buf_u32(out, j);
    vs_buf_h32(out, manifest_hash);
    return vs_buf_check(out);
}

vs_err vs_list_bytes(vs_buf *out, const vs_round_id *id, uint32_t j, uint32_t count,
                     const vs_h32 *root)
{
    begin(out, "veilsum/v1 list", id);
    vs_buf_u32(out, j);
    vs_buf_u32(out, count);
    vs_buf_h32(out, root);
    return vs_buf_check(out);
}

size_t vs_proposal_len(void)
{
    return sizeof PROPOSAL_LABEL + 32 + 8 + 32 + 4 + 32 + 4 + 32;
}

vs_err vs_proposal_encode(vs_buf *out, const vs_proposal *p)
{
    VS_ASSERT(p != NULL);
    begin(out, PROPOSAL_LABEL, &p->id);
    vs_buf_h32(out, &p->params_hash);
    vs_buf_u32(out, p->count);
    vs_buf_h32(out, &p->root);
    vs_buf_u32(out, p->rejected_count);
    vs_buf_h32(out, &p->rejected_root);
    return vs_buf_check(out);
}

vs_err vs_proposal_decode(vs_proposal *out, const uint8_t *bytes, size_t len)
{
    VS_ASSERT(out != NULL && (bytes != NULL || len == 0));
    vs_proposal p = {0};
    vs_reader r = vs_reader_of(bytes, len);
    vs_read_label(&r, PROPOSAL_LABEL);
    vs_read_h32(&r, &p.id.federation_id);
    p.id.round = vs_read_u64(&r);
    vs_read_h32(&r, &p.params_hash);
    p.count = vs_read_u32(&r);
    vs_read_h32(&r, &p.root);
    p.rejected_count = vs_read_u32(&r);
    vs_read_h32(&r, &p.rejected_root);
    if (!vs_reader_done(&r)) return VS_ERR_MALFORMED;
    *out = p;
    return VS_OK;
}

/* H(proposal), from the fields: the encoding is canonical. */
static void hash_proposal(vs_h32 *out, const vs_proposal *p)
{
    vs_hash hash;
    vs_hash_start(&hash, PROPOSAL_LABEL);
    vs_hash_h32(&hash, &p->id.federation_id);
    vs_hash_u64(&hash, p->id.round);
    vs_hash_h32(&hash, &p->params_hash);
    vs_hash_u32(&hash, p->count);
    vs_hash_h32(&hash, &p->root);
    vs_hash_u32(&hash, p->rejected_count);
    vs_hash_h32(&hash, &p->rejected_root);
    vs_hash_final(&hash, out);
}

vs_err vs_vote_bytes(vs_buf *out, const vs_proposal *p, uint32_t j)
{
    vs_h32 hash;
    VS_ASSERT(p != NULL);
    hash_proposal(&hash, p);
    begin(out, "veilsum/v1 vote", &p->id);
    vs_buf_u32(out, j);
    vs_buf_h32(out, &hash);
    return vs_buf_check(out);
}

vs_err vs_order_bytes(vs_buf *out, const vs_round_id *id, vs_order order, const void *body,
                      size_t body_len)
{
    vs_h32 hash;
    VS_ASSERT(order == VS_ORDER_LIST || order == VS_ORDER_VOTE || order == VS_ORDER_CLOSE ||
              order == VS_ORDER_EVIDENCE);
    VS_ASSERT(body != NULL || body_len == 0);
    vs_sha256(&hash, body, body_len);
    begin(out, "veilsum/v1 order", id);
    vs_buf_u8(out, (uint8_t)order);
    vs_buf_h32(out, &hash);
    return vs_buf_check(out);
}

vs_err vs_control_bytes(vs_buf *out, const vs_round_id *id, vs_operation op, uint64_t unix_time,
                        const vs_h32 *arguments_hash)
{
    VS_ASSERT(arguments_hash != NULL);
    VS_ASSERT(op >= VS_OPERATION_OPEN && op <= VS_OPERATION_READ_BLOB);
    begin(out, "veilsum/v1 control", id);
    vs_buf_u8(out, (uint8_t)op);
    vs_buf_u64(out, unix_time);
    vs_buf_h32(out, arguments_hash);
    return vs_buf_check(out);
}

void vs_answer_context(vs_h32 *out, const vs_round_id *id, const vs_h32 *set_leaf_hash)
{
    VS_ASSERT(out != NULL && id != NULL && set_leaf_hash != NULL);
    vs_hash hash;
    vs_hash_start(&hash, "veilsum/v1 answer context");
    vs_hash_h32(&hash, &id->federation_id);
    vs_hash_u64(&hash, id->round);
    vs_hash_h32(&hash, set_leaf_hash);
    vs_hash_final(&hash, out);
}
