/* bench/ledger_impl.h - inside bench/: the parts of `bench ledger`. */
#ifndef VS_BENCH_LEDGER_IMPL_H
#define VS_BENCH_LEDGER_IMPL_H

#include "bench/ledger.h"
#include "ledger/log.h"

/* A log key of fixed bytes. */
typedef struct vs_bench_log_key {
    uint8_t seed[32];
    vs_note_key key;
} vs_bench_log_key;
VS_MUST_CHECK vs_err vs_bench_log_key_make(vs_bench_log_key *out, vs_diag *diag);

double vs_bench_now_us(void);
/* Sorts us[n]; p in 0..1. */
double vs_bench_quantile(double *us, uint32_t n, double p);
void vs_bench_say(const vs_bench_ledger_spec *spec, const char *fmt, ...) VS_PRINTF(2, 3);

VS_MUST_CHECK vs_err vs_bench_ledger_proofs_run(vs_bench_ledger_result *out, const char *dir,
                                                const vs_bench_ledger_spec *spec, vs_diag *diag);
/* Make a log of spec->rounds rounds in dir and audit it. */
VS_MUST_CHECK vs_err vs_bench_ledger_audit(vs_bench_ledger_result *out, const char *dir,
                                           const vs_bench_ledger_spec *spec, vs_diag *diag);

#endif /* VS_BENCH_LEDGER_IMPL_H */
