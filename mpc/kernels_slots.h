/* mpc/kernels_slots.h - coordinates into slots and back, with the number of slots known to the
 * compiler for the usual ones. Included by each table of kernels, compiled with its flags. */
#ifndef VS_MPC_KERNELS_SLOTS_H
#define VS_MPC_KERNELS_SLOTS_H

#include "mpc/kernels.h"
#include "mpc/kernels_slots_pairs.h"

/* S * w <= 60: no slot leaves the element and the element is canonical. */
static inline __attribute__((always_inline)) void slots_pack(const vs_layout *layout,
                                                             uint32_t slots, vs_fe *const *rows,
                                                             size_t first, const uint32_t *coords,
                                                             size_t cols)
{
    uint32_t width = layout->slot_width;
    for (uint32_t i = 0; i < layout->packing; i++) {
        const uint32_t *next = coords + (size_t)i * slots;
        vs_fe *row = rows[i] + first;
        for (size_t c = 0; c < cols; c++, next += (size_t)layout->packing * slots) {
            uint64_t element = 0;
            for (uint32_t s = slots; s-- > 0;) {
                VS_VERIFY_CHECK(((uint64_t)next[s] >> layout->bits) == 0);
                element = element << width | next[s];
            }
            row[c].v = element;
        }
    }
}

static inline __attribute__((always_inline)) uint64_t
slots_unpack(const vs_layout *layout, uint32_t slots, uint64_t *coords, const vs_fe *const *rows,
             size_t first, size_t cols, uint64_t max_sum)
{
    uint32_t width = layout->slot_width;
    uint64_t slot_mask = (UINT64_C(1) << width) - 1;
    uint64_t bad = 0;
    for (uint32_t i = 0; i < layout->packing; i++) {
        uint64_t *next = coords + (size_t)i * slots;
        const vs_fe *row = rows[i] + first;
        for (size_t c = 0; c < cols; c++, next += (size_t)layout->packing * slots) {
            uint64_t element = row[c].v;
            for (uint32_t s = 0; s < slots; s++, element >>= width) {
                uint64_t slot = element & slot_mask;
                next[s] = slot;
                bad |= (max_sum - slot) >> 63; /* both below 2^63: set iff slot > max_sum */
            }
            bad |= element; /* what lies above the slots */
        }
    }
    return bad;
}

/* Two slots: vectors, then single columns. */
static inline void slots_pack_pairs(const vs_layout *layout, vs_fe *const *rows, size_t first,
                                    const uint32_t *coords, size_t cols)
{
    vs_fe *rest[VS_SHAREHOLDERS_MAX];
    const size_t done = slots_pairs(layout, rows, first, coords, cols);
    for (size_t i = 0; i < done * layout->packing * 2; i++) {
        VS_VERIFY_CHECK(((uint64_t)coords[i] >> layout->bits) == 0);
    }
    for (uint32_t i = 0; i < layout->packing; i++) rest[i] = rows[i] + done;
    slots_pack(layout, 2, rest, first, coords + done * layout->packing * 2, cols - done);
}

static void vs_slots_pack(const vs_layout *layout, vs_fe *const *rows, size_t first,
                          const uint32_t *coords, size_t cols)
{
    switch (layout->slots) {
    case 1: slots_pack(layout, 1, rows, first, coords, cols); break;
    case 2: slots_pack_pairs(layout, rows, first, coords, cols); break;
    case 3: slots_pack(layout, 3, rows, first, coords, cols); break;
    case 4: slots_pack(layout, 4, rows, first, coords, cols); break;
    case 5: slots_pack(layout, 5, rows, first, coords, cols); break;
    default: slots_pack(layout, layout->slots, rows, first, coords, cols); break;
    }
}

static uint64_t vs_slots_unpack(const vs_layout *layout, uint64_t *coords, const vs_fe *const *rows,
                                size_t first, size_t cols, uint64_t max_sum)
{
    switch (layout->slots) {
    case 1: return slots_unpack(layout, 1, coords, rows, first, cols, max_sum);
    case 2: return slots_unpack(layout, 2, coords, rows, first, cols, max_sum);
    case 3: return slots_unpack(layout, 3, coords, rows, first, cols, max_sum);
    case 4: return slots_unpack(layout, 4, coords, rows, first, cols, max_sum);
    case 5: return slots_unpack(layout, 5, coords, rows, first, cols, max_sum);
    default: return slots_unpack(layout, layout->slots, coords, rows, first, cols, max_sum);
    }
}

#endif /* VS_MPC_KERNELS_SLOTS_H */
