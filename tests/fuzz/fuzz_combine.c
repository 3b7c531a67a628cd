/* Shares that were changed by those who keep them, commitments included: combine gives back exactly
 * the secret that was split, or refuses. */
#include <string.h>

#include "mpc/share_set.h"
#include "tests/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SHARES_MAX = 8, SECRET_MAX = 40 };

static const char *const primes[] = {"251", "65537", "0x1fffffffffffffff", VS_PRIME_DEFAULT};

static vs_split *split_of(vs_reader *in, uint8_t *secret, size_t *len)
{
    vs_prime prime;
    vs_split *split = NULL;
    vs_test_rng rng = {.seed = vs_read_u8(in)};
    const vs_rng source = vs_test_rng_of(&rng);
    VS_ASSERT(vs_prime_read(&prime, primes[vs_read_u8(in) % 4], NULL) == VS_OK);
    uint32_t n = 2 + vs_read_u8(in) % (SHARES_MAX - 1);
    uint32_t t = 2 + vs_read_u8(in) % (n - 1);
    *len = vs_read_u8(in) % (SECRET_MAX + 1);
    vs_test_bytes(secret, SECRET_MAX, rng.seed);
    VS_ASSERT(vs_split_new(&split, &prime, n, t, secret, *len, &source, NULL) == VS_OK);
    return split;
}

/* What a holder can do to a decoded share. */
static void change(vs_share *share, vs_reader *in)
{
    uint8_t what = vs_read_u8(in);
    size_t at = vs_read_u8(in) % share->payload.len;
    switch (what % 8) {
    case 0: share->payload.p[at] ^= vs_read_u8(in); break;
    case 1: share->x = 1 + vs_read_u8(in) % share->set.n; break;
    case 2: memset(share->payload.p, vs_read_u8(in), share->payload.len); break;
    case 3: share->set.id.b[at % 32] ^= 1; break;
    default: break; /* honest */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_reader in = vs_reader_of(data, size);
    uint8_t secret[SECRET_MAX];
    size_t len;
    vs_split *split = split_of(&in, secret, &len);
    vs_share share[SHARES_MAX] = {0};
    const char *name[SHARES_MAX];
    vs_buf out = {0};
    vs_diag diag = {{0}};
    uint32_t n = vs_split_set(split)->n;
    for (uint32_t j = 0; j < n; j++) {
        vs_buf text = {0};
        name[j] = "fuzz";
        VS_ASSERT(vs_split_text(split, &text, j + 1) == VS_OK);
        VS_ASSERT(vs_share_decode(&share[j], text.p, text.len, &diag) == VS_OK);
        vs_buf_free_secret(&text);
        change(&share[j], &in);
    }
    if (vs_share_check(share, name, n, NULL, &diag) == VS_OK) {
        vs_err err = vs_share_combine(&out, share, n, &diag);
        VS_ASSERT(err == VS_OK || (err == VS_ERR_PROOF && out.len == 0));
        VS_ASSERT(err != VS_OK ||
                  (out.len == len && (len == 0 || memcmp(out.p, secret, len) == 0)));
    }
    for (uint32_t j = 0; j < n; j++) vs_share_free(&share[j]);
    vs_buf_free_secret(&out);
    vs_split_free(split);
    return 0;
}
