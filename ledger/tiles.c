#include "ledger/tiles.h"

#include <string.h>

void vs_tiles_init(vs_tiles *t)
{
    memset(t, 0, sizeof *t);
    vs_merkle_init(&t->range);
}

void vs_tiles_fold(vs_h32 *out, const vs_h32 *hashes, uint32_t n)
{
    vs_h32 row[VS_TILE_WIDTH];
    VS_ASSERT(n > 0 && n <= VS_TILE_WIDTH && (n & (n - 1)) == 0);
    memcpy(row, hashes, n * sizeof row[0]);
    for (; n > 1; n /= 2) {
        for (size_t i = 0; i < n / 2; i++) vs_merkle_node(&row[i], &row[2 * i], &row[2 * i + 1]);
    }
    *out = row[0];
}

vs_err vs_tiles_append(vs_tiles *t, const vs_h32 *leaf_hash, vs_tile_sink full, void *ctx)
{
    vs_h32 hash = *leaf_hash;
    vs_merkle_append(&t->range, leaf_hash);
    for (uint32_t level = 0; level < VS_TILE_LEVELS; level++) {
        uint64_t at = t->n[level]++;
        t->tile[level][at % VS_TILE_WIDTH] = hash;
        if (t->n[level] % VS_TILE_WIDTH != 0) return VS_OK;
        vs_err err = full(ctx, level, at / VS_TILE_WIDTH, t->tile[level], VS_TILE_WIDTH);
        if (err != VS_OK) return err;
        vs_tiles_fold(&hash, t->tile[level], VS_TILE_WIDTH);
    }
    return VS_OK;
}

vs_err vs_tiles_partial(const vs_tiles *t, vs_tile_sink partial, void *ctx)
{
    for (uint32_t level = 0; level < VS_TILE_LEVELS; level++) {
        uint32_t width = (uint32_t)(t->n[level] % VS_TILE_WIDTH);
        if (width == 0) continue;
        vs_err err = partial(ctx, level, t->n[level] / VS_TILE_WIDTH, t->tile[level], width);
        if (err != VS_OK) return err;
    }
    return VS_OK;
}

void vs_tiles_last(uint64_t size, uint32_t level, uint64_t *number, uint32_t *width)
{
    uint64_t n = size >> (8 * level);
    *number = n == 0 ? 0 : (n - 1) / VS_TILE_WIDTH;
    *width = n == 0 ? 0 : (uint32_t)(n - *number * VS_TILE_WIDTH);
}
