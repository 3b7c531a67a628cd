#include <stdlib.h>

#include "mpc/locate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { M_MAX = 24 };

/* Property: a decodable word has at most floor((m - r) / 2) wrong symbols, and each of the others
 * lies on the polynomial of degree < r through the first r of them. Small values and r near m make
 * codewords likely. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vs_reader in = vs_reader_of(data, size);
    uint32_t m = vs_read_u8(&in) % (M_MAX + 1);
    uint32_t r = 1 + vs_read_u8(&in) % M_MAX;
    uint32_t t = vs_read_u8(&in) % 8;
    uint32_t points[M_MAX];
    vs_fe2 symbols[M_MAX];
    uint32_t next = 1;
    for (uint32_t i = 0; i < m; i++) {
        next += vs_read_u8(&in) % 4;
        points[i] = next++;
        symbols[i] = (vs_fe2){{vs_read_u8(&in)}, {vs_read_u8(&in)}};
    }
    if (in.bad) return 0;
    vs_location l;
    VS_ASSERT(vs_locate(&l, points, symbols, m, r, t) == VS_OK);
    VS_ASSERT(!l.certain || l.decodable);
    if (!l.decodable) return 0;
    VS_ASSERT(m >= r && l.n_wrong <= (m - r) / 2);
    VS_ASSERT(l.certain == (m - r - l.n_wrong >= t));

    uint32_t right[M_MAX];
    uint32_t n_right = 0;
    for (uint32_t i = 0; i < m; i++) {
        if (!l.wrong[i]) right[n_right++] = i;
    }
    VS_ASSERT(n_right == m - l.n_wrong && n_right >= r);
    for (uint32_t i = 0; i < m; i++) {
        vs_fe2 at = {{0}, {0}};
        for (uint32_t a = 0; a < r; a++) { /* Lagrange, by the book */
            vs_fe num = {1};
            vs_fe den = {1};
            for (uint32_t b = 0; b < r; b++) {
                if (b == a) continue;
                vs_fe xb = vs_fe_of_u64(points[right[b]]);
                num = vs_fe_mul(num, vs_fe_sub(vs_fe_of_u64(points[i]), xb));
                den = vs_fe_mul(den, vs_fe_sub(vs_fe_of_u64(points[right[a]]), xb));
            }
            at = vs_fe2_add(at, vs_fe2_scale(symbols[right[a]], vs_fe_mul(num, vs_fe_inv(den))));
        }
        VS_ASSERT(l.wrong[i] == !vs_fe2_equal(at, symbols[i]));
    }
    return 0;
}
