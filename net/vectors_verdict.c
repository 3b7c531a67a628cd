/* Answers to the location challenge, symbols, wrong shareholders, margin, verdict and sums. */
#include "net/vectors_verdict.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "mpc/locate.h"
#include "net/result.h"

enum { DIM_MAX = 1 << 16 };

typedef struct work {
    vs_committee committee;
    vs_layout layout;
    vs_result_in in;
    vs_buf answer[VS_SHAREHOLDERS_MAX];
    vs_fe2 rho;
    uint64_t *sums; /* dim, owned */
} work;

void vs_verdict_answer_hash(vs_h32 *out, const vs_round_id *id, uint32_t j, const uint8_t *bytes,
                            size_t len)
{
    vs_hash h;
    vs_answer_hash_start(&h, id, j);
    vs_hash_bytes(&h, bytes, len);
    vs_hash_final(&h, out);
}

/* --- inputs ------------------------------------------------------------------------------------
 */

static void read_numbers(vs_case *c, work *w)
{
    vs_diag why;
    w->committee.n = (uint32_t)vs_case_uint(c, "n", 2, VS_SHAREHOLDERS_MAX);
    w->committee.t = (uint32_t)vs_case_uint(c, "t", 1, VS_SHAREHOLDERS_MAX);
    w->committee.k = (uint32_t)vs_case_uint(c, "k", 1, VS_SHAREHOLDERS_MAX);
    w->committee.margin = (uint32_t)vs_case_uint(c, "margin", 0, VS_SHAREHOLDERS_MAX);
    uint32_t bits = (uint32_t)vs_case_uint(c, "bits", 1, 32);
    uint32_t max_clients = (uint32_t)vs_case_uint(c, "max_clients", 2, VS_CLIENTS_MAX);
    w->in.n_clients = (uint32_t)vs_case_uint(c, "clients", 1, max_clients);
    uint32_t dim = (uint32_t)vs_case_uint(c, "dim", 2, DIM_MAX);
    w->in.weight_digits =
        (uint32_t)vs_case_uint(c, "weight_digits", 1, dim - 1 < 64 ? dim - 1 : 64);
    vs_case_h32(c, "federation_id", &w->in.id.federation_id);
    w->in.id.round = vs_case_uint(c, "round", 0, INT64_MAX);
    vs_case_h32(c, "set_leaf_hash", &w->in.set_leaf_hash);
    if (c->err != VS_OK) return;
    if (vs_committee_check(&w->committee, &why) != VS_OK ||
        vs_layout_make(&w->layout, bits, max_clients, w->committee.k, dim, &why) != VS_OK) {
        (void)vs_case_fail(c, VS_ERR_LIMIT, "n, t, k, margin, bits, max_clients, dim", "%s",
                           why.text);
        return;
    }
    w->in.committee = &w->committee;
    w->in.layout = &w->layout;
    w->sums = calloc(dim, sizeof *w->sums);
    if (w->sums == NULL) (void)vs_case_fail(c, VS_ERR_NOMEM, "dim", "out of memory");
}

static void read_answers(vs_case *c, work *w)
{
    size_t count;
    size_t max = w->layout.columns * (size_t)VS_FE_BYTES + VS_CHUNK_BYTES;
    const json_t *answers = vs_case_array(c, "answers", 0, w->committee.n, &count);
    for (size_t a = 0; a < count; a++) {
        vs_case x = vs_entry_nested(c, answers, a, "answers");
        w->in.index[a] =
            (uint32_t)vs_case_uint(&x, "j", a == 0 ? 1 : w->in.index[a - 1] + 1u, w->committee.n);
        vs_case_h32(&x, "logged_hash", &w->in.answer_hash[a]);
        vs_case_blob(&x, "sum_share", &w->answer[a], max);
        vs_case_end(c, &x);
    }
    w->in.n_answers = (uint32_t)count;
}

/* --- outputs -----------------------------------------------------------------------------------
 */

static vs_err source_size(void *ctx, uint32_t a, uint64_t *bytes)
{
    *bytes = ((work *)ctx)->answer[a].len;
    return VS_OK;
}

static vs_err source_read(void *ctx, uint32_t a, uint64_t first, uint8_t *out, size_t count)
{
    const vs_buf *b = &((work *)ctx)->answer[a];
    VS_ASSERT((first + count) * VS_FE_BYTES <= b->len);
    memcpy(out, b->p + first * VS_FE_BYTES, count * VS_FE_BYTES);
    return VS_OK;
}

static vs_err sink_sums(void *ctx, uint64_t first, const uint64_t *sums, size_t n)
{
    memcpy(((work *)ctx)->sums + first, sums, n * sizeof *sums);
    return VS_OK;
}

/* The symbol of an answer, or false: an erasure. */
static bool symbol_of(vs_fe2 *symbol, const work *w, uint32_t a, const vs_h32 *hash)
{
    const vs_buf *b = &w->answer[a];
    vs_symbol_acc acc;
    if (b->len != (size_t)w->layout.columns * VS_FE_BYTES) return false;
    if (!vs_h32_equal(hash, &w->in.answer_hash[a])) return false;
    vs_symbol_start(&acc, w->rho);
    for (uint32_t m = 0; m < w->layout.columns; m++) {
        vs_fe x;
        if (vs_fe_decode(&x, b->p + (size_t)m * VS_FE_BYTES) != 0) return false;
        vs_symbol_update(&acc, &x, 1);
    }
    *symbol = acc.sum;
    return true;
}

/* Members answer_hashes, usable, rho, symbols. Returns whether vs_locate decodes them. */
static bool put_symbols(vs_case *c, work *w)
{
    vs_answer_ref logged[VS_SHAREHOLDERS_MAX];
    uint32_t points[VS_SHAREHOLDERS_MAX];
    vs_fe2 symbols[VS_SHAREHOLDERS_MAX];
    vs_location found = {0};
    uint32_t m = 0;
    json_t *hashes = json_array(), *usable = json_array(), *list = json_array();
    bool good = hashes != NULL && usable != NULL && list != NULL;
    for (uint32_t a = 0; a < w->in.n_answers; a++) {
        logged[a] = (vs_answer_ref){w->in.index[a], w->in.answer_hash[a]};
    }
    good = good &&
           vs_locate_challenge(&w->rho, &w->in.set_leaf_hash, logged, w->in.n_answers) == VS_OK;
    for (uint32_t a = 0; good && a < w->in.n_answers; a++) {
        vs_h32 hash;
        vs_verdict_answer_hash(&hash, &w->in.id, w->in.index[a], w->answer[a].p, w->answer[a].len);
        bool is_usable = symbol_of(&symbols[m], w, a, &hash);
        good = vs_json_push(hashes, vs_json_hex(hash.b, 32)) &&
               vs_json_push(usable, json_boolean(is_usable)) &&
               vs_json_push(list, is_usable ? vs_json_fe2(symbols[m]) : json_null());
        points[m] = w->in.index[a];
        m += is_usable;
    }
    good = good && vs_locate(&found, points, symbols, m, vs_committee_r(&w->committee),
                             w->committee.t) == VS_OK;
    if (!good) (void)vs_case_fail(c, VS_ERR_NOMEM, "symbols", "out of memory");
    vs_case_put_uint(c, "columns", w->layout.columns);
    vs_case_put(c, "answer_hashes", hashes);
    vs_case_put(c, "usable", usable);
    vs_case_put(c, "rho", vs_json_fe2(w->rho));
    vs_case_put(c, "symbols", list);
    return found.decodable;
}

static json_t *wrong_json(const work *w, const vs_result *result)
{
    json_t *wrong = json_array();
    for (uint32_t a = 0; a < w->in.n_answers; a++) {
        if (!result->wrong[a]) continue;
        if (!vs_json_push(wrong, json_integer(w->in.index[a]))) {
            json_decref(wrong);
            return NULL;
        }
    }
    return wrong;
}

static json_t *sums_json(const work *w)
{
    json_t *sums = json_array();
    for (uint32_t i = 0; i < w->layout.dim; i++) {
        if (!vs_json_push(sums, vs_json_u64(w->sums[i]))) {
            json_decref(sums);
            return NULL;
        }
    }
    return sums;
}

static void put_verdict(vs_case *c, work *w, bool decodable)
{
    static const char *const names[] = {[VS_RESULT_OK] = "ok",
                                        [VS_RESULT_TOO_FEW] = "too-few",
                                        [VS_RESULT_UNDECODABLE] = "undecodable",
                                        [VS_RESULT_UNCERTAIN] = "uncertain",
                                        [VS_RESULT_RANGE] = "range"};
    const vs_sum_source source = {source_size, source_read, w};
    const vs_sum_sink sink = {sink_sums, w};
    vs_result result;
    vs_diag why;
    vs_err err = vs_result_compute(&result, &w->in, &source, &sink, &why);
    if (err != VS_OK) {
        (void)vs_case_fail(c, err, "verdict", "%s", why.text);
        return;
    }
    bool ok = result.verdict == VS_RESULT_OK;
    vs_case_put_bool(c, "decodable", decodable);
    vs_case_put(c, "wrong", wrong_json(w, &result));
    vs_case_put(c, "margin_left", decodable ? json_integer(result.margin) : json_null());
    vs_case_put_bool(c, "certain", result.certain);
    vs_case_put_text(c, "verdict", names[result.verdict]);
    vs_case_put(c, "sums", ok ? sums_json(w) : json_null());
    vs_case_put(c, "weight_sum", ok ? vs_json_u64(result.weight_sum) : json_null());
    vs_case_put(c, "sum_hash", ok ? vs_json_hex(result.sum_hash.b, 32) : json_null());
}

void vs_verdict_compute(vs_case *c)
{
    work *w = calloc(1, sizeof *w);
    if (w == NULL) {
        (void)vs_case_fail(c, VS_ERR_NOMEM, "answers", "out of memory");
        return;
    }
    read_numbers(c, w);
    if (c->err == VS_OK) read_answers(c, w);
    if (c->err == VS_OK) {
        bool decodable = put_symbols(c, w);
        if (c->err == VS_OK) put_verdict(c, w, decodable);
    }
    for (uint32_t a = 0; a < VS_SHAREHOLDERS_MAX; a++) vs_buf_free(&w->answer[a]);
    free(w->sums);
    free(w);
}
