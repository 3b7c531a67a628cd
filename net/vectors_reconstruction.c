/* Suite "reconstruction": the cases, from clients' coordinates to the sum shares that shareholders
 * answer with, right or wrong. What must come of them: vectors_verdict.c. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "mpc/pack.h"
#include "mpc/sharing.h"
#include "net/vectors_verdict.h"

typedef enum lie {
    LIE_RANDOM = 1, /* a drawn value added to every element */
    LIE_ONE,        /* 1 added to element 0 */
    LIE_P,          /* element 0 is p */
    LIE_SHORT,      /* the last element left out */
    LIE_LONG,       /* a zero element appended */
    LIE_HASH,       /* bytes that do not hash to what is logged */
    LIE_COLLUDE,    /* agree with the honest ones listed and with each other */
    ALL_SHIFT,      /* every answer: secrets of column 0 move out of range */
    ALL_PADDING,    /* every answer: a padding slot is 1 */
    ALL_NO_WEIGHT,  /* every client's weight digits are 0 */
} lie;

typedef struct recipe {
    const char *name;
    vs_committee committee;
    uint32_t bits, max_clients, clients, dim, weight_digits;
    uint32_t absent[4]; /* j, ended by 0 */
    lie lies[4];        /* ended by 0 */
    uint32_t liars[4];  /* j of each */
    uint32_t honest[3]; /* whom LIE_COLLUDE agrees with */
} recipe;

static const recipe recipes[] = {
    {"every answer right", {5, 1, 2, 1}, 8, 10, 3, 20, 2, {0}, {0}, {0}, {0}},
    {"one missing, still certain", {5, 1, 2, 1}, 8, 10, 3, 20, 2, {2}, {0}, {0}, {0}},
    {"r answers, below the margin", {5, 1, 2, 1}, 8, 10, 3, 20, 2, {1, 3}, {0}, {0}, {0}},
    {"r answers, margin 0", {5, 1, 2, 0}, 8, 10, 3, 20, 2, {1, 3}, {0}, {0}, {0}},
    {"fewer than r answers", {5, 1, 2, 1}, 8, 10, 3, 20, 2, {1, 2, 5}, {0}, {0}, {0}},
    {"one liar", {7, 1, 4, 1}, 16, 16, 2, 50, 2, {0}, {LIE_RANDOM}, {3}, {0}},
    {"one liar, wrong by one", {7, 1, 4, 1}, 16, 16, 2, 50, 2, {0}, {LIE_ONE}, {1}, {0}},
    {"two liars where one can be located",
     {7, 1, 4, 1},
     16,
     16,
     2,
     50,
     2,
     {0},
     {LIE_RANDOM, LIE_RANDOM},
     {2, 7},
     {0}},
    {"two liars of ten",
     {10, 2, 4, 2},
     12,
     100,
     4,
     33,
     2,
     {0},
     {LIE_RANDOM, LIE_ONE},
     {1, 10},
     {0}},
    {"two liars, one missing",
     {10, 2, 4, 2},
     12,
     100,
     4,
     33,
     2,
     {4},
     {LIE_RANDOM, LIE_RANDOM},
     {1, 10},
     {0}},
    {"a liar outvoted, not proven wrong",
     {5, 2, 1, 1},
     4,
     3,
     3,
     40,
     3,
     {0},
     {LIE_RANDOM},
     {4},
     {0}},
    {"a liar outvoted, below the margin",
     {5, 2, 1, 2},
     4,
     3,
     3,
     40,
     3,
     {0},
     {LIE_RANDOM},
     {4},
     {0}},
    {"two liars imitate another codeword, an honest one is blamed",
     {5, 2, 1, 2},
     4,
     3,
     3,
     40,
     3,
     {0},
     {LIE_COLLUDE, LIE_COLLUDE},
     {3, 4},
     {1, 2}},
    {"erasures: short, long, not canonical, not what was logged",
     {10, 2, 4, 0},
     12,
     100,
     4,
     33,
     2,
     {0},
     {LIE_SHORT, LIE_LONG, LIE_P, LIE_HASH},
     {1, 2, 3, 4},
     {0}},
    {"an erasure and a liar",
     {10, 2, 4, 2},
     12,
     100,
     4,
     33,
     2,
     {0},
     {LIE_P, LIE_RANDOM},
     {5, 7},
     {0}},
    {"three liars of sixteen",
     {16, 3, 7, 3},
     32,
     32768,
     2,
     30,
     1,
     {0},
     {LIE_RANDOM, LIE_RANDOM, LIE_ONE},
     {1, 2, 16},
     {0}},
    {"an element out of range", {5, 1, 2, 1}, 8, 10, 3, 20, 2, {0}, {ALL_SHIFT}, {0}, {0}},
    {"padding that is not zero", {3, 1, 1, 1}, 8, 10, 3, 19, 2, {0}, {ALL_PADDING}, {0}, {0}},
    {"weight sum zero", {3, 1, 1, 1}, 8, 10, 3, 19, 2, {0}, {ALL_NO_WEIGHT}, {0}, {0}},
};
enum { N_RECIPES = sizeof recipes / sizeof recipes[0], ROWS = 16, COLUMNS = 64, DIM = 64 };

typedef struct sums {
    const recipe *r;
    const vs_draw *draw;
    uint32_t index; /* of the case */
    vs_layout layout;
    vs_round_id id;
    vs_fe row[ROWS][COLUMNS];
} sums;

static bool has(const recipe *r, lie what)
{
    return r->lies[0] == what;
}

/* --- honest sums -------------------------------------------------------------------------------
 */

static void draw_coordinates(const sums *s, uint32_t client, uint32_t coords[DIM])
{
    const recipe *r = s->r;
    uint8_t le[4 * DIM];
    vs_draw_bytes(s->draw, "coordinates", 256 * s->index + client, le, 4 * (size_t)r->dim);
    for (uint32_t i = 0; i < r->dim; i++) {
        coords[i] = vs_load_le32(le + 4 * (size_t)i) & (uint32_t)((UINT64_C(1) << r->bits) - 1);
        if (has(r, ALL_NO_WEIGHT) && i >= r->dim - r->weight_digits) coords[i] = 0;
    }
}

static vs_err add_client(sums *s, const vs_sharing *sharing, uint32_t client)
{
    uint32_t coords[DIM];
    vs_fe secret[ROWS][COLUMNS], share[ROWS][COLUMNS];
    vs_fe *secret_row[ROWS], *out_row[ROWS];
    const vs_fe *seed_row[ROWS];
    const vs_committee *cm = &s->r->committee;
    uint32_t cols = s->layout.columns;
    draw_coordinates(s, client, coords);
    for (uint32_t i = 0; i < cm->k; i++) secret_row[i] = secret[i];
    vs_pack_columns(&s->layout, secret_row, coords, s->r->dim, cols);
    for (uint32_t j = 1; j <= cm->n; j++) {
        vs_fe *row = share[j - 1];
        if (j > cm->t) {
            out_row[j - cm->t - 1] = row;
            continue;
        }
        vs_draw_fes(s->draw, "share", 65536 * s->index + 256 * client + j, row, cols);
        seed_row[j - 1] = row;
    }
    vs_share_columns(sharing, out_row, (const vs_fe *const *)secret_row, seed_row, cols);
    for (uint32_t j = 0; j < cm->n; j++) vs_fe_add_many(s->row[j], share[j], cols);
    return VS_OK;
}

static vs_err add_clients(sums *s)
{
    vs_sharing *sharing = NULL;
    const vs_committee *cm = &s->r->committee;
    VS_ASSERT(cm->n <= ROWS && s->layout.columns <= COLUMNS && s->r->dim <= DIM);
    vs_err err = vs_sharing_new(&sharing, cm->n, cm->t, cm->k);
    for (uint32_t i = 1; err == VS_OK && i <= s->r->clients; i++) err = add_client(s, sharing, i);
    vs_sharing_free(sharing);
    return err;
}

/* --- lies --------------------------------------------------------------------------------------
 */

/* Product of (x - root) over the roots, ended by 0. */
static vs_fe product(uint32_t x, const uint32_t *roots, uint32_t max)
{
    vs_fe v = {1};
    for (uint32_t i = 0; i < max && roots[i] != 0; i++) {
        v = vs_fe_mul(v, vs_fe_sub(vs_fe_of_u64(x), vs_fe_of_u64(roots[i])));
    }
    return v;
}

static void add_to(sums *s, uint32_t j, uint32_t column, vs_fe v)
{
    vs_fe *x = &s->row[j - 1][column];
    *x = vs_fe_add(*x, v);
}

/* a Z(x) added to a column: a codeword that moves secret i by a Z(t+i). */
static void add_codeword(sums *s, uint32_t column, vs_fe a)
{
    uint32_t roots[ROWS] = {0};
    for (uint32_t i = 0; i < s->r->committee.t; i++) roots[i] = i + 1;
    for (uint32_t j = 1; j <= s->r->committee.n; j++) {
        add_to(s, j, column, vs_fe_mul(a, product(j, roots, ROWS)));
    }
}

/* Lies that change elements; the others change bytes only. */
static void tell(sums *s, lie what, uint32_t j)
{
    vs_fe a[COLUMNS];
    uint32_t cols = s->layout.columns;
    uint32_t top = s->layout.slot_width * (s->layout.slots - 1);
    /* Colluders draw the same values, the others their own. */
    vs_draw_fes(s->draw, "lie", 256 * s->index + (what == LIE_COLLUDE ? 0 : j), a, cols);
    for (uint32_t m = 0; m < cols; m++) {
        if (what == LIE_RANDOM) add_to(s, j, m, a[m]);
        if (what == LIE_COLLUDE) add_to(s, j, m, vs_fe_mul(a[m], product(j, s->r->honest, 3)));
    }
    if (what == LIE_ONE) add_to(s, j, 0, (vs_fe){1});
    if (what == ALL_SHIFT) add_codeword(s, 0, (vs_fe){UINT64_C(1) << 60});
    if (what == ALL_PADDING) add_codeword(s, cols - 1, (vs_fe){UINT64_C(1) << top});
}

static json_t *answer(const sums *s, uint32_t j)
{
    uint8_t bytes[(COLUMNS + 1) * VS_FE_BYTES] = {0};
    size_t len = s->layout.columns * (size_t)VS_FE_BYTES;
    lie what = 0;
    vs_h32 hash;
    for (uint32_t i = 0; i < 4; i++) {
        if (s->r->liars[i] == j) what = s->r->lies[i];
    }
    vs_fe_encode_many(bytes, s->row[j - 1], s->layout.columns);
    if (what == LIE_P) vs_store_le64(bytes, VS_FE_P);
    if (what == LIE_SHORT) len -= VS_FE_BYTES;
    if (what == LIE_LONG) len += VS_FE_BYTES;
    vs_verdict_answer_hash(&hash, &s->id, j, bytes, len);
    if (what == LIE_HASH) bytes[0] ^= 1;
    vs_case x = {.out = json_object()};
    vs_case_put_uint(&x, "j", j);
    vs_case_put_h32(&x, "logged_hash", &hash);
    vs_case_put_hex(&x, "sum_share", bytes, len);
    if (x.err == VS_OK) return x.out;
    json_decref(x.out);
    return NULL;
}

static bool is_absent(const recipe *r, uint32_t j)
{
    for (uint32_t i = 0; i < 4; i++) {
        if (r->absent[i] == j) return true;
    }
    return false;
}

static json_t *make_answers(sums *s)
{
    json_t *answers = json_array();
    if (add_clients(s) != VS_OK) {
        json_decref(answers);
        return NULL;
    }
    for (uint32_t i = 0; i < 4 && s->r->lies[i] != 0; i++) tell(s, s->r->lies[i], s->r->liars[i]);
    for (uint32_t j = 1; j <= s->r->committee.n; j++) {
        if (is_absent(s->r, j)) continue;
        if (!vs_json_push(answers, answer(s, j))) {
            json_decref(answers);
            return NULL;
        }
    }
    return answers;
}

/* --- the suite ---------------------------------------------------------------------------------
 */

static vs_err make_case(json_t *cases, const vs_draw *draw, uint32_t index)
{
    vs_err err = VS_OK;
    const recipe *r = &recipes[index];
    vs_case c = vs_case_new(cases, r->name, &err);
    sums *s = calloc(1, sizeof *s);
    if (s == NULL) return VS_ERR_NOMEM;
    *s = (sums){.r = r, .draw = draw, .index = index};
    VS_ASSERT(vs_layout_make(&s->layout, r->bits, r->max_clients, r->committee.k, r->dim, NULL) ==
              VS_OK);
    s->id.federation_id = vs_draw_h32(draw, "federation_id", index);
    s->id.round = vs_draw_uint(draw, "round", index, 48);
    vs_h32 set_leaf_hash = vs_draw_h32(draw, "set_leaf_hash", index);
    vs_case_put_uint(&c, "n", r->committee.n);
    vs_case_put_uint(&c, "t", r->committee.t);
    vs_case_put_uint(&c, "k", r->committee.k);
    vs_case_put_uint(&c, "margin", r->committee.margin);
    vs_case_put_uint(&c, "bits", r->bits);
    vs_case_put_uint(&c, "max_clients", r->max_clients);
    vs_case_put_uint(&c, "clients", r->clients);
    vs_case_put_uint(&c, "dim", r->dim);
    vs_case_put_uint(&c, "weight_digits", r->weight_digits);
    vs_case_put_h32(&c, "federation_id", &s->id.federation_id);
    vs_case_put_uint(&c, "round", s->id.round);
    vs_case_put_h32(&c, "set_leaf_hash", &set_leaf_hash);
    vs_case_put(&c, "answers", make_answers(s));
    free(s);
    return c.err;
}

static vs_err make(json_t *cases, const vs_draw *draw)
{
    vs_err err = VS_OK;
    for (uint32_t i = 0; err == VS_OK && i < N_RECIPES; i++) err = make_case(cases, draw, i);
    return err;
}

const vs_suite vs_suite_reconstruction = {
    .name = "reconstruction", .make = make, .compute = vs_verdict_compute};
