/* The core object: one submission, coordinates to W (docs/VECTORS.md "The core object"). */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "mpc/pack.h"
#include "mpc/prg.h"
#include "mpc/proof.h"
#include "mpc/sharing.h"
#include "net/vectors_impl.h"

typedef struct core {
    vs_committee committee; /* margin 0: no rule of the vectors */
    vs_layout layout;
    uint32_t r, cols; /* cols = M + 2 */
    vs_h32 ctx;
    vs_h32 root; /* C */
    vs_fe2 rho;
    uint32_t *coords;
    vs_fe *secrets; /* k rows of cols, owned */
    vs_fe *shares;  /* n rows of cols, owned */
    uint8_t (*seeds)[VS_SEED_BYTES];
    uint8_t (*nonces)[VS_NONCE_BYTES];
} core;

static void core_clear(core *w)
{
    free(w->coords);
    free(w->secrets);
    free(w->shares);
    free(w->seeds);
    free(w->nonces);
}

/* The rules between the numbers, and what follows from them. */
static bool core_size(vs_case *c, core *w, uint32_t bits, uint32_t max_clients, size_t dim)
{
    vs_diag why;
    if (c->err != VS_OK) return false;
    if (vs_committee_check(&w->committee, &why) != VS_OK ||
        vs_layout_make(&w->layout, bits, max_clients, w->committee.k, dim, &why) != VS_OK) {
        (void)vs_case_fail(c, VS_ERR_LIMIT, "n, t, k, bits, max_clients, len", "%s", why.text);
        return false;
    }
    w->r = vs_committee_r(&w->committee);
    w->cols = w->layout.columns + VS_MASK_COLUMNS;
    if (dim > VS_VECTORS_LENGTH_MAX || (uint64_t)w->committee.n * w->cols > VS_VECTORS_CELLS_MAX) {
        (void)vs_case_fail(c, VS_ERR_LIMIT, "len",
                           "%zu coordinates are %u columns for each of %u shareholders: at most %u "
                           "coordinates and %u share elements fit a vector",
                           dim, w->cols, w->committee.n, VS_VECTORS_LENGTH_MAX,
                           VS_VECTORS_CELLS_MAX);
        return false;
    }
    return true;
}

static bool core_alloc(vs_case *c, core *w)
{
    uint32_t n = w->committee.n;
    w->coords = calloc(w->layout.dim, sizeof *w->coords);
    w->secrets = calloc((size_t)w->committee.k * w->cols, sizeof *w->secrets);
    w->shares = calloc((size_t)n * w->cols, sizeof *w->shares);
    w->seeds = calloc(n, sizeof *w->seeds);
    w->nonces = calloc(n, sizeof *w->nonces);
    if (w->coords == NULL || w->secrets == NULL || w->shares == NULL || w->seeds == NULL ||
        w->nonces == NULL) {
        (void)vs_case_fail(c, VS_ERR_NOMEM, "len", "out of memory");
        return false;
    }
    return true;
}

/* --- inputs ------------------------------------------------------------------------------------
 */

static json_t *make_context(const vs_draw *draw)
{
    vs_case x = {.out = json_object()};
    vs_h32 h = vs_draw_h32(draw, "federation_id", 0);
    vs_case_put_h32(&x, "federation_id", &h);
    vs_case_put_uint(&x, "round", vs_draw_uint(draw, "round", 0, 48));
    h = vs_draw_h32(draw, "model_hash", 0);
    vs_case_put_h32(&x, "model_hash", &h);
    h = vs_draw_h32(draw, "params_hash", 0);
    vs_case_put_h32(&x, "params_hash", &h);
    h = vs_draw_h32(draw, "pseudonym", 0);
    vs_case_put_h32(&x, "pseudonym", &h);
    if (x.err == VS_OK) return x.out;
    json_decref(x.out);
    return NULL;
}

static json_t *make_coordinates(const vs_draw *draw, const core *w)
{
    uint32_t mask = (uint32_t)((UINT64_C(1) << w->layout.bits) - 1);
    json_t *array = json_array();
    vs_draw_bytes(draw, "coordinates", 0, w->coords, w->layout.dim * sizeof *w->coords);
    for (uint32_t i = 0; i < w->layout.dim; i++) {
        uint8_t le[4];
        memcpy(le, &w->coords[i], sizeof le);
        if (!vs_json_push(array, json_integer((json_int_t)(vs_load_le32(le) & mask)))) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

/* count draws of 32 bytes, indexes from 1. */
static json_t *make_hex_list(const vs_draw *draw, const char *what, uint32_t count)
{
    json_t *array = json_array();
    for (uint32_t j = 1; j <= count; j++) {
        vs_h32 h = vs_draw_h32(draw, what, j);
        if (!vs_json_push(array, vs_json_hex(h.b, sizeof h.b))) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *make_masks(const vs_draw *draw, uint32_t k)
{
    vs_fe mask[2 * VS_SHAREHOLDERS_MAX];
    vs_draw_fes(draw, "mask", 0, mask, 2 * (size_t)k);
    json_t *array = json_array();
    for (uint32_t col = 0; col < 2; col++) {
        if (!vs_json_push(array, vs_json_fes(mask + (size_t)col * k, k))) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

void vs_core_make(vs_case *c, const vs_vectors_params *p, const vs_draw *draw)
{
    core w = {.committee = {.n = p->n, .t = p->t, .k = p->k}};
    if (core_size(c, &w, p->bits, p->max_clients, p->len) && core_alloc(c, &w)) {
        vs_case_put_uint(c, "n", p->n);
        vs_case_put_uint(c, "t", p->t);
        vs_case_put_uint(c, "k", p->k);
        vs_case_put_uint(c, "bits", p->bits);
        vs_case_put_uint(c, "max_clients", p->max_clients);
        vs_case_put(c, "context", make_context(draw));
        vs_case_put(c, "coordinates", make_coordinates(draw, &w));
        vs_case_put(c, "seeds", make_hex_list(draw, "seed", p->t));
        vs_case_put(c, "mask_secrets", make_masks(draw, p->k));
        vs_case_put(c, "nonces", make_hex_list(draw, "nonce", p->n));
    }
    core_clear(&w);
}

/* --- outputs -----------------------------------------------------------------------------------
 */

/* A number and the array that shows it must agree; said before anything else, since neither the
 * one nor the other is then worth computing with. */
static void agree(vs_case *c, const char *name, uint32_t number, const char *array, size_t count)
{
    if (c->err == VS_OK && number != count) {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, name, "is %u, but %s has %zu entries", number,
                           array, count);
    }
}

static void read_numbers(vs_case *c, core *w)
{
    w->committee.n = (uint32_t)vs_case_uint(c, "n", 2, VS_SHAREHOLDERS_MAX);
    w->committee.t = (uint32_t)vs_case_uint(c, "t", 1, VS_SHAREHOLDERS_MAX);
    w->committee.k = (uint32_t)vs_case_uint(c, "k", 1, VS_SHAREHOLDERS_MAX);
    uint32_t bits = (uint32_t)vs_case_uint(c, "bits", 1, 32);
    uint32_t max_clients = (uint32_t)vs_case_uint(c, "max_clients", 2, VS_CLIENTS_MAX);
    size_t dim = json_array_size(json_object_get(c->in, "coordinates"));
    const json_t *width = json_object_get(c->in, "slot_width");
    const json_t *masks = json_object_get(c->in, "mask_secrets");
    if (c->err == VS_OK && dim == 0) {
        (void)vs_case_fail(c, VS_ERR_MALFORMED, "coordinates",
                           "must be an array of at least one whole number");
    }
    agree(c, "n", w->committee.n, "nonces", json_array_size(json_object_get(c->in, "nonces")));
    agree(c, "t", w->committee.t, "seeds", json_array_size(json_object_get(c->in, "seeds")));
    agree(c, "k", w->committee.k, "mask_secrets[0]", json_array_size(json_array_get(masks, 0)));
    if (!core_size(c, w, bits, max_clients, dim) || !core_alloc(c, w)) return;
    if (json_is_integer(width) && json_integer_value(width) != w->layout.slot_width) {
        (void)vs_case_fail(
            c, VS_ERR_PROOF, "slot_width", "is %lld, but bits %u and max_clients %u give %u",
            (long long)json_integer_value(width), bits, max_clients, w->layout.slot_width);
        return;
    }
    vs_case_put_uint(c, "slot_width", w->layout.slot_width);
    vs_case_put_uint(c, "slots", w->layout.slots);
    vs_case_put_uint(c, "columns", w->layout.columns);
}

static void read_context(vs_case *c, core *w)
{
    vs_round_id id = {.round = 0};
    vs_h32 model_hash, params_hash, pseudonym;
    vs_case x = vs_case_nested(c, "context");
    vs_case_h32(&x, "federation_id", &id.federation_id);
    id.round = vs_case_uint(&x, "round", 0, INT64_MAX);
    vs_case_h32(&x, "model_hash", &model_hash);
    vs_case_h32(&x, "params_hash", &params_hash);
    vs_case_h32(&x, "pseudonym", &pseudonym);
    vs_case_end(c, &x);
    vs_context(&w->ctx, &id, &model_hash, &params_hash, &pseudonym);
    vs_case_put_h32(c, "ctx", &w->ctx);
}

/* Coordinates to the k rows of secrets, and the elements in their order. */
static void read_coordinates(vs_case *c, core *w)
{
    size_t dim;
    uint32_t k = w->committee.k;
    uint64_t max = (UINT64_C(1) << w->layout.bits) - 1;
    VS_ASSERT(k > 0); /* vs_committee_check */
    const json_t *coordinates = vs_case_array(c, "coordinates", w->layout.dim, w->layout.dim, &dim);
    for (size_t i = 0; i < dim; i++) {
        w->coords[i] = (uint32_t)vs_entry_uint(c, coordinates, i, "coordinates", max);
    }
    if (c->err != VS_OK) return;
    vs_fe *rows[VS_SHAREHOLDERS_MAX] = {0};
    for (uint32_t i = 0; i < k; i++) rows[i] = w->secrets + (size_t)i * w->cols;
    vs_pack_columns(&w->layout, rows, w->coords, dim, w->layout.columns);
    json_t *elements = json_array();
    bool good = elements != NULL;
    for (uint32_t e = 0; good && e < w->layout.elements; e++) {
        good = vs_json_push(elements, vs_json_u64(rows[e % k][e / k].v));
    }
    if (!good) {
        json_decref(elements);
        elements = NULL;
    }
    vs_case_put(c, "elements", elements);
}

static void read_random(vs_case *c, core *w)
{
    size_t n;
    uint32_t k = w->committee.k;
    const json_t *seeds = vs_case_array(c, "seeds", w->committee.t, w->committee.t, &n);
    for (size_t j = 0; j < n; j++) vs_entry_hex(c, seeds, j, "seeds", w->seeds[j], VS_SEED_BYTES);
    const json_t *masks = vs_case_array(c, "mask_secrets", 2, 2, &n);
    for (size_t col = 0; col < n; col++) {
        const json_t *mask = vs_entry_array(c, masks, col, "mask_secrets", k);
        for (uint32_t i = 0; i < k; i++) {
            w->secrets[(size_t)i * w->cols + w->layout.columns + col] =
                vs_entry_fe(c, mask, i, col == 0 ? "mask_secrets[0]" : "mask_secrets[1]");
        }
    }
    const json_t *nonces = vs_case_array(c, "nonces", w->committee.n, w->committee.n, &n);
    for (size_t j = 0; j < n; j++) {
        vs_entry_hex(c, nonces, j, "nonces", w->nonces[j], VS_NONCE_BYTES);
    }
}

static void make_shares(vs_case *c, core *w)
{
    const vs_fe *secret_row[VS_SHAREHOLDERS_MAX], *seed_row[VS_SHAREHOLDERS_MAX];
    vs_fe *out_row[VS_SHAREHOLDERS_MAX];
    vs_sharing *sharing = NULL;
    uint32_t n = w->committee.n, t = w->committee.t;
    if (c->err != VS_OK) return;
    vs_err err = vs_sharing_new(&sharing, n, t, w->committee.k);
    for (uint32_t j = 0; err == VS_OK && j < t; j++) {
        vs_prg *prg = NULL;
        err = vs_prg_new(&prg, w->seeds[j], VS_PRG_SHARE);
        if (err == VS_OK) vs_prg_fill(prg, w->shares + (size_t)j * w->cols, 0, w->cols);
        vs_prg_free(prg);
    }
    if (err == VS_OK) {
        for (uint32_t i = 0; i < w->committee.k; i++) {
            secret_row[i] = w->secrets + (size_t)i * w->cols;
        }
        for (uint32_t j = 0; j < t; j++) seed_row[j] = w->shares + (size_t)j * w->cols;
        for (uint32_t j = t; j < n; j++) out_row[j - t] = w->shares + (size_t)j * w->cols;
        vs_share_columns(sharing, out_row, secret_row, seed_row, w->cols);
    } else {
        (void)vs_case_fail(c, err, "shares", "out of memory");
    }
    vs_sharing_free(sharing);
}

static void put_shares(vs_case *c, const core *w)
{
    json_t *rows = json_array();
    bool good = c->err == VS_OK && rows != NULL;
    for (uint32_t j = 0; good && j < w->committee.n; j++) {
        good = vs_json_push(rows, vs_json_fes(w->shares + (size_t)j * w->cols, w->cols));
    }
    if (!good) {
        json_decref(rows);
        rows = NULL;
    }
    vs_case_put(c, "shares", rows);
}

static void root_of_share(const core *w, uint32_t j, vs_h32 *root)
{
    vs_share_root tree;
    if (j <= w->committee.t) {
        vs_share_root_seed(root, w->seeds[j - 1]);
        return;
    }
    vs_share_root_init(&tree);
    for (uint32_t m = 0; m < w->cols; m++) {
        uint8_t le[VS_FE_BYTES];
        vs_fe_encode(le, w->shares[(size_t)(j - 1) * w->cols + m]);
        vs_share_root_update(&tree, le, sizeof le);
    }
    vs_share_root_final(&tree, root);
}

static void put_commitments(vs_case *c, core *w)
{
    vs_h32 commitment[VS_SHAREHOLDERS_MAX];
    json_t *roots = json_array();
    json_t *commitments = json_array();
    bool good = roots != NULL && commitments != NULL;
    for (uint32_t j = 1; j <= w->committee.n; j++) {
        vs_h32 root;
        root_of_share(w, j, &root);
        vs_commit_share(&commitment[j - 1], &w->ctx, j, w->nonces[j - 1], &root);
        good = good && vs_json_push(roots, vs_json_hex(root.b, 32)) &&
               vs_json_push(commitments, vs_json_hex(commitment[j - 1].b, 32));
    }
    if (!good) (void)vs_case_fail(c, VS_ERR_NOMEM, "commitments", "out of memory");
    vs_case_put(c, "chunk_roots", roots);
    vs_case_put(c, "commitments", commitments);
    vs_commit_root(&w->root, commitment, w->committee.n);
    vs_case_put_h32(c, "root", &w->root);
}

static void put_proof(vs_case *c, core *w)
{
    vs_fe2 value[VS_SHAREHOLDERS_MAX];
    vs_err err = vs_challenge(&w->rho, &w->ctx, &w->root);
    if (err != VS_OK) (void)vs_case_fail(c, err, "rho", "out of memory");
    vs_case_put(c, "rho", vs_json_fe2(w->rho));
    for (uint32_t j = 1; j <= w->committee.n; j++) {
        vs_proof_acc acc;
        vs_proof_start(&acc, w->rho, w->layout.columns);
        vs_proof_update(&acc, w->shares + (size_t)(j - 1) * w->cols, w->cols);
        value[j - 1] = vs_proof_final(&acc);
        /* W is of degree < r: what shareholders beyond r check must follow from the first r. */
        VS_ASSERT(j <= w->r || vs_fe2_equal(vs_proof_eval(value, w->r, j), value[j - 1]));
    }
    vs_case_put(c, "W", vs_json_fe2s(value, w->r));
}

void vs_core_compute(vs_case *c)
{
    core w = {0};
    read_numbers(c, &w);
    if (c->err == VS_OK) read_context(c, &w);
    if (c->err == VS_OK) read_coordinates(c, &w);
    if (c->err == VS_OK) read_random(c, &w);
    if (c->err == VS_OK) {
        make_shares(c, &w);
        put_shares(c, &w);
    }
    if (c->err == VS_OK) put_commitments(c, &w);
    if (c->err == VS_OK) put_proof(c, &w);
    core_clear(&w);
}
