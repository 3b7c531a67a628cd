/* The choice between instruction sets. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "mpc/isa.h"
#include "mpc/kernels.h"
#include "tests/support.h"

static const char *const NAMES[] = {"portable", "avx2", "avx512"};

Test(kernels, the_best_of_the_machine_is_chosen)
{
    const char *best = NULL;
    for (size_t i = 0; i < 3; i++) {
        if (vs_kernels_by_name(NAMES[i]) != NULL) best = NAMES[i];
    }
    unsetenv("VEILSUM_ISA");
    cr_assert_str_eq(vs_isa_name(), best);
    cr_expect_eq(vs_kernels_get(), vs_kernels_by_name(best));
    cr_expect_eq(vs_kernels_get(), vs_kernels_get());
}

Test(kernels, an_empty_name_is_no_name)
{
    setenv("VEILSUM_ISA", "", 1);
    cr_expect_not_null(vs_isa_name());
}

static void expect_forced(const char *name)
{
    if (vs_kernels_by_name(name) == NULL) return; /* its own test program is skipped */
    setenv("VEILSUM_ISA", name, 1);
    cr_assert_str_eq(vs_isa_name(), name);
    setenv("VEILSUM_ISA", "portable", 1); /* too late: it does not change any more */
    cr_assert_str_eq(vs_isa_name(), name);
}

Test(kernels, portable_can_be_forced)
{
    expect_forced("portable");
}

Test(kernels, avx2_can_be_forced)
{
    expect_forced("avx2");
}

Test(kernels, avx512_can_be_forced)
{
    expect_forced("avx512");
}

Test(kernels, an_unknown_name_ends_the_program, .exit_code = 2)
{
    setenv("VEILSUM_ISA", "AVX512", 1);
    (void)vs_kernels_get();
}

Test(kernels, the_list_names_what_is_supported)
{
    for (size_t i = 0; i < 3; i++) {
        cr_expect_eq(vs_isa_supported(NAMES[i]), strstr(vs_isa_list(), NAMES[i]) != NULL);
    }
    cr_expect_not(vs_isa_supported("sse2"));
    cr_expect_not(vs_isa_supported(""));
    cr_expect(vs_isa_supported("portable"));
}
