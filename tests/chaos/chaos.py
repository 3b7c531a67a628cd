#!/usr/bin/env python3
"""One federation of real processes under random kills, pauses, cut and silent connections, and liars.

  chaos.py PROGRAM LIAR [--minutes M] [--seed S] [--json FILE]

The same federation lives for the whole time. After each round what it left is held against what is known: the published
sum against the clients' own numbers, every successful submission against the set and its rejections, every signed answer
against every other one. `veilsum audit` runs after each round. Exit 1 if anything is wrong. PROGRAM is veilsum; LIAR the
same with tests/chaos/liar.c. Standard library only; processes are ended by their own ids."""
import argparse, itertools, json, os, random, shutil, signal, subprocess, sys, tempfile, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import evidence
from federation import BITS, MAX_WEIGHT, Federation, save_npy

SHAREHOLDERS, CLIENTS, DIM, COLLECT_S, ANSWER_S = 5, 7, 300, 20, 25
PATIENCE_S = 240  # a machine so busy that no round came to a result gets so much longer
LIAR_PARTY = "s5"  # with t = 1 one shareholder at most may lie
STORMS = 2  # misfortunes at one time
ROUND_MAX_S = 150  # a round that takes longer hangs: its expiry is COLLECT_S + ANSWER_S


class Chaos:
    def __init__(self, fed, seed):
        self.fed, self.seed, self.rng = fed, seed, random.Random(seed)
        self.busy = set()  # parties to which something is happening
        self.resting = [threading.Event() for _ in range(STORMS)]
        self.count = dict.fromkeys(("rounds_done", "aborted", "wrong", "receipts_lost", "double_answers", "kills",
                                    "restarts", "partitions", "liars"), 0)
        self.lock = threading.Lock()
        self.calm = threading.Event()
        self.ended = threading.Event()
        self.trouble = []  # lines: what went wrong

    def add(self, what, n=1):
        with self.lock:
            self.count[what] += n

    def wrong(self, text, what="wrong"):
        with self.lock:
            self.trouble.append(text)
            self.count[what] += 1
        print("  WRONG: " + text, flush=True)

    # --- misfortune ---

    def misfortune(self, rng):
        """One thing happens to one party; returns when it is over."""
        with self.lock:
            name = rng.choice([n for n in self.fed.names if n not in self.busy])
            self.busy.add(name)
        try:
            self.hit(name, rng)
        finally:
            with self.lock:
                self.busy.remove(name)

    def hit(self, name, rng):
        kind, pause = rng.choice("kkkpsc"), rng.uniform(0.1, 3)
        if kind == "k":
            self.fed.kill(name)
            self.add("kills")
            time.sleep(pause / 3)
            lies = name == LIAR_PARTY and rng.random() < 0.5
            self.fed.start(name, lie="sum" if lies else None)
            self.add("restarts")
            self.add("liars", lies)
        elif kind == "p":
            self.fed.signal(name, signal.SIGSTOP)
            time.sleep(pause)
            self.fed.signal(name, signal.SIGCONT)
        else:
            self.fed.partition(name, pause, cut=kind == "c")
            self.add("partitions")
            time.sleep(pause)

    def storm(self, k):
        rng = random.Random(self.seed * 1000 + k)
        while not self.ended.is_set():
            if self.calm.is_set():
                self.resting[k].set()
                time.sleep(0.05)
                continue
            self.resting[k].clear()
            time.sleep(rng.uniform(0.05, 1.5))
            if not self.calm.is_set() and not self.ended.is_set():
                try:
                    self.misfortune(rng)
                except Exception as e:  # a daemon that does not come back
                    self.wrong("a party does not start again: %s" % e)
                    self.ended.set()
        self.resting[k].set()

    def be_calm(self):
        self.calm.set()
        for resting in self.resting:
            while not resting.wait(1):
                pass

    # --- a round ---

    def open(self, number, target):
        end = time.time() + ROUND_MAX_S
        while time.time() < end and not self.ended.is_set():
            self.fed.run("round", "open", "--federation", "federation.json", "--key", "admin.key", "--dim", str(DIM),
                         "--clients", str(target), "--collect", str(COLLECT_S), "--json")
            info = self.fed.status(number)
            if info is not None and info["round"] == number and info["phase"] not in ("idle", "opening"):
                return True
            time.sleep(0.2)
        return False

    def client(self, i, number, plan, done):
        """Submit until it succeeds or says that it is too late; sometimes killed on the way."""
        for delay in plan["kills"] + [None]:
            process = self.fed.submit(i, number, plan["weight"], lie="share" if plan["lies"] else None)
            try:
                out, err = process.communicate(timeout=delay)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                self.add("kills")
                continue
            if process.returncode == 0:
                done[i] = json.loads(out)
            else:
                done.setdefault("refused", {})[i] = err.strip()[-200:]
            return

    def run_round(self, number):
        plans = {}
        for i in self.rng.sample(range(1, CLIENTS + 1), self.rng.randint(4, CLIENTS)):
            kills = [self.rng.uniform(0, 0.6) for _ in range(self.rng.choice((0, 0, 1, 2)))]
            plans[i] = {"weight": self.rng.randint(1, MAX_WEIGHT), "kills": kills, "lies": False,
                        "values": [self.rng.uniform(-0.9, 0.9) for _ in range(DIM)]}
            save_npy(self.fed.path("u%d.npy" % i), plans[i]["values"])
        if self.rng.random() < 0.3:
            plans[self.rng.choice(sorted(plans))]["lies"] = True
            self.add("liars")
        self.calm.clear()
        opened = self.open(number, len(plans))
        done = {}
        threads = [threading.Thread(target=self.client, args=(i, number, plan, done)) for i, plan in plans.items()]
        for thread in threads if opened else []:
            thread.start()
            time.sleep(0.05)
        if opened and self.rng.random() < 0.1: # the admin thinks better of it
            time.sleep(self.rng.uniform(0, 1))
            self.fed.run("round", "cancel", "--federation", "federation.json", "--key", "admin.key", "--round", str(number))
        end, info = time.time() + ROUND_MAX_S, None
        while time.time() < end and not self.ended.is_set():
            info = self.fed.status(number)
            if info is not None and info["phase"] in ("final", "aborted") and info["round"] == number:
                break
            time.sleep(0.2)
        for thread in threads if opened else []:
            thread.join()
        self.be_calm()
        return plans, done, info

    # --- what it left ---

    def check_result(self, number, included, plans, pseudonyms):
        sums = self.fed.sums(number)
        who = [pseudonyms[p] for p in included if p in pseudonyms]
        if len(who) != len(included):
            # a client that was killed for good after its receipts: its pseudonym is not in its output
            spare = [i for i in plans if i not in who]
            if len(included) - len(who) > len(spare):
                return self.wrong("round %d: %d included, not ours" % (number, len(included)))
            return self.check_unknown(number, sums, who, spare, len(included) - len(who), plans)
        if self.matches(sums, who[1:], plans):
            self.wrong("round %d: the comparison of sums sees nothing" % number)
        if not self.matches(sums, who, plans):
            self.wrong("round %d: the published sum is not that of clients %s" % (number, who))

    def check_unknown(self, number, sums, who, spare, missing, plans):
        if not any(self.matches(sums, who + list(more), plans) for more in itertools.combinations(spare, missing)):
            self.wrong("round %d: the published sum is of no set of %d clients" % (number, len(who) + missing))

    def matches(self, sums, who, plans):
        """Exact weights; coordinates within one quantiser step for each client."""
        digits = len(sums) - DIM
        weight = sum(s << (BITS * d) for d, s in enumerate(sums[DIM:]))
        if digits < 1 or weight != sum(plans[i]["weight"] for i in who):
            return False
        step = 2 / (2 ** BITS - 1)
        for c in range(DIM):
            want = sum((plans[i]["values"][c] * plans[i]["weight"] / MAX_WEIGHT + 1) / step for i in who)
            if abs(sums[c] - want) > len(who):
                return False
        return True

    def check_round(self, number, plans, done, info):
        public = self.fed.path("agg-data/public")
        log = evidence.entries(public)
        results, aborts = (evidence.of_round(log, kind, number) for kind in ("result", "abort"))
        if len(results) + len(aborts) != 1:
            return self.wrong("round %d: %d results and %d aborts, %s" % (number, len(results), len(aborts), info))
        sets = evidence.of_round(log, "set", number)
        included, rejected = {}, {}
        if sets:
            s = sets[0]
            included = evidence.records(public, s["records_blob"], s["count"])
            rejected = evidence.records(public, s["rejected_blob"], s["rejected_count"])
        mine = {i: r for i, r in done.items() if isinstance(i, int)}
        pseudonyms = {r["pseudonym"]: i for i, r in mine.items()}
        for i, receipt in mine.items() if sets else ():
            found = included.get(receipt["pseudonym"]) or rejected.get(receipt["pseudonym"])
            if found != receipt["manifest"]:
                self.wrong("round %d: client %d has %d receipts and is neither in nor rejected"
                           % (number, i, receipt["receipts"]), "receipts_lost")
        if results:
            self.add("rounds_done")
            self.check_result(number, included, plans, pseudonyms)
            accused = [j for j in results[0]["wrong"] if "s%d" % j != LIAR_PARTY or LIAR_PARTY not in self.fed.lied]
            if accused:
                self.wrong("round %d: honest shareholders %s are called wrong" % (number, accused))
        else:
            self.add("aborted")
        audit = self.fed.run("audit", "agg-data/public", "--federation", "federation.json")
        if audit.returncode != 0:
            self.wrong("round %d: audit: %s" % (number, (audit.stdout + audit.stderr).strip()[-600:]))
        n_in = "%d of %d clients" % (len(included), len(plans))
        print("round %d: %s" % (number, n_in if results else "aborted: %s, %s" % (aborts[0]["reason"], aborts[0]["detail"])),
              flush=True)
        for i, text in done.get("refused", {}).items():
            print("  client %d: %s" % (i, text), flush=True)

    def check_answers(self):
        """At the end, with every database closed: all statements that left, are logged, or are stored."""
        said = [s.decode() for s in self.fed.statements]
        said += [payload for kind, _, payload in evidence.entries(self.fed.path("agg-data/public"))
                 if kind in ("answer", "closed")]
        n_wire = len(said)
        for j in range(1, SHAREHOLDERS + 1):
            said += evidence.stored_statements(self.fed.path("s%d-data/state.db" % j))
        if n_wire == 0 or len(said) == n_wire:
            self.wrong("no signed answers were seen: the check of double answers would be empty")
        self.count["double_answers"] = evidence.contradictions(said)
        print("%d different answers and closed statements compared" % len(set(said)), flush=True)

    def run(self, seconds):
        self.calm.set()
        self.fed.start_all()
        storms = [threading.Thread(target=self.storm, args=(k,)) for k in range(STORMS)]
        for storm in storms:
            storm.start()
        start, number = time.time(), 0
        try:
            while not self.ended.is_set():
                if time.time() > start + seconds + (0 if self.count["rounds_done"] else PATIENCE_S):
                    break
                number += 1
                plans, done, info = self.run_round(number)
                if info is None or info["phase"] not in ("final", "aborted"):
                    self.wrong("round %d hangs: %s" % (number, info))
                    break
                self.check_round(number, plans, done, info)
        finally:
            self.ended.set()
            for storm in storms:
                storm.join()
        self.fed.stop_all()
        self.check_answers()
        fsck = self.fed.run("ledger", "fsck", "agg-data/ledger")
        if fsck.returncode != 0:
            self.wrong("fsck: " + fsck.stdout + fsck.stderr)
        self.count["seconds"] = round(time.time() - start)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("liar")
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--json")
    parser.add_argument("--keep", action="store_true", help="keep the folder of the run")
    options = parser.parse_args()
    evidence.check_itself()
    folder = tempfile.mkdtemp(prefix="veilsum-chaos-")
    print("seed %d, %s" % (options.seed, folder), flush=True)
    fed = Federation(folder, options.program, options.liar, SHAREHOLDERS, CLIENTS, ANSWER_S)
    chaos = Chaos(fed, options.seed)
    try:
        chaos.run(60 * options.minutes)
    finally:
        fed.close()
        if options.keep or chaos.trouble:
            print("kept: " + folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    text = json.dumps(chaos.count)
    print(text)
    if options.json:
        with open(options.json, "w") as f:
            f.write(text + "\n")
    bad = chaos.trouble or chaos.count["double_answers"] or chaos.count["rounds_done"] == 0
    sys.exit(1 if bad else 0)


main()
