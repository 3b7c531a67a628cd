/* The example of docs/MPC.md, number by number, by the real code over p = 31. */
#define VS_FIELD_BITS 5
#include "mpc/field.c"
#include "mpc/kernels.c"
#include "mpc/kernels_portable.c"
#include "mpc/lagrange.c"
#include "mpc/proof.c"
#include "mpc/reconstruct.c"
#include "mpc/sharing.c"

#include <criterion/criterion.h>

enum { N = 5, T = 2, K = 2, R = T + K };

/* Share one column: shares[0..T) given, the rest filled in. */
static void share_column(vs_fe shares[N], const vs_fe secrets[K])
{
    vs_sharing *s = NULL;
    vs_fe *out[N - T];
    const vs_fe *seed_rows[T];
    const vs_fe *secret_rows[K];
    for (uint32_t j = 0; j < N - T; j++) out[j] = &shares[T + j];
    for (uint32_t j = 0; j < T; j++) seed_rows[j] = &shares[j];
    for (uint32_t i = 0; i < K; i++) secret_rows[i] = &secrets[i];
    cr_assert_eq(vs_sharing_new(&s, N, T, K), VS_OK);
    vs_share_columns(s, out, secret_rows, seed_rows, 1);
    vs_sharing_free(s);
}

static void expect_shares(const vs_fe got[N], const uint64_t want[N])
{
    for (uint32_t j = 0; j < N; j++) cr_assert_eq(got[j].v, want[j], "share %u", j + 1);
}

Test(worked_example, shares_are_5_9_20_6_28)
{
    vs_fe shares[N] = {{5}, {9}};
    share_column(shares, (const vs_fe[K]){{7}, {20}});
    expect_shares(shares, (const uint64_t[N]){5, 9, 20, 6, 28});
}

Test(worked_example, shareholders_2_to_5_give_the_secrets_back)
{
    static const vs_fe shares[R] = {{9}, {20}, {6}, {28}};
    const vs_fe *rows[R] = {&shares[0], &shares[1], &shares[2], &shares[3]};
    vs_fe secrets[K];
    vs_fe *secret_rows[K] = {&secrets[0], &secrets[1]};
    vs_fe first;
    vs_recon *rec = NULL;
    cr_assert_eq(vs_recon_new(&rec, N, T, K, (const uint32_t[R]){2, 3, 4, 5}), VS_OK);
    vs_recon_columns(rec, secret_rows, rows, 1);
    vs_recon_share(rec, &first, 1, rows, 1);
    cr_assert_eq(first.v, 5);
    cr_assert_eq(secrets[0].v, 7);
    cr_assert_eq(secrets[1].v, 20);
    vs_recon_free(rec);
}

static vs_fe2 own_value(vs_fe share, vs_fe mask_re, vs_fe mask_im)
{
    vs_proof_acc acc;
    const vs_fe column[3] = {share, mask_re, mask_im};
    vs_proof_start(&acc, (vs_fe2){{2}, {3}}, 1);
    vs_proof_update(&acc, column, 3);
    return vs_proof_final(&acc);
}

Test(worked_example, consistency_proof_accepts_28_and_refuses_29)
{
    static const vs_fe f[N] = {{5}, {9}, {20}, {6}, {28}};
    vs_fe re[N] = {{3}, {8}};
    vs_fe im[N] = {{10}, {4}};
    share_column(re, (const vs_fe[K]){{1}, {2}});
    share_column(im, (const vs_fe[K]){{6}, {30}});
    expect_shares(re, (const uint64_t[N]){3, 8, 14, 20, 25});
    expect_shares(im, (const uint64_t[N]){10, 4, 4, 22, 8});

    static const vs_fe2 table[R] = {{{13}, {25}}, {{26}, {0}}, {{23}, {2}}, {{1}, {9}}};
    vs_fe2 w[R];
    for (uint32_t x = 0; x < R; x++) {
        w[x] = own_value(f[x], re[x], im[x]);
        cr_assert(vs_fe2_equal(w[x], table[x]), "W(%u)", x + 1);
    }
    vs_fe2 at5 = vs_proof_eval(w, R, 5);
    cr_assert(vs_fe2_equal(at5, (vs_fe2){{19}, {30}}));
    cr_assert(vs_fe2_equal(at5, own_value(f[4], re[4], im[4])));
    vs_fe2 wrong = own_value((vs_fe){29}, re[4], im[4]);
    cr_assert(vs_fe2_equal(wrong, (vs_fe2){{21}, {2}}));
    cr_assert(!vs_fe2_equal(at5, wrong));
}
