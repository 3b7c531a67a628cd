/* tests/ledger/support_ledger.h - samples for the ledger tests: keys, one entry of every kind,
 * JSON and vector files. */
#ifndef VS_TESTS_SUPPORT_LEDGER_H
#define VS_TESTS_SUPPORT_LEDGER_H

#include <jansson.h>
#include <stdint.h>

#include "ledger/entry.h"
#include "ledger/note.h"

typedef struct sample_key {
    uint8_t seed[32];
    vs_note_key key;
} sample_key;
/* A key of this name and type, from number n. */
sample_key sample_key_of(const char *name, uint8_t type, uint64_t n);

/* Ed25519 public key of a seed. */
vs_h32 sample_public_key(const uint8_t seed[32]);

/* A valid entry with every list filled. */
vs_entry sample_entry(vs_entry_kind kind);
vs_h32 sample_hash(uint64_t n);

/* A JSON vector below the shared folder, or NULL after vs_test_skip. */
json_t *sample_json(const char *name);
/* base64 text to bytes; the test fails if it is not base64. */
vs_buf sample_base64(const char *text);
vs_h32 sample_hash_base64(const char *text);

#endif /* VS_TESTS_SUPPORT_LEDGER_H */
