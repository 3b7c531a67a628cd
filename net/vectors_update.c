/* Suite "update": real updates to integers, added up, and the sums back to the weighted mean
 * (docs/PROTOCOL.md "Quantiser"). Doubles travel as their 8 bytes, little-endian, in hex. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "fl/quantise.h"
#include "net/vectors_impl.h"

enum { CLIENTS_MAX = 16, DIM_MAX = 4096, F64_BYTES = 8 };

typedef struct recipe {
    const char *name;
    double clip_norm, clipping_range;
    uint64_t max_weight;
    uint32_t bits, dim, clients;
    bool stochastic;
    uint64_t weights[3];
    double fixed[2][11]; /* dim <= 11: these instead of drawn ones */
} recipe;
static const recipe recipes[] = {
    {"to the nearest",
     0,
     1,
     1,
     8,
     11,
     1,
     false,
     {1},
     {{-2, -1, -0.99609375, -0.5, -0.0, 0, 0.0039, 0.25, 0.5, 0.999, 3}}},
    {"norm 5 clipped to 1, norm 0.5 not",
     1,
     0.5,
     10,
     16,
     3,
     2,
     false,
     {10, 5},
     {{3, -4, 0}, {0.3, 0.4, -0.0}}},
    {"stochastic rounding", 0, 1, 1000, 16, 40, 3, true, {1000, 1, 377}, {{0}}},
    {"norm and range clipped", 2, 0.25, 64, 12, 37, 2, true, {64, 33}, {{0}}},
    {"one bit", 0, 1, 1, 1, 20, 2, true, {1, 1}, {{0}}},
    {"thirty-two bits",
     8,
     1,
     UINT64_C(1) << 48,
     32,
     17,
     2,
     true,
     {UINT64_C(1) << 48, UINT64_C(1) << 40},
     {{0}}},
};
enum { N_RECIPES = sizeof recipes / sizeof recipes[0] };

/* --- doubles as hex ----------------------------------------------------------------------------
 */

static void put_f64(uint8_t *out, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    vs_store_le64(out, bits);
}

static double f64_at(const uint8_t *in)
{
    uint64_t bits = vs_load_le64(in);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static json_t *f64s_json(const double *v, size_t n)
{
    vs_buf bytes = {0};
    for (size_t i = 0; i < n; i++) {
        uint8_t le[F64_BYTES];
        put_f64(le, v[i]);
        vs_buf_bytes(&bytes, le, sizeof le);
    }
    json_t *hex = bytes.failed ? NULL : vs_json_hex(bytes.p, bytes.len);
    vs_buf_free(&bytes);
    return hex;
}

/* --- inputs ------------------------------------------------------------------------------------
 */

/* (w >> 11) * 2^-52 - 1 is uniform in [-1, 1); times 1.5. */
static json_t *drawn_delta(const vs_draw *draw, uint32_t index, uint32_t dim)
{
    uint8_t words[DIM_MAX / 64 * F64_BYTES];
    double delta[DIM_MAX / 64];
    VS_ASSERT(dim <= DIM_MAX / 64);
    vs_draw_bytes(draw, "delta", index, words, (size_t)dim * F64_BYTES);
    for (uint32_t i = 0; i < dim; i++) {
        double unit = (double)(vs_load_le64(words + (size_t)F64_BYTES * i) >> 11) * 0x1p-52 - 1.0;
        delta[i] = unit * 1.5;
    }
    return f64s_json(delta, dim);
}

static json_t *drawn_words(const vs_draw *draw, uint32_t index, uint32_t dim)
{
    uint8_t words[DIM_MAX / 64 * F64_BYTES];
    VS_ASSERT(dim <= DIM_MAX / 64);
    vs_draw_bytes(draw, "words", index, words, (size_t)dim * F64_BYTES);
    return vs_json_hex(words, (size_t)dim * F64_BYTES);
}

static vs_err make_one(json_t *cases, const vs_draw *draw, uint32_t index)
{
    const recipe *r = &recipes[index];
    vs_err err = VS_OK;
    vs_case c = vs_case_new(cases, r->name, &err);
    json_t *weights = json_array(), *deltas = json_array(), *words = json_array();
    vs_case_put_uint(&c, "bits", r->bits);
    vs_case_put(&c, "clip_norm", f64s_json(&r->clip_norm, 1));
    vs_case_put(&c, "clipping_range", f64s_json(&r->clipping_range, 1));
    vs_case_put(&c, "max_weight", vs_json_u64(r->max_weight));
    vs_case_put_bool(&c, "stochastic_rounding", r->stochastic);
    for (uint32_t i = 0; i < r->clients; i++) {
        uint32_t at = 256 * index + i;
        json_t *delta =
            r->dim <= 11 ? f64s_json(r->fixed[i], r->dim) : drawn_delta(draw, at, r->dim);
        if (!vs_json_push(weights, vs_json_u64(r->weights[i]))) err = VS_ERR_NOMEM;
        if (!vs_json_push(deltas, delta)) err = VS_ERR_NOMEM;
        if (!vs_json_push(words, drawn_words(draw, at, r->dim))) err = VS_ERR_NOMEM;
    }
    vs_case_put(&c, "weights", weights);
    vs_case_put(&c, "deltas", deltas);
    vs_case_put(&c, "words", words);
    return err == VS_OK ? c.err : err;
}

static vs_err make(json_t *cases, const vs_draw *draw)
{
    vs_err err = VS_OK;
    for (uint32_t i = 0; err == VS_OK && i < N_RECIPES; i++) err = make_one(cases, draw, i);
    return err;
}

/* --- computing ---------------------------------------------------------------------------------
 */

typedef struct job {
    vs_quantiser q;
    size_t clients, dim; /* dim of the first client; all others must have it too */
    uint64_t weight_sum;
    double delta[DIM_MAX], mean[DIM_MAX];
    uint64_t words[DIM_MAX], sums[DIM_MAX];
    uint32_t coords[DIM_MAX];
    json_t *norms, *factors, *clipped, *coordinates;
} job;

/* A member that one field of the quantiser takes; the others hold anything allowed. */
static void check_field(vs_case *c, const char *name, vs_quantiser q)
{
    vs_diag diag = {{0}};
    if (c->err == VS_OK && vs_quantiser_check(&q, &diag) != VS_OK) {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, name, "%s", diag.text);
    }
}

static void read_quantiser(vs_case *c, vs_quantiser *q)
{
    uint8_t le[F64_BYTES];
    const json_t *stochastic;
    json_t *one = json_array();
    *q = (vs_quantiser){.clipping_range = 1, .max_weight = 1};
    q->bits = (uint32_t)vs_case_uint(c, "bits", 1, VS_QUANTISE_BITS_MAX);
    vs_case_hex(c, "clip_norm", le, sizeof le);
    if (c->err == VS_OK) q->clip_norm = f64_at(le);
    check_field(c, "clip_norm", *q);
    vs_case_hex(c, "clipping_range", le, sizeof le);
    if (c->err == VS_OK) q->clipping_range = f64_at(le);
    check_field(c, "clipping_range", *q);
    const json_t *max_weight = vs_case_any(c, "max_weight");
    if (max_weight != NULL && json_array_append(one, (json_t *)max_weight) == 0) {
        q->max_weight = vs_entry_u64(c, one, 0, "max_weight", VS_QUANTISE_WEIGHT_MAX);
    }
    json_decref(one);
    check_field(c, "max_weight", *q);
    stochastic = vs_case_any(c, "stochastic_rounding");
    if (c->err == VS_OK && !json_is_boolean(stochastic)) {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, "stochastic_rounding", "must be true or false");
    }
    q->stochastic_rounding = json_is_true(stochastic);
}

/* Entry i of an array of hex, count 64-bit words (0: any number up to DIM_MAX). */
static size_t read_words(vs_case *c, const json_t *array, size_t i, const char *name, size_t count,
                         uint64_t *words)
{
    vs_buf bytes = {0};
    vs_entry_blob(c, array, i, name, &bytes, (size_t)DIM_MAX * F64_BYTES);
    size_t n = bytes.len / F64_BYTES;
    if (c->err == VS_OK && (n * F64_BYTES != bytes.len || n == 0 || (count != 0 && n != count))) {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, name, "must all be of one length, 8 bytes a value");
    }
    for (size_t k = 0; c->err == VS_OK && k < n; k++) {
        words[k] = vs_load_le64(bytes.p + k * F64_BYTES);
    }
    vs_buf_free(&bytes);
    return n;
}

static json_t *coords_json(const uint32_t *coords, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) {
        if (!vs_json_push(array, json_integer(coords[i]))) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static void compute_client(vs_case *c, job *w, size_t i, const json_t *weights,
                           const json_t *deltas, const json_t *words)
{
    vs_quantise_scale scale;
    vs_diag diag = {{0}};
    uint64_t weight = vs_entry_u64(c, weights, i, "weights", w->q.max_weight);
    w->dim = read_words(c, deltas, i, "deltas", i == 0 ? 0 : w->dim, w->words);
    if (c->err == VS_OK && weight == 0) {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, "weights", "must be at least 1");
    }
    if (c->err != VS_OK) return;
    memcpy(w->delta, w->words, w->dim * sizeof w->delta[0]);
    (void)read_words(c, words, i, "words", w->dim, w->words);
    if (c->err != VS_OK) return;
    if (vs_quantise_scan(&scale, &w->q, w->delta, w->dim, weight, &diag) != VS_OK) {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, "deltas", "%s", diag.text);
        return;
    }
    size_t clipped = vs_quantise(w->coords, &w->q, &scale, w->delta, w->words, w->dim);
    for (size_t k = 0; k < w->dim; k++) w->sums[k] += w->coords[k];
    w->weight_sum += weight;
    if (!vs_json_push(w->norms, f64s_json(&scale.norm, 1)) ||
        !vs_json_push(w->factors, f64s_json(&scale.factor, 1)) ||
        !vs_json_push(w->clipped, json_integer((json_int_t)clipped)) ||
        !vs_json_push(w->coordinates, coords_json(w->coords, w->dim))) {
        (void)vs_case_fail(c, VS_ERR_NOMEM, "coordinates", "out of memory");
    }
}

static void compute_all(vs_case *c, job *w)
{
    size_t n_deltas, n_words;
    json_t *sums = json_array();
    read_quantiser(c, &w->q);
    const json_t *weights = vs_case_array(c, "weights", 1, CLIENTS_MAX, &w->clients);
    const json_t *deltas = vs_case_array(c, "deltas", 1, CLIENTS_MAX, &n_deltas);
    const json_t *words = vs_case_array(c, "words", 1, CLIENTS_MAX, &n_words);
    if (c->err == VS_OK && n_deltas != w->clients) {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, "deltas", "must be as many as weights");
    }
    if (c->err == VS_OK && n_words != w->clients) {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, "words", "must be as many as weights");
    }
    for (size_t i = 0; c->err == VS_OK && i < w->clients; i++) {
        compute_client(c, w, i, weights, deltas, words);
    }
    if (c->err == VS_OK) {
        vs_dequantise(w->mean, &w->q, w->sums, w->dim, (uint32_t)w->clients, w->weight_sum);
        for (size_t k = 0; k < w->dim; k++) {
            if (!vs_json_push(sums, vs_json_u64(w->sums[k]))) {
                (void)vs_case_fail(c, VS_ERR_NOMEM, "sums", "out of memory");
            }
        }
    }
    vs_case_put(c, "norms", w->norms);
    vs_case_put(c, "factors", w->factors);
    vs_case_put(c, "clipped", w->clipped);
    vs_case_put(c, "coordinates", w->coordinates);
    vs_case_put(c, "sums", sums);
    vs_case_put(c, "weight_sum", vs_json_u64(w->weight_sum));
    vs_case_put(c, "mean", f64s_json(w->mean, w->dim));
}

static void compute(vs_case *c)
{
    job *w = calloc(1, sizeof *w);
    if (w == NULL) {
        (void)vs_case_fail(c, VS_ERR_NOMEM, "mean", "out of memory");
        return;
    }
    w->norms = json_array();
    w->factors = json_array();
    w->clipped = json_array();
    w->coordinates = json_array();
    compute_all(c, w);
    free(w);
}

const vs_suite vs_suite_update = {.name = "update", .make = make, .compute = compute};
