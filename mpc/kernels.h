/* mpc/kernels.h - the inner loops over secrets, one table of functions per instruction set.
 *
 * Inside mpc/ (and for the checks of bench/) only. kernels_portable.c is plain C and the oracle:
 * every other table must give the same bits. kernels.c picks the table for this machine; tests take
 * a table by name. Secret: every element, every key. Public: coefficients, counts and addresses.
 * Constant time. */
#ifndef VS_MPC_KERNELS_H
#define VS_MPC_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mpc/field.h"
#include "mpc/params.h"
#include "mpc/prg.h"
#include "mpc/proof.h"
#include "mpc/sharing.h"

/* Columns worked on at a time, so that all rows of a tile stay in L1 (32-48 KiB): 64 columns
 * are 512 bytes a row. */
#define VS_TILE_COLUMNS 64u

/* 64-bit words that a share kernel may use beside its rows (most, and for one r): differences of
 * t tile rows and 2 limbs of k half tile rows. Full of secrets afterwards. */
#define VS_SHARE_SCRATCH ((size_t)VS_SHAREHOLDERS_MAX * VS_TILE_COLUMNS)
#define VS_SHARE_SCRATCH_OF(r) ((size_t)(r)*VS_TILE_COLUMNS)

/* Products summed in 128 bits before a reduction: 64 * (p-1)^2 < 2^128. */
#define VS_LAZY_PRODUCTS 64u

/* Rows added at once: 8 values below 2^61 (rows and accumulator) are below 2^64. */
#define VS_ADD_ROWS 7u

/* Most shareholders: their points 1..n must differ mod p, which matters for test primes only. */
#define VS_POINTS_MAX (VS_FE_P - 1 < VS_SHAREHOLDERS_MAX ? VS_FE_P - 1 : VS_SHAREHOLDERS_MAX)

/* Coefficients of the shares beyond r as small signed integers, where they are: magnitudes below
 * 2^21 with the sign of the secret's position; their sum for one share, and those of g's backward
 * differences at r with them, below 2^22. So it is for all (t, k) up to n = 16. Then sums of
 * products with limbs below 2^31 and 2^30 stay below 2^53 and 2^52. */
#define VS_SMALL_COEF_BITS 21u
#define VS_SMALL_SUM_BITS 22u

struct vs_sharing {
    uint32_t n, t, k, r;
    /* (n - r) rows of k: what secret i adds to share r+1+row, beyond g (see sharing.c). */
    vs_fe *extra;
    /* The same as magnitudes; secret i counts negative iff k-1-i is odd. */
    bool is_small;
    uint64_t *small;
};

static inline bool vs_sharing_negative(const vs_sharing *s, uint32_t i)
{
    return ((s->k - 1 - i) & 1) != 0;
}

/* Columns first .. first+cols-1 of out and secrets, seed_first .. of the seed shares. */
typedef struct vs_share_work {
    vs_fe *const *out; /* as in vs_share_columns */
    const vs_fe *const *secrets;
    const vs_fe *const *seeds;
    size_t first, seed_first, cols;
    bool to_memory;    /* the output will not be read soon: stores may go past the caches */
    uint64_t *scratch; /* VS_SHARE_SCRATCH_OF(r) words, 64-byte aligned; the caller wipes */
} vs_share_work;

/* AES-256 round keys: secret, wiped by the owner. */
typedef struct vs_aes_key {
    uint8_t round[15][16];
} vs_aes_key;

/* First counter block: see mpc/prg.h. block + blocks used must not pass 2^32. */
typedef struct vs_ctr {
    uint32_t tile, attempt, stream, block;
} vs_ctr;

/* Seed shares drawn by the kernel itself: element i of stream j is masked word i of the keystream
 * under key[j]. */
typedef struct vs_share_draw {
    const vs_aes_key *key[VS_SHAREHOLDERS_MAX]; /* t */
    vs_ctr ctr;                                 /* of the first column, the same for all */
    vs_fe *const *seed_out;                     /* t rows (first as in out), or NULL; NULL inside */
} vs_share_draw;

/* No share_drawn does more than this t; columns in multiples of VS_DRAWN_COLUMNS. */
#define VS_DRAWN_T_MAX 6u
#define VS_DRAWN_COLUMNS 32u

typedef struct vs_kernels {
    const char *name;
    /* acc[i] += x[i]; acc[i] -= x[i]. */
    void (*add)(vs_fe *acc, const vs_fe *x, size_t n);
    void (*sub)(vs_fe *acc, const vs_fe *x, size_t n);
    /* acc[i] += sum over a < n_rows of rows[a][first + i], n_rows <= VS_ADD_ROWS. */
    void (*add_rows)(vs_fe *acc, const vs_fe *const *rows, uint32_t n_rows, size_t first, size_t n);
    /* vs_share_columns for the columns of work. */
    void (*share)(const vs_sharing *s, const vs_share_work *work);
    /* The same with work->seeds drawn on the way, where draws says so, cols a multiple of
     * VS_DRAWN_COLUMNS; nonzero iff an element of a seed share is p: then the columns have to be
     * done again. Both NULL where aes_key is NULL. */
    bool (*draws)(const vs_sharing *s);
    uint64_t (*share_drawn)(const vs_sharing *s, const vs_share_work *work,
                            const vs_share_draw *draw);
    /* After the last share to memory: order its stores before later ones. */
    void (*finish)(void);
    /* out[c] = sum over a < n_rows of coef[a] * rows[a][first + c], any number of rows. */
    void (*combine)(vs_fe *out, const vs_fe *coef, const vs_fe *const *rows, uint32_t n_rows,
                    size_t first, size_t cols);
    /* sum over i < n of x[i] * rho^(i+1), n <= VS_POWER_TABLE; add_inner does acc[i] += x[i] in
     * the same pass (acc and x do not overlap). */
    vs_fe2 (*inner)(const vs_powers *rho, const vs_fe *x, size_t n);
    vs_fe2 (*add_inner)(vs_fe *acc, const vs_powers *rho, const vs_fe *x, size_t n);
    /* n elements from 8n bytes; nonzero iff one is not canonical (that one becomes 0). */
    uint64_t (*decode)(vs_fe *out, const uint8_t *in, size_t n);
    /* Whole columns of slots: cols*k*S coordinates to k rows, and back. unpack returns nonzero iff
     * an element does not fit its slots or a slot exceeds max_sum. */
    void (*pack)(const vs_layout *layout, vs_fe *const *rows, size_t first, const uint32_t *coords,
                 size_t cols);
    uint64_t (*unpack)(const vs_layout *layout, uint64_t *coords, const vs_fe *const *rows,
                       size_t first, size_t cols, uint64_t max_sum);
    /* AES-256-CTR; all three NULL where libcrypto does it. words: n keystream words as they are;
     * elements: n words masked with p, nonzero iff one of them equals p. */
    void (*aes_key)(vs_aes_key *key, const uint8_t seed[VS_SEED_BYTES]);
    void (*words)(const vs_aes_key *key, const vs_ctr *ctr, uint64_t *out, size_t n);
    uint64_t (*elements)(const vs_aes_key *key, const vs_ctr *ctr, vs_fe *out, size_t n);
} vs_kernels;

extern const vs_kernels vs_kernels_portable;
extern const vs_kernels vs_kernels_avx2;   /* x86-64 only */
extern const vs_kernels vs_kernels_avx512; /* x86-64 only */

/* The table for this machine, or the one VEILSUM_ISA names; the same one every time. */
const vs_kernels *vs_kernels_get(void);
/* By name; NULL if there is none of that name or this machine cannot run it. */
const vs_kernels *vs_kernels_by_name(const char *name);

/* vs_prg_new with the AES of that table. */
VS_MUST_CHECK vs_err vs_prg_new_for(vs_prg **out, const vs_kernels *kernels,
                                    const uint8_t seed[VS_SEED_BYTES], uint32_t stream);
/* Elements first .. first+count-1 of attempt 0 as they come; first even, all in one tile. Nonzero
 * iff one of them equals p: then vs_prg_draw_tile has the right ones. */
uint64_t vs_prg_draw(vs_prg *prg, vs_fe *out, uint64_t first, size_t count);
/* All elements of a tile. */
void vs_prg_draw_tile(vs_prg *prg, vs_fe *out, uint32_t tile);
/* Of a native one: its key (borrowed), and the counter of element first of attempt 0, first even.
 * Keys made by one table of kernels are as good for another. */
const vs_aes_key *vs_prg_key(const vs_prg *prg);
vs_ctr vs_prg_counter(const vs_prg *prg, uint64_t first);

/* Any sum of at most VS_LAZY_PRODUCTS products of two elements, to canonical. Three digits of
 * VS_FIELD_BITS bits (the highest of 128 - 122 = 6 bits) add to less than 2^62 + 64; a second
 * fold leaves at most p + 2 < 2p. */
static inline vs_fe vs_fe_reduce_sum(vs_u128 x)
{
    uint64_t low = (uint64_t)x & VS_FE_P;
    uint64_t mid = (uint64_t)(x >> VS_FIELD_BITS) & VS_FE_P;
    uint64_t top = (uint64_t)(x >> (2 * VS_FIELD_BITS));
    uint64_t s = low + mid + top;
    return vs_fe_reduce_once((s & VS_FE_P) + (s >> VS_FIELD_BITS));
}

/* Any 64-bit value to canonical, for the real prime: the fold is at most p + 7 < 2p. */
static inline vs_fe vs_fe_reduce_word(uint64_t x)
{
    return vs_fe_reduce_once((x & VS_FE_P) + (x >> VS_FIELD_BITS));
}

#endif /* VS_MPC_KERNELS_H */
