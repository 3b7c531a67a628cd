#include "net/encoder.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "fl/quantise.h"
#include "mpc/prg.h"
#include "mpc/sharing.h"
#include "net/encoder_secrets.h"
#include "net/encoder_stage.h"

#define LEAVES_AT_ONCE 16u                /* that are hashed fastest together */
#define GROUP_BYTES_MAX ((size_t)5 << 20) /* rows of a group: what caches hold, more or less */

struct vs_encoder { /* in sodium_malloc memory: it holds the submission seed */
    uint8_t seed[32];
    vs_committee committee;
    vs_layout layout;
    vs_quantise_scale scale;
    uint64_t weight;
    vs_round *round; /* a copy: secrets borrow from it */
    vs_secrets *secrets;
    bool listed[VS_SHAREHOLDERS_MAX]; /* [j-1]: j is in `open` */
    vs_sharing *sharing;
    vs_prg *share_prg[VS_SHAREHOLDERS_MAX]; /* t of them */
    uint32_t group;                         /* blocks that are made at once at most */
    vs_fe *rows;                            /* n share rows of `group` blocks */
    vs_pool *pool;                          /* borrowed */
    uint32_t first, count;                  /* blocks in rows; count 0: none */
    bool with_seeds;                        /* rows 1..t too */
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
    vs_err err = VS_OK;
    for (uint32_t j = 1; j <= enc->committee.t && err == VS_OK; j++) {
        err = vs_encoder_prg(&enc->share_prg[j - 1], enc->seed, "share seed", j);
    }
    return err;
}

static size_t rows_bytes(const vs_encoder *enc)
{
    return enc->committee.n * VS_BLOCKS_STRIDE(enc->group) * sizeof *enc->rows;
}

static uint32_t n_blocks(const vs_encoder *enc)
{
    return (enc->layout.columns + VS_MASK_COLUMNS + VS_BLOCK_COLUMNS - 1) / VS_BLOCK_COLUMNS;
}

/* What hashing so many leaves costs, beside leaves that fill all lanes: 10 (as measured; a few too
 * many are hashed two at a time). */
static uint32_t leaves_cost(uint32_t n)
{
    uint32_t rest = n % LEAVES_AT_ONCE;
    return (n - rest) * 10 + (rest < 10 ? rest * 16 : LEAVES_AT_ONCE * 10);
}

/* So many blocks that a leaf costs least. */
static uint32_t choose_group(const vs_encoder *enc)
{
    const uint32_t vectors = enc->committee.n - enc->committee.t;
    const size_t block = (size_t)(enc->committee.n + enc->committee.k) * VS_CHUNK_BYTES;
    uint32_t best = 1, least = UINT32_MAX / 100;
    for (uint32_t g = 1; g <= VS_BLOCK_GROUP_MAX && g <= n_blocks(enc); g++) {
        if (g > 1 && g * block > GROUP_BYTES_MAX) break;
        uint32_t cost = leaves_cost(g * vectors) * 100 / (g * vectors);
        if (cost * 100 < least * 97) { /* more memory for less than that does not pay */
            best = g;
            least = cost;
        }
    }
    return best;
}

static vs_err allocate(vs_encoder *enc)
{
    enc->rows = aligned_alloc(64, rows_bytes(enc)); /* a row is a multiple of 64 bytes */
    enc->round = malloc(sizeof *enc->round);
    if (enc->rows == NULL || enc->round == NULL) return VS_ERR_NOMEM;
    return VS_OK;
}

/* The scan, and what is made of the update. *diag says what is wrong with update or weight, *why
 * anything else. */
static vs_err open_secrets(vs_encoder *enc, const vs_round *round, const double *update,
                           vs_diag *diag, vs_diag *why)
{
    const vs_quantiser *q = &round->quantiser;
    /* Where nothing stands before the rounding, the scan rounds at once (below). */
    const bool plain = !round->open.rotation && round->privacy.variance == 0;
    vs_err err = plain
                     ? vs_quantise_unclipped(&enc->scale, q, enc->weight, diag)
                     : vs_quantise_scan(&enc->scale, q, update, round->open.dim, enc->weight, diag);
    if (err != VS_OK) return err;
    err = vs_sharing_new(&enc->sharing, enc->committee.n, enc->committee.t, enc->committee.k);
    if (err == VS_OK) err = allocate(enc);
    if (err == VS_OK) err = open_streams(enc);
    if (err == VS_OK) {
        *enc->round = *round;
        err = vs_secrets_new(&enc->secrets, enc->round, enc->seed, update, &enc->scale, enc->weight,
                             enc->group, why);
    }
    if (err == VS_OK) vs_secrets_keep(enc->secrets, VS_ENCODER_KEEP_MAX);
    if (err == VS_OK && plain) {
        err = vs_secrets_scan(enc->secrets, &enc->scale, update, enc->weight, diag);
        if (err == VS_ERR_MALFORMED) return err; /* *diag names the coordinate */
    }
    if (err == VS_OK && round->open.metrics > 0) err = vs_encoder_set_metrics(enc, 0, 0);
    if (err != VS_OK && why->text[0] == '\0') (void)vs_fail(why, err, "%s", vs_err_name(err));
    return err;
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
    enc->weight = weight;
    enc->group = choose_group(enc);
    for (uint32_t i = 0; i < round->open.n_shareholders; i++) {
        enc->listed[round->open.shareholders[i].index - 1] = true;
    }
    vs_diag why = {{0}};
    vs_err err = open_secrets(enc, round, update, diag, &why);
    if (err != VS_OK) {
        vs_encoder_free(enc);
        if (why.text[0] == '\0') return err;
        return vs_fail(diag, err, "cannot encode an update: %s", why.text);
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
    vs_secrets_free(enc->secrets);
    for (uint32_t j = 0; j < enc->committee.t; j++) vs_prg_free(enc->share_prg[j]);
    free_secret(enc->rows, rows_bytes(enc));
    free(enc->round);
    sodium_free(enc); /* wipes */
}

vs_err vs_encoder_set_metrics(vs_encoder *enc, double loss, double accuracy)
{
    VS_ASSERT(enc != NULL && enc->round->open.metrics > 0 && enc->count == 0);
    const vs_metrics m = {
        .loss = loss, .accuracy = accuracy, .unclipped = enc->scale.norm_clipped ? 0.0 : 1.0};
    return vs_secrets_metrics(enc->secrets, &m, enc->weight);
}

void vs_encoder_keep(vs_encoder *enc, uint64_t bytes)
{
    VS_ASSERT(enc != NULL && enc->count == 0);
    vs_secrets_keep(enc->secrets, bytes);
}

bool vs_encoder_keeps(const vs_encoder *enc)
{
    VS_ASSERT(enc != NULL);
    return vs_secrets_keeps(enc->secrets);
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
    return n_blocks(enc);
}

uint32_t vs_encoder_group(const vs_encoder *enc)
{
    VS_ASSERT(enc != NULL);
    return enc->group;
}

static vs_fe *row(const vs_encoder *enc, uint32_t i)
{
    return enc->rows + i * VS_BLOCKS_STRIDE(enc->group);
}

/* Columns of blocks first .. first+count-1. */
static size_t columns_of(const vs_encoder *enc, uint32_t first, uint32_t count)
{
    size_t left = enc->layout.columns + VS_MASK_COLUMNS - (size_t)first * VS_BLOCK_COLUMNS;
    size_t columns = (size_t)count * VS_BLOCK_COLUMNS;
    return left < columns ? left : columns;
}

static vs_err share(vs_encoder *enc, uint32_t first, uint32_t count, bool with_seeds)
{
    const vs_committee *c = &enc->committee;
    const vs_fe *secrets[VS_SHAREHOLDERS_MAX];
    vs_fe *out[VS_SHAREHOLDERS_MAX], *seeds[VS_SHAREHOLDERS_MAX];
    for (uint32_t i = 0; i < c->k; i++) secrets[i] = vs_secrets_row(enc->secrets, i);
    for (uint32_t j = 0; j < c->t; j++) seeds[j] = row(enc, j);
    /* Rows 1..r are needed for W whoever is listed. */
    for (uint32_t j = c->t; j < c->n; j++) {
        bool needed = enc->listed[j] || j < vs_committee_r(c);
        out[j - c->t] = needed ? row(enc, j) : NULL;
    }
    const vs_share_job job = {.out = out,
                              .secrets = secrets,
                              .streams = enc->share_prg,
                              .seed_out = with_seeds ? seeds : NULL,
                              .first = (uint64_t)first * VS_BLOCK_COLUMNS,
                              .cols = columns_of(enc, first, count),
                              .pool = enc->pool};
    return vs_share_stream(enc->sharing, &job);
}

static vs_err make(vs_encoder *enc, uint32_t first, uint32_t count, bool with_seeds)
{
    VS_ASSERT(enc != NULL && count >= 1 && first + count <= n_blocks(enc));
    enc->count = 0;
    vs_err err = vs_secrets_make(enc->secrets, first, count, enc->pool);
    if (err == VS_OK) err = share(enc, first, count, with_seeds);
    if (err != VS_OK) return err;
    enc->first = first;
    enc->count = count;
    enc->with_seeds = with_seeds;
    return VS_OK;
}

vs_err vs_encoder_make(vs_encoder *enc, uint32_t first, uint32_t count)
{
    return make(enc, first, count, true);
}

vs_err vs_encoder_make_vectors(vs_encoder *enc, uint32_t first, uint32_t count)
{
    return make(enc, first, count, false);
}

const vs_fe *vs_encoder_share(const vs_encoder *enc, uint32_t j, uint32_t b, size_t *n)
{
    VS_ASSERT(enc != NULL && n != NULL && j >= 1 && j <= enc->committee.n);
    VS_ASSERT(b >= enc->first && b - enc->first < enc->count);
    VS_ASSERT(enc->listed[j - 1] || j <= vs_committee_r(&enc->committee));
    VS_ASSERT(enc->with_seeds || j > enc->committee.t);
    *n = columns_of(enc, b, 1);
    return row(enc, j - 1) + (size_t)(b - enc->first) * VS_BLOCK_COLUMNS;
}

vs_err vs_encoder_coordinates(vs_encoder *enc, uint32_t *coords)
{
    VS_ASSERT(enc != NULL && coords != NULL);
    return vs_secrets_coordinates(enc->secrets, coords);
}

uint64_t vs_encoder_clipped(const vs_encoder *enc)
{
    VS_ASSERT(enc != NULL);
    return vs_secrets_clipped(enc->secrets);
}

double vs_encoder_norm(const vs_encoder *enc, bool *norm_clipped)
{
    VS_ASSERT(enc != NULL && norm_clipped != NULL);
    *norm_clipped = enc->scale.norm_clipped;
    return enc->scale.norm;
}
