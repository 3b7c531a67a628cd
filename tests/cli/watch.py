#!/usr/bin/env python3
"""`veilsum watch` beside a trainer in plain Python (trainer.py), with real daemons.

  watch.py PROGRAM [NAME ...]     run all cases, or those named; exit 1 if one fails"""
import contextlib, json, os, random, signal, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "fl", "containers"))
import tensor_files as tf
import trainer
from by_hand import PROGRAM, expect, federation
from operations import run_cases

TRUE_W, TRUE_B = [0.4, -0.3], 0.2


def rows_of(seed, count):
    rng = random.Random(seed)
    rows = []
    for _ in range(count):
        x = [rng.uniform(-1, 1), rng.uniform(-1, 1)]
        rows.append([*x, sum(w * v for w, v in zip(TRUE_W, x)) + TRUE_B])
    return rows


@contextlib.contextmanager
def scene(clients=2, options=()):
    with tempfile.TemporaryDirectory() as folder:
        names = os.path.join(folder, "names.safetensors")
        trainer.write_safetensors(names, {"w": [0.0, 0.0], "b": [0.0]})
        with federation(clients=clients, options=("--tensors-from", names, *options)) as fed:
            fed.start_all()
            others = []
            try:
                yield fed, others
            finally:
                for process in others:
                    if process.poll() is None:
                        process.kill()
                    process.wait()


def path(fed, *name):
    return os.path.join(fed.folder, *name)


def start(fed, others, i, *options):
    log = open(path(fed, "watch-%d.log" % i), "a")
    process = subprocess.Popen([PROGRAM, "watch", "--federation", "federation.json", "--key", "c%d.key" % i, *options,
                                "ex%d" % i], cwd=fed.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    log.close()
    others.append(process)
    return process


def log_of(fed, i):
    with open(path(fed, "watch-%d.log" % i)) as f:
        return f.read()


def until(what, condition, seconds=60):
    end = time.time() + seconds
    while not condition():
        expect(time.time() < end, "waited for " + what)
        time.sleep(0.05)


def open_round(fed, *options):
    return json.loads(fed.ok("round", "open", "--federation", "federation.json", "--key", "admin.key", "--json",
                             *options).out)["round"]


def word(fed, i, r):
    with open(path(fed, "ex%d" % i, "round-%d.json" % r)) as f:
        return json.load(f)


def case_two_rounds_with_trainers_that_are_plain_python():
    with scene() as (fed, others):
        rows = [rows_of(1, 40), rows_of(2, 60)]
        for i in (1, 2):
            with open(path(fed, "rows-%d.json" % i), "w") as f:
                json.dump(rows[i - 1], f)
            start(fed, others, i, "--rounds", "2")
            others.append(subprocess.Popen([sys.executable, "-B", os.path.join(HERE, "trainer.py"), "ex%d" % i,
                                            "rows-%d.json" % i, "2"], cwd=fed.folder, stdout=subprocess.DEVNULL))
        model = {"w": [0.0, 0.0], "b": [0.0]}
        for number in (1, 2):
            name = "model-%d.safetensors" % number
            trainer.write_safetensors(path(fed, name), model)
            r = open_round(fed, "--model", name, "--clients", "2")
            fed.wait(r)
            fed.ok("round", "result", "--federation", "federation.json", "--key", "admin.key", "--round", str(r), "--out",
                   "mean.safetensors")
            mean = trainer.read_safetensors(path(fed, "mean.safetensors"))
            changes = [trainer.train(model, part) for part in rows]
            for key in model:
                for c in range(len(model[key])):
                    want = (40 * changes[0][key][c] + 60 * changes[1][key][c]) / 100
                    expect(abs(mean[key][c] - want) < 2e-4, "round %d: %s[%d]: %r, not %r" % (r, key, c, mean[key][c], want))
            model = {key: [a + d for a, d in zip(model[key], mean[key])] for key in model}
        for process in others:
            expect(process.wait(timeout=60) == 0, log_of(fed, 1) + log_of(fed, 2))
        for r in (1, 2):
            with open(path(fed, "model-%d.safetensors" % r), "rb") as f, \
                    open(path(fed, "ex1", "global-%d.safetensors" % r), "rb") as g:
                expect(f.read() == g.read(), "the model arrives byte for byte")
            got = word(fed, 1, r)
            expect(got["phase"] == "final" and got["clients"] == 2 and got["weight_sum"] == 100, got)
            expect(tf.read(path(fed, "ex1", got["result"]))["w"][0] == "F32", "its types are the update's")
        error = sum(abs(a - b) for a, b in zip(model["w"] + model["b"], TRUE_W + [TRUE_B]))
        expect(error < 0.2, "two rounds of training: off by %r" % error)
        left = [name for i in (1, 2) for name in os.listdir(path(fed, "ex%d" % i)) if ".tmp-" in name or ".part" in name]
        expect(not left, left)
        fed.stop_all()
        fed.audit()


def case_killed_at_any_moment_it_goes_on_and_sends_nothing_twice():
    with scene(clients=3) as (fed, others):
        update = {"w": [0.25, -0.5], "b": [0.125]}
        watcher = start(fed, others, 1)
        r = open_round(fed)
        until("round-1.json", lambda: os.path.exists(path(fed, "ex1", "round-1.json")))
        watcher.kill()  # while it waits for the update
        watcher.wait()
        trainer.write_safetensors(path(fed, "ex1", "update-%d.safetensors" % r), update)
        for pause in (0.05, 0.3, 0.6, 1.0):
            watcher = start(fed, others, 1)
            time.sleep(pause)
            watcher.kill()  # wherever it is
            watcher.wait()
        watcher = start(fed, others, 1)
        until("a submission", lambda: "submitted update-1.safetensors" in log_of(fed, 1))
        watcher.kill()  # between receipts and result
        watcher.wait()
        trainer.write_safetensors(path(fed, "u2.safetensors"), update)
        fed.ok(*fed.submit_args(2, r, "u2.safetensors", 1))
        fed.ok("round", "close", "--federation", "federation.json", "--key", "admin.key")
        fed.wait(r)
        r2 = open_round(fed, "--clients", "2")  # the first is over, and its result was not fetched
        start(fed, others, 1)
        until("result-1", lambda: os.path.exists(path(fed, "ex1", "result-1.safetensors")))
        until("round-2.json", lambda: os.path.exists(path(fed, "ex1", "round-2.json")))
        got = trainer.read_safetensors(path(fed, "ex1", "result-1.safetensors"))
        expect(all(abs(a - b) < 0.01 for k in update for a, b in zip(got[k], update[k])), got)
        expect(word(fed, 1, 1)["clients"] == 2, "each client once")
        # without a model, the mean of the round before is there; and a second update needs a purpose
        expect(trainer.read_safetensors(path(fed, "ex1", "global-2.safetensors")).keys() == update.keys(), "global-2")
        trainer.write_safetensors(path(fed, "ex1", "update-2.safetensors"), update)
        until("a refusal", lambda: "say so with --purpose" in log_of(fed, 1))
        with open(path(fed, "ex1", "update-2.json"), "w") as f:
            json.dump({"weight": 3, "purpose": "second"}, f)
        trainer.write_safetensors(path(fed, "ex1", "update-2.safetensors"), update)
        fed.ok(*fed.submit_args(2, r2, "u2.safetensors", 1, "--purpose", "second"))
        until("result-2", lambda: os.path.exists(path(fed, "ex1", "result-2.safetensors")))
        expect(word(fed, 1, 2)["weight_sum"] == 4, word(fed, 1, 2))
        process = others[-1]
        process.send_signal(signal.SIGTERM)
        expect(process.wait(timeout=20) == 0, "SIGTERM ends it")
        expect(log_of(fed, 1).rstrip().endswith("stopped"), log_of(fed, 1))
        fed.stop_all()
        fed.audit()


def case_half_written_and_misshapen_files_are_refused_once_each():
    with scene() as (fed, others):
        start(fed, others, 1, "--rounds", "1", "--json")
        r = open_round(fed, "--clients", "2")
        until("round-1.json", lambda: os.path.exists(path(fed, "ex1", "round-1.json")))
        target = path(fed, "ex1", "update-%d.safetensors" % r)
        whole = {"w": [0.5, 0.25], "b": [-0.5]}
        trainer.write_safetensors(path(fed, "whole"), whole)
        with open(path(fed, "whole"), "rb") as f:
            data = f.read()

        def put(data):
            with open(target + ".part", "wb") as f:
                f.write(data)
            os.rename(target + ".part", target)

        for n, (bad, says) in enumerate([
                (data[:-3], "truncated"), (data[:5], "not a .npy"), (b"", "empty"),
                (tf.safetensors_bytes({"w": ("F32", [1], [0.0]), "b": ("F32", [1], [0.0])}),
                 "tensor w has shape [1], the federation says [2]"),
                (tf.safetensors_bytes({"w": ("F64", [2], [0.0, float("inf")]), "b": ("F32", [1], [0.0])}), "not finite")]):
            put(bad)
            until(says, lambda: log_of(fed, 1).count('"refused"') == n + 1)
            expect(says in log_of(fed, 1).splitlines()[-1], log_of(fed, 1))
        time.sleep(0.7)
        expect(log_of(fed, 1).count('"refused"') == 5, "each once")
        with open(path(fed, "ex1", "update-1.json"), "w") as f:
            f.write('{"weight": -1}')
        put(data)
        until("words", lambda: 'member \\"weight\\"' in log_of(fed, 1))
        os.unlink(path(fed, "ex1", "update-1.json"))
        put(data)
        fed.ok(*fed.submit_args(2, r, "whole", 1))
        until("the result", lambda: os.path.exists(path(fed, "ex1", "result-1.safetensors")))
        expect(others[0].wait(timeout=30) == 0, log_of(fed, 1))
        for line in log_of(fed, 1).splitlines():
            json.loads(line)
        fed.stop_all()


def case_an_aborted_round_is_said_and_the_next_one_goes_on():
    with scene() as (fed, others):
        update = {"w": [0.5, 0.25], "b": [-0.5]}
        start(fed, others, 1)
        r = open_round(fed)
        until("round-1.json", lambda: os.path.exists(path(fed, "ex1", "round-1.json")))
        tf.write(path(fed, "ex1", "tmp.npz"), {k: ("F64", [len(v)], v) for k, v in update.items()})
        os.rename(path(fed, "ex1", "tmp.npz"), path(fed, "ex1", "update-1.npz"))
        until("a submission", lambda: "submitted update-1.npz" in log_of(fed, 1))
        fed.ok("round", "cancel", "--federation", "federation.json", "--key", "admin.key", "--round", str(r))
        until("aborted", lambda: word(fed, 1, 1)["phase"] == "aborted")
        r = open_round(fed, "--clients", "2")
        until("round-2.json", lambda: os.path.exists(path(fed, "ex1", "round-2.json")))
        os.rename(path(fed, "ex1", "update-1.npz"), path(fed, "ex1", "update-2.npz"))  # closed: the same again
        trainer.write_safetensors(path(fed, "u2.safetensors"), update)
        fed.ok(*fed.submit_args(2, r, "u2.safetensors", 1))
        until("result-2.npz", lambda: os.path.exists(path(fed, "ex1", "result-2.npz")))
        got = tf.read(path(fed, "ex1", "result-2.npz"))
        expect(all(d == "F64" for d, _, _ in got.values()), got)
        fed.stop_all()


def case_built_in_and_own_trainers_take_part_in_one_round():
    """A logistic regression of two features (three values) by `veilsum train`, the other by files."""
    with scene() as (fed, others):
        os.mkdir(path(fed, "rows"))
        with open(path(fed, "rows", "train.csv"), "w") as f:
            f.write("x1,x2,label\n" + "".join("%g,%g,%d\n" % (i % 3 - 1, i % 5 - 2, i % 2) for i in range(20)))
        others.append(subprocess.Popen([PROGRAM, "train", "--federation", "federation.json", "--key", "c2.key", "--data",
                                        "rows", "--label", "label", "--model", "2-1", "--rounds", "1"],
                                       cwd=fed.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        start(fed, others, 1, "--rounds", "1")
        trainer.write_safetensors(path(fed, "model.safetensors"), {"w": [0.0, 0.0], "b": [0.0]})
        r = open_round(fed, "--model", "model.safetensors", "--clients", "2")
        until("round-1.json", lambda: os.path.exists(path(fed, "ex1", "round-1.json")))
        trainer.write_safetensors(path(fed, "ex1", "update-%d.safetensors" % r), {"w": [0.5, 0.25], "b": [-0.5]})
        text, _ = others[0].communicate(timeout=60)
        expect(others[0].returncode == 0, text)
        expect(others[1].wait(timeout=60) == 0, log_of(fed, 1))
        expect(word(fed, 1, 1)["weight_sum"] == 21, word(fed, 1, 1))
        fed.stop_all()


if __name__ == "__main__":
    sys.exit(run_cases(globals()))
