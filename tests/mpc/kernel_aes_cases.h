/* AES of the table ISA against libcrypto and FIPS 197; a table without one has nothing to show. */
#ifndef VS_TESTS_MPC_KERNEL_AES_CASES_H
#define VS_TESTS_MPC_KERNEL_AES_CASES_H

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <openssl/evp.h>

#include "mpc/kernels.h"
#include "tests/mpc/kernel_values.h"
#include "tests/support.h"

/* A table with no AES of its own has nothing to show here. */
static vs_prg *prg_of(const vs_kernels *k, const uint8_t *seed, uint32_t stream)
{
    vs_prg *prg = NULL;
    cr_assert_eq(vs_prg_new_for(&prg, k, seed, stream), VS_OK);
    return prg;
}

Test(ISA_SUITE, prg_equals_libcrypto_at_any_place_and_length)
{
    enum { N = 3 * VS_PRG_TILE };
    static vs_fe got[N], want[N];
    static uint64_t words[N], want_words[N];
    const vs_kernels *k = table();
    if (k == NULL) return;
    for (uint64_t i = 0; i < 400; i++) {
        uint8_t seed[VS_SEED_BYTES];
        uint64_t first = i < 200 ? i : vs_test_u64(50, i) % ((UINT64_C(1) << 25) - N);
        size_t count = i < 200 ? (size_t)i : (size_t)(vs_test_u64(51, i) % N);
        vs_test_bytes(seed, sizeof seed, i);
        vs_prg *ours = prg_of(k, seed, (uint32_t)i * 0x01020304u);
        vs_prg *theirs = prg_of(&vs_kernels_portable, seed, (uint32_t)i * 0x01020304u);
        memset(got, 0x77, sizeof got);
        memset(words, 0x77, sizeof words);
        vs_prg_fill(ours, got, first, count);
        vs_prg_fill(theirs, want, first, count);
        cr_assert_arr_eq(got, want, count * sizeof got[0], "%zu from %llu", count,
                         (unsigned long long)first);
        vs_prg_words(ours, words, first, count);
        vs_prg_words(theirs, want_words, first, count);
        cr_assert_arr_eq(words, want_words, count * sizeof words[0]);
        if (count < N) cr_assert_eq(words[count], UINT64_C(0x7777777777777777));
        vs_prg_free(ours);
        vs_prg_free(theirs);
    }
}

/* All fields of the counter block, and the highest block number. */
Test(ISA_SUITE, counter_blocks_are_as_the_protocol_says)
{
    static const vs_ctr ctrs[] = {{0, 0, 0, 0},
                                  {1, 0, 0, 0xfe},
                                  {0x01020304, 0x05060708, 0x090a0b0c, 0x0d0e0f00},
                                  {UINT32_MAX, 1, 2, UINT32_MAX - 127}};
    const vs_kernels *k = table();
    if (k == NULL || k->aes_key == NULL) return;
    for (size_t i = 0; i < sizeof ctrs / sizeof ctrs[0]; i++) {
        uint8_t seed[VS_SEED_BYTES];
        vs_aes_key key;
        uint64_t got[256], one[2];
        vs_test_bytes(seed, sizeof seed, i);
        k->aes_key(&key, seed);
        k->words(&key, &ctrs[i], got, 256);
        vs_prg *theirs = prg_of(&vs_kernels_portable, seed, ctrs[i].stream);
        for (uint32_t b = 0; b < 128; b++) {
            vs_ctr ctr = ctrs[i];
            ctr.block += b;
            k->words(&key, &ctr, one, 2);
            cr_assert_arr_eq(one, got + (size_t)2 * b, sizeof one);
            if (ctr.tile != 0 || ctr.attempt != 0) continue;
            vs_prg_words(theirs, one, (uint64_t)2 * ctr.block, 2);
            cr_assert_arr_eq(one, got + (size_t)2 * b, sizeof one);
        }
        vs_prg_free(theirs);
    }
}

/* FIPS 197 appendix C.3: the counter block is the plaintext 00 11 22 .. ff. */
Test(ISA_SUITE, aes_gives_the_block_of_fips_197)
{
    static const uint64_t want[2] = {UINT64_C(0xbf456751cab7a28e), UINT64_C(0x8960494b9049fcea)};
    const vs_ctr ctr = {0x33221100, 0x77665544, 0xbbaa9988, 0xccddeeff};
    const vs_kernels *k = table();
    uint8_t seed[VS_SEED_BYTES];
    uint64_t got[2];
    vs_aes_key key;
    if (k == NULL || k->aes_key == NULL) return;
    for (uint8_t i = 0; i < VS_SEED_BYTES; i++) seed[i] = i;
    k->aes_key(&key, seed);
    k->words(&key, &ctr, got, 2);
    cr_assert_arr_eq(got, want, sizeof want);
}

/* Which 2^-61 event is reported: x = p and nothing near it. A block is found for given plaintext
 * by decryption, so that chosen elements come out. */
Test(ISA_SUITE, elements_report_a_value_of_p_wherever_it_is)
{
    static const struct {
        uint64_t word;
        bool hit;
    } cases[] = {{VS_FE_P, true},      {UINT64_MAX, true}, {VS_FE_P - 1, false},
                 {VS_FE_P + 1, false}, {0, false},         {UINT64_MAX - 1, false}};
    const vs_kernels *k = table();
    if (k == NULL || k->aes_key == NULL) return;
    uint8_t seed[VS_SEED_BYTES] = {9};
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    cr_assert_eq(EVP_DecryptInit_ex(cipher, EVP_aes_256_ecb(), NULL, seed, NULL), 1);
    cr_assert_eq(EVP_CIPHER_CTX_set_padding(cipher, 0), 1);
    vs_aes_key key;
    k->aes_key(&key, seed);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (uint32_t half = 0; half < 2; half++) {
            uint64_t block[2] = {5, 5};
            uint8_t counter[16];
            int len = 0;
            block[half] = cases[i].word;
            cr_assert_eq(EVP_DecryptUpdate(cipher, counter, &len, (const uint8_t *)block, 16), 1);
            cr_assert_eq(len, 16);
            for (uint32_t at = 0; at < 90; at++) { /* the hit is in block `at` of the call */
                uint32_t number = (uint32_t)counter[12] << 24 | (uint32_t)counter[13] << 16 |
                                  (uint32_t)counter[14] << 8 | counter[15];
                const vs_ctr ctr = {vs_load_le32(counter), vs_load_le32(counter + 4),
                                    vs_load_le32(counter + 8), number - at};
                vs_fe out[200];
                size_t n = (size_t)at * 2 + half; /* not yet */
                cr_assert_eq(k->elements(&key, &ctr, out, n), 0);
                for (size_t more = 1; more < 20; more++) {
                    uint64_t hits = k->elements(&key, &ctr, out, n + more);
                    cr_assert_eq(hits != 0, cases[i].hit, "case %zu, element %zu", i, n);
                    cr_assert_eq(out[n].v, cases[i].word & VS_FE_P);
                }
            }
        }
    }
    EVP_CIPHER_CTX_free(cipher);
}

#endif /* VS_TESTS_MPC_KERNEL_AES_CASES_H */
