/* net/submission.h - header, trailer, manifest and records of a submission (docs/WIRE.md "Fixed
 * layouts").
 *
 * Encoders append exact bytes; decoders borrow and check shape only; *_verify checks signatures. */
#ifndef VS_NET_SUBMISSION_H
#define VS_NET_SUBMISSION_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "mpc/commit.h"
#include "mpc/field.h"
#include "mpc/params.h"

typedef struct vs_header_share {
    uint32_t j;
    vs_h32 commitment;    /* c_j */
    vs_h32 ephemeral_key; /* X25519 */
    uint64_t sealed_len;
} vs_header_share;

typedef struct vs_header {
    vs_round_id id;
    vs_h32 model_hash, params_hash, client_key, salt;
    uint32_t count; /* shareholders listed in `open` */
    vs_header_share share[VS_SHAREHOLDERS_MAX];
    /* derived when decoding or by vs_header_derive */
    vs_h32 pseudonym, ctx, commit_root /* C */, submission /* H(header bytes) */;
} vs_header;

VS_MUST_CHECK vs_err vs_header_encode(vs_buf *out, const vs_header *h);
VS_MUST_CHECK vs_err vs_header_decode(vs_header *out, const uint8_t *bytes, size_t len);
void vs_header_derive(vs_header *h); /* fills the derived fields from the others */
size_t vs_header_len(uint32_t count);

/* Trailer bytes for W (r values). */
VS_MUST_CHECK vs_err vs_trailer_encode(vs_buf *out, const vs_round_id *id, const vs_h32 *submission,
                                       const vs_fe2 *w, uint32_t r);
/* Checks label, round, submission, canonical W; fills w[r]. */
VS_MUST_CHECK vs_err vs_trailer_decode(vs_fe2 *w, uint32_t r, const vs_round_id *id,
                                       const vs_h32 *submission, const uint8_t *bytes, size_t len);
size_t vs_trailer_len(uint32_t r);
/* H(header || W bytes). */
void vs_manifest_hash(vs_h32 *out, const uint8_t *header, size_t header_len, const vs_fe2 *w,
                      uint32_t r);

/* --- records -------------------------------------------------------------------------------------
 */

#define VS_RECORD_BYTES 96u
typedef struct vs_record {
    vs_h32 pseudonym, manifest_hash, commit_root;
} vs_record;

/* Values of a rejected record's reason byte. */
typedef enum vs_reject {
    VS_REJECT_LATE = 1,
    VS_REJECT_BAD_SIGNATURE,
    VS_REJECT_UNREGISTERED,
    VS_REJECT_DUPLICATE,
    VS_REJECT_SHARE_INCONSISTENT,
    VS_REJECT_COMMITMENT_MISMATCH,
    VS_REJECT_MALFORMED,
    VS_REJECT_MODEL_MISMATCH,
    VS_REJECT_QUOTA,
    VS_REJECT_INCOMPLETE,
} vs_reject;
const char *vs_reject_name(vs_reject reason); /* "late", ...; "unknown" otherwise */

void vs_record_encode(uint8_t out[VS_RECORD_BYTES], const vs_record *r);
void vs_record_decode(vs_record *r, const uint8_t in[VS_RECORD_BYTES]);
void vs_rejected_encode(uint8_t out[VS_RECORD_BYTES], const vs_h32 *pseudonym,
                        const vs_h32 *manifest_hash, vs_reject reason);
/* Root over n encoded records; VS_ERR_MALFORMED unless strictly ascending by pseudonym. */
VS_MUST_CHECK vs_err vs_records_root(vs_h32 *root, const uint8_t *records, uint32_t n);

/* Signed statements: append the exact bytes that are signed. */
VS_MUST_CHECK vs_err vs_round_key_bytes(vs_buf *out, const vs_round_id *id, uint32_t j,
                                        const vs_h32 *key);
VS_MUST_CHECK vs_err vs_receipt_bytes(vs_buf *out, const vs_round_id *id, uint32_t j,
                                      const vs_h32 *manifest_hash);
VS_MUST_CHECK vs_err vs_list_bytes(vs_buf *out, const vs_round_id *id, uint32_t j, uint32_t count,
                                   const vs_h32 *root);

typedef struct vs_proposal {
    vs_round_id id;
    vs_h32 params_hash;
    uint32_t count;
    vs_h32 root;
    uint32_t rejected_count;
    vs_h32 rejected_root;
} vs_proposal;
VS_MUST_CHECK vs_err vs_proposal_encode(vs_buf *out, const vs_proposal *p);
VS_MUST_CHECK vs_err vs_proposal_decode(vs_proposal *out, const uint8_t *bytes, size_t len);
size_t vs_proposal_len(void);
VS_MUST_CHECK vs_err vs_vote_bytes(vs_buf *out, const vs_proposal *p, uint32_t j);

/* What only the aggregator may ask of a shareholder: the request's field number in veilsum.proto.
 */
typedef enum vs_order {
    VS_ORDER_LIST = 8,
    VS_ORDER_VOTE = 9,
    VS_ORDER_CLOSE = 15,
    VS_ORDER_EVIDENCE = 25, /* of round 0 */
} vs_order;
/* body: what stands before the signature in the request's body (may be empty). */
VS_MUST_CHECK vs_err vs_order_bytes(vs_buf *out, const vs_round_id *id, vs_order order,
                                    const void *body, size_t body_len);

/* Control (docs/WIRE.md). */
typedef enum vs_operation {
    VS_OPERATION_OPEN = 1,
    VS_OPERATION_CLOSE,
    VS_OPERATION_CANCEL,
    VS_OPERATION_PUT_BLOB,
    VS_OPERATION_READ_BLOB,
} vs_operation;
VS_MUST_CHECK vs_err vs_control_bytes(vs_buf *out, const vs_round_id *id, vs_operation op,
                                      uint64_t unix_time, const vs_h32 *arguments_hash);
/* Context of a sealed sum share. */
void vs_answer_context(vs_h32 *out, const vs_round_id *id, const vs_h32 *set_leaf_hash);

#endif /* VS_NET_SUBMISSION_H */
