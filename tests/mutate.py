#!/usr/bin/env python3
"""Mutation testing of mpc/: change one operator or constant, and some test must fail.

    python3 tests/mutate.py [--sample N] [--seed S] [--jobs J] [--seconds T] [--again OUTPUT]
                            [--sanitize] [--list] [FILE...]

Without FILE: the portable files of mpc/. The sources are copied below build/mutate/<worker> and
built there by our own CMake (shared libraries, -O1, no sanitizers unless --sanitize), so the tree
stays as it is.
The tests of the mutated module run first; a mutant is dead at the first failing test, crash or
time-out. Mutants that do not compile are not counted. Exit status 1: a survivor that
tests/mutate_equivalent.txt does not explain.

The same SAMPLE and SEED take the same mutants; --seconds stops starting new ones after T.
"""
import argparse
import collections
import filecmp
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EQUIVALENT = os.path.join(ROOT, "tests", "mutate_equivalent.txt")
DEFAULT = ["mpc/%s.c" % name for name in (
    "params", "field", "prg", "sharing", "share_stream", "reconstruct", "pack", "commit", "proof",
    "locate", "lagrange", "kernels_portable")] + ["mpc/field.h", "mpc/kernels_slots.h"]

# Our sources are formatted by clang-format: a binary operator has a space on both sides (or the
# end of the line behind it), a pointer's * and an address-of & have not.
BINARY = {
    "<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"],
    "==": ["!="], "!=": ["=="], "&&": ["||"], "||": ["&&"],
    "+": ["-"], "-": ["+"], "*": ["+"], "/": ["*"], "%": ["/"],
    "<<": [">>"], ">>": ["<<"], "&": ["|"], "|": ["&"], "^": ["|"],
    "+=": ["-="], "-=": ["+="], "*=": ["+="], "|=": ["&="], "&=": ["|="], "^=": ["|="],
    "<<=": [">>="], ">>=": ["<<="],
}
TOKEN = re.compile(
    r"(?<= )(?P<binary><<=|>>=|<=|>=|==|!=|&&|\|\||<<|>>|[-+*/|&^]=|[-+*/%<>&|^])(?= |\n)"
    r"|(?P<step>\+\+|--)"
    r"|(?P<unary>[!~](?=[\w(~!]))"
    r"|(?P<number>\b(?:0[xX][0-9a-fA-F]+|[0-9]+)(?=[uUlL]*\b))")
# Not code, or code that this build leaves out; blanked, so that offsets stay.
SKIP = re.compile(
    r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
    r"|^[ \t]*#[ \t]*(?!define)(?:\\\n|[^\n])*|\bVS_VERIFY_CHECK\([^;]*;|\b_?[Ss]tatic_assert\([^;]*;",
    re.S | re.M)

Mutant = collections.namedtuple("Mutant", "path offset line old new")


def blank(text):
    return SKIP.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def replacements(match):
    token = match.group()
    if match.lastgroup == "binary":
        return BINARY[token]
    if match.lastgroup == "step":
        return ["--" if token == "++" else "++"]
    if match.lastgroup == "unary":
        return [""]
    value = int(token, 0)
    hexadecimal = token[:2].lower() == "0x"
    changed = [value + 1] + ([value - 1] if value > 0 else [])
    return [hex(v) if hexadecimal else str(v) for v in changed]


def mutants_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        code = blank(f.read())
    found = []
    for match in TOKEN.finditer(code):
        line = code.count("\n", 0, match.start()) + 1
        found += [Mutant(path, match.start(), line, match.group(), new) for new in replacements(match)]
    return found


def source_line(m):
    with open(os.path.join(ROOT, m.path), encoding="utf-8") as f:
        return f.read().split("\n")[m.line - 1].strip()


def describe(m):
    return "%s:%d: '%s' -> '%s'   in: %s" % (m.path, m.line, m.old, m.new, source_line(m))


def column(m):
    """Which one of the same tokens of its line: 1, 2, ..."""
    return [x.offset for x in mutants_of(m.path)
            if x.line == m.line and x.old == m.old and x.new == m.new].index(m.offset) + 1


def key(m):
    return "%s | %s | %s -> %s | %d" % (m.path, source_line(m), m.old, m.new, column(m))


def explained():
    """Lines `path | text of the line | old -> new | which of them`, below one line of reason."""
    if not os.path.exists(EQUIVALENT):
        return set()
    with open(EQUIVALENT, encoding="utf-8") as f:
        return {line.strip() for line in f if line.startswith("mpc/")}


class Worker:
    """A copy of the sources with its own build."""

    def __init__(self, folder, sanitize):
        self.flags = "-O1 -w" + (" -fsanitize=address,undefined -fno-sanitize-recover=all" if sanitize else "")
        self.source = os.path.join(folder, "source")
        self.build = os.path.join(folder, "build")
        tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, text=True,
                                 stdout=subprocess.PIPE).stdout.split()
        for name in tracked:
            self.copy(name)
        for folder, _, names in os.walk(self.source):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.relpath(path, self.source) not in tracked:
                    os.remove(path)
        names = sorted(os.listdir(os.path.join(self.source, "tests", "mpc")))
        self.tests = [n[5:-2] for n in names if n.startswith("test_") and n.endswith(".c")]
        self.seconds = {}
        self.deps = {}
        self.stale = set()  # tests built with a mutant in them

    def copy(self, name):
        """Only when it differs, and then with the time of now: ninja goes by times, and a kept
        time would leave an object of the last run's mutant in place."""
        source, target = os.path.join(ROOT, name), os.path.join(self.source, name)
        if not os.path.exists(source):
            return
        if not os.path.exists(target) or not filecmp.cmp(source, target, shallow=False):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(source, target)

    def run(self, command, seconds=600):
        """Exit status, or None after a time-out. The whole process group ends with it."""
        process = subprocess.Popen(command, cwd=self.build, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   start_new_session=True, env=dict(os.environ, OPENBLAS_NUM_THREADS="1", ASAN_OPTIONS="detect_odr_violation=0"))
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()

    def ninja(self, *targets):
        return self.run(["ninja", *targets])

    def prepare(self):
        os.makedirs(self.build, exist_ok=True)
        configured = self.run(["cmake", "-S", self.source, "-B", self.build, "-G", "Ninja",
                               "-DBUILD_SHARED_LIBS=ON", "-DCMAKE_LINK_DEPENDS_NO_SHARED=ON",
                               "-DCMAKE_C_FLAGS=" + self.flags])
        targets = ["test_mpc_" + t for t in self.tests]
        if configured != 0 or self.ninja(*targets) != 0:
            sys.exit("mutate: the unchanged sources do not build: run ninja in " + self.build)
        for test in self.tests:
            start = time.monotonic()
            if self.run(["./test_mpc_" + test, "--fail-fast"]) != 0:
                sys.exit("mutate: %s fails on the unchanged sources" % test)
            self.seconds[test] = time.monotonic() - start
            listing = subprocess.run(
                ["ninja", "-t", "deps", "CMakeFiles/test_mpc_%s.dir/tests/mpc/test_%s.c.o" % (test, test)],
                cwd=self.build, text=True, stdout=subprocess.PIPE, check=True).stdout
            self.deps[test] = {os.path.relpath(os.path.join(self.build, line.strip()), self.source)
                               for line in listing.split("\n")[1:] if line.strip()}

    def order(self, mutant, kills):
        """The module's own tests, then what killed most so far, then the quick ones."""
        stem = os.path.basename(mutant.path).split(".")[0]
        return sorted(self.tests, key=lambda t: (not t.startswith(stem), -kills[mutant.path, t],
                                                 self.seconds[t]))

    def bring_up(self, test, mutant):
        """Rebuild a program that contains the mutant, or still contains one before it."""
        if mutant.path in self.deps[test]:
            self.stale.add(test)
        elif test in self.stale:
            self.stale.remove(test)
        else:
            return True
        return self.ninja("test_mpc_" + test) == 0

    def try_mutant(self, mutant, kills):
        """'invalid', 'survived', or the name of the test that saw it."""
        path = os.path.join(self.source, mutant.path)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        end = mutant.offset + len(mutant.old)
        assert text[mutant.offset:end] == mutant.old
        with open(path, "w", encoding="utf-8") as f:
            f.write(text[:mutant.offset] + mutant.new + text[end:])
        try:
            if self.ninja("vs_mpc") != 0:
                return "invalid"
            for test in self.order(mutant, kills):
                if not self.bring_up(test, mutant):
                    return "invalid"
                limit = 10 + 8 * self.seconds[test]
                status = self.run(["./test_mpc_" + test, "--fail-fast"], limit)
                if status != 0:
                    return "time-out" if status is None else test
            return "survived"
        finally:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)


def work(worker, todo, results, kills, lock, deadline):
    while time.monotonic() < deadline:
        try:
            mutant = todo.get_nowait()
        except queue.Empty:
            return
        outcome = worker.try_mutant(mutant, kills)
        with lock:
            results[mutant] = outcome
            kills[mutant.path, outcome] += 1
            if outcome == "survived":
                print("survived  " + describe(mutant), flush=True)


def report(results, known):
    dead = collections.Counter()
    total = collections.Counter()
    unexplained = []
    equivalent = 0
    for mutant, outcome in sorted(results.items()):
        if outcome == "invalid":
            continue
        total[mutant.path] += 1
        if outcome != "survived":
            dead[mutant.path] += 1
        elif key(mutant) in known:
            equivalent += 1
        else:
            unexplained.append(mutant)
    print("\n%-28s %8s %8s %8s" % ("file", "mutants", "killed", "%"))
    for path in sorted(total):
        print("%-28s %8d %8d %8.1f" % (path, total[path], dead[path], 100 * dead[path] / total[path]))
    n, killed = sum(total.values()), sum(dead.values())
    print("%-28s %8d %8d %8.1f" % ("all", n, killed, 100 * killed / max(n, 1)))
    seen = collections.Counter(o for o in results.values() if o not in ("survived", "invalid"))
    print("killed by: " + ", ".join("%s %d" % pair for pair in seen.most_common()))
    print("%d did not compile (not counted); %d survivors are explained, %d are not"
          % (len(results) - n, equivalent, len(unexplained)))
    for mutant in unexplained:
        print("unexplained  " + key(mutant))
    return unexplained


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", default=DEFAULT, metavar="FILE")
    parser.add_argument("--sample", type=int, default=0, help="this many mutants (0: all)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--again", metavar="FILE", help="only the unexplained mutants of this output of an earlier run")
    parser.add_argument("--sanitize", action="store_true", help="with the address and undefined-behaviour sanitizers")
    parser.add_argument("--list", action="store_true", help="print the mutants and stop")
    options = parser.parse_args()
    mutants = [m for path in options.files for m in mutants_of(path)]
    print("%d mutants in %d files" % (len(mutants), len(options.files)), flush=True)
    if options.again:
        with open(options.again, encoding="utf-8") as f:
            wanted = {line.split("unexplained", 1)[1].strip() for line in f if line.startswith("unexplained ")}
        mutants = [m for m in mutants if key(m) in wanted]
    random.Random(options.seed).shuffle(mutants)
    mutants = mutants[:options.sample or None]
    if options.list:
        print("\n".join(describe(m) for m in sorted(mutants)))
        return 0
    folder = "mutate-sanitized" if options.sanitize else "mutate"
    workers = [Worker(os.path.join(ROOT, "build", folder, str(i)), options.sanitize) for i in range(options.jobs)]
    for worker in workers:
        worker.prepare()
        control = Mutant(options.files[0], 0, 1, "", "")
        if worker.try_mutant(control, collections.Counter()) != "survived":
            sys.exit("mutate: a source rewritten without a change does not pass: is the machine overloaded?")
    todo = queue.SimpleQueue()
    for mutant in mutants:
        todo.put(mutant)
    results, kills, lock = {}, collections.Counter(), threading.Lock()
    deadline = time.monotonic() + options.seconds
    threads = [threading.Thread(target=work, args=(w, todo, results, kills, lock, deadline)) for w in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(results) < len(mutants):
        print("stopped after %g s: %d of %d mutants tried" % (options.seconds, len(results), len(mutants)))
    return 1 if report(results, explained()) else 0


if __name__ == "__main__":
    sys.exit(main())
