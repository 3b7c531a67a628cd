/* Suite "quantiser": clients' weights as digits of base 2^b, added up and put together again
 * (docs/PROTOCOL.md "Field and packing"). */
#include <jansson.h>

#include "fl/quantise.h"
#include "net/vectors_impl.h"

enum { WEIGHTS_MAX = 64, DIGITS_MAX = 64 };

typedef struct recipe {
    const char *name;
    uint32_t bits;
    uint64_t max_weight;
    uint32_t count;
    uint64_t weights[6];
} recipe;
static const recipe recipes[] = {
    {"one bit, one digit", 1, 1, 3, {1, 1, 1}},
    {"one bit, many digits", 1, 1000, 3, {1, 512, 1000}},
    {"largest weight of one digit", 8, 255, 2, {255, 1}},
    {"smallest weight of two digits", 8, 256, 3, {256, 255, 1}},
    {"digit sums above the base", 8, 65535, 6, {65535, 65535, 65535, 65535, 65535, 65535}},
    {"bits that do not divide", 13, 100000, 4, {1, 8191, 8192, 100000}},
    {"sixteen bits", 16, 60000, 4, {600, 60000, 1, 333}},
    {"largest weight there is", 32, UINT64_C(1) << 48, 2, {UINT64_C(1) << 48, 4294967295}},
};
enum { N_RECIPES = sizeof recipes / sizeof recipes[0] };

/* Then cases of drawn weights, 1 to 2^40. */
static const uint32_t drawn_bits[] = {11, 16};
enum { N_DRAWN = sizeof drawn_bits / sizeof drawn_bits[0], DRAWN_WEIGHTS = 5, DRAWN_MAX_LOG2 = 40 };

static vs_err make_one(json_t *cases, const recipe *r)
{
    vs_err err = VS_OK;
    vs_case c = vs_case_new(cases, r->name, &err);
    vs_case_put_uint(&c, "bits", r->bits);
    vs_case_put(&c, "max_weight", vs_json_u64(r->max_weight));
    json_t *weights = json_array();
    for (uint32_t w = 0; w < r->count; w++) {
        if (!vs_json_push(weights, vs_json_u64(r->weights[w]))) err = VS_ERR_NOMEM;
    }
    vs_case_put(&c, "weights", weights);
    return err == VS_OK ? c.err : err;
}

static vs_err make(json_t *cases, const vs_draw *draw)
{
    vs_err err = VS_OK;
    for (uint32_t i = 0; err == VS_OK && i < N_RECIPES; i++) err = make_one(cases, &recipes[i]);
    for (uint32_t i = 0; err == VS_OK && i < N_DRAWN; i++) {
        recipe r = {.name = "drawn weights", .bits = drawn_bits[i], .count = DRAWN_WEIGHTS};
        r.max_weight = UINT64_C(1) << DRAWN_MAX_LOG2;
        for (uint32_t w = 0; w < r.count; w++) {
            r.weights[w] = vs_draw_uint(draw, "weight", 256 * i + w, DRAWN_MAX_LOG2) + 1;
        }
        err = make_one(cases, &r);
    }
    return err;
}

/* A decimal string that is a member of its own. */
static uint64_t read_max_weight(vs_case *c)
{
    json_t *one = json_array();
    const json_t *value = vs_case_any(c, "max_weight");
    uint64_t v = 0;
    if (value != NULL && json_array_append(one, (json_t *)value) == 0) {
        v = vs_entry_u64(c, one, 0, "max_weight", VS_QUANTISE_WEIGHT_MAX);
        if (v == 0) (void)vs_case_fail(c, VS_ERR_MALFORMED, "max_weight", "must be at least 1");
    }
    json_decref(one);
    return v;
}

static json_t *digits_json(const uint32_t *digits, uint32_t n)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < n; i++) {
        if (!vs_json_push(array, json_integer(digits[i]))) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static void compute(vs_case *c)
{
    uint64_t sums[DIGITS_MAX] = {0};
    uint64_t weight_sum = 0;
    size_t count;
    uint32_t bits = (uint32_t)vs_case_uint(c, "bits", 1, 32);
    uint64_t max_weight = read_max_weight(c);
    const json_t *weights = vs_case_array(c, "weights", 1, WEIGHTS_MAX, &count);
    if (c->err != VS_OK) return;
    uint32_t n = vs_weight_digits(max_weight, bits);
    json_t *rows = json_array();
    json_t *totals = json_array();
    for (size_t i = 0; c->err == VS_OK && i < count; i++) {
        uint32_t digits[DIGITS_MAX];
        uint64_t weight = vs_entry_u64(c, weights, i, "weights", max_weight);
        vs_quantise_weight(digits, n, weight, bits);
        for (uint32_t d = 0; d < n; d++) sums[d] += digits[d];
        if (!vs_json_push(rows, digits_json(digits, n))) {
            (void)vs_case_fail(c, VS_ERR_NOMEM, "digits", "out of memory");
        }
    }
    for (uint32_t d = 0; c->err == VS_OK && d < n; d++) {
        if (!vs_json_push(totals, vs_json_u64(sums[d]))) {
            (void)vs_case_fail(c, VS_ERR_NOMEM, "digit_sums", "out of memory");
        }
    }
    if (c->err == VS_OK && vs_dequantise_weight(&weight_sum, sums, n, bits) != VS_OK) {
        (void)vs_case_fail(c, VS_ERR_LIMIT, "weights", "add up to 2^64 or more");
    }
    vs_case_put_uint(c, "n_digits", n);
    vs_case_put(c, "digits", rows);
    vs_case_put(c, "digit_sums", totals);
    vs_case_put(c, "weight_sum", vs_json_u64(weight_sum));
}

const vs_suite vs_suite_quantiser = {.name = "quantiser", .make = make, .compute = compute};
