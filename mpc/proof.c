#include "mpc/proof.h"

#include <sodium.h>

#include "mpc/kernels.h"
#include "mpc/params.h"

void vs_power_sum_start(vs_power_sum *s, vs_fe2 rho)
{
    s->sum = (vs_fe2){{0}, {0}};
    s->power = (vs_fe2){{1}, {0}};
    vs_fe2 power = rho;
    for (size_t i = 0; i < VS_POWER_TABLE; i++) {
        s->rho.re[i] = power.re;
        s->rho.im[i] = power.im;
        power = vs_fe2_mul(power, rho);
    }
}

/* With power = rho^position, a block adds power * sum over i of rho^(i+1) x[i]. */
static void add_block(vs_power_sum *s, vs_fe2 block, size_t count)
{
    s->sum = vs_fe2_add(s->sum, vs_fe2_mul(s->power, block));
    s->power = vs_fe2_mul(s->power, (vs_fe2){s->rho.re[count - 1], s->rho.im[count - 1]});
}

void vs_power_sum_update(vs_power_sum *s, const vs_fe *x, size_t count)
{
    const vs_kernels *kernels = vs_kernels_get();
    while (count > 0) {
        size_t part = count < VS_POWER_TABLE ? count : VS_POWER_TABLE;
        add_block(s, kernels->inner(&s->rho, x, part), part);
        x += part;
        count -= part;
    }
}

void vs_proof_start(vs_proof_acc *acc, vs_fe2 rho, uint32_t columns)
{
    VS_ASSERT(columns <= VS_COLUMNS_MAX - VS_MASK_COLUMNS);
    vs_power_sum_start(&acc->weighted, rho);
    acc->mask = (vs_fe2){{0}, {0}};
    acc->position = 0;
    acc->columns = columns;
}

void vs_proof_update(vs_proof_acc *acc, const vs_fe *x, size_t count)
{
    VS_ASSERT(count <= (size_t)acc->columns + VS_MASK_COLUMNS - acc->position);
    uint32_t left = acc->position < acc->columns ? acc->columns - acc->position : 0;
    size_t data = count < left ? count : left;
    vs_power_sum_update(&acc->weighted, x, data);
    acc->position += (uint32_t)data;
    for (size_t i = data; i < count; i++, acc->position++) { /* B: added as it is */
        if (acc->position == acc->columns) {
            acc->mask.re = x[i];
        } else {
            acc->mask.im = x[i];
        }
    }
}

void vs_proof_update_add(vs_proof_acc *acc, vs_fe *sum, const vs_fe *x, size_t count)
{
    const vs_kernels *kernels = vs_kernels_get();
    VS_ASSERT(acc->position <= acc->columns && count <= acc->columns - acc->position);
    acc->position += (uint32_t)count;
    while (count > 0) {
        size_t part = count < VS_POWER_TABLE ? count : VS_POWER_TABLE;
        add_block(&acc->weighted, kernels->add_inner(sum, &acc->weighted.rho, x, part), part);
        sum += part;
        x += part;
        count -= part;
    }
}

vs_fe2 vs_proof_final(vs_proof_acc *acc)
{
    VS_ASSERT(acc->position == acc->columns + VS_MASK_COLUMNS);
    vs_fe2 w = vs_fe2_add(acc->weighted.sum, acc->mask);
    sodium_memzero(acc, sizeof *acc);
    return w;
}

vs_fe2 vs_proof_eval(const vs_fe2 *w, uint32_t r, uint32_t j)
{
    VS_ASSERT(r >= 1 && r <= VS_SHAREHOLDERS_MAX);
    VS_ASSERT(j >= 1 && j <= VS_SHAREHOLDERS_MAX);
    if (j <= r) return w[j - 1];
    /* Backward differences at x = r, then j - r steps: additions only (see kernels_portable.c).
     * Equal to Lagrange's formula, since W has degree < r. */
    vs_fe2 diff[VS_SHAREHOLDERS_MAX];
    for (uint32_t i = 0; i < r; i++) diff[i] = w[r - 1 - i];
    for (uint32_t level = 1; level < r; level++) {
        for (uint32_t i = r - 1; i >= level; i--) diff[i] = vs_fe2_sub(diff[i - 1], diff[i]);
    }
    for (uint32_t x = r; x < j; x++) {
        for (uint32_t i = r - 1; i-- > 0;) diff[i] = vs_fe2_add(diff[i], diff[i + 1]);
    }
    return diff[0];
}
