#include "mpc/pack.h"

#include <string.h>

#include "mpc/kernels.h"

void vs_pack_columns(const vs_layout *layout, vs_fe *const *rows, const uint32_t *coords,
                     size_t coords_len, size_t cols)
{
    uint32_t k = layout->packing;
    size_t per_column = (size_t)k * layout->slots;
    size_t whole = coords_len / per_column < cols ? coords_len / per_column : cols;
    vs_kernels_get()->pack(layout, rows, 0, coords, whole);
    size_t next = whole * per_column; /* coordinate */
    for (size_t c = whole; c < cols; c++) {
        for (uint32_t i = 0; i < k; i++) {
            uint64_t element = 0;
            for (uint32_t s = 0; s < layout->slots && next < coords_len; s++, next++) {
                VS_VERIFY_CHECK(((uint64_t)coords[next] >> layout->bits) == 0);
                element |= (uint64_t)coords[next] << (s * layout->slot_width);
            }
            rows[i][c].v = element;
        }
    }
}

/* Column c, the first coordinate of which is number next: the kernel's work where some
 * coordinates are padding. */
static uint64_t unpack_end(const vs_layout *layout, uint64_t *coords, size_t coords_cap,
                           const vs_fe *const *rows, size_t c, size_t next, uint64_t max_sum)
{
    uint32_t width = layout->slot_width;
    uint64_t slot_mask = (UINT64_C(1) << width) - 1;
    uint64_t bad = 0;
    for (uint32_t i = 0; i < layout->packing; i++) {
        uint64_t element = rows[i][c].v;
        for (uint32_t s = 0; s < layout->slots; s++, next++, element >>= width) {
            uint64_t slot = element & slot_mask;
            if (next >= coords_cap) {
                bad |= slot; /* padding */
                continue;
            }
            coords[next] = slot;
            bad |= (max_sum - slot) >> 63; /* both below 2^63: set iff slot > max_sum */
        }
        bad |= element; /* what lies above the slots */
    }
    return bad;
}

vs_err vs_unpack_columns(const vs_layout *layout, uint64_t *coords, size_t coords_cap,
                         const vs_fe *const *rows, size_t cols, uint64_t max_sum)
{
    size_t per_column = (size_t)layout->packing * layout->slots;
    size_t whole = coords_cap / per_column < cols ? coords_cap / per_column : cols;
    uint64_t bad = vs_kernels_get()->unpack(layout, coords, rows, 0, whole, max_sum);
    for (size_t c = whole; c < cols; c++) {
        bad |= unpack_end(layout, coords, coords_cap, rows, c, c * per_column, max_sum);
    }
    bad = vs_ct_mask(bad);
    VS_CT_PUBLIC(&bad, sizeof bad); /* the round is published or aborted on it */
    if (bad == 0) return VS_OK;
    size_t written = cols * per_column < coords_cap ? cols * per_column : coords_cap;
    memset(coords, 0, written * sizeof *coords);
    return VS_ERR_LIMIT;
}
