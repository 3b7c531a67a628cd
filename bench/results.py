#!/usr/bin/env python3
"""Every run of docs/RESULTS.md: `veilsum simulate` beside plain federated averaging.

usage: results.py PROGRAM FOLDER --data DIR [--rounds R] [--only NAME] [--table]
Writes FOLDER/NAME.json, .csv, .svg and .txt for each run (one that is there is not repeated), FOLDER/results.md (the
table) and FOLDER/results.dat for the plot. --table: no new runs, only the table of those that are there.
"""
import argparse
import json
import os
import subprocess
import sys

# clients, sampled in a round, partition
CASES = [(10, 10, "iid"), (10, 10, "shards"), (100, 100, "iid"), (100, 100, "shards"), (100, 10, "iid"), (100, 10, "shards")]
BITS = [16, 12, 8]
# Which rows a client holds and who is sampled is drawn from the seed: it matters where clients differ.
SEEDS = {(10, 10, "shards"): 5, (100, 10, "shards"): 8}


def name_of(case, bits, seed):
    clients, sampled, partition = case
    return "%d%s-%s-%d%s" % (clients, "" if sampled == clients else "-tenth", partition, bits, "" if seed == 1 else "-s%d" % seed)


def wanted():
    """(name, case, bits, seed), the quick ones of each kind first."""
    for bits in BITS:
        for case in CASES:
            yield name_of(case, bits, 1), case, bits, 1
    for case, seeds in SEEDS.items():
        for seed in range(2, seeds + 1):
            yield name_of(case, 16, seed), case, 16, seed


def command(program, o, name, case, bits, seed):
    clients, sampled, partition = case
    line = [program, "simulate", "--data", o.data, "--hidden", "200", "--clients", str(clients)]
    if sampled != clients:
        line += ["--clients-per-round", str(sampled)]
    line += ["--partition", partition, "--rounds", str(o.rounds), "--clipping-range", "0.5", "--quantization-bits", str(bits)]
    return line + ["--seed", str(seed), "--json", name + ".json", "--csv", name + ".csv", "--picture", name + ".svg"]


def run(program, o, name, case, bits, seed):
    line = command(program, o, name, case, bits, seed)
    print("$ veilsum " + " ".join(line[1:]), file=sys.stderr)
    with open(os.path.join(o.folder, name + ".txt"), "w") as out:
        done = subprocess.run(line, cwd=o.folder, stdout=out, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr.strip())


def load(o, name):
    try:
        with open(os.path.join(o.folder, name + ".json")) as f:
            return json.load(f)
    except FileNotFoundError:
        return None


def percent(x):
    return "" if x is None else "%.2f" % (100 * x)


def table(o):
    yield "| clients, in a round | rows | plain | 16 bits | 12 bits | 8 bits | largest difference |"
    yield "|---|---|---|---|---|---|---|"
    for case in CASES:
        runs = [load(o, name_of(case, bits, 1)) for bits in BITS]
        if not any(runs):
            continue
        plain = next(r for r in runs if r)["plain_m10"]
        gap = max((r["m10"] - r["plain_m10"] for r in runs if r), key=abs)
        cells = ["%d, %d" % case[:2], case[2], percent(plain)]
        yield "| " + " | ".join(cells + [percent(r["m10"] if r else None) for r in runs] + ["%+.2f" % (100 * gap)]) + " |"
    yield ""
    yield "| clients, in a round | rows | seeds | plain: mean (least to most) | 16 bits | largest difference |"
    yield "|---|---|---|---|---|---|"
    for case, seeds in SEEDS.items():
        runs = [r for r in (load(o, name_of(case, 16, seed)) for seed in range(1, seeds + 1)) if r]
        if not runs:
            continue
        cells = ["%d, %d" % case[:2], case[2], str(len(runs))]
        for key in ("plain_m10", "m10"):
            all_of = [r[key] for r in runs]
            cells.append("%s (%s to %s)" % (percent(sum(all_of) / len(runs)), percent(min(all_of)), percent(max(all_of))))
        gap = max((r["m10"] - r["plain_m10"] for r in runs), key=abs)
        yield "| " + " | ".join(cells + ["%+.2f" % (100 * gap)]) + " |"


def write_plot_data(o):
    """One block for each case (bench/results.gnuplot names them): round, private at 8 bits, plain."""
    with open(os.path.join(o.folder, "results.dat"), "w") as out:
        for case in CASES:
            r = load(o, name_of(case, 8, 1)) or load(o, name_of(case, 16, 1))
            for row in r["rounds"] if r else []:
                out.write("%d %.4f %.4f\n" % (row["round"], 100 * row["accuracy"], 100 * row["plain_accuracy"]))
            out.write("\n\n" if r else "0 NaN NaN\n\n\n")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program")
    p.add_argument("folder")
    p.add_argument("--data", required=True)
    p.add_argument("--rounds", type=int, default=50)
    p.add_argument("--only")
    p.add_argument("--table", action="store_true")
    o = p.parse_args()
    o.data = os.path.abspath(o.data) if os.path.isdir(o.data) else o.data
    os.makedirs(o.folder, exist_ok=True)
    for name, case, bits, seed in wanted():
        if not o.table and o.only in (None, name) and load(o, name) is None:
            run(os.path.abspath(o.program), o, name, case, bits, seed)
    write_plot_data(o)
    lines = "\n".join(table(o)) + "\n"
    with open(os.path.join(o.folder, "results.md"), "w") as out:
        out.write(lines)
    sys.stdout.write(lines)


if __name__ == "__main__":
    main()
