#!/usr/bin/env python3
"""Named tensors from file to file through real rounds: .npy, .npz and .safetensors in, the same kind out.

  containers.py PROGRAM [NAME ...]     run all cases, or those named; exit 1 if one fails

Built on by_hand.py and tests/fl/containers/tensor_files.py. Standard library only."""
import contextlib, json, os, random, shutil, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fl", "containers"))
import tensor_files as tf
from by_hand import PROGRAM, expect, federation
from operations import run_cases

SHAPES = {"layer1.weight": [7, 5], "layer1.bias": [5], "layer2.weight": [5, 3], "scale": []}
DTYPES = {"layer1.weight": "F32", "layer1.bias": "F64", "layer2.weight": "F32", "scale": "F64"}
TOTAL = sum(tf.count(s) for s in SHAPES.values())
STEP = 2 / (2 ** 16 - 1) * 100 / 50 * 1.01  # of a mean of equal weights 50 below max_weight 100


def update(seed, dtypes=DTYPES):
    rng = random.Random(seed)
    tensors = {}
    for name, shape in SHAPES.items():
        values = [rng.uniform(-0.9, 0.9) for _ in range(tf.count(shape))]
        tensors[name] = (dtypes[name], shape, tf.unpack(dtypes[name], tf.pack(dtypes[name], values)))
    return tensors


def flat(tensors):
    return [v for name in SHAPES for v in tensors[name][2]]


def expect_means(got, updates, what):
    want = [sum(column) / len(updates) for column in zip(*map(flat, updates))]
    expect(len(got) == len(want), "%s: %d values" % (what, len(got)))
    for i, (g, w) in enumerate(zip(got, want)):
        expect(abs(g - w) <= STEP + 1e-6, "%s: value %d is %r, not %r" % (what, i, g, w))


@contextlib.contextmanager
def named(**kw):
    """A federation whose file names the tensors of a model."""
    with tempfile.TemporaryDirectory() as folder:
        model = os.path.join(folder, "model.safetensors")
        # The header's order is another than that of the values, which counts.
        tf.write(model, dict(sorted(update(0).items())), order=list(SHAPES))
        with federation(options=("--tensors-from", model, *kw.pop("options", ())), **kw) as fed:
            shutil.copy(model, os.path.join(fed.folder, "model.safetensors"))
            yield fed


def path(fed, name):
    return os.path.join(fed.folder, name)


def case_result_comes_back_in_the_container_it_was_submitted_in():
    with named(clients=4) as fed:
        shown = json.loads(fed.ok("federation", "show", "federation.json", "--json").out)
        expect(shown["num_params"] == TOTAL, shown)
        expect(shown["tensors"] == [{"name": n, "shape": s} for n, s in SHAPES.items()], shown)
        expect("layer1.weight  [7, 5]" in fed.ok("federation", "show", "federation.json").out, "not shown")
        fed.start_all()
        r = json.loads(fed.ok("round", "open", "--federation", "federation.json", "--key", "admin.key", "--clients",
                              "4", "--json").out)["round"]
        halves = {name: "F16" for name in SHAPES}
        updates = [update(1), update(2), update(3), update(4, halves)]
        tf.write(path(fed, "u1.safetensors"), updates[0], order=sorted(SHAPES, reverse=True))
        tf.write(path(fed, "u2.npz"), dict(reversed(updates[1].items())), deflated=True)
        tf.write(path(fed, "u3.npy"), {"": ("F64", [TOTAL], flat(updates[2]))})
        tf.write(path(fed, "u4.safetensors"), updates[3])
        waiting = []
        for i, name, out in ((1, "u1.safetensors", "m1.safetensors"), (2, "u2.npz", "m2.npz"), (3, "u3.npy", "m3.npy"),
                             (4, "u4.safetensors", "m4.safetensors")):
            waiting.append(subprocess.Popen([PROGRAM, *fed.submit_args(i, r, name, 50, "--out", out)], cwd=fed.folder,
                                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                            text=True))
        for process in waiting:
            text, _ = process.communicate(timeout=100)
            expect(process.returncode == 0, text)
        for name in ("m1.safetensors", "m2.npz"):
            got = tf.read(path(fed, name))
            expect(list(got) == list(SHAPES), "%s holds %s" % (name, list(got)))
            expect({n: (d, s) for n, (d, s, _) in got.items()} == {n: (DTYPES[n], SHAPES[n]) for n in SHAPES}, name)
            expect_means(flat(got), updates, name)
        got = tf.read(path(fed, "m4.safetensors"))
        expect(all(d == "F16" for d, _, _ in got.values()), got)
        expect(all(abs(a - b) < 1e-3 for a, b in zip(flat(got), flat(tf.read(path(fed, "m1.safetensors"))))), "F16")
        dtype, shape, values = tf.read(path(fed, "m3.npy"))[""]
        expect((dtype, shape) == ("F64", [TOTAL]), (dtype, shape))
        expect_means(values, updates, "m3.npy")
        for name, dtype in (("r.npz", "float32"), ("r.safetensors", "float64"), ("r.npy", "float64")):
            fed.ok("round", "result", "--federation", "federation.json", "--key", "admin.key", "--out", name, "--dtype",
                   dtype, "--sums", name + ".sums")
            got = tf.read(path(fed, name))
            expect(all(d == "F" + dtype[5:] for d, _, _ in got.values()), name)
            expect_means(got[""][2] if name == "r.npy" else flat(got), updates, name)
            expect(os.path.getsize(path(fed, name + ".sums")) >= 8 * TOTAL, "sums")
        left = [name for name in os.listdir(fed.folder) if ".tmp-" in name]
        expect(not left, "left behind: %s" % left)
        fed.stop_all()
        fed.audit()


def case_a_file_that_does_not_fit_is_refused_by_name():
    with named() as fed:
        fed.start_all()
        fed.refused("round", "open", "--federation", "federation.json", "--key", "admin.key", "--dim", "10",
                    says="num_params is %d" % TOTAL)
        r = json.loads(fed.ok("round", "open", "--federation", "federation.json", "--key", "admin.key", "--model",
                              "model.safetensors", "--json").out)["round"]

        def refused(name, tensors, *says, **kw):
            tf.write(path(fed, name), tensors, **kw)
            fed.refused(*fed.submit_args(1, r, name, 50), says=(name, *says))

        good = update(1)
        for name in ("x.safetensors", "x.npz"):
            dtype, shape, values = good["layer1.weight"]
            refused(name, {**good, "layer1.weight": (dtype, shape[::-1], values)},
                    "tensor layer1.weight has shape [5, 7], the federation says [7, 5]")
            refused(name, {n: t for n, t in good.items() if n != "scale"}, "tensor scale [] of the federation is missing")
            refused(name, {**good, "more": ("F64", [1], [0.0])}, "tensor more is not one of the federation's")
        refused("x.npy", {"": ("F64", [TOTAL - 1], [0.0] * (TOTAL - 1))}, "one vector of %d values" % TOTAL)
        bad = dict(good)
        bad["scale"] = ("F64", [], [float("nan")])
        tf.write(path(fed, "nan.safetensors"), bad)
        fed.refused(*fed.submit_args(1, r, "nan.safetensors", 50), says="not finite")
        with open(path(fed, "cut.safetensors"), "wb") as f:
            f.write(tf.safetensors_bytes(good)[:-1])
        fed.refused(*fed.submit_args(1, r, "cut.safetensors", 50), says="outside the")
        tf.write(path(fed, "good.npz"), good)
        fed.refused(*fed.submit_args(1, r, "good.npz", 50, "--out", "mean.txt"), says=("mean.txt", ".safetensors"))
        fed.refused(*fed.submit_args(1, r, "good.npz", 50), says="model")  # the round is for a model
        fed.ok(*fed.submit_args(1, r, "good.npz", 50, "--model", "model.safetensors"))
        # the same values in another container are the same update
        tf.write(path(fed, "again.safetensors"), good)
        fed.ok(*fed.submit_args(1, r, "again.safetensors", 50, "--model", "model.safetensors"))
        fed.stop_all()


def case_without_names_one_array_is_enough():
    with federation(clients=2) as fed:
        fed.start_all()
        r = fed.open(6, "--clients", "2")
        values = [0.5, -0.25, 0.125, 0.0, 0.75, -0.5]
        tf.write(path(fed, "two.npz"), {"a": ("F64", [6], values), "b": ("F64", [6], values)})
        fed.refused(*fed.submit_args(1, r, "two.npz", 50), says=("two.npz: holds 2 tensors", "--tensors-from"))
        tf.write(path(fed, "one.npz"), {"w": ("F32", [2, 3], values)})
        tf.write(path(fed, "one.safetensors"), {"w": ("F32", [2, 3], values)})
        fed.ok(*fed.submit_args(1, r, "one.npz", 50))
        fed.ok(*fed.submit_args(2, r, "one.safetensors", 50, "--out", "mean.safetensors"))
        got = tf.read(path(fed, "mean.safetensors"))
        expect(list(got) == ["w"] and got["w"][:2] == ("F32", [2, 3]), got)
        expect(all(abs(g - v) <= STEP for g, v in zip(got["w"][2], values)), got)
        fed.stop_all()


def case_a_model_moves_along_the_mean_of_its_tensors():
    with federation(clients=1) as fed:
        model, mean = update(1), update(2)
        tf.write(path(fed, "m0.safetensors"), model)
        tf.write(path(fed, "mean.npz"), dict(reversed(mean.items())))
        step = ("model", "step", "--params", "m0.safetensors", "--server-learning-rate", "0.5")
        fed.ok(*step, "--mean", "mean.npz", "--out", "m1.safetensors")
        got = tf.read(path(fed, "m1.safetensors"))
        expect({n: t[:2] for n, t in got.items()} == {n: (DTYPES[n], SHAPES[n]) for n in SHAPES}, got)
        for g, a, b in zip(flat(got), flat(model), flat(mean)):
            expect(abs(g - (a + 0.5 * b)) < 1e-6, (g, a, b))
        tf.write(path(fed, "mean.npy"), {"": ("F64", [TOTAL], flat(mean))})  # a flat one does as well
        fed.ok(*step, "--mean", "mean.npy", "--out", "m2.safetensors")
        expect(tf.read(path(fed, "m2.safetensors")) == got, "another model")
        tf.write(path(fed, "bad.npz"), {n: t for n, t in mean.items() if n != "scale"})
        fed.refused(*step, "--mean", "bad.npz", "--out", "m3.safetensors", says=("bad.npz", "scale"))


def case_without_a_result_nothing_is_written():
    with named() as fed:
        fed.start_all()
        r = json.loads(fed.ok("round", "open", "--federation", "federation.json", "--key", "admin.key", "--json").out)["round"]
        tf.write(path(fed, "u.npz"), update(1))
        waiting = subprocess.Popen([PROGRAM, *fed.submit_args(1, r, "u.npz", 50, "--out", "mean.npz")], cwd=fed.folder,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        end = time.time() + 60
        status = lambda: json.loads(fed.ok("round", "status", "--federation", "federation.json", "--json").out)
        while status()["clients_submitted"] == 0:
            expect(time.time() < end, "no submission")
        fed.ok("round", "cancel", "--federation", "federation.json", "--key", "admin.key")
        out, err = waiting.communicate(timeout=60)
        expect(waiting.returncode == 1 and "submitted, but there is no result" in err and "aborted" in err, (out, err))
        expect(not os.path.exists(path(fed, "mean.npz")), "a mean")
        fed.stop_all()


if __name__ == "__main__":
    sys.exit(run_cases(globals()))
