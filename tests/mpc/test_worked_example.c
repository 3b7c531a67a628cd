/* The example of docs/MPC.md by the real code over p = 31: each of its lines is written from what
 * the code computes, and must stand in the file. */
#define VS_FIELD_BITS 5
#include "mpc/field.c"
#include "mpc/kernels.c"
#include "mpc/kernels_portable.c"
#include "mpc/lagrange.c"
#include "mpc/locate.c"
#include "mpc/proof.c"
#include "mpc/reconstruct.c"
#include "mpc/sharing.c"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/file.h"

enum { N = 5, T = 2, K = 2, R = T + K };

/* --- the document ------------------------------------------------------------------------------
 */

static void document_says(const char *fmt, ...) VS_PRINTF(1, 2);

/* The text stands in docs/MPC.md; where its lines end does not matter. */
static void document_says(const char *fmt, ...)
{
    char text[400];
    va_list args;
    vs_buf doc = {0};
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    cr_assert_eq(vs_file_read(&doc, VS_SOURCE_DIR "/docs/MPC.md", 1 << 20, NULL), VS_OK);
    vs_buf_u8(&doc, 0);
    for (size_t i = 0; i < doc.len; i++) {
        if (doc.p[i] == '\n') doc.p[i] = ' ';
    }
    cr_expect_not_null(strstr((const char *)doc.p, text), "docs/MPC.md does not say: %s", text);
    vs_buf_free(&doc);
}

static unsigned u(vs_fe x)
{
    return (unsigned)x.v;
}

/* As a small signed number: -15..15. */
static int small(vs_fe x)
{
    return x.v > VS_FE_P / 2 ? (int)x.v - (int)VS_FE_P : (int)x.v;
}

/* --- the scheme --------------------------------------------------------------------------------
 */

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

/* The secrets, and share 1 again, from the four shares that come after `first`. */
static void reconstruct(vs_fe secrets[K], vs_fe *share_1, const vs_fe shares[N], uint32_t first)
{
    uint32_t index[R];
    const vs_fe *rows[R];
    vs_fe *secret_rows[K] = {&secrets[0], &secrets[1]};
    vs_recon *rec = NULL;
    for (uint32_t i = 0; i < R; i++) {
        index[i] = first + i;
        rows[i] = &shares[first + i - 1];
    }
    cr_assert_eq(vs_recon_new(&rec, N, T, K, index), VS_OK);
    vs_recon_columns(rec, secret_rows, rows, 1);
    vs_recon_share(rec, share_1, 1, rows, 1);
    vs_recon_free(rec);
}

static const vs_fe secret[K] = {{7}, {20}};

Test(worked_example, shares)
{
    vs_fe f[N] = {{5}, {9}}, g[N] = {{5}, {9}}, one[N] = {{0}}, two[N] = {{0}};
    share_column(f, secret);
    share_column(g, (const vs_fe[K]){{0}, {0}});
    share_column(one, (const vs_fe[K]){{1}, {0}}); /* lambda_1 */
    share_column(two, (const vs_fe[K]){{0}, {1}});
    document_says(
        "Secrets %u and %u. The seeds of shareholders 1 and 2 happen to expand to %u and %u.",
        u(secret[0]), u(secret[1]), u(f[0]), u(f[1]));
    unsigned slope = u(vs_fe_sub(g[1], g[0])), at0 = u(vs_fe_sub(g[0], vs_fe_of_u64(slope)));
    document_says("g(x) = %ux + %u. So g(3) = %u, g(4) = %u, g(5) = %u.", slope, at0, u(g[2]),
                  u(g[3]), u(g[4]));
    document_says("share 3 = %u + %u = %u; share 4 = %u + %u = %u = **%u**.", u(secret[0]), u(g[2]),
                  u(f[2]), u(secret[1]), u(g[3]), u(secret[1]) + u(g[3]), u(f[3]));
    document_says(
        "lambda_1(5) = %d, lambda_2(5) = %d, so %u - %d*%u + %d*%u = %d = **%u**.", small(one[4]),
        small(two[4]), u(g[4]), -small(one[4]), u(secret[0]), small(two[4]), u(secret[1]),
        (int)u(g[4]) + small(one[4]) * (int)u(secret[0]) + small(two[4]) * (int)u(secret[1]),
        u(f[4]));
    int cubic = 4 * (int)u(f[3]) - 6 * (int)u(f[2]) + 4 * (int)u(f[1]) - (int)u(f[0]);
    document_says("4*%u - 6*%u + 4*%u - %u = %d = %u.", u(f[3]), u(f[2]), u(f[1]), u(f[0]), cubic,
                  u(f[4]));
    cr_expect_eq(((cubic % 31) + 31) % 31, (int)u(f[4]));
    document_says("The shares are **%u, %u, %u, %u, %u**.", u(f[0]), u(f[1]), u(f[2]), u(f[3]),
                  u(f[4]));
}

Test(worked_example, reconstruction)
{
    vs_fe f[N] = {{5}, {9}}, g[N], got[K];
    share_column(f, secret);
    reconstruct(got, &g[0], f, 2);
    cr_assert_eq(got[0].v, secret[0].v);
    cr_assert_eq(got[1].v, secret[1].v);
    document_says("From shareholders 2, 3, 4, 5: f(1) = 4*%u - 6*%u + 4*%u - %u = %d = %u", u(f[1]),
                  u(f[2]), u(f[3]), u(f[4]),
                  4 * (int)u(f[1]) - 6 * (int)u(f[2]) + 4 * (int)u(f[3]) - (int)u(f[4]), u(g[0]));
    g[1] = f[1];
    share_column(g, (const vs_fe[K]){{0}, {0}});
    document_says("then %u - %u = %u and %u - %u = %d = %u.", u(f[2]), u(g[2]), u(got[0]), u(f[3]),
                  u(g[3]), (int)u(f[3]) - (int)u(g[3]), u(got[1]));
}

Test(worked_example, sums)
{
    vs_fe f[N] = {{5}, {9}}, other[N] = {{30}, {2}}, got[K], unused;
    const vs_fe others[K] = {{1}, {30}};
    share_column(f, secret);
    share_column(other, others);
    document_says("Another client shares %u and %u, its seeds expand to %u and %u: its shares are "
                  "%u, %u, %u, %u, %u.",
                  u(others[0]), u(others[1]), u(other[0]), u(other[1]), u(other[0]), u(other[1]),
                  u(other[2]), u(other[3]), u(other[4]));
    for (uint32_t j = 0; j < N; j++) f[j] = vs_fe_add(f[j], other[j]);
    document_says("the sum shares are %u, %u, %u, %u, %u.", u(f[0]), u(f[1]), u(f[2]), u(f[3]),
                  u(f[4]));
    for (uint32_t first = 1; first <= 2; first++) {
        reconstruct(got, &unused, f, first);
        document_says("gives %u and %u, the sums of the secrets, %u + %u and %u + %u mod 31.",
                      u(got[0]), u(got[1]), u(secret[0]), u(others[0]), u(secret[1]), u(others[1]));
    }
}

/* --- the proof ---------------------------------------------------------------------------------
 */

static const vs_fe2 rho = {{2}, {3}};

static vs_fe2 own_value(vs_fe share, vs_fe mask_re, vs_fe mask_im)
{
    vs_proof_acc acc;
    const vs_fe column[3] = {share, mask_re, mask_im};
    vs_proof_start(&acc, rho, 1);
    vs_proof_update(&acc, column, 3);
    return vs_proof_final(&acc);
}

Test(worked_example, proof)
{
    vs_fe f[N] = {{5}, {9}}, re[N] = {{3}, {8}}, im[N] = {{10}, {4}};
    vs_fe2 w[R];
    share_column(f, secret);
    share_column(re, (const vs_fe[K]){{1}, {2}});
    share_column(im, (const vs_fe[K]){{6}, {30}});
    document_says("(%u, %u, %u, %u, %u) and (%u, %u, %u, %u, %u).", u(re[0]), u(re[1]), u(re[2]),
                  u(re[3]), u(re[4]), u(im[0]), u(im[1]), u(im[2]), u(im[3]), u(im[4]));
    document_says("rho = %u + %ui", u(rho.re), u(rho.im));
    for (uint32_t x = 0; x < R; x++) {
        w[x] = own_value(f[x], re[x], im[x]);
        document_says("| %u | %u + %ui | %u | %u + %ui |", x + 1, u(re[x]), u(im[x]), u(f[x]),
                      u(w[x].re), u(w[x].im));
    }
    const vs_fe2 at5 = vs_proof_eval(w, R, 5), own = own_value(f[4], re[4], im[4]);
    cr_assert(vs_fe2_equal(at5, own));
    document_says("W(5) = 4 W(4) - 6 W(3) + 4 W(2) - W(1) = %u + %ui", u(at5.re), u(at5.im));
    document_says("(%u + %ui) + rho * %u = %u + %ui: accepted.", u(re[4]), u(im[4]), u(f[4]),
                  u(own.re), u(own.im));
    const vs_fe2 wrong = own_value((vs_fe){29}, re[4], im[4]);
    cr_assert(!vs_fe2_equal(at5, wrong));
    document_says("With 29 it would get %u + %ui: refused.", u(wrong.re), u(wrong.im));
}

/* --- liars -------------------------------------------------------------------------------------
 */

static vs_location located(const vs_fe answers[N], uint32_t r, uint32_t t)
{
    const uint32_t points[N] = {1, 2, 3, 4, 5};
    vs_fe2 symbol[N];
    vs_location l;
    for (uint32_t j = 0; j < N; j++) symbol[j] = vs_fe2_scale(rho, answers[j]);
    cr_assert_eq(vs_locate(&l, points, symbol, N, r, t), VS_OK);
    return l;
}

Test(worked_example, liars)
{
    vs_fe sum[N] = {{4}, {11}, {26}, {13}, {29}}, line[N] = {{5}, {9}, {13}, {17}, {21}};
    cr_expect(located(sum, R, T).decodable);
    sum[3].v = 14;
    cr_expect_not(located(sum, R, T).decodable);
    document_says("if shareholder 4 says 14 instead of 13, no cubic passes through all five");
    document_says(
        "the sum shares 5, 9, 13, 17, 21 of a line, a 16 at shareholder 3 would be named");
    line[2].v = 16;
    vs_location l = located(line, 2, 1);
    cr_expect(l.decodable);
    for (uint32_t j = 1; j <= N; j++) cr_expect_eq(l.wrong[j - 1], j == 3, "shareholder %u", j);
}
