#include "net/encoder.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "fl/quantise.h"
#include "mpc/pack.h"
#include "mpc/prg.h"
#include "mpc/sharing.h"
#include "net/encoder_stage.h"

#define BLOCK_COLUMNS VS_CHUNK_ELEMENTS /* 8192: one chunk of a share vector */
/* Elements from row to row: not a power of two, so that rows spread over the sets of the caches. */
#define ROW_STRIDE (BLOCK_COLUMNS + 72)
#define STAGE_COORDS 1024u /* coordinates quantised and packed at a time, in L1 */
#define DIGITS_MAX 64u     /* weight digits: at most 49, one bit each */

struct vs_encoder { /* in sodium_malloc memory: it holds the submission seed */
    uint8_t seed[32];
    vs_committee committee;
    vs_layout layout;
    vs_quantiser quantiser;
    vs_quantise_scale scale;
    uint64_t weight;
    vs_round *round; /* a copy: stage borrows from it */
    vs_stage *stage; /* from the update to its integers */
    uint32_t dim;    /* of the update alone */
    uint32_t n_tail; /* after it: metrics, then weight digits */
    uint32_t n_metrics;
    uint32_t tail[VS_METRICS_N + DIGITS_MAX];
    bool listed[VS_SHAREHOLDERS_MAX]; /* [j-1]: j is in `open` */
    vs_sharing *sharing;
    vs_prg *mask;
    vs_prg *share_prg[VS_SHAREHOLDERS_MAX]; /* t of them */
    vs_fe *rows;                            /* n share rows, then k secret rows */
    vs_pool *pool;                          /* borrowed */
    uint32_t *coords;                       /* stage_cap */
    uint64_t *words;                        /* stage_cap */
    uint32_t stage_columns;                 /* columns whose coordinates fit coords */
    uint32_t stage_cap;
    uint32_t block_columns; /* columns of the block in rows, 0 before the first */
    uint32_t n_counted;     /* blocks whose clipped coordinates are in clipped */
    uint64_t clipped;
};

/* --- derived values ----------------------------------------------------------------------------
 */

void vs_encoder_salt(const vs_encoder *enc, vs_h32 *salt)
{
    VS_ASSERT(enc != NULL && salt != NULL);
    vs_encoder_derive(salt->b, enc->seed, "salt", 0);
}

void vs_encoder_nonce(const vs_encoder *enc, uint32_t j, uint8_t nonce[32])
{
    VS_ASSERT(enc != NULL && nonce != NULL && j >= 1 && j <= enc->committee.n);
    vs_encoder_derive(nonce, enc->seed, "nonce", j);
}

void vs_encoder_seed(const vs_encoder *enc, uint32_t j, uint8_t seed[32])
{
    VS_ASSERT(enc != NULL && seed != NULL && j >= 1 && j <= enc->committee.t);
    vs_encoder_derive(seed, enc->seed, "share seed", j);
}

void vs_encoder_ephemeral_secret(const vs_encoder *enc, uint32_t j, uint8_t secret[32])
{
    VS_ASSERT(enc != NULL && secret != NULL && j >= 1 && j <= enc->committee.n);
    vs_encoder_derive(secret, enc->seed, "ephemeral", j);
}

/* --- making one --------------------------------------------------------------------------------
 */

static vs_err open_streams(vs_encoder *enc)
{
    vs_err err = vs_encoder_prg(&enc->mask, enc->seed, "mask", 0);
    for (uint32_t j = 1; j <= enc->committee.t && err == VS_OK; j++) {
        err = vs_encoder_prg(&enc->share_prg[j - 1], enc->seed, "share seed", j);
    }
    return err;
}

static size_t rows_bytes(const vs_encoder *enc)
{
    return ((size_t)enc->committee.n + enc->committee.k) * ROW_STRIDE * sizeof *enc->rows;
}

static vs_err allocate(vs_encoder *enc)
{
    uint32_t per_column = enc->layout.packing * enc->layout.slots;
    uint32_t stage = STAGE_COORDS / per_column;
    enc->stage_columns = stage == 0 ? 1 : stage;
    enc->stage_cap = enc->stage_columns * per_column;
    uint32_t columns = enc->layout.columns + VS_MASK_COLUMNS;
    enc->rows = aligned_alloc(64, rows_bytes(enc)); /* a row is a multiple of 64 bytes */
    enc->coords = calloc(enc->stage_cap, sizeof *enc->coords);
    enc->words = calloc(enc->stage_cap, sizeof *enc->words);
    enc->round = malloc(sizeof *enc->round);
    if (enc->rows == NULL || enc->coords == NULL || enc->words == NULL || enc->round == NULL) {
        return VS_ERR_NOMEM;
    }
    memset(enc->rows, 0, rows_bytes(enc));
    VS_ASSERT(columns <= VS_COLUMNS_MAX);
    return VS_OK;
}

vs_err vs_encoder_new(vs_encoder **out, const vs_federation *fed, const vs_round *round,
                      const uint8_t submission_seed[32], const double *update, uint64_t dim,
                      uint64_t weight, vs_diag *diag)
{
    VS_ASSERT(out != NULL && fed != NULL && round != NULL && submission_seed != NULL);
    VS_ASSERT(update != NULL || dim == 0);
    *out = NULL;
    if (dim != round->open.dim) {
        return vs_fail(diag, VS_ERR_LIMIT, "the update has %llu coordinates, the round takes %u",
                       (unsigned long long)dim, round->open.dim);
    }
    vs_encoder *enc = sodium_malloc(sizeof *enc);
    if (enc == NULL) return vs_fail(diag, VS_ERR_NOMEM, "no memory to encode an update");
    sodium_memzero(enc, sizeof *enc);
    memcpy(enc->seed, submission_seed, sizeof enc->seed);
    enc->committee = fed->committee;
    enc->layout = round->layout;
    enc->quantiser = round->quantiser;
    enc->weight = weight;
    enc->dim = round->open.dim;
    enc->n_metrics = round->open.metrics;
    enc->n_tail = enc->n_metrics + round->open.weight_digits;
    VS_ASSERT(enc->n_metrics == 0 || enc->n_metrics == VS_METRICS_N);
    VS_ASSERT(round->open.weight_digits <= DIGITS_MAX);
    VS_ASSERT(enc->layout.dim == enc->dim + enc->n_tail);
    for (uint32_t i = 0; i < round->open.n_shareholders; i++) {
        enc->listed[round->open.shareholders[i].index - 1] = true;
    }
    vs_err err = vs_quantise_scan(&enc->scale, &enc->quantiser, update, dim, weight, diag);
    if (err != VS_OK) {
        vs_encoder_free(enc);
        return err;
    }
    vs_quantise_weight(enc->tail + enc->n_metrics, round->open.weight_digits, weight,
                       enc->quantiser.bits);
    vs_diag why = {{0}};
    err = vs_sharing_new(&enc->sharing, enc->committee.n, enc->committee.t, enc->committee.k);
    if (err == VS_OK) err = allocate(enc);
    if (err == VS_OK) err = open_streams(enc);
    if (err == VS_OK) {
        *enc->round = *round;
        err = vs_stage_new(&enc->stage, enc->round, enc->seed, update, &enc->scale, &why);
    }
    if (err == VS_OK && enc->n_metrics > 0) err = vs_encoder_set_metrics(enc, 0, 0);
    if (err != VS_OK) {
        vs_encoder_free(enc);
        return vs_fail(diag, err, "cannot encode an update: %s",
                       why.text[0] != '\0' ? why.text : vs_err_name(err));
    }
    *out = enc;
    return VS_OK;
}

static void free_secret(void *p, size_t len)
{
    if (p != NULL) sodium_memzero(p, len);
    free(p);
}

void vs_encoder_free(vs_encoder *enc)
{
    if (enc == NULL) return;
    vs_sharing_free(enc->sharing);
    vs_stage_free(enc->stage);
    vs_prg_free(enc->mask);
    for (uint32_t j = 0; j < enc->committee.t; j++) vs_prg_free(enc->share_prg[j]);
    free_secret(enc->rows, rows_bytes(enc));
    free_secret(enc->coords, enc->stage_cap * sizeof *enc->coords);
    free_secret(enc->words, enc->stage_cap * sizeof *enc->words);
    free(enc->round);
    sodium_free(enc); /* wipes */
}

vs_err vs_encoder_set_metrics(vs_encoder *enc, double loss, double accuracy)
{
    VS_ASSERT(enc != NULL && enc->n_metrics > 0 && enc->n_counted == 0);
    const vs_metrics m = {
        .loss = loss, .accuracy = accuracy, .unclipped = enc->scale.norm_clipped ? 0.0 : 1.0};
    return vs_stage_metrics(enc->stage, enc->tail, &m, enc->weight);
}

void vs_encoder_use_pool(vs_encoder *enc, vs_pool *pool)
{
    VS_ASSERT(enc != NULL);
    enc->pool = pool;
}

/* --- blocks ----------------------------------------------------------------------------------- */

uint32_t vs_encoder_blocks(const vs_encoder *enc)
{
    VS_ASSERT(enc != NULL);
    return (enc->layout.columns + VS_MASK_COLUMNS + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS;
}

/* Coordinates first .. first+count-1 of the L (metrics and weight digits at the end) into out. The
 * rounding word of a coordinate is found by its index, so any part can be made at any time. */
static vs_err quantise(vs_encoder *enc, uint32_t *out, uint64_t first, size_t count,
                       size_t *clipped)
{
    size_t real = 0;
    vs_prg *rounding = vs_stage_rounding(enc->stage);
    vs_err err = VS_OK;
    VS_ASSERT(count <= enc->stage_cap && first + count <= enc->layout.dim);
    if (first < enc->dim) {
        real = enc->dim - first < count ? (size_t)(enc->dim - first) : count;
        if (rounding != NULL) vs_prg_words(rounding, enc->words, first, real);
        for (size_t at = 0; at < real;) {
            size_t n;
            const double *x = vs_stage_read(enc->stage, first + at, real - at, &n);
            *clipped += vs_quantise(out + at, &enc->quantiser, &enc->scale, x, enc->words + at, n);
            at += n;
        }
        err = vs_stage_noise(enc->stage, out, first, real);
    }
    for (size_t i = real; i < count; i++) out[i] = enc->tail[first + i - enc->dim];
    return err;
}

static vs_fe *row(const vs_encoder *enc, uint32_t i)
{
    return enc->rows + (size_t)i * ROW_STRIDE;
}

/* Secrets of data columns first .. first+count-1 to position `at` of the secret rows. */
static vs_err fill_data(vs_encoder *enc, uint32_t first, uint32_t count, uint32_t at,
                        size_t *clipped)
{
    vs_fe *rows[VS_SHAREHOLDERS_MAX];
    uint32_t per_column = enc->layout.packing * enc->layout.slots;
    *clipped = 0;
    for (uint32_t done = 0; done < count;) {
        uint32_t cols = count - done < enc->stage_columns ? count - done : enc->stage_columns;
        uint64_t coord = (uint64_t)(first + done) * per_column;
        uint64_t left = enc->layout.dim - coord;
        size_t n = (uint64_t)cols * per_column < left ? (size_t)cols * per_column : (size_t)left;
        vs_err err = quantise(enc, enc->coords, coord, n, clipped);
        if (err != VS_OK) return err;
        for (uint32_t i = 0; i < enc->committee.k; i++) {
            rows[i] = row(enc, enc->committee.n + i) + at + done;
        }
        vs_pack_columns(&enc->layout, rows, enc->coords, n, cols);
        done += cols;
    }
    return VS_OK;
}

/* Mask columns M + first ..: secret i of mask column c is element c*k + i of the mask stream. */
static void fill_mask(vs_encoder *enc, uint32_t first, uint32_t count, uint32_t at)
{
    uint32_t k = enc->committee.k;
    vs_fe secrets[VS_SHAREHOLDERS_MAX];
    for (uint32_t c = 0; c < count; c++) {
        vs_prg_fill(enc->mask, secrets, (uint64_t)(first + c) * k, k);
        for (uint32_t i = 0; i < k; i++) row(enc, enc->committee.n + i)[at + c] = secrets[i];
    }
    sodium_memzero(secrets, sizeof secrets);
}

static vs_err share(vs_encoder *enc, uint32_t first, uint32_t count)
{
    const vs_committee *c = &enc->committee;
    const vs_fe *secrets[VS_SHAREHOLDERS_MAX];
    vs_fe *out[VS_SHAREHOLDERS_MAX], *seeds[VS_SHAREHOLDERS_MAX];
    for (uint32_t i = 0; i < c->k; i++) secrets[i] = row(enc, c->n + i);
    for (uint32_t j = 0; j < c->t; j++) seeds[j] = row(enc, j);
    /* Rows 1..r are needed for W whoever is listed. */
    for (uint32_t j = c->t; j < c->n; j++) {
        bool needed = enc->listed[j] || j < vs_committee_r(c);
        out[j - c->t] = needed ? row(enc, j) : NULL;
    }
    const vs_share_job job = {.out = out,
                              .secrets = secrets,
                              .streams = enc->share_prg,
                              .seed_out = seeds,
                              .first = first,
                              .cols = count,
                              .pool = enc->pool};
    return vs_share_stream(enc->sharing, &job);
}

vs_err vs_encoder_block(vs_encoder *enc, uint32_t b)
{
    VS_ASSERT(enc != NULL && b < vs_encoder_blocks(enc));
    uint32_t total = enc->layout.columns + VS_MASK_COLUMNS;
    uint32_t first = b * BLOCK_COLUMNS;
    uint32_t count = total - first < BLOCK_COLUMNS ? total - first : BLOCK_COLUMNS;
    uint32_t data = 0;
    if (first < enc->layout.columns) {
        uint32_t left = enc->layout.columns - first;
        data = left < count ? left : count;
        size_t clipped;
        vs_err err = fill_data(enc, first, data, 0, &clipped);
        if (err != VS_OK) return err;
        if (b == enc->n_counted) enc->clipped += clipped;
    }
    if (b == enc->n_counted) enc->n_counted++;
    if (data < count) fill_mask(enc, first + data - enc->layout.columns, count - data, data);
    vs_err err = share(enc, first, count);
    enc->block_columns = err == VS_OK ? count : 0;
    return err;
}

const vs_fe *vs_encoder_share(const vs_encoder *enc, uint32_t j, size_t *n)
{
    VS_ASSERT(enc != NULL && n != NULL && j >= 1 && j <= enc->committee.n);
    VS_ASSERT(enc->block_columns > 0);
    VS_ASSERT(enc->listed[j - 1] || j <= vs_committee_r(&enc->committee));
    *n = enc->block_columns;
    return row(enc, j - 1);
}

vs_err vs_encoder_coordinates(vs_encoder *enc, uint32_t *coords)
{
    VS_ASSERT(enc != NULL && coords != NULL);
    for (uint32_t first = 0; first < enc->layout.dim;) {
        uint32_t left = enc->layout.dim - first;
        uint32_t n = left < enc->stage_cap ? left : enc->stage_cap;
        size_t clipped = 0;
        vs_err err = quantise(enc, coords + first, first, n, &clipped);
        if (err != VS_OK) return err;
        first += n;
    }
    return VS_OK;
}

uint64_t vs_encoder_clipped(const vs_encoder *enc)
{
    VS_ASSERT(enc != NULL);
    return enc->clipped;
}

double vs_encoder_norm(const vs_encoder *enc, bool *norm_clipped)
{
    VS_ASSERT(enc != NULL && norm_clipped != NULL);
    *norm_clipped = enc->scale.norm_clipped;
    return enc->scale.norm;
}
