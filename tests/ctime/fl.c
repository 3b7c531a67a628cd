/* Constant-time cases of fl/: what is claimed there. Sampling noise is not (fl/noise.h). */
#include <stddef.h>
#include <stdint.h>

#include "base/ct.h"
#include "fl/noise.h"
#include "fl/rotate.h"
#include "tests/ctime/ctime.h"

enum { N = 256 };

/* Coordinates and noise, beyond both ends too. */
static bool placing_noise(void)
{
    static uint32_t coords[N];
    static int64_t noise[N];
    for (int i = 0; i < N; i++) {
        coords[i] = (uint32_t)i % 101;
        noise[i] = (i % 5 - 2) * (INT64_C(1) << (i % 40));
    }
    VS_CT_SECRET(coords, sizeof coords);
    VS_CT_SECRET(noise, sizeof noise);
    vs_noise_place(coords, noise, N, 100, 65535);
    VS_CT_PUBLIC(coords, sizeof coords);
    bool good = true;
    for (int i = 0; i < N; i++) good = good && coords[i] <= 65535;
    return good;
}

static bool rotating(void)
{
    static const uint8_t seed[32] = {7};
    static double x[N];
    for (int i = 0; i < N; i++) x[i] = i;
    VS_CT_SECRET(x, sizeof x);
    vs_rotate_forward(x, seed, 0, N);
    vs_rotate_inverse(x, seed, 0, N);
    VS_CT_PUBLIC(x, sizeof x);
    return x[5] > 4.999 && x[5] < 5.001;
}

const vs_ctime_case vs_ctime_fl[] = {
    {"placing noise", placing_noise}, {"rotating", rotating}, {NULL, NULL}};
