#!/usr/bin/env python3
"""Runs `veilsum bench` over the usual committees and instruction sets.

usage: report.py PROGRAM FOLDER COMPILER_AND_FLAGS [BENCH OPTIONS]
Writes FOLDER/bench.csv, FOLDER/bench.md (the table of docs/BENCHMARKS.md) and FOLDER/share.dat for the plot.
"""
import datetime
import json
import os
import subprocess
import sys

SHARE = [(3, 1, 1), (5, 1, 2), (7, 2, 3), (10, 3, 4), (16, 5, 6), (5, 2, 1), (10, 4, 1)]
OTHERS = ["reconstruct", "accumulate", "expand", "prove", "verify", "pack", "client", "shareholder"]
ISAS = ["avx512", "avx2", "portable"]


def run(program, isa, name, committee, more):
    n, t, k = committee
    command = [program, "bench", name, "--n", str(n), "--t", str(t), "--k", str(k), "--json", *more]
    done = subprocess.run(command, env={**os.environ, "VEILSUM_ISA": isa}, capture_output=True, text=True)
    if done.returncode == 2:  # this machine does not have that instruction set
        return None
    if done.returncode != 0:
        sys.exit(done.stderr.strip())
    print("  %-8s %-12s (%d,%d,%d)" % (isa, name, n, t, k), file=sys.stderr)
    return json.loads(done.stdout)


def csv_lines(b):
    param = "n=%d t=%d k=%d len=%d isa=%s threads=%d" % (b["n"], b["t"], b["k"], b["len"], b["isa"], b["threads"])

    def line(name, unit, median, p10="", p90="", least=""):
        return ",".join(str(x) for x in (name, param, b["reps"], unit, median, p10, p90, least))

    yield line(b["name"], "ns/element", b["ns_per_element"], b["p10"], b["p90"], b["min"])
    figures = {"floor_prg": b["floor"]["prg"], "floor_memory": b["floor"]["memory"], "gmp": b["baseline_gmp_ns"],
               "flint": b["baseline_flint_ns"], "isal": b["baseline_isal_ns"], "hash_many": b["hash_many_ns"], **(b["parts"] or {})}
    for key, value in figures.items():
        if value is not None:
            yield line(b["name"] + "." + key, "ns/element", value)
    for key in ("ratio_to_floor", "ratio_to_accumulate", "ratio_to_parts", "ratio_to_own_parts"):
        if b[key] is not None:
            yield line(b["name"] + "." + key, "ratio", b[key])


def cell(x, form="%.2f"):
    return "" if x is None else form % x


def md_line(b):
    ns = b["ns_per_element"]
    times = [None if b[key] is None else b[key] / ns for key in ("baseline_gmp_ns", "baseline_flint_ns", "baseline_isal_ns")]
    cells = [b["name"], b["isa"], "%d,%d,%d" % (b["n"], b["t"], b["k"]), cell(ns), cell(b["ratio_to_floor"]),
             cell(times[0], "%.0f"), cell(times[1], "%.1f"), cell(times[2], "%.1f"),
             cell(b["ratio_to_accumulate"] or b["ratio_to_parts"])]
    return "| " + " | ".join(cells) + " |"


def main():
    program, folder, compiler, more = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    results = []
    for isa in ISAS:
        for name, committee in [("share", c) for c in SHARE] + [(o, (10, 3, 4)) for o in OTHERS]:
            b = run(program, isa, name, committee, more)
            if b is None:
                break
            results.append(b)
    with open(folder + "/bench.csv", "w") as f:
        f.write("# %s, %s, %s, %s\n" % (commit, datetime.date.today(), results[0]["cpu"], compiler))
        f.write("name,param,reps,unit,median,p10,p90,min\n")
        for b in results:
            f.writelines(line + "\n" for line in csv_lines(b))
    with open(folder + "/bench.md", "w") as f:
        f.write("| bench | isa | n,t,k | ns per element | of the floor | x GMP | x FLINT | x ISA-L | of accumulate or parts |\n")
        f.write("|---|---|---|---|---|---|---|---|---|\n")
        f.writelines(md_line(b) + "\n" for b in results)
    with open(folder + "/share.dat", "w") as f:
        best = results[0]["isa"]
        for b in results:
            if b["name"] == "share" and b["isa"] == best:
                values = [b["ns_per_element"], b["floor"]["prg"], b["floor"]["memory"], b["baseline_isal_ns"],
                          b["baseline_flint_ns"], b["baseline_gmp_ns"]]
                shown = ["nan" if v is None else "%.4f" % v for v in values]
                f.write('"%d,%d,%d" %s\n' % (b["n"], b["t"], b["k"], " ".join(shown)))


main()
