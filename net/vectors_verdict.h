/* net/vectors_verdict.h - inside net/vectors*.c: what must come of the answers of a round. */
#ifndef VS_NET_VECTORS_VERDICT_H
#define VS_NET_VECTORS_VERDICT_H

#include "net/vectors_impl.h"

/* H("veilsum/v1 answer" || federation_id || round || u32 j || bytes). */
void vs_verdict_answer_hash(vs_h32 *out, const vs_round_id *id, uint32_t j, const uint8_t *bytes,
                            size_t len);
/* The compute function of suite "reconstruction". */
void vs_verdict_compute(vs_case *c);

#endif /* VS_NET_VECTORS_VERDICT_H */
