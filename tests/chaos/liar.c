/* A veilsum that lies, for tests/chaos/chaos.py: the real program with two functions replaced by
 * the linker (tests/extra.cmake). VEILSUM_LIE=sum: a shareholder answers with a sum that is 1 off
 * in one column, signed. VEILSUM_LIE=share: a client's share for the last shareholder is not on its
 * polynomials; commitment and proof are made from it. */
#include <stdlib.h>
#include <string.h>

#include "net/encoder.h"
#include "net/shareholder_impl.h"

vs_err __real_vs_sh_sum_exactly(vs_shareholder *sh, const uint8_t *records, uint32_t n,
                                bool *missing, uint32_t *left, vs_diag *diag);
vs_err __wrap_vs_sh_sum_exactly(vs_shareholder *sh, const uint8_t *records, uint32_t n,
                                bool *missing, uint32_t *left, vs_diag *diag);
const vs_fe *__real_vs_encoder_share(const vs_encoder *enc, uint32_t j, uint32_t b, size_t *n);
const vs_fe *__wrap_vs_encoder_share(const vs_encoder *enc, uint32_t j, uint32_t b, size_t *n);

static bool lies(const char *how)
{
    const char *told = getenv("VEILSUM_LIE");
    return told != NULL && strcmp(told, how) == 0;
}

vs_err __wrap_vs_sh_sum_exactly(vs_shareholder *sh, const uint8_t *records, uint32_t n,
                                bool *missing, uint32_t *left, vs_diag *diag)
{
    vs_err err = __real_vs_sh_sum_exactly(sh, records, n, missing, left, diag);
    if (err == VS_OK && !*missing && *left == 0 && lies("sum")) {
        const vs_fe one = {1};
        vs_fe_add_many(sh->round->sum.column, &one, 1);
    }
    return err;
}

/* The row is the encoder's own memory, made afresh each time: the lie is a copy, one for each of
 * the blocks that are hashed together. */
const vs_fe *__wrap_vs_encoder_share(const vs_encoder *enc, uint32_t j, uint32_t b, size_t *n)
{
    enum { LIED_TO = 5, ROW_MAX = 8192, BLOCKS = 8 };
    static vs_fe rows[BLOCKS][ROW_MAX]; /* the copy outlives the call, as the row does */
    const vs_fe *share = __real_vs_encoder_share(enc, j, b, n);
    vs_fe *row = rows[b % BLOCKS];
    if (j != LIED_TO || *n == 0 || *n > ROW_MAX || !lies("share")) return share;
    VS_ASSERT(vs_encoder_group(enc) <= BLOCKS);
    memcpy(row, share, *n * sizeof *row);
    const vs_fe one = {1};
    vs_fe_add_many(row, &one, 1);
    return row;
}
