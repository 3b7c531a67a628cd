/* net/wire.h - messages: a small protobuf head and a bulk body (docs/WIRE.md). */
#ifndef VS_NET_WIRE_H
#define VS_NET_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "veilsum.pb.h"

#define VS_WIRE_BODY_MAX (UINT32_C(4) << 20)            /* bytes of a body */
#define VS_WIRE_MESSAGE_MAX (VS_WIRE_BODY_MAX + 65536u) /* NNG_OPT_RECVMAXSZ of every socket */

typedef struct vs_request {
    vsw_Request head;
    const uint8_t *body; /* borrowed from the message */
    size_t body_len;
} vs_request;

typedef struct vs_reply {
    vsw_Reply head;
    const uint8_t *body; /* borrowed from the message */
    size_t body_len;
} vs_reply;

/* Append a whole message to out. Heads always fit; VS_ERR_LIMIT for a body over the maximum. */
VS_MUST_CHECK vs_err vs_request_encode(vs_buf *out, const vsw_Request *head, const void *body,
                                       size_t body_len);
VS_MUST_CHECK vs_err vs_reply_encode(vs_buf *out, const vsw_Reply *head, const void *body,
                                     size_t body_len);
/* Strict and bounded; VS_ERR_MALFORMED. Fixed-length bytes fields that are absent decode as zeros.
 */
VS_MUST_CHECK vs_err vs_request_decode(vs_request *out, const uint8_t *msg, size_t len);
VS_MUST_CHECK vs_err vs_reply_decode(vs_reply *out, const uint8_t *msg, size_t len);

/* Append an Error reply with a formatted text (no secrets). */
VS_MUST_CHECK vs_err vs_reply_error(vs_buf *out, vsw_Code code, uint64_t value, const char *fmt,
                                    ...) VS_PRINTF(4, 5);
/* "share-inconsistent" and the like, for people and logs; never NULL. */
const char *vs_code_name(vsw_Code code);
const char *vs_phase_name(vsw_Phase phase);

#endif /* VS_NET_WIRE_H */
