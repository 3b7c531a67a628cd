/* tests/net/support_open.h - an `open` entry of a test federation, with every secret behind it.
 *
 * Fill, change what the test wants changed, then make the envelope. Any failure stops the test. */
#ifndef VS_TESTS_NET_SUPPORT_OPEN_H
#define VS_TESTS_NET_SUPPORT_OPEN_H

#include <stdint.h>

#include "ledger/entry.h"
#include "net/round.h"
#include "tests/net/support_fed.h"

typedef struct vs_test_open {
    vs_entry entry;
    uint8_t round_secret[VS_SHAREHOLDERS_MAX][32]; /* [j-1] */
    uint8_t aggregator_secret[32];
} vs_test_open;

/* Everything as the federation says; all shareholders listed, deadline after 30 s, hard expiry 30 s
 * later, no model. seed: of the round keys. */
vs_test_open *vs_test_open_new(const vs_test_fed *tf, uint64_t round, uint32_t dim,
                               uint64_t opened_at_s, uint64_t seed);
void vs_test_open_free(vs_test_open *open);
/* Sign the round keys again (after a change of round, federation or keys). */
void vs_test_open_sign_keys(vs_test_open *open, const vs_test_fed *tf);
/* Leave shareholder j out. */
void vs_test_open_unlist(vs_test_open *open, uint32_t j);
/* Append the signed envelope. */
void vs_test_open_envelope(vs_buf *out, const vs_test_open *open, const vs_test_fed *tf);
/* The envelope through vs_round_from_open. */
vs_round vs_test_open_round(const vs_test_open *open, const vs_test_fed *tf);

#endif /* VS_TESTS_NET_SUPPORT_OPEN_H */
