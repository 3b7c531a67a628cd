/* Suite "redraw": the PRG over an explicit keystream in which masked values equal p
 * (docs/VECTORS.md "redraw"). */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "mpc/prg.h"
#include "net/vectors_impl.h"

enum { DRAWS_MAX = 16, TILE_BYTES = VS_PRG_TILE * VS_FE_BYTES, COUNT_MAX = 2 * VS_PRG_TILE };

typedef struct change {
    uint32_t tile, attempt, word;
    uint64_t value;
} change;
typedef struct recipe {
    const char *name;
    uint32_t first, count;
    uint32_t n_draws[2]; /* attempts of tile 0, of tile 1 */
    uint32_t n_changes;
    change changes[4];
} recipe;
static const recipe recipes[] = {
    {"p - 1 is a value like any other",
     0,
     8,
     {1, 0},
     2,
     {{0, 0, 5, VS_FE_P - 1}, {0, 0, 6, UINT64_MAX - 1}}},
    {"a value that nobody uses equals p", 0, 8, {2, 0}, 1, {{0, 0, 1000, VS_FE_P}}},
    {"tile 1 drawn three times",
     1020,
     10,
     {1, 3},
     3,
     {{1, 0, 1023, UINT64_MAX}, {1, 1, 0, VS_FE_P}, {1, 2, 0, 0}}},
};
enum { N_RECIPES = sizeof recipes / sizeof recipes[0] };

/* --- inputs ------------------------------------------------------------------------------------
 */

static bool push_draw(json_t *keystream, const vs_draw *draw, uint32_t index, uint32_t tile,
                      uint32_t attempt)
{
    const recipe *r = &recipes[index];
    uint8_t bytes[TILE_BYTES];
    vs_case x = {.out = json_object()};
    vs_draw_bytes(draw, "keystream", 65536 * index + 256 * tile + attempt, bytes, sizeof bytes);
    for (uint32_t i = 0; i < r->n_changes; i++) {
        const change *ch = &r->changes[i];
        if (ch->tile != tile || ch->attempt != attempt) continue;
        vs_store_le64(bytes + (size_t)ch->word * VS_FE_BYTES, ch->value);
    }
    vs_case_put_uint(&x, "tile", tile);
    vs_case_put_uint(&x, "attempt", attempt);
    vs_case_put_hex(&x, "bytes", bytes, sizeof bytes);
    if (x.err != VS_OK) {
        json_decref(x.out);
        return false;
    }
    return vs_json_push(keystream, x.out);
}

static vs_err make(json_t *cases, const vs_draw *draw)
{
    vs_err err = VS_OK;
    for (uint32_t i = 0; err == VS_OK && i < N_RECIPES; i++) {
        json_t *keystream = json_array();
        vs_case c = vs_case_new(cases, recipes[i].name, &err);
        vs_case_put_uint(&c, "first", recipes[i].first);
        vs_case_put_uint(&c, "count", recipes[i].count);
        for (uint32_t tile = 0; tile < 2; tile++) {
            for (uint32_t attempt = 0; attempt < recipes[i].n_draws[tile]; attempt++) {
                if (!push_draw(keystream, draw, i, tile, attempt)) err = VS_ERR_NOMEM;
            }
        }
        vs_case_put(&c, "keystream", keystream);
        if (err == VS_OK) err = c.err;
    }
    return err;
}

/* --- the stub stream ---------------------------------------------------------------------------
 */

typedef struct stub {
    size_t count;
    uint32_t tile[DRAWS_MAX], attempt[DRAWS_MAX];
    bool used[DRAWS_MAX];
    uint8_t bytes[DRAWS_MAX][TILE_BYTES];
    bool missing; /* something that is not there was asked for */
    uint32_t missing_tile, missing_attempt;
} stub;

static const uint8_t *find_draw(stub *s, uint32_t tile, uint32_t attempt)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->tile[i] != tile || s->attempt[i] != attempt) continue;
        s->used[i] = true;
        return s->bytes[i];
    }
    s->missing = true;
    s->missing_tile = tile;
    s->missing_attempt = attempt;
    return NULL;
}

/* Attempt 0 of every tile is one continuous stream: its tile is in the offset. */
static void source(void *ctx, uint8_t *out, size_t len, uint32_t tile, uint32_t attempt,
                   uint32_t stream, uint64_t offset)
{
    (void)stream;
    while (len > 0) {
        size_t at = (size_t)(offset % TILE_BYTES);
        size_t part = len < TILE_BYTES - at ? len : TILE_BYTES - at;
        uint32_t in_tile = attempt == 0 ? (uint32_t)(offset / TILE_BYTES) : tile;
        const uint8_t *bytes = find_draw(ctx, in_tile, attempt);
        memset(out, 0, part);
        if (bytes != NULL) memcpy(out, bytes + at, part);
        out += part;
        offset += part;
        len -= part;
    }
}

static void read_stub(vs_case *c, stub *s)
{
    const json_t *keystream = vs_case_array(c, "keystream", 1, DRAWS_MAX, &s->count);
    for (size_t i = 0; i < s->count; i++) {
        vs_case x = vs_entry_nested(c, keystream, i, "keystream");
        s->tile[i] = (uint32_t)vs_case_uint(&x, "tile", 0, UINT32_MAX);
        s->attempt[i] = (uint32_t)vs_case_uint(&x, "attempt", 0, UINT32_MAX);
        vs_case_hex(&x, "bytes", s->bytes[i], TILE_BYTES);
        vs_case_end(c, &x);
    }
}

static void put_elements(vs_case *c, stub *s, uint32_t first, uint32_t count)
{
    vs_fe x[COUNT_MAX];
    vs_prg *prg = NULL;
    if (vs_prg_new_from_source(&prg, source, s, VS_PRG_SHARE) != VS_OK) {
        (void)vs_case_fail(c, VS_ERR_NOMEM, "keystream", "out of memory");
        return;
    }
    vs_prg_fill(prg, x, first, count);
    vs_prg_free(prg);
    for (size_t i = 0; i < s->count; i++) {
        if (s->used[i]) continue;
        (void)vs_case_fail(c, VS_ERR_PROOF, "keystream", "tile %u, attempt %u is not asked for",
                           s->tile[i], s->attempt[i]);
    }
    if (s->missing) {
        (void)vs_case_fail(c, VS_ERR_PROOF, "keystream", "tile %u, attempt %u is needed",
                           s->missing_tile, s->missing_attempt);
    }
    vs_case_put(c, "elements", vs_json_fes(x, count));
}

static void compute(vs_case *c)
{
    uint32_t first = (uint32_t)vs_case_uint(c, "first", 0, VS_COLUMNS_MAX - COUNT_MAX);
    uint32_t count = (uint32_t)vs_case_uint(c, "count", 1, COUNT_MAX);
    stub *s = calloc(1, sizeof *s);
    if (s == NULL) {
        (void)vs_case_fail(c, VS_ERR_NOMEM, "keystream", "out of memory");
        return;
    }
    read_stub(c, s);
    if (c->err == VS_OK) put_elements(c, s, first, count);
    free(s);
}

const vs_suite vs_suite_redraw = {.name = "redraw", .make = make, .compute = compute};
