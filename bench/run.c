#include <stdio.h>
#include <string.h>

#include "bench/plan.h"
#include "mpc/pack.h"

static const struct {
    const char *name;
    vs_bench_op *op;
    bool threads; /* works on several */
} ops[] = {{"share", vs_bench_share, true},
           {"reconstruct", vs_bench_reconstruct, true},
           {"accumulate", vs_bench_accumulate, true},
           {"expand", vs_bench_expand, true},
           {"prove", vs_bench_prove, false},
           {"verify", vs_bench_verify, false},
           {"pack", vs_bench_pack, false},
           {"client", vs_bench_client, true},
           {"shareholder", vs_bench_shareholder, false}};
enum { N_OPS = sizeof ops / sizeof ops[0] };

const char *vs_bench_name(uint32_t i)
{
    return i < N_OPS ? ops[i].name : NULL;
}

static vs_err check_spec(const vs_bench_spec *spec, vs_diag *diag)
{
    const vs_committee c = {.n = spec->n, .t = spec->t, .k = spec->k};
    if (c.n < 2 || c.n > VS_SHAREHOLDERS_MAX || c.t < 1 || c.t >= c.n || c.k < 1 ||
        c.k > c.n - c.t) {
        return vs_fail(
            diag, VS_ERR_LIMIT,
            "bench: n %u, t %u, k %u: t and k are at least 1, t + k at most n, n at most "
            "%u",
            c.n, c.t, c.k, VS_SHAREHOLDERS_MAX);
    }
    if (spec->len < c.k || spec->len > VS_BENCH_LEN_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "bench: len %llu is not k (%u) to %llu",
                       (unsigned long long)spec->len, c.k, (unsigned long long)VS_BENCH_LEN_MAX);
    }
    if (strcmp(spec->name, "client") != 0 && spec->len / c.k > VS_COLUMNS_MAX - VS_MASK_COLUMNS) {
        return vs_fail(diag, VS_ERR_LIMIT, "bench: len / k is %llu columns, at most %u are allowed",
                       (unsigned long long)(spec->len / c.k), VS_COLUMNS_MAX - VS_MASK_COLUMNS);
    }
    if (spec->threads < 1 || spec->threads > VS_THREADS_MAX) {
        return vs_fail(diag, VS_ERR_LIMIT, "bench: threads %u is not 1 to %u", spec->threads,
                       VS_THREADS_MAX);
    }
    for (uint32_t i = 0; i < N_OPS; i++) {
        if (spec->threads > 1 && strcmp(spec->name, ops[i].name) == 0 && !ops[i].threads) {
            return vs_fail(diag, VS_ERR_LIMIT,
                           "bench: %s works on one thread: several are for share, reconstruct, "
                           "accumulate, expand and client",
                           spec->name);
        }
    }
    return VS_OK;
}

vs_err vs_bench_run(vs_bench_result *out, const vs_bench_spec *spec, vs_diag *diag)
{
    VS_ASSERT(out != NULL && spec != NULL && spec->name != NULL);
    memset(out, 0, sizeof *out);
    vs_err err = check_spec(spec, diag);
    if (err != VS_OK) return err;
    for (uint32_t i = 0; i < N_OPS; i++) {
        if (strcmp(spec->name, ops[i].name) != 0) continue;
        err = ops[i].op(out, spec, diag);
        if (err == VS_ERR_NOMEM) {
            return vs_fail(diag, err, "bench %s: no memory for len %llu", spec->name,
                           (unsigned long long)spec->len);
        }
        return err;
    }
    return vs_fail(diag, VS_ERR_LIMIT, "bench: \"%s\" is not a benchmark", spec->name);
}

void vs_bench_cpu(char *out, uint32_t cap)
{
    char line[256];
    (void)snprintf(out, cap, "unknown");
    FILE *f = fopen("/proc/cpuinfo", "r");
    if (f == NULL) return;
    while (fgets(line, sizeof line, f) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || colon == NULL) continue;
        line[strcspn(line, "\n")] = '\0';
        (void)snprintf(out, cap, "%s", colon + 1 + (colon[1] == ' '));
        break;
    }
    (void)fclose(f);
}
