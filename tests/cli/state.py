"""ledger state and ledger claim, by real daemons: credits follow the federation's rule and nothing else.

usage: state.py PROGRAM
"""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import by_hand  # noqa: E402  (reads the program from sys.argv)
from by_hand import expect, federation, updates  # noqa: E402


def state(fed, *options):
    return json.loads(fed.ok("ledger", "state", "agg-data", "--json", *options).out)


def claim(fed, i, text="the treasurer"):
    name = "c%d.claim" % i
    fed.ok("ledger", "claim", "--federation", "federation.json", "--key", "c%d.key" % i, "--for", text, "--out", name)
    return name


def edited(fed, name, change):
    with open(os.path.join(fed.folder, name)) as f:
        value = json.load(f)
    change(value)
    with open(os.path.join(fed.folder, "edited.claim"), "w") as f:
        json.dump(value, f)
    return "edited.claim"


def play(fed):
    """Three rounds: all three clients, two, and one that is cancelled."""
    fed.start_all()
    for clients in ((1, 2, 3), (1, 2)):
        r = fed.open(20, "--clients", str(len(clients)))
        for i in clients:
            fed.submit(i, r, updates(1, 20, seed=10 * r + i)[0], 5, "--purpose", "round %d" % r)
        fed.wait(r)
    r = fed.open(20)
    fed.ok("round", "cancel", "--federation", "federation.json", "--key", "admin.key", "--round", str(r))
    fed.wait(r, status=1)
    fed.stop_all()


def main():
    with federation(options=("--reward-included", "10", "--reward-rejected", "3")) as fed:
        play(fed)
        s = state(fed)
        expect(s["rounds"] == {"opened": 3, "final": 2, "aborted": 1, "running": 0}, s)
        expect(s["submissions"] == {"accepted": 5, "rejected": 0}, s)
        expect(s["reward"] == {"included": 10, "rejected": 3, "granted": 50}, s)
        expect([x["name"] for x in s["shareholders"]] == ["s1", "s2", "s3"], s)
        print("ok    state adds up rounds, submissions and credits")

        names = [claim(fed, i) for i in (1, 2, 3)]
        s = state(fed, "--claim", names[0], "--claim", names[1], "--claim", names[2])
        expect([c["credits"] for c in s["claims"]] == [20, 20, 10], s)
        expect([c["accepted"] for c in s["claims"]] == [2, 2, 1], s)
        expect(all(c["for"] == "the treasurer" for c in s["claims"]), s)
        listed = state(fed, "--submissions")["submission_list"]
        expect(len({x["pseudonym"] for x in listed}) == 5 and all(x["credits"] == 10 for x in listed), listed)
        print("ok    claims find their pseudonyms, each once")

        refused = lambda change, says: fed.refused("ledger", "state", "agg-data", "--claim", edited(fed, names[0], change), says=says)
        other = json.load(open(os.path.join(fed.folder, names[1])))
        refused(lambda c: c.update(client=other["client"]), "signature")
        refused(lambda c: c.update({"for": "somebody else"}), "signature")
        refused(lambda c: c["submissions"].pop(), "signature")
        refused(lambda c: c["submissions"].__setitem__(0, other["submissions"][0]), "signature")
        refused(lambda c: c.update(signature=other["signature"]), "signature")
        refused(lambda c: c.update(federation="00" * 32), "signature")
        refused(lambda c: c.update(more=1), "not a claim")
        refused(lambda c: c["submissions"].reverse(), "ascend")
        refused(lambda c: c["submissions"][0].update(salt="zz"), "salt")
        print("ok    a changed claim is refused, whatever was changed")

        fed.refused("ledger", "claim", "--federation", "federation.json", "--key", "c1.key", "--for", "", says="for whom")
        fed.ok("keygen", "--out", "c9.key")
        fed.refused("ledger", "claim", "--federation", "federation.json", "--key", "c9.key", "--for", "x", says="no submission")
        # a log that fails its audit has no state
        shutil.copytree(os.path.join(fed.folder, "agg-data", "public"), os.path.join(fed.folder, "public"))
        base = os.path.join(fed.folder, "public", "tile", "entries", "000.p")
        newest = os.path.join(base, max(os.listdir(base), key=int))
        data = bytearray(open(newest, "rb").read())
        data[len(data) // 2] ^= 1
        open(newest, "wb").write(bytes(data))
        done = fed.run("ledger", "state", "public", "--federation", "federation.json")
        expect(done.status == 1 and "granted" not in done.out, done.all)
        print("ok    a changed log has no state")
    return 0


if __name__ == "__main__":
    sys.exit(main())
