/* The 96-byte records of a set and of its rejected clients (net/submission.h). */
#include <string.h>

#include "net/submission.h"

const char *vs_reject_name(vs_reject reason)
{
    switch (reason) {
    case VS_REJECT_LATE: return "late";
    case VS_REJECT_BAD_SIGNATURE: return "bad-signature";
    case VS_REJECT_UNREGISTERED: return "unregistered";
    case VS_REJECT_DUPLICATE: return "duplicate";
    case VS_REJECT_SHARE_INCONSISTENT: return "share-inconsistent";
    case VS_REJECT_COMMITMENT_MISMATCH: return "commitment-mismatch";
    case VS_REJECT_MALFORMED: return "malformed";
    case VS_REJECT_MODEL_MISMATCH: return "model-mismatch";
    case VS_REJECT_QUOTA: return "quota";
    case VS_REJECT_INCOMPLETE: return "incomplete";
    }
    return "unknown";
}

void vs_record_encode(uint8_t out[VS_RECORD_BYTES], const vs_record *r)
{
    VS_ASSERT(out != NULL && r != NULL);
    memcpy(out, r->pseudonym.b, 32);
    memcpy(out + 32, r->manifest_hash.b, 32);
    memcpy(out + 64, r->commit_root.b, 32);
}

void vs_record_decode(vs_record *r, const uint8_t in[VS_RECORD_BYTES])
{
    VS_ASSERT(r != NULL && in != NULL);
    memcpy(r->pseudonym.b, in, 32);
    memcpy(r->manifest_hash.b, in + 32, 32);
    memcpy(r->commit_root.b, in + 64, 32);
}

void vs_rejected_encode(uint8_t out[VS_RECORD_BYTES], const vs_h32 *pseudonym,
                        const vs_h32 *manifest_hash, vs_reject reason)
{
    VS_ASSERT(out != NULL && pseudonym != NULL && manifest_hash != NULL);
    VS_ASSERT(reason >= VS_REJECT_LATE && reason <= VS_REJECT_INCOMPLETE);
    memset(out, 0, VS_RECORD_BYTES);
    memcpy(out, pseudonym->b, 32);
    memcpy(out + 32, manifest_hash->b, 32);
    out[64] = (uint8_t)reason;
}

vs_err vs_records_root(vs_h32 *root, const uint8_t *records, uint32_t n)
{
    VS_ASSERT(root != NULL && (records != NULL || n == 0));
    vs_merkle tree;
    vs_merkle_init(&tree);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *record = records + (size_t)i * VS_RECORD_BYTES;
        vs_h32 leaf;
        if (i > 0 && memcmp(record - VS_RECORD_BYTES, record, 32) >= 0) return VS_ERR_MALFORMED;
        vs_merkle_leaf(&leaf, record, VS_RECORD_BYTES);
        vs_merkle_append(&tree, &leaf);
    }
    vs_merkle_root(&tree, root);
    return VS_OK;
}
