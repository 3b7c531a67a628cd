#define ISA "portable"
#define ISA_SUITE kernels_portable
#include "tests/mpc/kernel_cases.h"
