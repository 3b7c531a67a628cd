#!/usr/bin/env python3
"""The ledger from outside, with the real program: outside.py PROGRAM [NAME ...]. A running aggregator
serves its log; strangers audit it by URL, prove entries, check receipts, detect a rollback."""
import json
import os
import shutil
import sys
import urllib.request

import by_hand
from by_hand import expect, federation, free_ports, updates


def read(fed, name):
    with open(os.path.join(fed.folder, name), encoding="utf-8") as f:
        return f.read()


def a_round(fed, dim=50):
    r = fed.open(dim, "--clients", "3")
    for i, values in enumerate(updates(3, dim, seed=r)):
        fed.submit(i + 1, r, values, 10, "--purpose", "round %d" % r, "--receipt", "c%d-%d.receipt" % (i + 1, r))
    fed.wait(r)
    return r


def case_a_stranger_checks_a_running_federation():
    (port,) = free_ports(1)
    url = "http://127.0.0.1:%d" % port
    with federation(options=("--public-results",),
                    daemon_options=lambda name: ("--http", url) if name == "agg" else ()) as fed:
        os.environ["XDG_STATE_HOME"] = os.path.join(fed.folder, "state")
        fed.start_all()
        first = a_round(fed)
        # by URL, while it runs; the second time the first is remembered
        j = json.loads(fed.ok("audit", url, "--federation", "federation.json", "--json").out)
        expect(j["ok"] and j["rounds"] == 1 and j["not_recomputed"] == 0 and j["earlier_entries"] == -1, j)
        with urllib.request.urlopen(url + "/policy") as reply:
            expect(reply.headers["Cache-Control"] == "no-cache", reply.headers)
            with open(os.path.join(fed.folder, "policy"), "wb") as f:
                f.write(reply.read())
        old = os.path.join(fed.folder, "old")
        shutil.copytree(os.path.join(fed.folder, "agg-data/public"), old)
        second = a_round(fed)
        j = json.loads(fed.ok("audit", url, "--policy", "policy", "--json").out)
        expect(j["ok"] and j["rounds"] == 2 and j["earlier_entries"] > 0, j)
        done = fed.run("audit", "old", "--policy", "policy")
        expect(done.status == 1 and "was rolled back" in done.out, done.all)
        # receipts: over HTTP, from the folder, offline, and never of a changed file
        fed.ok("receipt", "complete", "c1-%d.receipt" % first, url, "--federation", "federation.json")
        fed.ok("receipt", "complete", "c2-%d.receipt" % second, "agg-data/public", "--federation", "federation.json")
        for name in ("c1-%d.receipt" % first, "c2-%d.receipt" % second):
            done = fed.ok("receipt", "verify", name, "--federation", "federation.json", "--json")
            j = json.loads(done.out)
            expect(j["outcome"] == "counted" and j["clients"] == 3, j)
            expect(json.loads(read(fed, name))["salt"] != "0" * 64, "the salt is in the receipt")
        text = json.loads(read(fed, "c1-%d.receipt" % first))
        text["manifest"] = json.loads(read(fed, "c3-%d.receipt" % first))["manifest"]
        with open(os.path.join(fed.folder, "bad.receipt"), "w", encoding="utf-8") as f:
            json.dump(text, f)
        fed.refused("receipt", "verify", "bad.receipt", says=["invalid:", "another submission"])
        done = fed.run("receipt", "verify", "c3-%d.receipt" % first)
        expect(done.status == 0 and "pending" in done.out, done.all)
        # the folder: whole; a proof from its tiles that verifies
        vkey = next(line.split()[1] for line in read(fed, "policy").splitlines() if line.startswith("log "))
        fed.ok("ledger", "fsck", "agg-data/public", "--vkey", vkey)
        fed.ok("ledger", "prove", "agg-data/public", "--index", "2", "--out", "2.tlog-proof")
        fed.stop_all()
        fed.ok("ledger", "prove", "agg-data", "--index", "2", "--out", "2.of-the-ledger")
        with open(os.path.join(fed.folder, "2.json"), "w", encoding="utf-8") as f:
            f.write(fed.ok("ledger", "show", "agg-data", "--entry", "2", "--raw").out)
        for name in ("2.tlog-proof", "2.of-the-ledger"):
            fed.ok("ledger", "verify-proof", "--vkey", vkey, "--entry", "2.json", name)
        # an export made by hand is the same
        fed.ok("ledger", "export", "agg-data", "exported")
        for name in ("checkpoint", "checkpoint.cosigned", "policy", "federation.json"):
            expect(read(fed, "exported/" + name) == read(fed, "agg-data/public/" + name), name)
        fed.audit()
        # the ledger is lost and a backup restored: it does not start
        shutil.rmtree(os.path.join(fed.folder, "agg-data/ledger"))
        try:
            fed.start("agg")
            raise RuntimeError("an aggregator without its ledger goes on")
        except AssertionError as e:
            expect("published" in str(e), e)
        fed.process.pop("agg", None)


if __name__ == "__main__":
    by_hand.case_weighted_mean = None
    for name in [n for n in vars(by_hand) if n.startswith("case_")]:
        delattr(by_hand, name)
    for name, f in list(globals().items()):
        if name.startswith("case_"):
            setattr(by_hand, name, f)
    sys.exit(by_hand.main())
