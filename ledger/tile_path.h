/* ledger/tile_path.h - names of tiles and entry bundles, as C2SP tlog-tiles gives them.
 *
 * "tile/<L>/<N>[.p/<W>]" and "tile/entries/<N>[.p/<W>]": N in groups of three digits joined by '/',
 * all but the last with 'x' before it (1234067 -> x001/x234/067). W is the number of hashes or
 * entries of a tile that is not full. Public data. */
#ifndef VS_LEDGER_TILE_PATH_H
#define VS_LEDGER_TILE_PATH_H

#include <stdint.h>

#include "base/err.h"
#include "ledger/tiles.h"

#define VS_TILE_ENTRIES 255u       /* the "level" of entry bundles */
#define VS_TILE_PATH_LEVEL_MAX 63u /* of hash tiles */
#define VS_TILE_PATH_CHARS 64u     /* with the final zero: 7 groups of 5 at most */

typedef struct vs_tile_path {
    uint32_t level;  /* 0..63, or VS_TILE_ENTRIES */
    uint64_t number; /* of the tile within its level, below 2^63 */
    uint32_t width;  /* 1..256; 256: full */
} vs_tile_path;

/* Values must be in range. */
void vs_tile_path_format(char out[VS_TILE_PATH_CHARS], const vs_tile_path *path);
/* Strict: only what format writes. VS_ERR_MALFORMED; *out is zero then. */
VS_MUST_CHECK vs_err vs_tile_path_parse(vs_tile_path *out, const char *text);

#endif /* VS_LEDGER_TILE_PATH_H */
