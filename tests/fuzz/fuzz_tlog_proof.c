#include <string.h>

#include "ledger/tlog_proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Properties: what parses formats to the same bytes; no receipt satisfies a policy whose log key
 * nobody has. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_policy policy = {0};
    vs_tlog_proof p;
    vs_diag diag;
    vs_h32 key = {{9}};
    VS_ASSERT(vs_note_key_make(&policy.log_key, "log", VS_NOTE_ED25519, &key, NULL) == VS_OK);
    if (vs_tlog_proof_parse(&p, data, size, &diag) == VS_OK) {
        vs_buf b = {0};
        VS_ASSERT(vs_tlog_proof_format(&b, &p) == VS_OK);
        VS_ASSERT(b.len == size && memcmp(b.p, data, size) == 0);
        vs_buf_free(&b);
        VS_ASSERT(vs_tlog_proof_verify(NULL, &p, &policy, &key, &diag) != VS_OK);
    }
    vs_tlog_proof_free(&p);
    return 0;
}
