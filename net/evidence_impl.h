/* net/evidence_impl.h - inside of net/evidence*.c only. */
#ifndef VS_NET_EVIDENCE_IMPL_H
#define VS_NET_EVIDENCE_IMPL_H

#include "ledger/log.h"
#include "net/evidence.h"

/* Evidence, cut into its parts. */
typedef struct evidence {
    const vs_federation *fed;
    vs_round_id id;
    vs_claim claim;
    uint32_t index;
    uint8_t n;
    vs_bytes part[VS_EVIDENCE_PARTS_MAX];
    vs_entry_evidence *out;
    vs_diag *diag;
} evidence;

/* part[i] without its last 64 bytes, which are *sig; false when it is shorter. */
bool vs_evidence_signed(const evidence *e, uint32_t i, vs_bytes *text, const uint8_t **sig);
VS_MUST_CHECK vs_err vs_evidence_refuse(const evidence *e, const char *why);

/* A client's: two-submissions, two-proofs, inconsistent-share (evidence_client.c). */
VS_MUST_CHECK vs_err vs_evidence_client(const evidence *e);

#endif /* VS_NET_EVIDENCE_IMPL_H */
