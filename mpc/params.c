#include "mpc/params.h"

#include <stddef.h>

uint32_t vs_committee_needed(const vs_committee *c)
{
    uint32_t q = vs_committee_q(c);
    uint32_t with_margin = vs_committee_r(c) + c->margin;
    return q > with_margin ? q : with_margin;
}

uint32_t vs_committee_closed(const vs_committee *c)
{
    /* A certificate needs q votes. At most t shareholders vote in spite of their `closed`
     * statement, so with x statements at most n - x + t can vote: below q from here on. */
    return c->n + c->t - vs_committee_q(c) + 1;
}

vs_err vs_committee_check(const vs_committee *c, vs_diag *diag)
{
    if (c->n < 2 || c->n > VS_SHAREHOLDERS_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "num_shares %u is outside 2..%u", c->n,
                       VS_SHAREHOLDERS_MAX);
    }
    if (c->t < 1) return vs_fail(diag, VS_ERR_LIMIT, "privacy_threshold 0 is below 1");
    if (c->t >= c->n) {
        return vs_fail(diag, VS_ERR_LIMIT, "privacy_threshold %u is not below num_shares %u", c->t,
                       c->n);
    }
    if (c->k < 1) return vs_fail(diag, VS_ERR_LIMIT, "packing 0 is below 1");
    /* 64 bits: k and margin come from a file and may be anything. */
    uint64_t r = (uint64_t)c->t + c->k;
    if (r > c->n) {
        return vs_fail(diag, VS_ERR_LIMIT, "num_shares %u is below reconstruction_threshold %llu",
                       c->n, (unsigned long long)r);
    }
    if (r + c->margin > c->n) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "num_shares %u is below reconstruction_threshold %llu + margin %u", c->n,
                       (unsigned long long)r, c->margin);
    }
    /* q <= n needs no test: t < n gives floor((n+t)/2) + 1 <= n, and r <= n was checked. */
    return VS_OK;
}

static uint32_t ceil_log2(uint32_t v)
{
    uint32_t bits = 0;
    while ((UINT64_C(1) << bits) < v) bits++;
    return bits;
}

vs_err vs_layout_make(vs_layout *out, uint32_t bits, uint32_t max_clients, uint32_t packing,
                      uint64_t dim, vs_diag *diag)
{
    *out = (vs_layout){0};
    if (bits < 1 || bits > 32) {
        return vs_fail(diag, VS_ERR_LIMIT, "bits %u is outside 1..32", bits);
    }
    if (max_clients < 2 || max_clients > VS_CLIENTS_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "max_clients %u is outside 2..%u", max_clients,
                       VS_CLIENTS_MAX);
    }
    if (packing < 1 || packing > VS_SHAREHOLDERS_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "packing %u is outside 1..%u", packing,
                       VS_SHAREHOLDERS_MAX);
    }
    /* N values of at most 2^b - 1 add up to less than 2^(b + ceil(log2 N)): no carry. */
    uint32_t width = bits + ceil_log2(max_clients);
    if (width > VS_ELEMENT_BITS) {
        return vs_fail(diag, VS_ERR_LIMIT,
                       "bits %u + ceil(log2 max_clients %u) is %u, more than the %u of an element",
                       bits, max_clients, width, VS_ELEMENT_BITS);
    }
    if (dim < 1) return vs_fail(diag, VS_ERR_LIMIT, "dimension 0 is below 1");
    uint32_t slots = VS_ELEMENT_BITS / width;
    uint64_t elements = dim / slots + (dim % slots != 0);
    uint64_t columns = elements / packing + (elements % packing != 0);
    if (dim > UINT32_MAX || columns > VS_COLUMNS_MAX - VS_MASK_COLUMNS) {
        return vs_fail(diag, VS_ERR_LIMIT, "dimension %llu needs %llu columns, more than %u",
                       (unsigned long long)dim, (unsigned long long)columns,
                       VS_COLUMNS_MAX - VS_MASK_COLUMNS);
    }
    *out = (vs_layout){
        .bits = bits,
        .max_clients = max_clients,
        .slot_width = width,
        .slots = slots,
        .dim = (uint32_t)dim,
        .elements = (uint32_t)elements,
        .columns = (uint32_t)columns,
        .packing = packing,
    };
    return VS_OK;
}

uint32_t vs_weight_digits(uint64_t max_weight, uint32_t bits)
{
    VS_ASSERT(bits >= 1 && bits <= 32);
    uint32_t len = 0; /* bits of max_weight */
    while (len < 64 && (max_weight >> len) != 0) len++;
    return (len + bits - 1) / bits;
}
