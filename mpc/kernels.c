#include "mpc/kernels.h"

const vs_kernels *vs_kernels_get(void)
{
    return &vs_kernels_portable;
}
