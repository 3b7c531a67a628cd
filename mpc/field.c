#include "mpc/field.h"

#include <string.h>

#include "mpc/kernels.h"

vs_fe vs_fe_of_u64(uint64_t v)
{
    /* 2^VS_FIELD_BITS = 1 mod p, so the high part adds to the low one. Each fold takes
     * VS_FIELD_BITS off the length; the last leaves at most p + 1 < 2p. */
    for (unsigned i = 0; i < 64 / VS_FIELD_BITS + 1; i++) {
        v = (v & VS_FE_P) + (v >> VS_FIELD_BITS);
    }
    return vs_fe_reduce_once(v);
}

vs_fe vs_fe_inv(vs_fe a)
{
    /* a^(p-2); the exponent is public, so its bits may steer the loop. p - 2 =
     * 2^VS_FIELD_BITS - 3 is all ones but for bit 1. 0^(p-2) = 0. */
    vs_fe r = {1};
    for (unsigned bit = VS_FIELD_BITS; bit-- > 0;) {
        r = vs_fe_mul(r, r);
        if (bit != 1) r = vs_fe_mul(r, a);
    }
    return r;
}

vs_fe2 vs_fe2_inv(vs_fe2 a)
{
    /* The norm re^2 + im^2 is 0 for a = 0 only: -1 is not a square mod p = 3 mod 4. */
    vs_fe norm = vs_fe_add(vs_fe_mul(a.re, a.re), vs_fe_mul(a.im, a.im));
    vs_fe inv = vs_fe_inv(norm);
    return (vs_fe2){vs_fe_mul(a.re, inv), vs_fe_mul(vs_fe_neg(a.im), inv)};
}

void vs_fe_encode_many(uint8_t *out, const vs_fe *in, size_t n)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (n != 0) memcpy(out, in, n * VS_FE_BYTES); /* memory is the encoding */
#else
    for (size_t i = 0; i < n; i++) vs_fe_encode(out + i * VS_FE_BYTES, in[i]);
#endif
}

const uint8_t *vs_fe_bytes(const vs_fe *x, size_t n, uint8_t *scratch)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    (void)n;
    (void)scratch;
    return (const uint8_t *)x;
#else
    vs_fe_encode_many(scratch, x, n);
    return scratch;
#endif
}

vs_err vs_fe_decode_many(vs_fe *out, const uint8_t *in, size_t n)
{
    uint64_t bad = vs_kernels_get()->decode(out, in, n);
    VS_CT_PUBLIC(&bad, sizeof bad); /* the verdict goes to the sender */
    return bad == 0 ? VS_OK : VS_ERR_MALFORMED;
}

void vs_fe_add_many(vs_fe *acc, const vs_fe *x, size_t n)
{
    vs_kernels_get()->add(acc, x, n);
}

void vs_fe_sub_many(vs_fe *acc, const vs_fe *x, size_t n)
{
    vs_kernels_get()->sub(acc, x, n);
}

void vs_fe_add_rows(vs_fe *acc, const vs_fe *const *rows, uint32_t n_rows, size_t n)
{
    const vs_kernels *kernels = vs_kernels_get();
    while (n_rows > 0) {
        uint32_t part = n_rows < VS_ADD_ROWS ? n_rows : VS_ADD_ROWS;
        kernels->add_rows(acc, rows, part, 0, n);
        rows += part;
        n_rows -= part;
    }
}
