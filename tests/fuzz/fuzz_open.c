/* An `open` entry of an aggregator that signs whatever the input says: a client or shareholder
 * takes it only if it obeys the federation. */
#include <stdlib.h>
#include <string.h>

#include "ledger/dsse.h"
#include "net/round.h"
#include "tests/net/support_open.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    vs_test_fed *tf;
    vs_buf payload; /* of a good one */
} good;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    good.tf = vs_test_federation_new(NULL);
    vs_test_open *open = vs_test_open_new(good.tf, 1, 40, 1700000000, 21);
    VS_ASSERT(vs_entry_encode(&good.payload, &open->entry, NULL) == VS_OK);
    vs_test_open_free(open);
    return 0;
}

static void check(const vs_buf *payload)
{
    const vs_federation *fed = good.tf->fed;
    vs_buf envelope = {0};
    vs_round *round = calloc(1, sizeof *round);
    vs_diag diag = {{0}};
    VS_ASSERT(round != NULL);
    if (vs_dsse_sign(&envelope, "open", payload->p, payload->len,
                     good.tf->aggregator->identity_seed, NULL) == VS_OK) {
        vs_err err = vs_round_from_open(round, fed, envelope.p, envelope.len, &diag);
        VS_ASSERT(err == VS_OK || (round->id.round == 0 && strchr(diag.text, '\n') == NULL));
        VS_ASSERT(err == VS_OK || err == VS_ERR_MALFORMED || err == VS_ERR_PROOF);
        if (err == VS_OK) {
            VS_ASSERT(round->id.round > 0 && round->open.max_clients == fed->max_clients);
            VS_ASSERT(round->open.n_shareholders >= vs_committee_needed(&fed->committee));
            VS_ASSERT(round->open.n_shareholders <= fed->committee.n);
            VS_ASSERT(round->layout.columns >= 1);
            VS_ASSERT(round->layout.columns + VS_MASK_COLUMNS <= VS_COLUMNS_MAX);
            VS_ASSERT(round->open.hard_expiry - round->open.opened_at <=
                      (uint64_t)fed->round_timeout_s + fed->answer_timeout_s);
        }
    }
    free(round);
    vs_buf_free(&envelope);
}

/* 0: the rest is the payload; else the good payload with some bytes replaced, removed or added. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_reader in = vs_reader_of(data, size);
    vs_buf payload = {0};
    uint8_t edits = vs_read_u8(&in) % 8;
    if (edits == 0) {
        vs_buf_bytes(&payload, in.next, in.left);
    } else {
        vs_buf_bytes(&payload, good.payload.p, good.payload.len);
    }
    for (; edits > 0 && payload.len > 0; edits--) {
        size_t at = vs_read_u32(&in) % payload.len;
        uint8_t cut = vs_read_u8(&in) % 16, len = vs_read_u8(&in) % 24;
        vs_buf tail = {0};
        if (cut > payload.len - at) cut = (uint8_t)(payload.len - at);
        if (len > in.left) len = (uint8_t)in.left;
        vs_buf_bytes(&tail, payload.p + at + cut, payload.len - at - cut);
        payload.len = at;
        vs_buf_bytes(&payload, vs_read_bytes(&in, len), len);
        vs_buf_bytes(&payload, tail.p, tail.len);
        vs_buf_free(&tail);
    }
    check(&payload);
    vs_buf_free(&payload);
    return 0;
}
