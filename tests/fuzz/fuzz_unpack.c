#include <string.h>

#include "mpc/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COLS = 6, K_MAX = 4, COORDS_MAX = COLS * K_MAX * 30 };

/* Property: sums are accepted only if they lie in range and packing them again, in 128-bit
 * arithmetic, gives the same elements; else everything is zero. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_reader r = vs_reader_of(data, size);
    vs_layout l;
    uint32_t bits = vs_read_u8(&r);
    uint32_t clients = vs_read_u32(&r);
    uint32_t k = 1 + vs_read_u8(&r) % K_MAX;
    uint32_t cols = vs_read_u8(&r) % (COLS + 1);
    uint64_t max_sum = vs_read_u64(&r) >> 4;
    uint32_t cap = vs_read_u32(&r) % (COORDS_MAX + 1);
    if (r.bad || vs_layout_make(&l, bits, clients, k, 1000, NULL) != VS_OK) return 0;

    vs_fe row[K_MAX][COLS];
    const vs_fe *rows[K_MAX];
    uint64_t coords[COORDS_MAX];
    memset(coords, 0xaa, sizeof coords);
    for (uint32_t i = 0; i < k; i++) {
        rows[i] = row[i];
        for (uint32_t c = 0; c < cols; c++) row[i][c] = vs_fe_of_u64(vs_read_u64(&r));
    }
    bool ok = vs_unpack_columns(&l, coords, cap, rows, cols, max_sum) == VS_OK;
    size_t filled = cap < (size_t)k * l.slots * cols ? cap : (size_t)k * l.slots * cols;
    for (size_t i = filled; i < COORDS_MAX; i++)
        VS_ASSERT(coords[i] == UINT64_C(0xaaaaaaaaaaaaaaaa));
    for (size_t i = 0; i < filled; i++) VS_ASSERT(coords[i] <= (ok ? max_sum : 0));
    for (uint32_t e = 0; ok && e < k * cols; e++) {
        vs_u128 want = 0;
        for (uint32_t s = 0; s < l.slots; s++) {
            size_t i = (size_t)e * l.slots + s;
            if (i < filled) want += (vs_u128)coords[i] << (s * l.slot_width);
        }
        VS_ASSERT(want == row[e % k][e / k].v);
    }
    return 0;
}
