/* The program: file limits, the command, and an exit status that is 0 only if all output arrived.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/rng.h"
#include "cli/blas.h"
#include "cli/commands.h"

enum { FILES_WANTED = 65536 };

/* A socket per client and shareholder; what the system allows is enough where it allows less. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    rlim_t want = limit.rlim_max < FILES_WANTED ? limit.rlim_max : FILES_WANTED;
    if (limit.rlim_cur >= want) return;
    limit.rlim_cur = want;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* A crash must not write keys and shares to disk. */
static void refuse_core_dumps(void)
{
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
}

int main(int argc, char **argv)
{
    if (argc > 0) vs_blas_set_environment(argv);
    (void)vs_rng_system(); /* starts libsodium before any thread exists */
    raise_file_limit();
    refuse_core_dumps();
    int status = vs_commands_main(argc > 0 ? argc - 1 : 0, argv + 1);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fprintf(stderr, "veilsum: cannot write to standard output: %s\n", strerror(errno));
        if (status == VS_EXIT_OK) status = VS_EXIT_FAILED;
    }
    return status;
}
