#include <math.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "bench/bench.h"
#include "cli/bench_ledger.h"
#include "cli/commands.h"
#include "cli/out.h"
#include "mpc/isa.h"

#define NAMES "share|reconstruct|accumulate|expand|prove|verify|pack|client|shareholder|ledger"

/* null where it does not apply. */
static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *parts_json(const vs_bench_result *r)
{
    if (r->n_parts == 0) return json_null();
    json_t *parts = json_object();
    for (uint32_t i = 0; i < r->n_parts; i++) {
        (void)json_object_set_new(parts, r->part[i].name, number(r->part[i].ns));
    }
    return parts;
}

static int print_json(const vs_bench_spec *s, const vs_bench_result *r)
{
    char cpu[200];
    vs_bench_cpu(cpu, sizeof cpu);
    const double ns = r->time.median;
    json_t *out =
        json_pack("{s:s, s:s, s:i, s:i, s:i, s:I, s:o, s:o, s:{s:o, s:o}, s:o, s:o, s:o, s:o, s:o}",
                  "name", s->name, "isa", vs_isa_name(), "n", (int)s->n, "t", (int)s->t, "k",
                  (int)s->k, "len", (json_int_t)r->len, "ns_per_element", number(ns), "gb_per_s",
                  number(r->gb_per_s), "floor", "prg", number(r->floor_prg), "memory",
                  number(r->floor_memory), "ratio_to_floor", number(r->ratio_to_floor),
                  "baseline_gmp_ns", number(r->gmp), "speedup_gmp", number(r->gmp / ns),
                  "baseline_flint_ns", number(r->flint), "baseline_isal_ns", number(r->isal));
    json_t *more = json_pack(
        "{s:o, s:o, s:o, s:i, s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "p10", number(r->time.p10),
        "p90", number(r->time.p90), "min", number(r->time.min), "reps", (int)r->reps, "threads",
        (int)s->threads, "cpu", cpu, "ratio_to_accumulate", number(ns / r->accumulate), "parts",
        parts_json(r), "ratio_to_parts", number(r->ratio_to_parts), "hash_many_ns",
        number(r->hash_many), "ratio_to_own_parts", number(r->ratio_to_own_parts), "peak_memory_mb",
        number(r->peak_memory_mb));
    if (out == NULL || more == NULL || json_object_update(out, more) != 0) {
        json_decref(out);
        out = NULL;
    }
    json_decref(more);
    return vs_out_json(out);
}

static void line(vs_table *t, const char *what, double value, const char *unit)
{
    if (!isfinite(value)) return;
    vs_table_cell(t, "%s", what);
    vs_table_cell(t, "%.3f", value);
    vs_table_cell(t, "%s", unit);
}

static int print_table(const vs_bench_spec *s, const vs_bench_result *r)
{
    const double ns = r->time.median;
    vs_table t = {.columns = 3, .right = 2};
    printf("%s, %s: n %u, t %u, k %u, len %llu, %u samples, %u thread%s\n", s->name, vs_isa_name(),
           s->n, s->t, s->k, (unsigned long long)r->len, r->reps, s->threads,
           s->threads == 1 ? "" : "s");
    line(&t, "median", ns, "ns per element");
    line(&t, "p10", r->time.p10, "ns per element");
    line(&t, "p90", r->time.p90, "ns per element");
    line(&t, "throughput", r->gb_per_s, "GB/s read and written");
    line(&t, "floor: PRG alone", r->floor_prg, "ns per element");
    line(&t, "floor: memory alone", r->floor_memory, "ns per element");
    line(&t, "ratio to floor", r->ratio_to_floor, "of the larger floor's speed");
    line(&t, "GMP", r->gmp / ns, "times slower (k = 1)");
    line(&t, "FLINT", r->flint / ns, "times slower (k = 1)");
    line(&t, "ISA-L", r->isal / ns, "times slower (k = 1)");
    line(&t, "accumulate alone", r->accumulate, "ns per element");
    line(&t, "ratio to accumulate", ns / r->accumulate, "times its time");
    for (uint32_t i = 0; i < r->n_parts; i++) {
        line(&t, r->part[i].name, r->part[i].ns, "ns per element, unavoidable");
    }
    line(&t, "ratio to parts", r->ratio_to_parts, "times their sum");
    line(&t, "hash, many leaves at once", r->hash_many, "ns per element, our own code");
    line(&t, "ratio with that hash", r->ratio_to_own_parts, "times the sum with it");
    line(&t, "peak memory", r->peak_memory_mb, "MiB, whole process");
    int status = vs_table_print(&t, stdout);
    vs_table_free(&t);
    return status;
}

static int run_bench(const vs_args *args)
{
    const vs_bench_spec spec = {.name = vs_args_positional(args, 0),
                                .n = (uint32_t)vs_args_uint(args, "n"),
                                .t = (uint32_t)vs_args_uint(args, "t"),
                                .k = (uint32_t)vs_args_uint(args, "k"),
                                .len = vs_args_uint(args, "len"),
                                .threads = (uint32_t)vs_args_uint(args, "threads"),
                                .reps = (uint32_t)vs_args_uint(args, "reps"),
                                .bits = (uint32_t)vs_args_uint(args, "bits"),
                                .max_clients = (uint32_t)vs_args_uint(args, "max-clients"),
                                .baselines = true};
    if (strcmp(spec.name, "ledger") == 0) return vs_bench_ledger_command(args);
    bool known = false;
    for (uint32_t i = 0; vs_bench_name(i) != NULL; i++) {
        known = known || strcmp(spec.name, vs_bench_name(i)) == 0;
    }
    if (!known) {
        return vs_args_usage(args, "\"%.40s\" is not a benchmark: give one of " NAMES, spec.name);
    }
    vs_bench_result result;
    vs_diag diag;
    vs_err err = vs_bench_run(&result, &spec, &diag);
    if (err != VS_OK) return vs_out_fail(&diag);
    return vs_args_flag(args, "json") ? print_json(&spec, &result) : print_table(&spec, &result);
}

static const vs_opt options[] = {
    {.name = "n",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .min = 2,
     .max = 128,
     .fallback = "5",
     .help = "Shareholders."},
    {.name = "t",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .min = 1,
     .max = 127,
     .fallback = "1",
     .help = "Privacy threshold: any t shareholders learn nothing."},
    {.name = "k",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .min = 1,
     .max = 127,
     .fallback = "2",
     .help = "Elements packed into one polynomial."},
    {.name = "len",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .min = 1,
     .max = VS_BENCH_LEN_MAX,
     .fallback = "4000000",
     .help = "Packed elements of 8 bytes, k for each column; client: coordinates."},
    {.name = "threads",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .min = 1,
     .max = 256,
     .fallback = "1",
     .help = "Threads, for share, reconstruct, accumulate, expand and client. With more than one, "
             "wall time is measured."},
    {.name = "reps",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .min = 0,
     .max = VS_BENCH_REPS_MAX,
     .fallback = "0",
     .help = "Samples. 0: what takes about two seconds, 7 to 201."},
    {.name = "bits",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .min = 1,
     .max = 32,
     .fallback = "16",
     .help = "Bits of a quantised coordinate, for pack and client."},
    {.name = "max-clients",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .min = 2,
     .max = 32768,
     .fallback = "128",
     .help = "Clients whose sum must fit a slot, for pack and client."},
    {.name = "dir",
     .arg = "DIR",
     .kind = VS_OPT_TEXT,
     .fallback = ".",
     .help = "ledger: the disk to measure; a folder is made in it and removed."},
    {.name = "entries",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .min = 2,
     .max = 1000000,
     .fallback = "1000000",
     .help = "ledger: the largest tree for proofs."},
    {.name = "rounds",
     .arg = "N",
     .kind = VS_OPT_UINT,
     .min = 0,
     .max = 100000,
     .fallback = "1000",
     .help = "ledger: rounds of the log that is audited; 0: no audit."},
    VS_OPT_JSON,
    {0}};

static const vs_positional positionals[] = {
    {.name = "NAME",
     .min = 1,
     .max = 1,
     .help = "What to measure: share, reconstruct, accumulate, expand, prove, verify, pack, client "
             "(real numbers to sealed bytes), shareholder (one submission opened, hashed, "
             "checked, added) or ledger (durable appends, proofs, audit)."},
    {0}};

const vs_command vs_cmd_bench = {
    .name = "bench",
    .summary = "measure one operation beside what bounds it",
    .description =
        "Runs the operation many times on fixed data and prints the median in thread CPU time. In "
        "the same run it measures the floors that no implementation can pass (the "
        "pseudo-random generator alone; its memory read and written alone) and, for share and "
        "reconstruct, plain Shamir on GMP, one element at a time. Builds of `./dev bench` also "
        "measure FLINT and ISA-L. The result of the operation is checked before it is timed.\n\n"
        "ledger is measured otherwise: entries made durable one by one and in batches of 256, in "
        "turn "
        "with bare fsyncs of the same disk (wall time); inclusion and consistency proofs at 1,000, "
        "100,000 and 1,000,000 entries; the audit of 1,000 rounds with real signatures and sums. "
        "It "
        "takes some minutes.\n\n"
        "The environment variable VEILSUM_ISA (portable, avx2, avx512) chooses the instruction "
        "set.",
    .options = options,
    .positionals = positionals,
    .examples = "veilsum bench share --n 7 --t 2 --k 3\n"
                "veilsum bench reconstruct --n 10 --t 3 --k 4 --json\n"
                "VEILSUM_ISA=avx2 veilsum bench accumulate --len 1000000\n"
                "veilsum bench ledger --dir /var/lib --json",
    .run = run_bench};
