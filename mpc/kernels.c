/* The only place that chooses between instruction sets. */
#include "mpc/kernels.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mpc/isa.h"

/* The tests' tiny primes have the portable table only: the others know 2^61 - 1 by heart. */
#if defined(__x86_64__) && VS_FIELD_BITS == 61
#define HAS_X86_TABLES 1
#include <cpuid.h>
#else
#define HAS_X86_TABLES 0
#endif

typedef struct isa {
    const vs_kernels *kernels;
    bool (*runs_here)(void);
} isa;

#if HAS_X86_TABLES

/* CPUID feature bits (Intel SDM vol. 2, CPUID leaves 1 and 7). */
#define LEAF1_ECX_AES (1u << 25)
#define LEAF1_ECX_OSXSAVE (1u << 27)
#define LEAF7_EBX_AVX2 (1u << 5)
#define LEAF7_EBX_AVX512 ((1u << 16) | (1u << 17) | (1u << 21) | (1u << 30) | (1u << 31))
/*                        F            DQ           IFMA         BW           VL */
#define LEAF7_ECX_VAES (1u << 9)
/* XCR0: registers that the operating system saves. */
#define XCR0_YMM 0x06u
#define XCR0_ZMM 0xe6u

static uint32_t xcr0(void)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool cpu_has(uint32_t leaf7_ebx, uint32_t leaf7_ecx, uint32_t saved)
{
    uint32_t eax;
    uint32_t ebx;
    uint32_t ecx;
    uint32_t edx;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0) return false;
    if ((ecx & LEAF1_ECX_OSXSAVE) == 0 || (ecx & LEAF1_ECX_AES) == 0) return false;
    if ((xcr0() & saved) != saved) return false;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
    return (ebx & leaf7_ebx) == leaf7_ebx && (ecx & leaf7_ecx) == leaf7_ecx;
}

static bool has_avx2(void)
{
    return cpu_has(LEAF7_EBX_AVX2, 0, XCR0_YMM);
}

static bool has_avx512(void)
{
    return cpu_has(LEAF7_EBX_AVX2 | LEAF7_EBX_AVX512, LEAF7_ECX_VAES, XCR0_ZMM);
}

#endif

static bool always(void)
{
    return true;
}

static const isa ISAS[] = {
    /* best last */
    {&vs_kernels_portable, always},
#if HAS_X86_TABLES
    {&vs_kernels_avx2, has_avx2},
    {&vs_kernels_avx512, has_avx512},
#endif
};
enum { N_ISAS = sizeof ISAS / sizeof ISAS[0] };

const vs_kernels *vs_kernels_by_name(const char *name)
{
    for (size_t i = 0; i < N_ISAS; i++) {
        if (strcmp(ISAS[i].kernels->name, name) == 0) {
            return ISAS[i].runs_here() ? ISAS[i].kernels : NULL;
        }
    }
    return NULL;
}

/* How many run: the first does everywhere, and whoever runs a set runs those before it. */
static size_t n_running(void)
{
    size_t n = 1;
    while (n < N_ISAS && ISAS[n].runs_here()) n++;
    return n;
}

static const vs_kernels *best(void)
{
    return ISAS[n_running() - 1].kernels;
}

static const vs_kernels *choose(void)
{
    const char *name = getenv("VEILSUM_ISA");
    if (name == NULL || name[0] == '\0') return best();
    const vs_kernels *kernels = vs_kernels_by_name(name);
    if (kernels == NULL) {
        (void)fprintf(stderr, "veilsum: VEILSUM_ISA=%.20s cannot run here; this machine has: %s\n",
                      name, vs_isa_list());
        exit(2);
    }
    return kernels;
}

const vs_kernels *vs_kernels_get(void)
{
    /* Never changes once it is set; two threads that come first at once store the same. */
    static _Atomic(const vs_kernels *) chosen;
    const vs_kernels *kernels = atomic_load_explicit(&chosen, memory_order_acquire);
    if (kernels == NULL) {
        kernels = choose();
        atomic_store_explicit(&chosen, kernels, memory_order_release);
    }
    return kernels;
}

const char *vs_isa_name(void)
{
    return vs_kernels_get()->name;
}

bool vs_isa_supported(const char *name)
{
    return vs_kernels_by_name(name) != NULL;
}

const char *vs_isa_list(void)
{
    static const char *const lists[] = {"portable", "portable avx2", "portable avx2 avx512"};
    return lists[n_running() - 1];
}
