/* Constant-time tests; run by `./dev ctime` under valgrind or built with MemorySanitizer. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <valgrind/memcheck.h>

#include "tests/ctime/ctime.h"

int main(void)
{
    int status = EXIT_SUCCESS;
#ifdef VS_CTIME_MSAN /* net/ is full of libraries that are not built with it */
    static const vs_ctime_case *const lists[] = {vs_ctime_mpc};
#else
    static const vs_ctime_case *const lists[] = {vs_ctime_mpc, vs_ctime_fl, vs_ctime_net};
    if (!RUNNING_ON_VALGRIND) {
        (void)fprintf(stderr, "run under valgrind: ./dev ctime\n");
        return EXIT_FAILURE;
    }
#endif
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        for (const vs_ctime_case *c = lists[i]; c->run != NULL; c++) {
            if (c->run()) continue;
            (void)fprintf(stderr, "ctime: %s: wrong result\n", c->name);
            status = EXIT_FAILURE;
        }
    }
    return status;
}
