#include "cli/bench_ledger.h"

#include <stdio.h>
#include <unistd.h>

#include <jansson.h>

#include "bench/bench.h"
#include "bench/ledger.h"
#include "cli/out.h"

static void say(void *ctx, const char *text)
{
    (void)ctx;
    (void)fprintf(stderr, "\r\033[K%s", text);
}

static json_t *proofs_json(const vs_bench_ledger_result *r)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < r->n_proofs; i++) {
        const vs_bench_ledger_proofs *p = &r->proofs[i];
        json_t *item =
            json_pack("{s:I, s:f, s:f, s:f, s:f, s:f}", "entries", (json_int_t)p->size,
                      "prove_inclusion_us", p->prove_inclusion, "verify_inclusion_us",
                      p->verify_inclusion, "prove_consistency_us", p->prove_consistency,
                      "verify_consistency_us", p->verify_consistency, "build_s", p->build_s);
        if (json_array_append_new(list, item) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static int print_json(const vs_bench_ledger_spec *s, const vs_bench_ledger_result *r)
{
    char cpu[200];
    vs_bench_cpu(cpu, sizeof cpu);
    return vs_out_json(json_pack(
        "{s:s, s:s, s:i, s:i, s:{s:f, s:f, s:f, s:f}, s:{s:f, s:f, s:f, s:f, s:f}, s:{s:f, s:f, "
        "s:f}, s:o, s:{s:i, s:I, s:f, s:f, s:f, s:f}}",
        "name", "ledger", "cpu", cpu, "entry_bytes", (int)s->entry_bytes, "batch", (int)s->batch,
        "fsync", "median_us", r->fsync_us, "p10_us", r->fsync_p10, "p90_us", r->fsync_p90, "per_s",
        r->fsyncs_per_s, "append_one", "median_us", r->single_us, "p10_us", r->single_p10, "p90_us",
        r->single_p90, "entries_per_s", r->single_per_s, "ratio_to_fsync", r->single_to_fsync,
        "append_batch", "median_us", r->batch_us, "entries_per_s", r->batch_per_s, "ratio_to_fsync",
        r->batch_to_fsync, "proofs", proofs_json(r), "audit", "rounds", (int)r->rounds, "entries",
        (json_int_t)r->round_entries, "make_s", r->make_s, "export_s", r->export_s, "ledger_s",
        r->audit_s, "published_s", r->audit_published_s));
}

static int print_text(const vs_bench_ledger_spec *s, const vs_bench_ledger_result *r)
{
    vs_table t = {.columns = 6, .right = 0x3e};
    (void)printf("entries of %u bytes, medians of wall time\n"
                 "fsync             %10.0f us %12.0f per s\n"
                 "append, one       %10.0f us %12.0f entries per s, %.2f of the fsync rate\n"
                 "append, batch %-4u%10.0f us %12.0f entries per s, %.1f of the fsync rate\n\n",
                 s->entry_bytes, r->fsync_us, r->fsyncs_per_s, r->single_us, r->single_per_s,
                 r->single_to_fsync, s->batch, r->batch_us, r->batch_per_s, r->batch_to_fsync);
    const char *head[] = {"proofs, us",        "inclusion: made", "checked",
                          "consistency: made", "checked",         "built in s"};
    for (uint32_t i = 0; i < 6; i++) vs_table_cell(&t, "%s", head[i]);
    for (uint32_t i = 0; i < r->n_proofs; i++) {
        const vs_bench_ledger_proofs *p = &r->proofs[i];
        vs_table_cell(&t, "%llu", (unsigned long long)p->size);
        vs_table_cell(&t, "%.1f", p->prove_inclusion);
        vs_table_cell(&t, "%.1f", p->verify_inclusion);
        vs_table_cell(&t, "%.1f", p->prove_consistency);
        vs_table_cell(&t, "%.1f", p->verify_consistency);
        vs_table_cell(&t, "%.1f", p->build_s);
    }
    int status = vs_table_print(&t, stdout);
    vs_table_free(&t);
    if (r->rounds > 0) {
        (void)printf("\naudit of %u rounds (%llu entries): %.1f s from the ledger, %.1f s from the "
                     "published log\n(made in %.1f s, exported in %.1f s)\n",
                     r->rounds, (unsigned long long)r->round_entries, r->audit_s,
                     r->audit_published_s, r->make_s, r->export_s);
    }
    return status;
}

int vs_bench_ledger_command(const vs_args *args)
{
    vs_bench_ledger_result r;
    vs_diag diag = {{0}};
    uint64_t most = vs_args_uint(args, "entries");
    vs_bench_ledger_spec spec = {.dir = vs_args_text(args, "dir"),
                                 .reps = (uint32_t)vs_args_uint(args, "reps"),
                                 .batch = 256,
                                 .entry_bytes = 1000,
                                 .rounds = (uint32_t)vs_args_uint(args, "rounds"),
                                 .progress = isatty(STDERR_FILENO) ? say : NULL};
    static const uint64_t sizes[] = {1000, 100000, 1000000};
    for (uint32_t i = 0; i < 3 && sizes[i] <= most; i++) spec.size[spec.n_sizes++] = sizes[i];
    if (spec.n_sizes < 3 && (spec.n_sizes == 0 || spec.size[spec.n_sizes - 1] < most)) {
        spec.size[spec.n_sizes++] = most;
    }
    vs_err err = vs_bench_ledger(&r, &spec, &diag);
    if (spec.progress != NULL) (void)fprintf(stderr, "\r\033[K");
    if (err != VS_OK) return vs_out_fail(&diag);
    return vs_args_flag(args, "json") ? print_json(&spec, &r) : print_text(&spec, &r);
}
