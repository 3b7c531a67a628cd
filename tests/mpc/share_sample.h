/* tests/mpc/share_sample.h - share texts to change: edit a line, then make the checksum fit again.
 * Included by one test program each. */
#ifndef VS_TESTS_MPC_SHARE_SAMPLE_H
#define VS_TESTS_MPC_SHARE_SAMPLE_H

#include <string.h>

#include "base/hash.h"
#include "mpc/share_set.h"
#include "tests/support.h"

/* Shares of `secret` under the default prime, always the same for one seed. */
static inline vs_split *sample_split(uint32_t n, uint32_t t, const char *secret, uint64_t seed)
{
    vs_test_rng state = {.seed = seed};
    vs_rng rng = vs_test_rng_of(&state);
    vs_split *split = NULL;
    vs_prime p;
    VS_ASSERT(vs_prime_read(&p, VS_PRIME_DEFAULT, NULL) == VS_OK);
    VS_ASSERT(vs_split_new(&split, &p, n, t, (const uint8_t *)secret, strlen(secret), &rng, NULL) ==
              VS_OK);
    return split;
}

/* Replace the first `from` by `to`. False: it is not there. */
static inline bool sample_replace(vs_buf *text, const char *from, const char *to)
{
    size_t n = strlen(from);
    for (size_t i = 0; i + n <= text->len; i++) {
        if (memcmp(text->p + i, from, n) != 0) continue;
        vs_buf out = {0};
        vs_buf_bytes(&out, text->p, i);
        vs_buf_text(&out, to);
        vs_buf_bytes(&out, text->p + i + n, text->len - i - n);
        vs_buf_free_secret(text);
        *text = out;
        return true;
    }
    return false;
}

/* Cut the checksum line off and write the right one. */
static inline void sample_seal(vs_buf *text)
{
    vs_hash h;
    vs_h32 sum;
    char hex[VS_HEX_CHARS(32)];
    text->len -= 74;
    vs_hash_start(&h, "veilsum-share-checksum-v1");
    vs_hash_bytes(&h, text->p, text->len);
    vs_hash_final(&h, &sum);
    vs_hex_encode(hex, &sum, 32);
    vs_buf_printf(text, "checksum %s\n", hex);
}

#endif /* VS_TESTS_MPC_SHARE_SAMPLE_H */
