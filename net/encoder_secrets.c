#include "net/encoder_secrets.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "mpc/pack.h"
#include "mpc/prg.h"
#include "net/encoder_stage.h"

#define STAGE_COORDS 1024u /* coordinates packed at a time, in L1 */
#define PIECE_COORDS 128u  /* rounded at a time */
#define CLIP_CHECK_COORDS (64 * PIECE_COORDS)
#define SLICE_COLUMNS 1024u /* columns of a block that one thread takes at a time */
#define SLICES (VS_BLOCK_COLUMNS / SLICE_COLUMNS)
#define DIGITS_MAX 64u /* weight digits: at most 49, one bit each */

_Static_assert(VS_BLOCK_COLUMNS % SLICE_COLUMNS == 0, "slices do not divide a block");

/* Of one thread. */
typedef struct scratch {
    uint32_t *coords; /* stage_cap, at least PIECE_COORDS */
    uint64_t *words;  /* PIECE_COORDS */
} scratch;

/* What became of one slice. */
typedef struct outcome {
    size_t clipped;
    vs_err err;
} outcome;

struct vs_secrets { /* in sodium_malloc memory */
    vs_layout layout;
    vs_quantiser quantiser;
    vs_quantise_scale scale;
    vs_stage *stage; /* from the update to its integers */
    vs_prg *mask;
    uint32_t dim;    /* of the update alone */
    uint32_t n_tail; /* after it: metrics, then weight digits */
    uint32_t n_metrics;
    uint32_t tail[VS_METRICS_N + DIGITS_MAX];
    uint32_t stage_columns; /* columns whose coordinates fit coords */
    uint32_t stage_cap;
    scratch lane[VS_THREADS_MAX]; /* of the threads that have been seen */
    uint32_t n_lanes;
    uint32_t group; /* blocks */
    vs_fe *rows;    /* k of so many blocks */
    uint64_t keep;  /* bytes */
    bool began;     /* with the first block */
    uint8_t *kept;  /* the update's coordinates, width bytes each; or NULL */
    uint32_t width;
    bool *made;       /* [block]: once; its coordinates are in kept, if that is there */
    uint64_t clipped; /* in these blocks */
    uint32_t first;   /* block that rows begin with */
    outcome slice[VS_BLOCK_GROUP_MAX * SLICES];
};

/* --- shapes ----------------------------------------------------------------------------------- */

static uint32_t columns_of(const vs_secrets *s)
{
    return s->layout.columns + VS_MASK_COLUMNS;
}

uint32_t vs_secrets_blocks(const vs_secrets *s)
{
    return (columns_of(s) + VS_BLOCK_COLUMNS - 1) / VS_BLOCK_COLUMNS;
}

static uint32_t block_columns(const vs_secrets *s, uint32_t b)
{
    uint32_t left = columns_of(s) - b * VS_BLOCK_COLUMNS;
    return left < VS_BLOCK_COLUMNS ? left : VS_BLOCK_COLUMNS;
}

/* How many of them hold data. */
static uint32_t data_columns(const vs_secrets *s, uint32_t b)
{
    uint32_t first = b * VS_BLOCK_COLUMNS;
    if (first >= s->layout.columns) return 0;
    uint32_t left = s->layout.columns - first;
    return left < VS_BLOCK_COLUMNS ? left : VS_BLOCK_COLUMNS;
}

static size_t rows_bytes(const vs_secrets *s)
{
    return s->layout.packing * VS_BLOCKS_STRIDE(s->group) * sizeof *s->rows;
}

static size_t kept_bytes(const vs_secrets *s)
{
    return (size_t)s->dim * s->width;
}

const vs_fe *vs_secrets_row(const vs_secrets *s, uint32_t i)
{
    VS_ASSERT(s != NULL && i < s->layout.packing);
    return s->rows + i * VS_BLOCKS_STRIDE(s->group);
}

static vs_fe *row(const vs_secrets *s, uint32_t i, uint32_t b)
{
    return s->rows + i * VS_BLOCKS_STRIDE(s->group) + (size_t)(b - s->first) * VS_BLOCK_COLUMNS;
}

uint64_t vs_secrets_clipped(const vs_secrets *s)
{
    VS_ASSERT(s != NULL);
    return s->clipped;
}

/* --- new, free -------------------------------------------------------------------------------- */

static void free_secret(void *p, size_t len)
{
    if (p != NULL) sodium_memzero(p, len);
    free(p);
}

static size_t lane_coords(const vs_secrets *s)
{
    return s->stage_cap > PIECE_COORDS ? s->stage_cap : PIECE_COORDS;
}

static vs_err add_lane(vs_secrets *s)
{
    scratch *lane = &s->lane[s->n_lanes];
    VS_ASSERT(s->n_lanes < VS_THREADS_MAX);
    lane->coords = calloc(lane_coords(s), sizeof *lane->coords);
    lane->words = calloc(PIECE_COORDS, sizeof *lane->words);
    if (lane->coords == NULL || lane->words == NULL) {
        free(lane->coords);
        free(lane->words);
        *lane = (scratch){NULL, NULL};
        return VS_ERR_NOMEM;
    }
    s->n_lanes++;
    return VS_OK;
}

static vs_err open_all(vs_secrets *s, const vs_round *round, const uint8_t seed[32],
                       const double *update, vs_diag *diag)
{
    s->made = calloc(vs_secrets_blocks(s), sizeof *s->made);
    s->rows = aligned_alloc(64, rows_bytes(s)); /* a row is a multiple of 64 bytes */
    vs_err err = s->made == NULL || s->rows == NULL ? VS_ERR_NOMEM : add_lane(s);
    if (err == VS_OK) err = vs_encoder_prg(&s->mask, seed, "mask", 0);
    if (err == VS_OK) err = vs_stage_new(&s->stage, round, seed, update, &s->scale, diag);
    return err;
}

/* A power of two of columns at least, so that pieces begin and end with whole vectors of words. */
static void choose_stage(vs_secrets *s)
{
    const uint32_t per_column = s->layout.packing * s->layout.slots;
    uint32_t columns = STAGE_COORDS / per_column, whole = 64;
    while (whole > 1 && columns < whole) whole /= 2;
    s->stage_columns = columns == 0 ? 1 : columns / whole * whole;
    s->stage_cap = s->stage_columns * per_column;
}

vs_err vs_secrets_new(vs_secrets **out, const vs_round *round, const uint8_t submission_seed[32],
                      const double *update, const vs_quantise_scale *scale, uint64_t weight,
                      uint32_t group, vs_diag *diag)
{
    VS_ASSERT(out != NULL && round != NULL && submission_seed != NULL && scale != NULL);
    VS_ASSERT(group >= 1 && group <= VS_BLOCK_GROUP_MAX);
    *out = NULL;
    vs_secrets *s = sodium_malloc(sizeof *s);
    if (s == NULL) return VS_ERR_NOMEM;
    sodium_memzero(s, sizeof *s);
    s->layout = round->layout;
    s->quantiser = round->quantiser;
    s->scale = *scale;
    s->dim = round->open.dim;
    s->n_metrics = round->open.metrics;
    s->n_tail = s->n_metrics + round->open.weight_digits;
    s->group = group;
    s->width = vs_coords_width(s->quantiser.bits);
    VS_ASSERT(s->n_metrics == 0 || s->n_metrics == VS_METRICS_N);
    VS_ASSERT(round->open.weight_digits <= DIGITS_MAX);
    VS_ASSERT(s->layout.dim == s->dim + s->n_tail && columns_of(s) <= VS_COLUMNS_MAX);
    vs_quantise_weight(s->tail + s->n_metrics, round->open.weight_digits, weight,
                       s->quantiser.bits);
    choose_stage(s);
    vs_err err = open_all(s, round, submission_seed, update, diag);
    if (err != VS_OK) {
        vs_secrets_free(s);
        return err;
    }
    *out = s;
    return VS_OK;
}

void vs_secrets_free(vs_secrets *s)
{
    if (s == NULL) return;
    free_secret(s->rows, rows_bytes(s));
    free_secret(s->kept, kept_bytes(s));
    for (uint32_t i = 0; i < s->n_lanes; i++) {
        free_secret(s->lane[i].coords, lane_coords(s) * sizeof *s->lane[i].coords);
        free_secret(s->lane[i].words, PIECE_COORDS * sizeof *s->lane[i].words);
    }
    vs_stage_free(s->stage);
    vs_prg_free(s->mask);
    free(s->made);
    sodium_free(s); /* wipes */
}

vs_err vs_secrets_metrics(vs_secrets *s, const vs_metrics *m, uint64_t weight)
{
    VS_ASSERT(s != NULL && s->n_metrics > 0 && !s->began);
    return vs_stage_metrics(s->stage, s->tail, m, weight);
}

void vs_secrets_keep(vs_secrets *s, uint64_t bytes)
{
    VS_ASSERT(s != NULL && !s->began);
    s->keep = bytes;
    if (s->kept == NULL || kept_bytes(s) <= bytes) return;
    free_secret(s->kept, kept_bytes(s)); /* of vs_secrets_scan */
    s->kept = NULL;
    memset(s->made, 0, vs_secrets_blocks(s) * sizeof *s->made);
    s->clipped = 0;
}

bool vs_secrets_keeps(const vs_secrets *s)
{
    VS_ASSERT(s != NULL);
    return s->kept != NULL;
}

/* --- coordinates ------------------------------------------------------------------------------ */

/* Coordinates first .. of the update, rounded. The rounding word of a coordinate is found by its
 * index, so any part can be made at any time. Piece by piece: while AES makes the words of one, the
 * values of the next, which vs_quantise asked for, come from memory. */
static vs_err quantise(const vs_secrets *s, uint64_t *words, uint32_t *out, uint64_t first,
                       size_t count, size_t *clipped)
{
    vs_prg *rounding = vs_stage_rounding(s->stage);
    for (size_t at = 0; at < count;) {
        size_t n = count - at < PIECE_COORDS ? count - at : PIECE_COORDS;
        const double *x = vs_stage_read(s->stage, first + at, n, &n);
        if (rounding != NULL) vs_prg_words(rounding, words, first + at, n);
        *clipped += vs_quantise(out + at, &s->quantiser, &s->scale, x, words, n);
        at += n;
    }
    return vs_stage_noise(s->stage, out, first, count);
}

/* Coordinates first .. first+count-1 of the L (metrics and weight digits at the end). is_kept: they
 * were made before. */
static vs_err coordinates(const vs_secrets *s, const scratch *lane, uint32_t *out, uint64_t first,
                          size_t count, bool is_kept, size_t *clipped)
{
    size_t real = 0;
    VS_ASSERT(first + count <= s->layout.dim);
    if (first < s->dim) {
        real = s->dim - first < count ? (size_t)(s->dim - first) : count;
        if (is_kept) {
            vs_coords_load(out, s->kept + first * s->width, s->width, real);
        } else {
            vs_err err = quantise(s, lane->words, out, first, real, clipped);
            if (err != VS_OK) return err;
        }
    }
    for (size_t i = real; i < count; i++) out[i] = s->tail[first + i - s->dim];
    if (s->kept != NULL && !is_kept && real > 0) {
        vs_coords_store(s->kept + first * s->width, out, s->width, real);
    }
    return VS_OK;
}

vs_err vs_secrets_coordinates(vs_secrets *s, uint32_t *coords)
{
    VS_ASSERT(s != NULL && coords != NULL);
    for (uint32_t first = 0; first < s->layout.dim;) {
        uint32_t left = s->layout.dim - first;
        uint32_t n = left < s->stage_cap ? left : s->stage_cap;
        size_t clipped = 0;
        vs_err err = coordinates(s, &s->lane[0], coords + first, first, n, false, &clipped);
        if (err != VS_OK) return err;
        first += n;
    }
    return VS_OK;
}

static void allocate_kept(vs_secrets *s)
{
    if (s->kept == NULL && s->dim > 0 && (uint64_t)s->dim * s->width <= s->keep) {
        s->kept = malloc(kept_bytes(s)); /* NULL: they are made again instead */
    }
}

vs_err vs_secrets_scan(vs_secrets *s, vs_quantise_scale *scale, const double *update,
                       uint64_t weight, vs_diag *diag)
{
    VS_ASSERT(s != NULL && scale != NULL && vs_stage_is_plain(s->stage) && !s->began);
    vs_quantise_seen seen = {0};
    size_t clipped = 0;
    allocate_kept(s);
    bool rounds = s->kept != NULL;
    for (uint32_t first = 0, n; first < s->dim; first += n) {
        n = s->dim - first < PIECE_COORDS ? s->dim - first : PIECE_COORDS;
        vs_quantise_scan_piece(&seen, update + first, n);
        if (first % CLIP_CHECK_COORDS == 0) {
            rounds = rounds && !vs_quantise_scan_clips(&seen, &s->quantiser);
        }
        if (!rounds) continue;
        vs_err err = coordinates(s, &s->lane[0], s->lane[0].coords, first, n, false, &clipped);
        if (err != VS_OK) return err;
    }
    vs_err err = vs_quantise_scan_end(scale, &s->quantiser, &seen, update, s->dim, weight, diag);
    sodium_memzero(&seen, sizeof seen);
    if (err != VS_OK) return err;
    if (rounds && !scale->norm_clipped) { /* the factor was right */
        s->clipped = clipped;
        for (uint32_t b = 0; b < vs_secrets_blocks(s); b++) s->made[b] = true;
    }
    s->scale = *scale;
    return VS_OK;
}

/* --- rows ------------------------------------------------------------------------------------- */

/* Data columns `at` .. at+count-1 of block b. */
static vs_err fill_data(const vs_secrets *s, const scratch *lane, uint32_t b, uint32_t at,
                        uint32_t count, size_t *clipped)
{
    vs_fe *rows[VS_SHAREHOLDERS_MAX];
    const uint64_t per_column = (uint64_t)s->layout.packing * s->layout.slots;
    const bool is_kept = s->kept != NULL && s->made[b];
    for (uint32_t end = at + count; at < end;) {
        uint32_t cols = end - at < s->stage_columns ? end - at : s->stage_columns;
        uint64_t coord = ((uint64_t)b * VS_BLOCK_COLUMNS + at) * per_column;
        uint64_t left = s->layout.dim - coord;
        size_t n = cols * per_column < left ? (size_t)(cols * per_column) : (size_t)left;
        vs_err err = coordinates(s, lane, lane->coords, coord, n, is_kept, clipped);
        if (err != VS_OK) return err;
        for (uint32_t i = 0; i < s->layout.packing; i++) rows[i] = row(s, i, b) + at;
        vs_pack_columns(&s->layout, rows, lane->coords, n, cols);
        at += cols;
    }
    return VS_OK;
}

static void fill_slice(void *ctx, size_t item, uint32_t thread)
{
    vs_secrets *s = ctx;
    uint32_t b = s->first + (uint32_t)(item / SLICES), at = item % SLICES * SLICE_COLUMNS;
    uint32_t data = data_columns(s, b);
    outcome *o = &s->slice[item];
    *o = (outcome){0, VS_OK};
    if (at >= data) return;
    uint32_t count = data - at < SLICE_COLUMNS ? data - at : SLICE_COLUMNS;
    o->err = fill_data(s, &s->lane[thread], b, at, count, &o->clipped);
}

/* The mask columns of block b: secret i of mask column c is element c*k + i of the mask stream. */
static void fill_mask(vs_secrets *s, uint32_t b)
{
    const uint32_t k = s->layout.packing;
    vs_fe secrets[VS_SHAREHOLDERS_MAX];
    for (uint32_t at = data_columns(s, b); at < block_columns(s, b); at++) {
        uint64_t c = (uint64_t)b * VS_BLOCK_COLUMNS + at - s->layout.columns;
        vs_prg_fill(s->mask, secrets, c * k, k);
        for (uint32_t i = 0; i < k; i++) row(s, i, b)[at] = secrets[i];
    }
    sodium_memzero(secrets, sizeof secrets);
}

/* Threads may work on slices only where a slice depends on nothing that another one changes. */
static vs_err make_lanes(vs_secrets *s, vs_pool **pool)
{
    vs_err err = VS_OK;
    if (!vs_stage_is_stateless(s->stage)) *pool = NULL;
    while (err == VS_OK && s->n_lanes < vs_pool_threads(*pool)) err = add_lane(s);
    return err;
}

vs_err vs_secrets_make(vs_secrets *s, uint32_t first, uint32_t count, vs_pool *pool)
{
    VS_ASSERT(s != NULL && count >= 1 && count <= s->group);
    VS_ASSERT(first + count <= vs_secrets_blocks(s));
    if (!s->began) allocate_kept(s);
    s->began = true;
    vs_err err = make_lanes(s, &pool);
    if (err != VS_OK) return err;
    s->first = first;
    vs_pool_run(pool, (size_t)count * SLICES, fill_slice, s);
    for (uint32_t i = 0; i < count * SLICES; i++) {
        if (s->slice[i].err != VS_OK) return s->slice[i].err;
    }
    for (uint32_t i = 0; i < count * SLICES; i++) {
        if (!s->made[first + i / SLICES]) s->clipped += s->slice[i].clipped;
    }
    for (uint32_t b = first; b < first + count; b++) {
        fill_mask(s, b);
        s->made[b] = true;
    }
    return VS_OK;
}
