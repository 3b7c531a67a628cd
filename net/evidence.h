/* net/evidence.h - evidence: signed bytes of one party that contradict each other, in a form that
 * anybody can check with the federation file alone (docs/WIRE.md "Evidence").
 *
 * evidence = "veilsum/v1 evidence" | federation_id | u64 round | u8 claim | u32 index | u8 n
 *            | n times (u32 len | part)
 * What the parts of a claim are stands beside vs_evidence_check. Public data, whoever made it. */
#ifndef VS_NET_EVIDENCE_H
#define VS_NET_EVIDENCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/entry.h"
#include "net/federation.h"
#include "net/submission.h"

#define VS_EVIDENCE_PARTS_MAX 3u
/* A whole share vector and its header, and some room. */
#define VS_EVIDENCE_MAX ((UINT64_C(1) << 25) * 8 + (UINT64_C(1) << 20))

/* Start evidence in *out (which is empty), then append its parts in order. `index`: the accused
 * shareholder, or the one that complains about a share; else 0. */
void vs_evidence_begin(vs_buf *out, const vs_round_id *id, vs_claim claim, uint32_t index,
                       uint8_t n_parts);
void vs_evidence_part(vs_buf *out, const void *bytes, size_t len);
/* A part in two pieces, such as a statement and its signature. */
void vs_evidence_part2(vs_buf *out, const void *a, size_t a_len, const void *b, size_t b_len);

/* Check it: every signature, and that the parts contradict each other. On VS_OK *out says what is
 * proven (claim, party, index, key, pseudonym, about, reason; size and blob name of these bytes);
 * else it is zero: VS_ERR_MALFORMED it does not decode, VS_ERR_PROOF it proves nothing.
 *
 * two-submissions     header | sig                header | sig              of one client, one
 * round two-proofs          header | sig                trailer | sig (twice)     of that header,
 * other W inconsistent-share  header | sig, trailer | sig, nonce | share (a seed for j <= t): opens
 * c_j of the header, and is not what W says at j = index two-lists           list statement | sig
 * (twice)                   of shareholder index two-votes           proposal | sig of the vote
 * (twice) vote-and-closed     proposal | sig of the vote  `closed` envelope two-entries envelope
 * envelope                  of one kind and round: answer (set or answer_hash differ); open
 * (payloads differ), set (what was voted on differs), result (sum_hash or set differs)
 * two-proposals       order | sig                 order | sig               to vote, other bodies
 * two-logs            checkpoint note, checkpoint note of at most that size, root of the first so
 *                     many entries of the first log | consistency path: that root is another one
 * statement           complaint | sig             of shareholder index: proves only who says it */
VS_MUST_CHECK vs_err vs_evidence_check(vs_entry_evidence *out, const vs_federation *fed,
                                       const uint8_t *bytes, size_t len, vs_diag *diag);
/* The same, and the entry says exactly this. */
VS_MUST_CHECK vs_err vs_evidence_matches(const vs_entry_evidence *entry, const vs_federation *fed,
                                         const uint8_t *bytes, size_t len, vs_diag *diag);
/* One line for people: "client 3b1f... signed two submissions in round 3". */
void vs_evidence_describe(vs_diag *out, const vs_entry_evidence *e);

/* "veilsum/v1 complaint" | federation_id | u64 round | u32 j | pseudonym | submission | u8 reason
 */
VS_MUST_CHECK vs_err vs_complaint_bytes(vs_buf *out, const vs_round_id *id, uint32_t j,
                                        const vs_h32 *pseudonym, const vs_h32 *submission,
                                        vs_reject reason);

#endif /* VS_NET_EVIDENCE_H */
