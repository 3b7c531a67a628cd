/* Every allocation of mpc/ fails once: the error is reported, nothing leaks, the output is NULL.
 * The sources are included with allocators that fail on demand.
 */
#include <stdlib.h>

#include <openssl/evp.h>

static size_t calls_left = SIZE_MAX;

static void *failing_calloc(size_t n, size_t size)
{
    return calls_left-- == 0 ? NULL : calloc(n, size);
}

static void *failing_malloc(size_t size)
{
    return calls_left-- == 0 ? NULL : malloc(size);
}

static EVP_CIPHER_CTX *failing_ctx_new(void)
{
    return calls_left-- == 0 ? NULL : EVP_CIPHER_CTX_new();
}

/* Setting the key up allocates inside libcrypto. */
static int failing_init(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, ENGINE *engine,
                        const unsigned char *key, const unsigned char *iv)
{
    return calls_left-- == 0 ? 0 : EVP_EncryptInit_ex(ctx, cipher, engine, key, iv);
}

#define calloc failing_calloc
#define malloc failing_malloc
#define EVP_CIPHER_CTX_new failing_ctx_new
#define EVP_EncryptInit_ex failing_init
#include "mpc/locate.c"
#include "mpc/prg.c"
#include "mpc/reconstruct.c"
#include "mpc/sharing.c"
#undef calloc
#undef malloc
#undef EVP_CIPHER_CTX_new
#undef EVP_EncryptInit_ex

#include <criterion/criterion.h>

#include "mpc/commit.h"

Test(nomem, sharing)
{
    vs_err err = VS_ERR_NOMEM;
    size_t k = 0;
    for (; err != VS_OK; k++) {
        vs_sharing *s = (vs_sharing *)&s;
        calls_left = k;
        err = vs_sharing_new(&s, 5, 2, 2);
        cr_assert(err == VS_OK || (err == VS_ERR_NOMEM && s == NULL));
        vs_sharing_free(err == VS_OK ? s : NULL);
    }
    cr_expect_eq(k, 4);
}

Test(nomem, reconstruction)
{
    const uint32_t idx[4] = {1, 2, 4, 5};
    vs_err err = VS_ERR_NOMEM;
    size_t k = 0;
    for (; err != VS_OK; k++) {
        vs_recon *rec = (vs_recon *)&rec;
        calls_left = k;
        err = vs_recon_new(&rec, 5, 2, 2, idx);
        cr_assert(err == VS_OK || (err == VS_ERR_NOMEM && rec == NULL));
        vs_recon_free(err == VS_OK ? rec : NULL);
    }
    cr_expect_eq(k, 2);
}

Test(nomem, location)
{
    const uint32_t points[3] = {1, 2, 3};
    const vs_fe2 symbols[3] = {{{1}, {0}}, {{2}, {0}}, {{3}, {0}}};
    vs_location l;
    calls_left = 0;
    cr_expect_eq(vs_locate(&l, points, symbols, 3, 2, 1), VS_ERR_NOMEM);
    cr_expect_not(l.decodable);
    calls_left = SIZE_MAX;
    cr_expect_eq(vs_locate(&l, points, symbols, 3, 2, 1), VS_OK);
    cr_expect(l.decodable);
}

Test(nomem, prg_and_challenge)
{
    const uint8_t seed[VS_SEED_BYTES] = {1};
    vs_h32 key = {{1}};
    vs_err err = VS_ERR_NOMEM;
    size_t k = 0;
    for (; err != VS_OK; k++) {
        vs_prg *prg = (vs_prg *)&prg;
        calls_left = k;
        err = vs_prg_new_for(&prg, &vs_kernels_portable, seed, 0);
        cr_assert(err == VS_OK || (err == VS_ERR_NOMEM && prg == NULL));
        vs_prg_free(err == VS_OK ? prg : NULL);
    }
    cr_expect_eq(k, 4); /* the object, the cipher, its key, none */
    vs_fe2 rho = {{9}, {9}};
    calls_left = 0;
    cr_expect_eq(vs_prg_fe2(&rho, &key, VS_PRG_CHALLENGE), VS_ERR_NOMEM);
    cr_expect_eq(rho.re.v + rho.im.v, 0);
    calls_left = 0;
    cr_expect_eq(vs_challenge(&rho, &key, &key), VS_ERR_NOMEM);
    calls_left = 0;
    vs_prg *none = NULL;
    cr_expect_eq(vs_prg_new_from_source(&none, aes_source, NULL, 0), VS_ERR_NOMEM);
    cr_expect_null(none);
}
