#include "mpc/pack.h"

#include <string.h>

void vs_pack_columns(const vs_layout *layout, vs_fe *const *rows, const uint32_t *coords,
                     size_t coords_len, size_t cols)
{
    uint32_t k = layout->packing;
    size_t next = 0; /* coordinate */
    for (size_t c = 0; c < cols; c++) {
        for (uint32_t i = 0; i < k; i++) {
            uint64_t element = 0;
            /* S * w <= 60: no slot leaves the element and the element is canonical. */
            for (uint32_t s = 0; s < layout->slots && next < coords_len; s++, next++) {
                VS_VERIFY_CHECK(((uint64_t)coords[next] >> layout->bits) == 0);
                element |= (uint64_t)coords[next] << (s * layout->slot_width);
            }
            rows[i][c].v = element;
        }
    }
}

vs_err vs_unpack_columns(const vs_layout *layout, uint64_t *coords, size_t coords_cap,
                         const vs_fe *const *rows, size_t cols, uint64_t max_sum)
{
    uint32_t k = layout->packing;
    uint32_t width = layout->slot_width;
    uint64_t slot_mask = (UINT64_C(1) << width) - 1;
    size_t next = 0;
    uint64_t bad = 0;
    for (size_t c = 0; c < cols; c++) {
        for (uint32_t i = 0; i < k; i++) {
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
    }
    bad = vs_ct_mask(bad);
    VS_CT_PUBLIC(&bad, sizeof bad); /* the round is published or aborted on it */
    if (bad == 0) return VS_OK;
    memset(coords, 0, (next < coords_cap ? next : coords_cap) * sizeof *coords);
    return VS_ERR_LIMIT;
}
