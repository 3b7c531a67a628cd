#define ISA "avx2"
#define ISA_SUITE kernels_avx2
#include "tests/mpc/kernel_cases.h"
