/* Leaf hashes of several equal-length pieces at once; the only place of base/ that chooses between
 * instruction sets. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/hash.h"
#include "base/sha256_lanes.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define TAIL_BLOCKS 2u /* what is left of a message, and its padding */

const uint32_t vs_sha256_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/* --- which of them runs here ------------------------------------------------------------------ */

/* Wider last. */
typedef struct choice {
    const vs_sha256_lanes *narrow, *wide; /* NULL: none */
} choice;

static const choice choices[] = {
    {NULL, NULL},
#if defined(__x86_64__)
    {&vs_sha256_ni, NULL},
    {NULL, &vs_sha256_avx512},
    {&vs_sha256_ni, &vs_sha256_avx512},
#endif
};

#if defined(__x86_64__)

/* CPUID feature bits (Intel SDM vol. 2, CPUID leaves 1 and 7); XCR0: saved registers. */
#define LEAF1_ECX_SSE41 (1u << 19)
#define LEAF1_ECX_OSXSAVE (1u << 27)
#define LEAF7_EBX_SHA (1u << 29)
#define LEAF7_EBX_AVX512 ((1u << 16) | (1u << 30)) /* F, BW */
#define XCR0_ZMM 0xe6u

static uint32_t saved_registers(void)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* 1: sha-ni, 2: avx512. */
static unsigned runs_here(void)
{
    uint32_t eax;
    uint32_t ebx;
    uint32_t ecx;
    uint32_t edx;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0) return 0;
    const uint32_t leaf1 = ecx;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return 0;
    unsigned which = (leaf1 & LEAF1_ECX_SSE41) != 0 && (ebx & LEAF7_EBX_SHA) != 0 ? 1 : 0;
    if ((leaf1 & LEAF1_ECX_OSXSAVE) != 0 && (ebx & LEAF7_EBX_AVX512) == LEAF7_EBX_AVX512 &&
        (saved_registers() & XCR0_ZMM) == XCR0_ZMM) {
        which |= 2;
    }
    return which;
}

#else

static unsigned runs_here(void)
{
    return 0;
}

#endif

/* VEILSUM_ISA takes away what it does not allow (mpc/isa.h refuses a name it does not know). */
static unsigned allowed(void)
{
    const char *name = getenv("VEILSUM_ISA");
    if (name == NULL || name[0] == '\0' || strcmp(name, "avx512") == 0) return 3;
    return strcmp(name, "avx2") == 0 ? 1 : 0;
}

static const choice *choose(void)
{
    /* Never changes once it is set; two threads that come first at once store the same. */
    static _Atomic(const choice *) chosen;
    const choice *c = atomic_load_explicit(&chosen, memory_order_acquire);
    if (c == NULL) {
        c = &choices[runs_here() & allowed()];
        atomic_store_explicit(&chosen, c, memory_order_release);
    }
    return c;
}

const vs_sha256_lanes *vs_sha256_lanes_by_name(const char *name)
{
    const choice *c = &choices[runs_here()];
    if (c->narrow != NULL && strcmp(c->narrow->name, name) == 0) return c->narrow;
    return c->wide != NULL && strcmp(c->wide->name, name) == 0 ? c->wide : NULL;
}

/* For so many messages; NULL: libcrypto, one at a time. */
static const vs_sha256_lanes *pick(const choice *c, size_t count)
{
    if (c->wide != NULL && count >= (c->narrow != NULL ? c->wide->least : c->wide->least_alone)) {
        return c->wide;
    }
    return c->narrow != NULL && count >= c->narrow->least ? c->narrow : NULL;
}

/* --- hashing ---------------------------------------------------------------------------------- */

static void store_be32(uint8_t *out, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) out[i] = (uint8_t)(v >> (24 - 8 * i));
}

static void start(uint32_t *state, uint32_t lanes)
{
    /* FIPS 180-4 section 5.3.3 */
    static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    for (uint32_t i = 0; i < 8 * lanes; i++) state[i] = initial[i / lanes];
}

/* The prefix moves every byte of a piece by one: its first 63 go through a buffer, whole blocks are
 * read where they are, the rest goes through a buffer with the padding. */
void vs_sha256_leaves(const vs_sha256_lanes *k, vs_h32 *out, const uint8_t *const *data, size_t len,
                      uint32_t count)
{
    enum { BLOCK = VS_SHA256_BLOCK_BYTES, FIRST = BLOCK - 1 };
    uint32_t state[8 * VS_SHA256_LANES_MAX];
    uint8_t buffer[VS_SHA256_LANES_MAX][TAIL_BLOCKS * BLOCK];
    const uint8_t *from[VS_SHA256_LANES_MAX], *staged[VS_SHA256_LANES_MAX];
    VS_ASSERT(count >= 1 && count <= k->lanes && k->lanes <= VS_SHA256_LANES_MAX);
    start(state, k->lanes);
    memset(buffer, 0, sizeof buffer);
    for (uint32_t l = 0; l < k->lanes; l++) {
        from[l] = data[l < count ? l : 0];
        staged[l] = buffer[l];
    }
    size_t done = 0, at = 1; /* bytes of a piece hashed; bytes in its buffer, the prefix first */
    if (len >= FIRST) {
        for (uint32_t l = 0; l < k->lanes; l++) {
            memcpy(buffer[l] + 1, from[l], FIRST);
            from[l] += FIRST;
        }
        k->blocks(state, staged, 1);
        size_t whole = (len - FIRST) / BLOCK;
        k->blocks(state, from, whole);
        done = FIRST + whole * BLOCK;
        at = 0;
    }
    const size_t left = len - done;
    const size_t end = at + left + 1 + 8 <= BLOCK ? BLOCK : 2 * BLOCK;
    for (uint32_t l = 0; l < k->lanes; l++) {
        memset(buffer[l] + at, 0, sizeof buffer[l] - at);
        if (left > 0) memcpy(buffer[l] + at, from[l] + (done - (len >= FIRST ? FIRST : 0)), left);
        buffer[l][at + left] = 0x80;
        vs_store_be64(buffer[l] + end - 8, ((uint64_t)len + 1) * 8);
    }
    k->blocks(state, staged, end / BLOCK);
    for (uint32_t l = 0; l < count; l++) {
        for (size_t i = 0; i < 8; i++) store_be32(out[l].b + 4 * i, state[i * k->lanes + l]);
    }
    OPENSSL_cleanse(buffer, sizeof buffer);
    OPENSSL_cleanse(state, sizeof state);
}

void vs_merkle_leaves(vs_h32 *out, const uint8_t *const *data, size_t len, size_t count)
{
    const choice *c = choose();
    while (count > 0) {
        const vs_sha256_lanes *k = pick(c, count);
        uint32_t n = 1;
        if (k == NULL) {
            vs_merkle_leaf(out, data[0], len);
        } else {
            n = count < k->lanes ? (uint32_t)count : k->lanes;
            vs_sha256_leaves(k, out, data, len, n);
        }
        out += n;
        data += n;
        count -= n;
    }
}
