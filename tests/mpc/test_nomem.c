/* Every allocation of mpc/ fails once: the error is reported, nothing leaks, the output is NULL.
 * The sources are included with allocators that fail on demand.
 */
#include <pthread.h>
#include <stdlib.h>

#include <gmp.h>
#include <openssl/evp.h>
#include <sodium.h>

static size_t calls_left = SIZE_MAX;

static void *failing_calloc(size_t n, size_t size)
{
    return calls_left-- == 0 ? NULL : calloc(n, size);
}

static void *failing_malloc(size_t size)
{
    return calls_left-- == 0 ? NULL : malloc(size);
}

static void *failing_aligned_alloc(size_t alignment, size_t size)
{
    return calls_left-- == 0 ? NULL : aligned_alloc(alignment, size);
}

static void *failing_sodium_malloc(size_t size)
{
    return calls_left-- == 0 ? NULL : sodium_malloc(size);
}

static int failing_thread(pthread_t *id, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg)
{
    return calls_left-- == 0 ? 11 : pthread_create(id, attr, run, arg);
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
#define aligned_alloc failing_aligned_alloc
#define sodium_malloc failing_sodium_malloc
#define pthread_create failing_thread
#define EVP_CIPHER_CTX_new failing_ctx_new
#define EVP_EncryptInit_ex failing_init
#include "mpc/locate.c"
#include "mpc/parallel.c"
#include "mpc/prg.c"
#define draw prime_draw /* prg.c has one */
#include "mpc/prime_sharing.c"
#undef draw
#include "mpc/reconstruct.c"
#include "mpc/share_stream.c"
#include "mpc/sharing.c"
#undef calloc
#undef malloc
#undef aligned_alloc
#undef sodium_malloc
#undef pthread_create
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

/* Threads that did start are ended again. */
Test(nomem, thread_pool)
{
    vs_err err = VS_ERR_NOMEM;
    size_t k = 0;
    for (; err != VS_OK; k++) {
        vs_pool *pool = (vs_pool *)&pool;
        calls_left = k;
        err = vs_pool_new(&pool, 4);
        cr_assert(err == VS_OK || (err == VS_ERR_NOMEM && pool == NULL));
        vs_pool_free(err == VS_OK ? pool : NULL);
    }
    cr_expect_eq(k, 5); /* the object, three threads, none */
}

Test(nomem, sharing_from_streams)
{
    const uint8_t seed[VS_SEED_BYTES] = {1};
    static vs_fe cells[4][8];
    vs_sharing *s = NULL;
    vs_prg *stream = NULL;
    vs_fe *const out[2] = {cells[0], cells[1]};
    const vs_fe *const secrets[1] = {cells[3]};
    calls_left = SIZE_MAX;
    cr_assert_eq(vs_sharing_new(&s, 3, 1, 1), VS_OK);
    cr_assert_eq(vs_prg_new(&stream, seed, VS_PRG_SHARE), VS_OK);
    const vs_share_job job = {.out = out, .secrets = secrets, .streams = &stream, .cols = 8};
    memset(cells, 0x33, sizeof cells);
    for (size_t i = 0; i < 8; i++) cells[3][i].v = i;
    calls_left = 0;
    cr_expect_eq(vs_share_stream(s, &job), VS_ERR_NOMEM);
    for (size_t i = 0; i < 8; i++) cr_expect_eq(cells[0][i].v, UINT64_C(0x3333333333333333));
    calls_left = SIZE_MAX;
    cr_expect_eq(vs_share_stream(s, &job), VS_OK);
    cr_expect_neq(cells[0][0].v, UINT64_C(0x3333333333333333));
    vs_prg_free(stream);
    vs_sharing_free(s);
}

static vs_err counting_bytes(void *ctx, void *out, size_t len)
{
    memset(out, ++*(uint8_t *)ctx, len);
    return VS_OK;
}

Test(nomem, splitting_and_combining)
{
    const uint8_t secret[5] = "text";
    const uint32_t x[2] = {1, 3};
    uint8_t drawn = 0, share[3][64], got[5];
    uint8_t *const shares[3] = {share[0], share[1], share[2]};
    const uint8_t *const two[2] = {share[0], share[2]};
    const vs_rng rng = {.fill = counting_bytes, .ctx = &drawn};
    vs_prime p;
    vs_err err = VS_ERR_NOMEM;
    size_t k = 0;
    cr_assert_eq(vs_prime_read(&p, "0x1fffffffffffffff", NULL), VS_OK);
    size_t bytes = vs_prime_share_bytes(&p, sizeof secret);
    cr_assert_leq(bytes, sizeof share[0]);
    for (; err != VS_OK; k++) {
        memset(share, 0x33, sizeof share);
        calls_left = k;
        err = vs_prime_split(shares, &p, 3, 2, secret, sizeof secret, &rng);
        cr_assert(err == VS_OK || err == VS_ERR_NOMEM);
        for (size_t i = 0; err != VS_OK && i < bytes; i++) cr_assert_eq(share[1][i], 0);
    }
    cr_expect_gt(k, 1);
    err = VS_ERR_NOMEM;
    for (k = 0; err != VS_OK; k++) {
        memset(got, 0x33, sizeof got);
        calls_left = k;
        err = vs_prime_combine(got, sizeof got, &p, 2, x, two);
        cr_assert(err == VS_OK || (err == VS_ERR_NOMEM && got[0] == 0 && got[4] == 0));
    }
    cr_expect_gt(k, 1);
    cr_expect_arr_eq(got, secret, sizeof got);
}
