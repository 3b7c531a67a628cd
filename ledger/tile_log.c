#include "ledger/tile_log.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/dsse.h"

#define BUNDLE_MAX_BYTES ((size_t)VS_TILE_WIDTH * (2u + VS_ENTRY_MAX_BYTES))

struct vs_tile_log {
    vs_fetch fetch;
    uint64_t size;
    bool have; /* a bundle is kept */
    uint64_t number;
    vs_buf bundle;
    uint32_t end[VS_TILE_WIDTH];
    bool have_tile; /* a tile is kept */
    uint32_t tile_level;
    uint64_t tile_number;
    vs_h32 tile[VS_TILE_WIDTH];
};

vs_err vs_tile_log_new(vs_tile_log **out, const vs_fetch *fetch, uint64_t size)
{
    vs_tile_log *t = calloc(1, sizeof *t);
    *out = t;
    if (t == NULL) return VS_ERR_NOMEM;
    t->fetch = *fetch;
    t->size = size;
    return VS_OK;
}

void vs_tile_log_free(vs_tile_log *t)
{
    if (t == NULL) return;
    vs_buf_free(&t->bundle);
    free(t);
}

/* The partial file, else the full one. *full tells which. */
static vs_err get(vs_tile_log *t, vs_tile_path at, size_t max, vs_buf *out, bool *full,
                  vs_diag *diag)
{
    char name[VS_TILE_PATH_CHARS];
    vs_tile_path_format(name, &at);
    *full = at.width == VS_TILE_WIDTH;
    vs_err err = t->fetch.get(t->fetch.ctx, name, max, out, diag);
    if (err != VS_ERR_STATE || *full) return err;
    vs_diag why = {{0}}; /* the message names the partial tile */
    at.width = VS_TILE_WIDTH;
    vs_tile_path_format(name, &at);
    *full = true;
    err = t->fetch.get(t->fetch.ctx, name, max, out, &why);
    return err == VS_OK || err == VS_ERR_STATE ? err : vs_fail(diag, err, "%s", why.text);
}

/* --- bundles -----------------------------------------------------------------------------------
 */

vs_err vs_bundle_cut(const vs_buf *bundle, uint32_t width, bool more_allowed,
                     uint32_t end[VS_TILE_WIDTH], vs_diag *diag)
{
    size_t at = 0;
    for (uint32_t i = 0; i < width; i++) {
        if (bundle->len - at < 2) {
            return vs_fail(diag, VS_ERR_MALFORMED, "has %u entries, not %u", (unsigned)i,
                           (unsigned)width);
        }
        size_t len = (size_t)bundle->p[at] << 8 | bundle->p[at + 1];
        if (len == 0 || len > bundle->len - at - 2) {
            return vs_fail(diag, VS_ERR_MALFORMED, "its entry %u is %s", (unsigned)i,
                           len == 0 ? "empty" : "cut short");
        }
        at += 2 + len;
        end[i] = (uint32_t)at;
    }
    if (at != bundle->len && !more_allowed) {
        return vs_fail(diag, VS_ERR_MALFORMED, "has %zu bytes behind its %u entries",
                       bundle->len - at, (unsigned)width);
    }
    return VS_OK;
}

static vs_err load_bundle(vs_tile_log *t, uint64_t number, vs_diag *diag)
{
    uint64_t left = t->size - number * VS_TILE_WIDTH;
    uint32_t width = left < VS_TILE_WIDTH ? (uint32_t)left : VS_TILE_WIDTH;
    vs_tile_path at = {VS_TILE_ENTRIES, number, width};
    char name[VS_TILE_PATH_CHARS];
    bool full = false;
    t->have = false;
    vs_buf_reset(&t->bundle);
    vs_err err = get(t, at, BUNDLE_MAX_BYTES, &t->bundle, &full, diag);
    if (err != VS_OK) return err;
    err = vs_bundle_cut(&t->bundle, width, full && width < VS_TILE_WIDTH, t->end, diag);
    if (err != VS_OK) {
        vs_tile_path_format(name, &at);
        vs_diag_prefix(diag, "%s", name);
        return err;
    }
    t->have = true;
    t->number = number;
    return VS_OK;
}

vs_err vs_tile_log_entry(vs_tile_log *t, uint64_t index, vs_buf *out, vs_diag *diag)
{
    VS_ASSERT(index < t->size);
    uint64_t number = index / VS_TILE_WIDTH;
    if (!t->have || t->number != number) {
        vs_err err = load_bundle(t, number, diag);
        if (err != VS_OK) return err;
    }
    uint32_t i = (uint32_t)(index % VS_TILE_WIDTH);
    uint32_t from = (i == 0 ? 0 : t->end[i - 1]) + 2;
    vs_buf_bytes(out, t->bundle.p + from, t->end[i] - from);
    return out->failed ? vs_fail(diag, VS_ERR_NOMEM, "out of memory") : VS_OK;
}

/* --- tiles -------------------------------------------------------------------------------------
 */

vs_err vs_tile_log_tile(vs_tile_log *t, uint32_t level, uint64_t number, uint32_t width,
                        vs_h32 hashes[VS_TILE_WIDTH], vs_diag *diag)
{
    vs_tile_path at = {level, number, width};
    char name[VS_TILE_PATH_CHARS];
    vs_buf bytes = {0};
    bool full = false;
    vs_err err = get(t, at, (size_t)VS_TILE_WIDTH * VS_H32_BYTES, &bytes, &full, diag);
    if (err == VS_OK && bytes.len != (size_t)(full ? VS_TILE_WIDTH : width) * VS_H32_BYTES) {
        vs_tile_path_format(name, &at);
        err = vs_fail(diag, VS_ERR_MALFORMED, "%s: has %zu bytes, not %u", name, bytes.len,
                      (unsigned)((full ? VS_TILE_WIDTH : width) * VS_H32_BYTES));
    }
    if (err == VS_OK) memcpy(hashes, bytes.p, (size_t)width * VS_H32_BYTES);
    vs_buf_free(&bytes);
    return err;
}

static vs_err tree_node(void *ctx, uint32_t level, uint64_t index, vs_h32 *out)
{
    vs_tile_log *t = ctx;
    uint32_t n = UINT32_C(1) << (level % 8);
    uint32_t tile_level = level / 8;
    if (level > 62 || index >= t->size >> level) return VS_ERR_LIMIT;
    uint64_t first = index << (level % 8);
    uint64_t number = first / VS_TILE_WIDTH;
    uint64_t have = (t->size >> (8 * tile_level)) - number * VS_TILE_WIDTH;
    uint32_t width = have < VS_TILE_WIDTH ? (uint32_t)have : VS_TILE_WIDTH;
    if (!t->have_tile || t->tile_level != tile_level || t->tile_number != number) {
        t->have_tile = false;
        vs_err err = vs_tile_log_tile(t, tile_level, number, width, t->tile, NULL);
        if (err != VS_OK) return err;
        t->have_tile = true;
        t->tile_level = tile_level;
        t->tile_number = number;
    }
    vs_tiles_fold(out, t->tile + first % VS_TILE_WIDTH, n);
    return VS_OK;
}

vs_tree_reader vs_tile_log_tree(vs_tile_log *t)
{
    return (vs_tree_reader){.node = tree_node, .ctx = t};
}
