#include "net/encoder_stage.h"

#include <math.h>
#include <string.h>

#include <sodium.h>

#include "base/bytes.h"
#include "fl/rotate.h"

#define NOISE_TILE 4096u /* coordinates whose noise comes from one derived key */
#define ROUND_TILE 1024u /* coordinates rounded at a time, in L1 */
#define ATTEMPTS_MAX 1000u

__extension__ typedef unsigned __int128 u128;

struct vs_stage { /* in sodium_malloc memory: it holds the submission seed */
    uint8_t seed[32];
    const vs_quantiser *quantiser; /* of the round, borrowed */
    const vs_privacy_round *privacy;
    vs_quantise_scale scale;
    const double *update;
    uint64_t dim;
    vs_rotated *rotated; /* NULL: none */
    vs_prg *rounding;    /* NULL: to the nearest */
    vs_noise *noise;     /* NULL: none */
    uint64_t noise_tile; /* in noise_values; UINT64_MAX: none */
    int64_t noise_values[NOISE_TILE];
    uint64_t words[ROUND_TILE];
    uint32_t coords[ROUND_TILE];
};

void vs_encoder_derive(uint8_t out[32], const uint8_t seed[32], const char *what, uint32_t j)
{
    static const char label[] = "veilsum/v1 derive"; /* with its zero byte */
    crypto_generichash_state state;
    uint8_t le[4];
    vs_store_le32(le, j);
    VS_ASSERT(crypto_generichash_init(&state, seed, 32, 32) == 0);
    (void)crypto_generichash_update(&state, (const uint8_t *)label, sizeof label);
    (void)crypto_generichash_update(&state, (const uint8_t *)what, strlen(what) + 1);
    (void)crypto_generichash_update(&state, le, sizeof le);
    (void)crypto_generichash_final(&state, out, 32);
    sodium_memzero(&state, sizeof state);
}

vs_err vs_encoder_prg(vs_prg **out, const uint8_t seed[32], const char *what, uint32_t j)
{
    uint8_t key[32];
    vs_encoder_derive(key, seed, what, j);
    vs_err err = vs_prg_new(out, key, VS_PRG_SHARE);
    sodium_memzero(key, sizeof key);
    return err;
}

/* --- noise ---------------------------------------------------------------------------------------
 */

/* The keystream of a derived key as a source of bytes. */
typedef struct stream {
    vs_prg *prg;
    uint64_t at; /* words */
} stream;

static vs_err stream_fill(void *ctx, void *out, size_t len)
{
    stream *s = ctx;
    uint64_t word[64];
    uint8_t *to = out;
    VS_ASSERT(len % sizeof word == 0);
    for (size_t done = 0; done < len; done += sizeof word) {
        vs_prg_words(s->prg, word, s->at, 64);
        for (size_t i = 0; i < 64; i++) vs_store_le64(to + done + 8 * i, word[i]);
        s->at += 64;
    }
    sodium_memzero(word, sizeof word);
    return VS_OK;
}

static vs_err draw(const vs_stage *s, const vs_noise *noise, const char *what, uint32_t j,
                   int64_t *out, size_t count)
{
    stream source = {0};
    const vs_rng rng = {.fill = stream_fill, .ctx = &source};
    vs_err err = vs_encoder_prg(&source.prg, s->seed, what, j);
    if (err == VS_OK) err = vs_noise_fill(noise, &rng, out, count);
    vs_prg_free(source.prg);
    return err;
}

vs_err vs_stage_noise(vs_stage *s, uint32_t *coords, uint64_t first, size_t count)
{
    VS_ASSERT(s != NULL && coords != NULL && first + count <= s->dim);
    if (s->noise == NULL) return VS_OK;
    const uint64_t top = (UINT64_C(1) << s->quantiser->bits) - 1;
    for (size_t done = 0; done < count;) {
        const uint64_t tile = (first + done) / NOISE_TILE;
        const size_t skip = (size_t)((first + done) % NOISE_TILE);
        const size_t n = NOISE_TILE - skip < count - done ? NOISE_TILE - skip : count - done;
        if (tile != s->noise_tile) {
            vs_err err = draw(s, s->noise, "noise", (uint32_t)tile, s->noise_values, NOISE_TILE);
            s->noise_tile = err == VS_OK ? tile : UINT64_MAX;
            if (err != VS_OK) return err;
        }
        vs_noise_place(coords + done, s->noise_values + skip, n, s->privacy->signal_levels, top);
        done += n;
    }
    return VS_OK;
}

vs_err vs_stage_metrics(vs_stage *s, uint32_t out[VS_METRICS_N], const vs_metrics *metrics,
                        uint64_t weight)
{
    VS_ASSERT(s != NULL && out != NULL && metrics != NULL);
    const uint64_t variance = s->privacy->metric_variance;
    uint64_t word[VS_METRICS_N];
    int64_t value[VS_METRICS_N] = {0};
    vs_noise *noise = NULL;
    vs_prg *rounding = NULL;
    vs_err err = vs_encoder_prg(&rounding, s->seed, "metric rounding", 0);
    if (err == VS_OK && variance != 0) {
        err = vs_noise_new(&noise, s->privacy->metrics.mechanism, variance);
        if (err == VS_OK) err = draw(s, noise, "metric noise", 0, value, VS_METRICS_N);
    }
    if (err == VS_OK) {
        vs_prg_words(rounding, word, 0, VS_METRICS_N);
        vs_metrics_encode(out, metrics, s->quantiser, s->privacy, weight, word,
                          variance != 0 ? value : NULL);
    }
    vs_noise_free(noise);
    vs_prg_free(rounding);
    sodium_memzero(word, sizeof word);
    sodium_memzero(value, sizeof value);
    return err;
}

/* --- rounding ------------------------------------------------------------------------------------
 */

const double *vs_stage_read(vs_stage *s, uint64_t first, size_t count, size_t *n)
{
    VS_ASSERT(s != NULL && n != NULL && first + count <= s->dim);
    if (s->rotated != NULL) return vs_rotated_read(s->rotated, first, count, n);
    *n = count;
    return s->update + first;
}

vs_prg *vs_stage_rounding(vs_stage *s)
{
    VS_ASSERT(s != NULL);
    return s->rounding;
}

bool vs_stage_is_plain(const vs_stage *s)
{
    VS_ASSERT(s != NULL);
    return s->rotated == NULL && s->noise == NULL;
}

bool vs_stage_is_stateless(const vs_stage *s)
{
    VS_ASSERT(s != NULL);
    return vs_stage_is_plain(s) && (s->rounding == NULL || vs_prg_is_native(s->rounding));
}

/* Squared norm of the rounded update in grid steps; below 2^64 * 2^32. */
static u128 rounded_norm(vs_stage *s)
{
    const int64_t zero = (int64_t)(s->privacy->signal_levels / 2);
    u128 sum = 0;
    for (uint64_t first = 0; first < s->dim;) {
        size_t n = s->dim - first < ROUND_TILE ? (size_t)(s->dim - first) : ROUND_TILE;
        const double *x = vs_stage_read(s, first, n, &n);
        vs_prg_words(s->rounding, s->words, first, n);
        (void)vs_quantise(s->coords, s->quantiser, &s->scale, x, s->words, n);
        for (size_t i = 0; i < n; i++) {
            int64_t v = (int64_t)s->coords[i] - zero;
            sum += (u128)((uint64_t)(v < 0 ? -v : v)) * (uint64_t)(v < 0 ? -v : v);
        }
        first += n;
    }
    return sum;
}

/* Conditional rounding: the first attempt that keeps the norm within the sensitivity. */
static vs_err choose_rounding(vs_stage *s, vs_diag *diag)
{
    const double most = s->privacy->sensitivity * s->privacy->sensitivity;
    const u128 bound = most < 0x1p120 ? (u128)most : (u128)1 << 120;
    for (uint32_t attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        vs_prg_free(s->rounding);
        s->rounding = NULL;
        vs_err err = vs_encoder_prg(&s->rounding, s->seed, "rounding", attempt);
        if (err != VS_OK || rounded_norm(s) <= bound) return err;
    }
    return vs_fail(diag, VS_ERR_LIMIT,
                   "no rounding of the update keeps its norm within the sensitivity");
}

/* --- new, free -----------------------------------------------------------------------------------
 */

static vs_err make(vs_stage *s, const vs_round *round, vs_diag *diag)
{
    vs_err err = VS_OK;
    if (round->open.rotation) {
        err = vs_rotated_new(&s->rotated, round->rotation_seed.b, s->update, s->dim);
    }
    if (err != VS_OK) return err;
    if (s->privacy->variance == 0) {
        if (!s->quantiser->stochastic_rounding) return VS_OK;
        return vs_encoder_prg(&s->rounding, s->seed, "rounding", 0);
    }
    err = vs_noise_new(&s->noise, s->privacy->update.mechanism, s->privacy->variance);
    return err == VS_OK ? choose_rounding(s, diag) : err;
}

vs_err vs_stage_new(vs_stage **out, const vs_round *round, const uint8_t submission_seed[32],
                    const double *update, const vs_quantise_scale *scale, vs_diag *diag)
{
    VS_ASSERT(out != NULL && round != NULL && submission_seed != NULL && scale != NULL);
    *out = NULL;
    vs_stage *s = sodium_malloc(sizeof *s);
    if (s == NULL) return VS_ERR_NOMEM;
    sodium_memzero(s, sizeof *s);
    memcpy(s->seed, submission_seed, sizeof s->seed);
    s->quantiser = &round->quantiser;
    s->privacy = &round->privacy;
    s->scale = *scale;
    s->update = update;
    s->dim = round->open.dim;
    s->noise_tile = UINT64_MAX;
    vs_err err = make(s, round, diag);
    if (err != VS_OK) {
        vs_stage_free(s);
        return err;
    }
    *out = s;
    return VS_OK;
}

void vs_stage_free(vs_stage *s)
{
    if (s == NULL) return;
    vs_rotated_free(s->rotated);
    vs_prg_free(s->rounding);
    vs_noise_free(s->noise);
    sodium_free(s); /* wipes */
}
