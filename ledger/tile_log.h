/* ledger/tile_log.h - entries and tiles of a published log (C2SP tlog-tiles), read one by one.
 *
 * Only the form is checked here (lengths, counts); whoever reads compares hashes. A partial tile
 * that is gone is looked for in its full tile, as the specification asks. Keeps the last bundle.
 * Threads: one owner. */
#ifndef VS_LEDGER_TILE_LOG_H
#define VS_LEDGER_TILE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/fetch.h"
#include "ledger/tile_path.h"
#include "ledger/tree.h"

typedef struct vs_tile_log vs_tile_log;

/* A log of `size` entries. fetch is copied, its ctx borrowed. */
VS_MUST_CHECK vs_err vs_tile_log_new(vs_tile_log **out, const vs_fetch *fetch, uint64_t size);
void vs_tile_log_free(vs_tile_log *t); /* NULL is a no-op */

/* Append entry `index` (< size) to *out. VS_ERR_MALFORMED names the bundle; VS_ERR_STATE: missing.
 */
VS_MUST_CHECK vs_err vs_tile_log_entry(vs_tile_log *t, uint64_t index, vs_buf *out, vs_diag *diag);
/* The first `width` hashes of tile (level, number). Errors as above. */
VS_MUST_CHECK vs_err vs_tile_log_tile(vs_tile_log *t, uint32_t level, uint64_t number,
                                      uint32_t width, vs_h32 hashes[VS_TILE_WIDTH], vs_diag *diag);
/* Complete subtree hashes from tiles, for ledger/tree.h; the tiles are believed. */
vs_tree_reader vs_tile_log_tree(vs_tile_log *t);

/* Cut a bundle of `width` entries: end[i] is the offset behind entry i, whose bytes begin 2 behind
 * end[i - 1]. VS_ERR_MALFORMED: another number of entries, an empty one, or a part of one. */
VS_MUST_CHECK vs_err vs_bundle_cut(const vs_buf *bundle, uint32_t width, bool more_allowed,
                                   uint32_t end[VS_TILE_WIDTH], vs_diag *diag);

#endif /* VS_LEDGER_TILE_LOG_H */
