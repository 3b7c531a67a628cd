#include "cli/blas.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool has_avx512(void)
{
    char line[8192];
    bool found = false;
    FILE *in = fopen("/proc/cpuinfo", "r");
    if (in == NULL) return false;
    while (!found && fgets(line, sizeof line, in) != NULL) {
        found = strncmp(line, "flags", 5) == 0 && strstr(line, " avx512f") != NULL &&
                strstr(line, " avx512dq") != NULL && strstr(line, " avx512bw") != NULL &&
                strstr(line, " avx512vl") != NULL;
    }
    (void)fclose(in);
    return found;
}

void vs_blas_set_environment(char *const *argv)
{
    const char *threads = getenv("OPENBLAS_NUM_THREADS");
    const bool one_thread = threads != NULL && strcmp(threads, "1") == 0;
    const bool core = getenv("OPENBLAS_CORETYPE") == NULL && has_avx512();
    if (one_thread && !core) return;
    if (setenv("OPENBLAS_NUM_THREADS", "1", 1) != 0) return; /* else it would go on for ever */
    if (core && setenv("OPENBLAS_CORETYPE", "SkylakeX", 1) != 0) return;
    (void)execv("/proc/self/exe", argv);
}
