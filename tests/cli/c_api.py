#!/usr/bin/env python3
"""The C interface as others use it: install, compile the program of docs/C_API.md by pkg-config, run it with daemons.

  c_api.py PROGRAM BUILD CC CFLAGS     the flags that the library was built with (sanitizers)

Standard library only."""
import os, re, shlex, shutil, subprocess, sys, tempfile

PROGRAM, BUILD, CC = map(os.path.abspath, sys.argv[1:3] + [shutil.which(sys.argv[3])])
CFLAGS = shlex.split(sys.argv[4]) if len(sys.argv) > 4 else []
sys.argv[2:] = []
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "fl", "containers"))
import tensor_files as tf
from by_hand import expect, federation
from operations import run_cases

PREFIX = tempfile.mkdtemp(prefix="veilsum-prefix-")


def must(*command, **kw):
    done = subprocess.run(command, text=True, capture_output=True, timeout=300, **kw)
    expect(done.returncode == 0, "%s\n%s%s" % (" ".join(command), done.stdout, done.stderr))
    return done.stdout


def compile_with_pkg_config(source, out, *more):
    (pc,) = [os.path.join(folder, "veilsum.pc") for folder, _, names in os.walk(PREFIX) if "veilsum.pc" in names]
    env = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(pc))
    expect(must("pkg-config", "--modversion", "veilsum", env=env).strip(), "no version")
    flags = shlex.split(must("pkg-config", "--cflags", "--static", "--libs", "veilsum", env=env))
    must(CC, "-std=c11", "-Wall", "-Wextra", "-Werror", *CFLAGS, *more, "-o", out, source, *flags, cwd="/")


def case_the_documented_program_takes_part():
    must("cmake", "--install", BUILD, "--prefix", PREFIX)
    os.environ["LD_LIBRARY_PATH"] = os.path.join(PREFIX, "lib")  # of a shared library
    installed = sorted(os.path.join(folder, name)[len(PREFIX) + 1:] for folder, _, names in os.walk(PREFIX) for name in names)
    expect("include/veilsum.h" in installed and "bin/veilsum" in installed and len(installed) in (4, 5, 6), installed)
    with open(os.path.join(HERE, "..", "..", "docs", "C_API.md")) as f:
        (text,) = re.findall(r"```c\n(.*?)```", f.read(), re.S)
    source, names = os.path.join(PREFIX, "client.c"), os.path.join(PREFIX, "names.safetensors")
    with open(source, "w") as f:
        f.write(text)
    compile_with_pkg_config(source, os.path.join(PREFIX, "client"))
    zeros = {"w": ("F32", [2, 3], [0.0] * 6), "b": ("F64", [3], [0.0] * 3)}
    tf.write(names, zeros)
    with federation(clients=3, options=("--tensors-from", names)) as fed:
        fed.start_all()
        fed.ok("round", "open", "--federation", "federation.json", "--key", "admin.key", "--clients", "3")
        shifts = [0.1, 0.2, -0.05]
        run = lambda i: [os.path.join(PREFIX, "client"), "federation.json", "c%d.key" % i, str(shifts[i - 1])]
        running = [subprocess.Popen(run(i), cwd=fed.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                   for i in (1, 2)]
        third = {"w": ("F32", [2, 3], [0.1 * i + shifts[2] for i in range(6)]),
                 "b": ("F64", [3], [-0.1 * i + shifts[2] for i in range(3)])}
        tf.write(os.path.join(fed.folder, "u3.npz"), third)
        fed.ok(*fed.submit_args(3, 1, "u3.npz", 50))
        mid = sum(shifts) / 3
        want = [0.1 * i + mid for i in range(6)] + [-0.1 * i + mid for i in range(3)]  # the file's order: w, b
        for process in running:
            text, _ = process.communicate(timeout=120)
            expect(process.returncode == 0 and "mean of 3 clients:" in text, text)
            got = list(map(float, text.split("clients:")[1].split()))
            expect(len(got) == 9 and all(abs(g - w) < 4e-4 for g, w in zip(got, want)), (got, want))
        saved = tf.read(os.path.join(fed.folder, "mean.safetensors"))
        expect(list(saved) == ["w", "b"] and all(d == "F64" for d, _, _ in saved.values()), saved)
        # once more: reported, not sent twice; and with other values: refused
        again = subprocess.run(run(1), cwd=fed.folder, text=True, capture_output=True, timeout=120)
        expect(again.returncode == 0 and "mean of 3 clients:" in again.stdout, again.stdout + again.stderr)
        other = subprocess.run(run(1)[:3] + ["0.7"], cwd=fed.folder, text=True, capture_output=True, timeout=120)
        expect(other.returncode == 1 and other.stderr.startswith("submit: ") and "never sent" in other.stderr, other.stderr)
        fed.stop_all()
        fed.audit()


    # what it needs is what a client needs
    ldd = must("ldd", os.path.join(PREFIX, "client"))
    expect("openblas" not in ldd, ldd)


def case_every_call_refuses_what_it_should():
    source = os.path.join(HERE, "c_api_misuse.c")
    compile_with_pkg_config(source, os.path.join(PREFIX, "misuse"))
    with federation(clients=1) as fed:
        fed.start_all()
        print(must(os.path.join(PREFIX, "misuse"), "federation.json", "c1.key", "admin.key", cwd=fed.folder), end="")
        fed.stop_all()


try:
    status = run_cases(globals())
finally:
    shutil.rmtree(PREFIX, ignore_errors=True)
sys.exit(status)
