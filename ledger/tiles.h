/* ledger/tiles.h - inside ledger/ only: the right edge of the tree as tlog tiles.
 *
 * Tile (L, N) holds up to 256 hashes: hash i of it is the root of the complete subtree of 256^L
 * leaves number 256 N + i. Only full tiles are hashed upward, so tiles are a pure function of the
 * leaf hashes. About 72 KiB, no pointers, copyable: append to a copy, keep it after COMMIT. */
#ifndef VS_LEDGER_TILES_H
#define VS_LEDGER_TILES_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/hash.h"

#define VS_TILE_WIDTH 256u /* hashes */
#define VS_TILE_LEVELS 8u  /* 256^8 leaves */

typedef struct vs_tiles {
    vs_merkle range;                            /* size, and the root */
    uint64_t n[VS_TILE_LEVELS];                 /* hashes of this level so far */
    vs_h32 tile[VS_TILE_LEVELS][VS_TILE_WIDTH]; /* the last tile: n % 256 of them, or 256 */
} vs_tiles;

void vs_tiles_init(vs_tiles *t);

/* Called with each tile that became full, and by vs_tiles_partial with each that is not. */
typedef vs_err (*vs_tile_sink)(void *ctx, uint32_t level, uint64_t number, const vs_h32 *hashes,
                               uint32_t n);
/* Errors: the sink's. t is then of no use. */
VS_MUST_CHECK vs_err vs_tiles_append(vs_tiles *t, const vs_h32 *leaf_hash, vs_tile_sink full,
                                     void *ctx);
VS_MUST_CHECK vs_err vs_tiles_partial(const vs_tiles *t, vs_tile_sink partial, void *ctx);

/* Tiles of a tree of this size: number and width of the last tile of a level; width 0 when the
 * level is empty. */
void vs_tiles_last(uint64_t size, uint32_t level, uint64_t *number, uint32_t *width);
/* Hash of n complete hashes in a row, n a power of two up to 256. */
void vs_tiles_fold(vs_h32 *out, const vs_h32 *hashes, uint32_t n);

#endif /* VS_LEDGER_TILES_H */
