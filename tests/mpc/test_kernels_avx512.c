#define ISA "avx512"
#define ISA_SUITE kernels_avx512
#include "tests/mpc/kernel_cases.h"
