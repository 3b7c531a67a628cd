#include "mpc/locate.h"

#include <stdlib.h>

#include "base/hash.h"
#include "mpc/lagrange.h"
#include "mpc/prg.h"

vs_err vs_locate_challenge(vs_fe2 *rho, const vs_h32 *set_leaf_hash, const vs_answer_ref *answers,
                           uint32_t n_answers)
{
    vs_hash h;
    vs_h32 key;
    vs_hash_start(&h, "veilsum/v1 locate");
    vs_hash_h32(&h, set_leaf_hash);
    for (uint32_t i = 0; i < n_answers; i++) {
        VS_ASSERT(i == 0 || answers[i - 1].j < answers[i].j);
        vs_hash_u32(&h, answers[i].j);
        vs_hash_h32(&h, &answers[i].answer_hash);
    }
    vs_hash_final(&h, &key);
    return vs_prg_fe2(rho, &key, VS_PRG_LOCATE);
}

void vs_symbol_start(vs_symbol_acc *acc, vs_fe2 rho)
{
    vs_power_sum_start(acc, rho);
}

void vs_symbol_update(vs_symbol_acc *acc, const vs_fe *x, size_t count)
{
    vs_power_sum_update(acc, x, count);
}

/* --- polynomials over F_{p^2}; everything is public, so variable time is fine ------------------
 */

typedef struct poly {
    uint32_t len; /* coefficients, the last not zero; 0 is the zero polynomial */
    vs_fe2 c[VS_SHAREHOLDERS_MAX + 1];
} poly;

static const vs_fe2 ZERO = {{0}, {0}};

static void trim(poly *a)
{
    while (a->len > 0 && vs_fe2_equal(a->c[a->len - 1], ZERO)) a->len--;
}

static vs_fe2 poly_eval(const poly *a, uint32_t x)
{
    vs_fe point = vs_fe_of_u64(x);
    vs_fe2 v = ZERO;
    for (uint32_t i = a->len; i-- > 0;) v = vs_fe2_add(vs_fe2_scale(v, point), a->c[i]);
    return v;
}

/* a = q*b + rest, rest left in a; b not zero. */
static void poly_divide(poly *q, poly *a, const poly *b)
{
    *q = (poly){0};
    if (a->len < b->len) return;
    vs_fe2 lead = vs_fe2_inv(b->c[b->len - 1]);
    q->len = a->len - b->len + 1;
    for (uint32_t at = q->len; at-- > 0;) {
        vs_fe2 f = vs_fe2_mul(a->c[at + b->len - 1], lead);
        q->c[at] = f;
        for (uint32_t i = 0; i < b->len; i++) {
            a->c[at + i] = vs_fe2_sub(a->c[at + i], vs_fe2_mul(f, b->c[i]));
        }
    }
    trim(a);
}

/* a -= q*b; the product fits (degrees of the cofactors add up to at most m). */
static void poly_sub_product(poly *a, const poly *q, const poly *b)
{
    if (q->len == 0 || b->len == 0) return;
    uint32_t len = q->len + b->len - 1;
    VS_ASSERT(len <= VS_SHAREHOLDERS_MAX + 1);
    for (; a->len < len; a->len++) a->c[a->len] = ZERO;
    for (uint32_t i = 0; i < q->len; i++) {
        for (uint32_t j = 0; j < b->len; j++) {
            a->c[i + j] = vs_fe2_sub(a->c[i + j], vs_fe2_mul(q->c[i], b->c[j]));
        }
    }
    trim(a);
}

/* all = product of (x - points[i]). */
static void poly_of_roots(poly *all, const uint32_t *points, uint32_t m)
{
    *all = (poly){.len = 1, .c = {{{1}, {0}}}};
    for (uint32_t i = 0; i < m; i++) {
        vs_fe root = vs_fe_of_u64(points[i]);
        all->c[all->len] = ZERO;
        for (uint32_t j = all->len; j > 0; j--) {
            all->c[j] = vs_fe2_sub(all->c[j - 1], vs_fe2_scale(all->c[j], root));
        }
        all->c[0] = vs_fe2_sub(ZERO, vs_fe2_scale(all->c[0], root));
        all->len++;
    }
}

/* The polynomial of degree < m through all m symbols: sum of symbol * weight * all/(x - point). */
static void poly_interpolate(poly *out, const poly *all, const uint32_t *points,
                             const vs_fe2 *symbols, uint32_t m)
{
    vs_fe weight[VS_SHAREHOLDERS_MAX];
    vs_lagrange_weights(weight, points, m);
    *out = (poly){.len = m};
    for (uint32_t i = 0; i < m; i++) {
        vs_fe point = vs_fe_of_u64(points[i]);
        vs_fe2 scale = vs_fe2_scale(symbols[i], weight[i]);
        vs_fe2 carry = ZERO; /* coefficients of all/(x - point) by synthetic division */
        for (uint32_t j = m; j-- > 0;) {
            carry = vs_fe2_add(all->c[j + 1], vs_fe2_scale(carry, point));
            out->c[j] = vs_fe2_add(out->c[j], vs_fe2_mul(carry, scale));
        }
    }
    trim(out);
}

/* --- Gao, "A new algorithm for decoding Reed-Solomon codes" (2003) ------------------------------
 */

typedef struct work {
    poly a, b; /* remainders of Euclid's algorithm, b the newer */
    poly u, v; /* their cofactors: b = v * interpolation mod product of (x - point) */
    poly q;
} work;

/* The codeword polynomial into w->q. False if there is none within floor((m - r) / 2) errors;
 * true does not prove that there is one: the caller compares. */
static bool gao(work *w, const uint32_t *points, const vs_fe2 *symbols, uint32_t m, uint32_t r)
{
    poly_of_roots(&w->a, points, m);
    poly_interpolate(&w->b, &w->a, points, symbols, m);
    w->u = (poly){0};
    w->v = (poly){.len = 1, .c = {{{1}, {0}}}};
    /* Stop at the first remainder of degree < (m + r) / 2, that is 2 (len - 1) < m + r. */
    while (w->b.len > 0 && 2 * (w->b.len - 1) >= m + r) {
        poly_divide(&w->q, &w->a, &w->b);
        poly_sub_product(&w->u, &w->q, &w->v);
        poly t = w->a;
        w->a = w->b;
        w->b = t;
        t = w->u;
        w->u = w->v;
        w->v = t;
    }
    poly_divide(&w->q, &w->b, &w->v);
    trim(&w->q);
    return w->b.len == 0 && w->q.len <= r;
}

vs_err vs_locate(vs_location *out, const uint32_t *points, const vs_fe2 *symbols, uint32_t m,
                 uint32_t r, uint32_t t)
{
    bool seen[VS_SHAREHOLDERS_MAX + 1] = {false};
    *out = (vs_location){0};
    VS_ASSERT(m <= VS_SHAREHOLDERS_MAX && r >= 1);
    for (uint32_t i = 0; i < m; i++) {
        VS_ASSERT(points[i] >= 1 && points[i] <= VS_SHAREHOLDERS_MAX && !seen[points[i]]);
        seen[points[i]] = true;
    }
    if (m < r) return VS_OK;

    work *w = malloc(sizeof *w);
    if (w == NULL) return VS_ERR_NOMEM;
    vs_location found = {0};
    if (gao(w, points, symbols, m, r)) {
        for (uint32_t i = 0; i < m; i++) {
            found.wrong[i] = !vs_fe2_equal(poly_eval(&w->q, points[i]), symbols[i]);
            found.n_wrong += found.wrong[i];
        }
        /* Whatever Euclid's algorithm said: only a word this close to the codeword counts. */
        found.decodable = found.n_wrong <= (m - r) / 2;
        found.certain = found.decodable && m - r - found.n_wrong >= t;
    }
    if (found.decodable) *out = found;
    free(w);
    return VS_OK;
}
