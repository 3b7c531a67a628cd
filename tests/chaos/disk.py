#!/usr/bin/env python3
"""Real processes on a failing disk (tests/net/disk_shim.h, preloaded): in each run one daemon or client is killed before one
change or fsync of its files, with or without a power cut, or finds its disk full; it is started again without the fault, the
round is finished, and the sum, `audit` and `ledger fsck` are checked.

  disk.py PROGRAM LIBRARY [--runs N] [--seed S]

The places are spread over the whole round (the first run counts them). Standard library only."""
import argparse, os, random, re, shutil, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from federation import MAX_WEIGHT, Federation, save_npy

CLIENTS, DIM = 3, 200


class Disk(Federation):
    def fault(self, name, kind, at):
        """Environment of a process with a failing disk."""
        return {"LD_PRELOAD": self.library, "VEILSUM_DISK_ROOT": self.path(name + "-data"), "VEILSUM_DISK_FAULT": kind,
                "VEILSUM_DISK_AT": str(at), "VEILSUM_DISK_COUNT": self.path("count"),
                "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}

    def watch(self, name):
        """Start it again when it has ended. The end of its log, or None while it runs."""
        process = self.process[name]
        if process.poll() is None:
            return None
        text = self.logged(name)
        self.start(name)
        return text

    def client(self, i, number, environment):
        return subprocess.Popen(
            [self.program, "submit", "--federation", "federation.json", "--key", "c%d.key" % i, "--round", str(number),
             "--update", "u%d.npy" % i, "--weight", "50", "--data", "c%d-data" % i, "--timeout", "60", "--json"],
            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=dict(os.environ, OPENBLAS_NUM_THREADS="1", **environment))


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def run(program, library, victim, kind, at):
    """True if the fault found its place. at = 0: nothing happens; the number of places is returned."""
    folder = tempfile.mkdtemp(prefix="veilsum-disk-")
    fed = Disk(folder, program, program, 4, CLIENTS, 30)
    fed.library = library
    try:
        environment = fed.fault(victim, kind, at if at else 10 ** 9)
        stopped = []
        for name in fed.names[1:] + fed.names[:1]:
            try:
                fed.start(name, environment=environment if name == victim else {})
            except RuntimeError:
                expect(name == victim and at, fed.logged(name))
                stopped.append(fed.watch(name))

        def look():
            if victim in fed.process:
                text = fed.watch(victim)
                if text is not None:
                    stopped.append(text)
        info = None
        for _ in range(200):
            look()
            fed.run("round", "open", "--federation", "federation.json", "--key", "admin.key", "--dim", str(DIM), "--clients",
                    str(CLIENTS), "--json")
            info = fed.status(1)
            if info is not None and info["phase"] not in ("idle", "opening"):
                break
            time.sleep(0.1)
        waiting = {}
        for i in range(1, CLIENTS + 1):
            save_npy(fed.path("u%d.npy" % i), [0.25 * i] * DIM)
            waiting[i] = fed.client(i, 1, environment if victim == "c%d" % i else {})
        end = time.time() + 120
        while time.time() < end and (waiting or info is None or info["phase"] not in ("final", "aborted")):
            look()
            for i, process in list(waiting.items()):
                if process.poll() is None:
                    continue
                text = process.communicate()[0]
                del waiting[i]
                if process.returncode != 0:
                    expect(victim == "c%d" % i and at, "client %d: %s" % (i, text))
                    stopped.append(text)
                    waiting[i] = fed.client(i, 1, {})
            info = fed.status(1)
            time.sleep(0.05)
        expect(info is not None and info["phase"] == "final" and info["clients_included"] == CLIENTS,
               "the round ended in %s, waiting for %s" % (info, sorted(waiting)))
        sums = fed.sums(1)
        for got in sums[:DIM]:  # each client: (0.25 i * weight / MAX_WEIGHT + 1) in steps of the quantiser
            want = sum((0.25 * i * 50 / MAX_WEIGHT + 1) * (2 ** 16 - 1) / 2 for i in range(1, CLIENTS + 1))
            expect(abs(got - want) <= CLIENTS, "sum %d, not %f" % (got, want))
        look()
        if victim in fed.process: # stopping writes as well
            fed.process[victim].terminate()
            if fed.process[victim].wait(timeout=30) != 0:
                stopped.append(fed.logged(victim))
            fed.start(victim)
        fed.stop_all()
        for check in (("audit", "agg-data/ledger", "--federation", "federation.json"), ("ledger", "fsck", "agg-data/ledger"),
                      ("ledger", "fsck", "agg-data/public")):
            fed.ok(*check)
        if kind == "full" and stopped:
            expect(re.search("full|No space left", stopped[0]) and victim + "-data" in stopped[0],
                   "it does not say which disk is full: " + stopped[0][-400:])
        if at == 0: # the second start of a daemon is without the library
            with open(fed.path("count")) as f:
                return int(f.read())
        return bool(stopped)
    except Exception:
        for name in fed.names:
            print("--- %s: %s" % (name, fed.logged(name)[-600:]))
        raise
    finally:
        fed.close()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("library")
    parser.add_argument("--runs", type=int, default=3, help="for each kind of party")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng, hits, runs = random.Random(options.seed), 0, 0
    for victim in ("s2", "agg", "c1"):
        places = run(os.path.abspath(options.program), os.path.abspath(options.library), victim, "kill", 0)
        expect(places > 10, "%s: only %d places" % (victim, places))
        for k in range(options.runs):
            kind = ("power", "full", "some", "kill")[k % 4]
            at = 1 + (places * k + rng.randrange(places)) // options.runs
            hit = run(os.path.abspath(options.program), os.path.abspath(options.library), victim, kind, at)
            print("%s, %s at %d of %d: %s" % (victim, kind, at, places, "stopped, went on" if hit else "went on"), flush=True)
            hits, runs = hits + hit, runs + 1
    print("%d runs, %d in which a process stopped" % (runs, hits))
    sys.exit(0 if hits >= runs / 2 else 1)


main()
