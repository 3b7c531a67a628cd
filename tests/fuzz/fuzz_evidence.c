/* Evidence from anybody: it proves something about a party of this federation, or is refused with
 * an empty result. The federation is the one of tests/net/test_evidence.c, so that the seeds are
 * proofs. */
#include <string.h>

#include "net/evidence.h"
#include "net/keyring.h"
#include "tests/net/support_fed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const vs_federation *federation(void)
{
    static const vs_test_fed_config config = {.n_clients = 3, .max_clients = 4, .seed = 5};
    static vs_test_fed *tf; /* made once a process */
    if (tf == NULL) tf = vs_test_federation_new(&config);
    return tf->fed;
}

static void key_request(const uint8_t *data, size_t size)
{
    vs_entry_key k;
    uint8_t again[VS_KEY_REQUEST_BYTES];
    vs_keyring ring = {0};
    vs_diag diag;
    if (vs_key_request_decode(&k, data, size) != VS_OK) return;
    vs_key_request_encode(again, &k);
    VS_ASSERT(size == sizeof again && memcmp(again, data, size) == 0);
    if (vs_keyring_check(&ring, federation(), &k, &diag) == VS_OK) {
        VS_ASSERT(vs_keyring_take(&ring, &k) == VS_OK);
        VS_ASSERT(vs_keyring_check(&ring, federation(), &k, &diag) != VS_OK);
    }
    vs_keyring_free(&ring);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_entry_evidence e;
    vs_diag diag = {{0}};
    if (vs_evidence_check(&e, federation(), data, size, &diag) == VS_OK) {
        VS_ASSERT(vs_evidence_matches(&e, federation(), data, size, &diag) == VS_OK);
        VS_ASSERT(e.size == size && e.claim != 0 && e.party != 0);
        vs_evidence_describe(&diag, &e);
    } else {
        static const vs_entry_evidence none;
        VS_ASSERT(memcmp(&e, &none, sizeof e) == 0 && diag.text[0] != '\0');
    }
    key_request(data, size);
    return 0;
}
