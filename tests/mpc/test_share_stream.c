/* Sharing fused with the seed shares' expansion equals expansion, then sharing. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "mpc/kernels.h"
#include "mpc/sharing.h"
#include "tests/support.h"

enum { COLS_MAX = 9 * VS_PRG_TILE + 300, ROWS_MAX = 24 };

typedef struct fixture {
    uint32_t n, t, k;
    vs_sharing *sharing;
    vs_prg *stream[ROWS_MAX];
    vs_fe *secret[ROWS_MAX], *share[ROWS_MAX], *want[ROWS_MAX];
} fixture;

static vs_fe *row_new(uint64_t seed)
{
    vs_fe *row = aligned_alloc(64, COLS_MAX / 8 * 64 + 64);
    cr_assert_not_null(row);
    for (size_t c = 0; c < COLS_MAX; c++) row[c].v = vs_test_u64(seed, c) % VS_FE_P;
    return row;
}

static void streams_new(fixture *f, const vs_kernels *kernels)
{
    for (uint32_t j = 0; j < f->t; j++) {
        uint8_t seed[VS_SEED_BYTES];
        vs_test_bytes(seed, sizeof seed, 100 + j);
        vs_prg_free(f->stream[j]);
        cr_assert_eq(vs_prg_new_for(&f->stream[j], kernels, seed, VS_PRG_SHARE), VS_OK);
    }
}

static fixture fixture_new(uint32_t n, uint32_t t, uint32_t k)
{
    fixture f = {.n = n, .t = t, .k = k};
    cr_assert_eq(vs_sharing_new(&f.sharing, n, t, k), VS_OK);
    for (uint32_t j = 0; j < n; j++) {
        f.share[j] = row_new(1);
        f.want[j] = row_new(1);
    }
    for (uint32_t i = 0; i < k; i++) f.secret[i] = row_new(2 + i);
    streams_new(&f, vs_kernels_get());
    return f;
}

static void fixture_free(fixture *f)
{
    for (uint32_t j = 0; j < f->n; j++) {
        free(f->share[j]);
        free(f->want[j]);
    }
    for (uint32_t i = 0; i < f->k; i++) free(f->secret[i]);
    for (uint32_t j = 0; j < f->t; j++) vs_prg_free(f->stream[j]);
    vs_sharing_free(f->sharing);
}

/* Columns first .. of the streams to column `at` of the rows, both ways; whole rows compared. */
static void expect_same(fixture *f, uint64_t first, size_t at, size_t cols, bool to_memory,
                        vs_pool *pool)
{
    const vs_fe *secrets[ROWS_MAX];
    const vs_fe *seeds[ROWS_MAX];
    vs_fe *out[ROWS_MAX], *want_out[ROWS_MAX], *kept[ROWS_MAX];
    size_t bytes = COLS_MAX * sizeof(vs_fe);
    for (uint32_t i = 0; i < f->k; i++) secrets[i] = f->secret[i] + at;
    for (uint32_t j = 0; j < f->n; j++) {
        memset(f->share[j], 0x33, bytes);
        memset(f->want[j], 0x33, bytes);
    }
    for (uint32_t j = 0; j < f->t; j++) {
        kept[j] = j % 2 == 0 ? f->share[j] + at : NULL;
        vs_prg_fill(f->stream[j], f->want[j] + at, first, cols);
        seeds[j] = f->want[j] + at;
    }
    for (uint32_t j = f->t; j < f->n; j++) {
        out[j - f->t] = j % 5 == 4 ? NULL : f->share[j] + at;
        want_out[j - f->t] = j % 5 == 4 ? NULL : f->want[j] + at;
    }
    vs_share_columns(f->sharing, want_out, secrets, seeds, cols);
    const vs_share_job job = {.out = out,
                              .secrets = secrets,
                              .streams = f->stream,
                              .seed_out = cols % 2 == 0 ? kept : NULL,
                              .first = first,
                              .cols = cols,
                              .to_memory = to_memory,
                              .pool = pool};
    cr_assert_eq(vs_share_stream(f->sharing, &job), VS_OK);
    for (uint32_t j = 0; j < f->n; j++) {
        if (j < f->t && (cols % 2 != 0 || j % 2 != 0)) {
            memset(f->want[j], 0x33, bytes); /* not asked for: not written */
        }
        cr_assert_arr_eq(f->share[j], f->want[j], bytes, "share %u, %zu columns from %llu", j + 1,
                         cols, (unsigned long long)first);
    }
}

Test(share_stream, equals_expanding_and_sharing)
{
    static const uint32_t ntk[][3] = {{3, 1, 1}, {7, 2, 3}, {10, 3, 4}, {16, 5, 6}, {20, 9, 4}};
    static const size_t cols[] = {0, 1, 2, 127, 128, 129, 1023, 1024, 1025, 3000, 9 * VS_PRG_TILE};
    static const uint64_t firsts[] = {0, 1, 64, 1023, 1024, 5000, (1u << 25) - 2048};
    for (size_t i = 0; i < sizeof ntk / sizeof ntk[0]; i++) {
        fixture f = fixture_new(ntk[i][0], ntk[i][1], ntk[i][2]);
        for (size_t c = 0; c < sizeof cols / sizeof cols[0]; c++) {
            size_t from = (i + c) % 7;
            if (cols[c] > 3000) from = 0;
            expect_same(&f, firsts[from], c % 4 * 3, cols[c], c % 2 == 0, NULL);
            expect_same(&f, 0, 0, cols[c], c % 2 == 1, NULL);
        }
        fixture_free(&f);
    }
}

Test(share_stream, the_number_of_threads_changes_nothing)
{
    static const uint32_t threads[] = {1, 2, 3, 8};
    fixture f = fixture_new(10, 3, 4);
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        vs_pool *pool = NULL;
        cr_assert_eq(vs_pool_new(&pool, threads[i]), VS_OK);
        expect_same(&f, 0, 0, COLS_MAX, true, pool);
        expect_same(&f, 777, 5, COLS_MAX - 5, false, pool);
        streams_new(&f, &vs_kernels_portable); /* libcrypto's contexts are not shared */
        expect_same(&f, 3, 0, 5000, false, pool);
        streams_new(&f, vs_kernels_get());
        vs_pool_free(pool);
    }
    fixture_free(&f);
}

/* --- the redraw ------------------------------------------------------------------------------- */

/* Stream whose tile 2 hits p on the first two draws. */
static void hitting_source(void *ctx, uint8_t *out, size_t len, uint32_t tile, uint32_t attempt,
                           uint32_t stream, uint64_t offset)
{
    uint32_t *redraws = ctx;
    (void)stream;
    if (attempt > 0) ++*redraws;
    for (size_t i = 0; i < len / 8; i++) {
        uint64_t element = offset / 8 + i;
        uint64_t of_tile = attempt > 0 ? tile : element / VS_PRG_TILE;
        bool hit = of_tile == 2 && attempt < 2 && element % VS_PRG_TILE == 600;
        vs_store_le64(out + 8 * i,
                      hit ? UINT64_MAX : vs_test_u64(attempt * 7919 + tile, element) % VS_FE_P);
    }
}

Test(share_stream, a_tile_that_hits_p_is_shared_from_redrawn_elements)
{
    fixture f = fixture_new(7, 2, 3);
    uint32_t redraws = 0;
    vs_prg_free(f.stream[1]);
    cr_assert_eq(vs_prg_new_from_source(&f.stream[1], hitting_source, &redraws, 0), VS_OK);
    expect_same(&f, 0, 0, 5 * VS_PRG_TILE, false, NULL);
    cr_expect_eq(redraws, 4); /* two by the stream, two by vs_prg_fill */
    redraws = 0;
    expect_same(&f, 2 * VS_PRG_TILE - 10, 0, 20, false, NULL);
    cr_expect_gt(redraws, 0);
    fixture_free(&f);
}

/* Says when another thread than its owner's asks. */
typedef struct owned {
    pthread_t owner;
    bool elsewhere;
} owned;

static void owned_source(void *ctx, uint8_t *out, size_t len, uint32_t tile, uint32_t attempt,
                         uint32_t stream, uint64_t offset)
{
    owned *o = ctx;
    (void)stream;
    (void)attempt;
    if (!pthread_equal(pthread_self(), o->owner)) o->elsewhere = true;
    for (size_t i = 0; i < len / 8; i++) {
        vs_store_le64(out + 8 * i, vs_test_u64(tile, offset / 8 + i) % VS_FE_P);
    }
}

/* One stream that is not ours to share among threads is enough, whichever it is. */
Test(share_stream, a_foreign_stream_stays_in_its_thread)
{
    vs_pool *pool = NULL;
    cr_assert_eq(vs_pool_new(&pool, 4), VS_OK);
    for (uint32_t j = 0; j < 3; j++) {
        fixture f = fixture_new(10, 3, 4);
        owned o = {.owner = pthread_self()};
        vs_prg_free(f.stream[j]);
        cr_assert_eq(vs_prg_new_from_source(&f.stream[j], owned_source, &o, 0), VS_OK);
        expect_same(&f, 0, 0, COLS_MAX, false, pool);
        cr_expect_not(o.elsewhere, "stream %u", j + 1);
        fixture_free(&f);
    }
    vs_pool_free(pool);
}
