/* net/receipt_impl.h - inside net/receipt*.c: a receipt, decoded. */
#ifndef VS_NET_RECEIPT_IMPL_H
#define VS_NET_RECEIPT_IMPL_H

#include "ledger/tree.h"
#include "net/receipt.h"

/* An entry with its tlog-proof. */
typedef struct vs_receipt_entry {
    vs_buf envelope, proof;
} vs_receipt_entry;

typedef struct vs_receipt {
    vs_receipt_claim claim;
    bool complete;
    vs_buf federation; /* the file */
    bool has_set;
    vs_receipt_entry set, end; /* end: result or abort */
    bool rejected;             /* which list the record is of */
    uint64_t record_index;
    vs_buf record; /* 96 bytes */
    vs_tree_path path;
} vs_receipt;

VS_MUST_CHECK vs_err vs_receipt_encode(vs_buf *out, const vs_receipt *r);
/* On VS_OK the caller frees *out. */
VS_MUST_CHECK vs_err vs_receipt_decode(vs_receipt *out, const uint8_t *text, size_t len,
                                       vs_diag *diag);
void vs_receipt_free(vs_receipt *r);
VS_MUST_CHECK vs_err vs_receipt_check(vs_receipt_verdict *out, const vs_receipt *r,
                                      const vs_federation *fed, vs_diag *diag);

#endif /* VS_NET_RECEIPT_IMPL_H */
