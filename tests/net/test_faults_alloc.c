/* Every allocation of a shareholder, a client and the aggregator fails in some run. Our libraries'
 * calls of the allocator are led here by the linker (tests/extra.cmake). */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tests/net/support_fault_loop.h"
#include "tests/net/support_fed.h"
#include "tests/support.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *text);
void *__real_sodium_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *text);
void *__wrap_sodium_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
    return vs_fault_alloc_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return vs_fault_alloc_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return vs_fault_alloc_fails() ? NULL : __real_realloc(p, size);
}

char *__wrap_strdup(const char *text)
{
    return vs_fault_alloc_fails() ? NULL : __real_strdup(text);
}

void *__wrap_sodium_malloc(size_t size)
{
    return vs_fault_alloc_fails() ? NULL : __real_sodium_malloc(size);
}

/* A process that cannot have memory stops, comes back and goes on, or does without. */
static void never_lost(uint32_t actor, uint32_t stride, uint32_t at_least)
{
    vs_fault_loop l = vs_fault_loop_run(VS_FAULT_ALLOC, actor, false, stride);
    cr_expect_geq(l.places, at_least, "%u", l.places);
    cr_expect_eq(l.results + l.aborts, l.places, "%u and %u of %u", l.results, l.aborts, l.places);
    cr_expect_geq(l.results, l.places - l.places / 20, "%u of %u", l.results, l.places);
}

/* Every allocation of its start, none left out. */
Test(faults_alloc, of_a_starting_shareholder)
{
    vs_test_fed *tf = vs_test_federation_new(NULL);
    vs_fault fault = {.kind = VS_FAULT_ALLOC, .fired = true};
    uint64_t k = 0;
    while (fault.fired) {
        vs_store store;
        vs_shareholder *sh = NULL;
        vs_test_rng rng = {.seed = 5};
        vs_diag diag = {{0}};
        fault = (vs_fault){.kind = VS_FAULT_ALLOC, .at = ++k};
        cr_assert_eq(vs_store_mem_open(&store), VS_OK);
        vs_fault_alloc_begin(&fault);
        vs_err err = vs_shareholder_new(&sh, tf->fed, tf->shareholder[0], store,
                                        vs_test_rng_of(&rng), 1000, &diag);
        vs_fault_alloc_end();
        cr_assert(err == VS_ERR_NOMEM || !fault.fired || sh != NULL, "%s", diag.text);
        vs_shareholder_free(sh);
        vs_store_mem_close(&store);
    }
    cr_expect_gt(k, 8);
    vs_test_federation_free(tf);
}

Test(faults_alloc, of_a_client)
{
    never_lost(VS_SIM_CLIENT, 7, 15);
}

Test(faults_alloc, of_a_shareholder)
{
    never_lost(FAULT_VECTOR_HOLDER, 17, 20);
}

Test(faults_alloc, of_the_aggregator)
{
    never_lost(VS_PEER_AGGREGATOR, 29, 20);
}
