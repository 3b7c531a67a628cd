#!/usr/bin/env python3
"""Array files that Python wrote, read by us, and the other way (convert.c).

  containers.py CONVERT

The formats are written by hand with struct, json and zipfile (tensor_files.py); where numpy or the safetensors
package is installed, they take part as well. Standard library only."""
import os, random, subprocess, sys, tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tensor_files as tf

CONVERT = sys.argv[1]
random.seed(1)


def values(n):
    return [random.randrange(-1000, 1000) / 8 for _ in range(n)]  # exact in every type but BF16


def run(*args):
    done = subprocess.run([CONVERT, *args], text=True, capture_output=True, timeout=60)
    assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
    return done


def convert(*args):
    done = run(*args)
    assert done.returncode == 0, (args, done.stderr)


TENSORS = {
    "layer1.weight": ("F32", [7, 11], values(77)),
    "layer1.bias": ("F64", [11], values(11)),
    "größe/π": ("F32", [2, 1, 3], values(6)),
    "scalar": ("F64", [], values(1)),
    "nothing": ("F32", [0, 4], []),
    "long": ("F64", [40000], values(40000)),
}
HALVES = {"half": ("F16", [2, 3], [1.0, -2.5, 65504.0, 0.0, 2.0 ** -24, -0.125]),
          "brain": ("BF16", [3], [1.0, -2.5, 2.0 ** 100])}


def check_all_ways(folder):
    ways = [("a.safetensors", {}), ("a.safetensors", {"order": sorted(TENSORS)}), ("a.safetensors", {"pad": False}),
            ("a.safetensors", {"metadata": {"format": "pt"}}), ("a.npz", {}), ("a.npz", {"deflated": True}),
            ("a.npz", {"force_zip64": True}), ("a.npz", {"deflated": True, "force_zip64": True})]
    for name, kw in ways:
        path = os.path.join(folder, name)
        tf.write(path, TENSORS, **kw)
        for to in ("b.safetensors", "b.npz"):
            out = os.path.join(folder, to)
            convert(path, out)
            got = tf.read(out)
            assert got == {k: (d, list(s), v) for k, (d, s, v) in TENSORS.items()}, (name, kw, to)
    return len(ways) * 2


def check_npy(folder):
    for dtype in ("F64", "F32"):
        for shape in ([6], [2, 3], []):
            for version in (1, 2):
                path, out = os.path.join(folder, "a.npy"), os.path.join(folder, "b.npy")
                v = values(tf.count(shape))
                tf.write(path, {"": (dtype, shape, v)}, version=version)
                convert(path, out)
                assert tf.read(out) == {"": (dtype, shape, v)}


def check_halves(folder):
    path, out = os.path.join(folder, "h.safetensors"), os.path.join(folder, "o.safetensors")
    tf.write(path, HALVES)
    convert(path, out)
    assert tf.read(out) == HALVES
    convert(path, os.path.join(folder, "o.npz"))  # no half types there: float32
    got = tf.read(os.path.join(folder, "o.npz"))
    assert got == {k: ("F32", s, v) for k, (d, s, v) in HALVES.items()}
    convert(path, out, "F64")
    assert {k: t[2] for k, t in tf.read(out).items()} == {k: t[2] for k, t in HALVES.items()}


def check_refusals(folder):
    """Members that Python's tools can make and we do not take."""
    path, out = os.path.join(folder, "r.npz"), os.path.join(folder, "o.npz")

    def refused(text):
        done = run(path, out)
        assert done.returncode == 1 and text in done.stderr and path in done.stderr, done.stderr

    import zipfile
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as z:
        z.writestr("w.npy", tf.npy_bytes("F64", [3], values(3)))
    refused("member w.npy: compression method 12")
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("w.npy", tf.npy_bytes("F64", [3], values(3)).replace(b"<f8", b"<i8"))
    refused("member w.npy: dtype '<i8'")
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("w.npy", tf.npy_bytes("F64", [3], values(2)))
    refused("member w.npy: truncated")
    with open(path, "ab") as f:
        f.write(b"more")
    refused("no end of a ZIP archive")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:  # 256 MiB of zeros in 260 kB
        with z.open("bomb.npy", "w") as f:
            f.write(tf.npy_bytes("F64", [2 ** 25], []))
            for _ in range(256):
                f.write(bytes(1 << 20))
    refused("too many values" if os.path.getsize(path) == 0 else "member bomb.npy")


def check_packages(folder):
    path, out = os.path.join(folder, "p.safetensors"), os.path.join(folder, "q.safetensors")
    try:
        import numpy
    except ImportError:
        print("note: numpy is not installed: only files written by hand were exchanged")
        return
    arrays = {"w": numpy.arange(12, dtype="<f4").reshape(3, 4) / 8, "b": numpy.arange(3, dtype="<f8")}
    for save in (numpy.savez, numpy.savez_compressed):
        save(os.path.join(folder, "n.npz"), **arrays)
        convert(os.path.join(folder, "n.npz"), os.path.join(folder, "m.npz"))
        with numpy.load(os.path.join(folder, "m.npz")) as got:
            assert all((got[k] == v).all() and got[k].dtype == v.dtype for k, v in arrays.items())
    try:
        from safetensors import numpy as st
    except ImportError:
        print("note: the safetensors package is not installed")
        return
    st.save_file(arrays, path)
    convert(path, out)
    got = st.load_file(out)
    assert all((got[k] == v).all() and got[k].dtype == v.dtype for k, v in arrays.items())


with tempfile.TemporaryDirectory() as folder:
    n = check_all_ways(folder)
    check_npy(folder)
    check_halves(folder)
    check_refusals(folder)
    check_packages(folder)
    print("%d conversions between files of ours and of Python's: equal" % n)
