#!/usr/bin/env python3
"""The vector files of docs/VECTORS.md without veilsum: an implementation of its own.

    vectors.py generate --n 5 --t 1 --k 2 --len 20 --bits 8 --max-clients 10 --seed 00ff
    vectors.py generate --suite errors --seed 01
    vectors.py files FOLDER             the committed files are what their seeds give
    vectors.py program PROGRAM FOLDER   the program prints these bytes, small and large
    vectors.py check PROGRAM            the program accepts files that are made here
    vectors.py tamper PROGRAM FOLDER    the program names every member that was changed

FOLDER holds index.txt: a line for each file, with the options that make it. A line that starts
with sha256: is a file too large to keep. Standard library only.
"""
import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from error_cases import error_cases  # noqa: E402
from vector_files import (  # noqa: E402
    Draw, RECONSTRUCTION, core_object, manifest_cases, quantiser_cases, reconstruction_case,
    chunk_cases, records_cases, redraw_cases, sealing_cases, text, update_cases)

SUITES = {
    "reconstruction": lambda d: [reconstruction_case(d, i) for i in range(len(RECONSTRUCTION))],
    "sealing": sealing_cases,
    "manifest": manifest_cases,
    "records": records_cases,
    "quantiser": quantiser_cases,
    "redraw": redraw_cases,
    "errors": error_cases,
    "update": update_cases,
    "chunk": chunk_cases,
}
NUMBERS = ("n", "t", "k", "len", "bits", "max_clients")


def options(words):
    parser = argparse.ArgumentParser()
    for name in NUMBERS:
        parser.add_argument("--" + name.replace("_", "-"), type=int)
    parser.add_argument("--suite", choices=SUITES)
    parser.add_argument("--seed", type=bytes.fromhex, required=True)
    return parser.parse_args(words)


def generate(words):
    o = options(words)
    if o.suite:
        cases = list(SUITES[o.suite](Draw(o.seed, o.suite + "/")))
        return text({"suite": o.suite, "seed": o.seed.hex(), "cases": cases})
    return text(core_object(*[getattr(o, name) for name in NUMBERS], Draw(o.seed)))


def index(folder):
    with open(os.path.join(folder, "index.txt"), encoding="ascii") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                name, *words = line.split()
                yield name, words


def run(program, *words):
    done = subprocess.run([program, "vectors", *words], capture_output=True, text=True, timeout=300,
                          check=False)
    return done.returncode, done.stdout, done.stderr


def fail(message):
    sys.exit("vectors.py: " + message)


def files(folder):
    count, listed = 0, {"index.txt"}
    for name, words in index(folder):
        if name.startswith("sha256:"):
            continue
        listed.add(name)
        with open(os.path.join(folder, name), encoding="ascii", newline="") as file:
            if file.read() != generate(words):
                fail(f"{name} is not what {' '.join(words)} gives")
        count += 1
    extra = set(os.listdir(folder)) - listed
    if extra:
        fail(f"not in index.txt: {sorted(extra)}")
    print(f"{count} files are what their seeds give")


def program_prints(program, folder):
    for name, words in index(folder):
        status, out, err = run(program, "generate", *words)
        if status != 0:
            fail(f"{' '.join(words)}: status {status}: {err}")
        mine = generate(words)
        if name.startswith("sha256:"):
            digest = hashlib.sha256(out.encode()).hexdigest()
            if name != "sha256:" + digest or out != mine:
                fail(f"{' '.join(words)}: sha256 {digest}, here "
                     f"{hashlib.sha256(mine.encode()).hexdigest()}, in index.txt {name}")
        else:
            with open(os.path.join(folder, name), encoding="ascii", newline="") as file:
                if out != file.read():
                    fail(f"{name}: the program prints other bytes")
        print("same:", name, *words)


# Seeds and numbers that are in no committed file.
OTHERS = [
    "--n 2 --t 1 --k 1 --len 1 --bits 1 --max-clients 2 --seed 99",
    "--n 6 --t 2 --k 3 --len 77 --bits 9 --max-clients 33 --seed " + "5a" * 64,
    "--n 9 --t 8 --k 1 --len 40 --bits 31 --max-clients 1000 --seed 0102",
    *["--suite %s --seed 7e57" % suite for suite in SUITES],
]


def program_accepts(program):
    with tempfile.TemporaryDirectory() as folder:
        for i, line in enumerate(OTHERS):
            path = os.path.join(folder, f"{i}.json")
            with open(path, "w", encoding="ascii", newline="") as file:
                file.write(generate(line.split()))
            seed = line.split()[-1]
            for words in (["check", path], ["check", "--seed", seed, path]):
                status, out, err = run(program, *words)
                if status != 0 or out != f"{path}: ok\n":
                    fail(f"{line}: status {status}: {out}{err}")
            print("accepted:", line)


# --- tampering ---------------------------------------------------------------------------------


def changed(value):
    """The same kind of value, changed in one place that shows."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value * 2 + 1
    if isinstance(value, str):
        if value.isdigit() and len(value) < 22:
            return str(int(value) ^ 1)
        last = value[-1:] or "0"
        return value[:-1] + ("0" if last != "0" else "1") if value else "00"
    if isinstance(value, list):
        return value[:-1] + [changed(value[-1])] if value else ["0"]
    if isinstance(value, dict):
        key = list(value)[-1]
        return {**value, key: changed(value[key])}
    return "0"  # null


def places(data):
    """(what must be named, a changed copy) for every member of a file."""
    for key in data:
        if key == "cases":
            continue
        yield key, {**data, key: changed(data[key])}
        yield key, {k: v for k, v in data.items() if k != key}
    yield "extra", {**data, "extra": 1}
    seen = {}
    for i, case in enumerate(data.get("cases", [])):
        for key in case:
            kind = case.get("kind"), key
            seen[kind] = seen.get(kind, 0) + 1
            if seen[kind] > 2:
                continue  # two cases of each kind show it
            cases = list(data["cases"])
            cases[i] = {**case, key: changed(case[key])}
            yield f"cases[{i}].{key}", {**data, "cases": cases}
    if "cases" in data:
        yield "cases", {**data, "cases": data["cases"][:-1]}


def tamper(program, folder):
    """All changed copies of a file are checked by one process, the first by one of its own too."""
    count = 0
    for name, words in index(folder):
        full = os.path.join(folder, name)
        if name.startswith("sha256:") or os.path.getsize(full) > 60000:
            continue
        with open(full, encoding="ascii") as file:
            data = json.load(file)
        seed = [] if "suite" in data else ["--seed", words[-1]]
        with tempfile.TemporaryDirectory() as temp:
            members = {}
            for member, copy in places(data):
                if member == "seed" and "seed" not in copy:
                    continue  # without its seed a suite is checked from its inputs alone
                path = os.path.join(temp, f"{len(members)}.json")
                members[path] = member
                with open(path, "w", encoding="ascii") as file:
                    json.dump(copy, file)
            count += len(members)
            expect_named(name, members, *run(program, "check", *seed, *members))
            first = dict(list(members.items())[:1])
            expect_named(name, first, *run(program, "check", *seed, *first))
    print(f"{count} changes, every one named")


def expect_named(name, members, status, out, err):
    if status != 1 or out:
        fail(f"{name}: status {status}, accepted: {out}")
    for path, member in members.items():
        lines = [line for line in err.splitlines() if path + ":" in line]
        if not any(member in line for line in lines):
            fail(f"{name}: {member} was changed: {lines}")


def main(words):
    command, rest = (words[0], words[1:]) if words else ("", [])
    if command == "generate":
        sys.stdout.write(generate(rest))
    elif command == "files" and len(rest) == 1:
        files(*rest)
    elif command == "program" and len(rest) == 2:
        program_prints(*rest)
    elif command == "check" and len(rest) == 1:
        program_accepts(*rest)
    elif command == "tamper" and len(rest) == 2:
        tamper(*rest)
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
