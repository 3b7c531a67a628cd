/* cli/bench_ledger.h - `veilsum bench ledger`: its figures as text and JSON. */
#ifndef VS_CLI_BENCH_LEDGER_H
#define VS_CLI_BENCH_LEDGER_H

#include "cli/args.h"

/* Runs it by the options of `bench`; the exit status. */
int vs_bench_ledger_command(const vs_args *args);

#endif /* VS_CLI_BENCH_LEDGER_H */
