#!/usr/bin/env python3
"""Durability of the ledger: crash.py VICTIM [--seconds S | --all] [--only strace|power].

strace: the victim appends and exports; every openat, write, pwrite64, fsync, fdatasync, rename,
        link, unlink, mkdir and ftruncate of it in turn fails with EIO or ENOSPC, or is where SIGKILL
        hits. Then fsck of the ledger and of the published folder must find nothing, all that was
        acknowledged is there, and the next run goes on.
power:  after each fsync in turn the power goes: what was not synced is gone, wholly or (three
        mixtures by a fixed seed) here and there.
With --seconds the cases are taken in an order that spreads over all of them until time is up."""
import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

CALLS = ["openat", "write", "pwrite64", "fsync", "fdatasync", "rename", "link", "unlink", "mkdir",
         "ftruncate"]
FAULTS = ["error=EIO", "error=ENOSPC", "signal=KILL"]
ENV = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:abort_on_error=0", LSAN_OPTIONS="")


class Bed:
    """A folder with the states that cases start from: nothing, 2 entries, 254 entries (the next
    appends fill tiles), each closed cleanly; and one that was killed."""

    def __init__(self, victim):
        self.victim = victim
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # no disk to wait for
        self.top = tempfile.mkdtemp(prefix="veilsum-crash-", dir=memory)
        self.n = 0
        self.starts = {}
        empty = os.path.join(self.top, "start-0")
        os.mkdir(empty)
        self.starts["empty"] = (empty, 0, 0)
        grown = os.path.join(self.top, "start-grown")
        os.mkdir(grown)
        for _ in range(63):
            self.run(grown)
        self.starts["252"] = (grown, 252, 252)
        killed = os.path.join(self.top, "start-killed")
        shutil.copytree(empty, killed)
        self.run(killed)
        self.run(killed, cut=12)
        self.starts["killed"] = (killed, 4, 4)

    def close(self):
        shutil.rmtree(self.top, ignore_errors=True)

    def copy(self, start):
        self.n += 1
        to = os.path.join(self.top, "case-%d" % self.n)
        shutil.copytree(start, to, symlinks=True)
        return to

    def run(self, folder, prefix=(), shadow=None, cut=None):
        env = dict(ENV)
        if shadow:
            env["VS_SHADOW"] = shadow
        if cut:
            env["VS_CUT_AT"] = str(cut)
        return subprocess.run(list(prefix) + [self.victim, "run", folder], env=env,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                              check=False)

    def check(self, folder, acked, published):
        return subprocess.run([self.victim, "check", folder, str(acked), str(published)], env=ENV,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                              check=False)


def promised(out, acked, published):
    for word, number in re.findall(rb"(acked|published) (\d+)", out):
        if word == b"acked":
            acked = int(number)
        else:
            published = int(number)
    return acked, published


def judge(bed, case, folder, out, start):
    acked, published = promised(out, start[1], start[2])
    done = bed.check(folder, acked, published)
    if done.returncode != 0:
        sys.exit("crash: %s: %d acknowledged, %d published: %s" %
                 (case, acked, published, done.stderr.decode(errors="replace").strip()))
    shutil.rmtree(folder)


# --- strace ---------------------------------------------------------------------------------------

def strace_works(bed):
    if shutil.which("strace") is None:
        return "strace is not installed"
    folder = bed.copy(bed.starts["empty"][0])
    done = bed.run(folder, ["strace", "-f", "-qq", "-e", "trace=fsync", "-o", "/dev/null"])
    shutil.rmtree(folder)
    if done.returncode != 0:
        return "strace cannot trace here (ptrace forbidden?): " + done.stderr.decode().strip()[:200]
    return None


def count_calls(bed, start):
    """For each call: its first number after the marker, and its last."""
    folder = bed.copy(start[0])
    log = os.path.join(bed.top, "trace")
    done = bed.run(folder, ["strace", "-f", "-qq", "-o", log, "-e",
                            "trace=access," + ",".join(CALLS)])
    assert done.returncode == 0, done.stderr
    seen = {c: 0 for c in CALLS}
    first = None
    with open(log, encoding="utf-8", errors="replace") as f:
        for line in f:
            if "veilsum-crash-begin" in line:
                first = {c: n + 1 for c, n in seen.items()}
            m = re.search(r"\b([a-z0-9_]+)\(", line)
            if m and m.group(1) in seen:
                seen[m.group(1)] += 1
    assert first is not None, "no marker in the trace"
    shutil.rmtree(folder)
    return {c: (first[c], seen[c]) for c in CALLS}


def strace_cases(bed):
    cases = []
    for name, start in bed.starts.items():
        for call, (first, last) in count_calls(bed, start).items():
            for k in range(first, last + 1):
                for fault in FAULTS:
                    cases.append((name, call, k, fault))
    return cases


def strace_case(bed, case):
    name, call, k, fault = case
    start = bed.starts[name]
    folder = bed.copy(start[0])
    done = bed.run(folder, ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e",
                            "inject=%s:%s:when=%d" % (call, fault, k)])
    judge(bed, "%s, %s number %d: %s" % case, folder, done.stdout, start)


# --- power ----------------------------------------------------------------------------------------

def disk_after(folder, shadow, before, rng):
    """Rebuild what the disk holds: rng None: nothing but what was synced."""
    content = dict(before["content"])
    names = dict(before["names"])
    for entry in os.listdir(shadow):
        kind, ino = entry.split(".")
        with open(os.path.join(shadow, entry), "rb") as f:
            data = f.read()
        if kind == "file":
            content[int(ino)] = data
        else:
            names[int(ino)] = {n: int(i) for i, n in
                               (line.split(" ", 1) for line in data.decode().splitlines())}
    live = scan(folder)
    out = folder + ".disk"
    build(live, content, names, live["root"], out, rng)
    shutil.rmtree(folder)
    os.rename(out, folder)


def build(live, content, names, ino, out, rng):
    os.mkdir(out)
    entries = names.get(ino, {})
    if rng is not None and ino in live["names"]:
        now = live["names"][ino]
        for name in sorted(set(now) | set(entries)):  # each change has reached the disk, or not
            if now.get(name) != entries.get(name) and rng.random() < 0.5:
                entries = dict(entries)
                entries.pop(name, None)
                if name in now:
                    entries[name] = now[name]
    for name, child in entries.items():
        path = os.path.join(out, name)
        if child in live["folders"] or child in names:
            build(live, content, names, child, path, rng)
            continue
        data = content.get(child, b"")
        if rng is not None and child in live["content"] and rng.random() < 0.5:
            data = live["content"][child]
        with open(path, "wb") as f:
            f.write(data)


def scan(folder):
    state = {"root": os.stat(folder).st_ino, "content": {}, "names": {}, "folders": set()}
    for where, folders, files in os.walk(folder):
        ino = os.stat(where).st_ino
        state["folders"].add(ino)
        state["names"][ino] = {n: os.stat(os.path.join(where, n)).st_ino for n in folders + files}
        for name in files:
            path = os.path.join(where, name)
            with open(path, "rb") as f:
                state["content"][os.stat(path).st_ino] = f.read()
    return state


def power_cases(bed):
    cases = []
    for name, start in bed.starts.items():
        folder = bed.copy(start[0])
        shadow = folder + ".shadow"
        os.mkdir(shadow)
        # how many syncs there are: cut ever later until it runs through
        low = 1
        while True:
            done = bed.run(bed.copy(start[0]), cut=low)
            if done.returncode == 0:
                break
            low *= 2
        high, low = low, low // 2
        while high - low > 1:
            middle = (low + high) // 2
            done = bed.run(bed.copy(start[0]), cut=middle)
            if done.returncode == 0:
                high = middle
            else:
                low = middle
        for k in range(1, high):
            for mix in range(4):
                cases.append((name, k, mix))
    return cases


def power_case(bed, case):
    name, k, mix = case
    start = bed.starts[name]
    folder = bed.copy(start[0])
    shadow = folder + ".shadow"
    os.mkdir(shadow)
    before = scan(folder)
    done = bed.run(folder, shadow=shadow, cut=k)
    assert done.returncode == 99, (case, done.returncode, done.stderr)
    disk_after(folder, shadow, before, None if mix == 0 else random.Random(1000 * k + mix))
    shutil.rmtree(shadow)
    judge(bed, "%s, power cut after fsync %d, mixture %d" % case, folder, done.stdout, start)


# --- all ------------------------------------------------------------------------------------------

def run_all(bed, what, cases, run, seconds):
    random.Random(7).shuffle(cases)
    end = time.monotonic() + seconds if seconds else None
    n = 0
    for case in cases:
        if end and time.monotonic() > end:
            break
        run(bed, case)
        n += 1
    print("crash: %s: %d of %d cases, all whole" % (what, n, len(cases)), flush=True)
    return n


def main():
    p = argparse.ArgumentParser()
    p.add_argument("victim")
    p.add_argument("--seconds", type=float, default=20, help="for each kind of case")
    p.add_argument("--all", action="store_true")
    p.add_argument("--only", choices=["strace", "power"])
    a = p.parse_args()
    seconds = None if a.all else a.seconds
    bed = Bed(os.path.abspath(a.victim))
    try:
        if a.only in (None, "power"):
            run_all(bed, "power cuts", power_cases(bed), power_case, seconds)
        if a.only in (None, "strace"):
            why = strace_works(bed)
            if why:
                print("SKIPPED: " + why)
                return
            run_all(bed, "failing and killing calls", strace_cases(bed), strace_case, seconds)
    finally:
        bed.close()


if __name__ == "__main__":
    main()
