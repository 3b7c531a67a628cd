#include "base/rng.h"

#include <sodium.h>

static vs_err fill_system(void *ctx, void *out, size_t len)
{
    (void)ctx;
    randombytes_buf(out, len);
    return VS_OK;
}

vs_rng vs_rng_system(void)
{
    VS_ASSERT(sodium_init() >= 0);
    return (vs_rng){.fill = fill_system, .ctx = NULL};
}
