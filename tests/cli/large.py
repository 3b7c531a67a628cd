#!/usr/bin/env python3
"""A whole round with large updates: the client's memory, from the system's own account (ru_maxrss).

  large.py PROGRAM [--values 100000000] [--shareholders 5] [--folder DIR] [--limit BYTES_PER_CLIENT]

Two clients, one with a float32 .safetensors of two tensors, one with a float64 .npy; each submits and fetches the
result with --out. Fails when a client's peak is above the limit (2 GB by default), or a mean is wrong. Needs about 40
bytes of disk per value. Standard library only."""
import argparse, array, json, os, struct, subprocess, sys, tempfile, time

parser = argparse.ArgumentParser()
parser.add_argument("program")
parser.add_argument("--values", type=int, default=100_000_000)
parser.add_argument("--shareholders", type=int, default=5)
parser.add_argument("--folder")
parser.add_argument("--limit", type=int, default=2_000_000_000)
options = parser.parse_args()
sys.argv[1:] = [options.program]
if options.folder:
    tempfile.tempdir = options.folder

import by_hand
from by_hand import PROGRAM, expect, federation

N = options.values - options.values % 8
PERIOD = [((7 * i) % 127 - 63) / 2048 for i in range(1016)]  # exact in float32; a multiple of 8 long
SANITIZED = b"__asan_init" in open(PROGRAM, "rb").read()


def write_values(f, code, count, scale=1.0):
    block = array.array(code, [scale * PERIOD[i % len(PERIOD)] for i in range(len(PERIOD) * 1024)])
    data, left = block.tobytes(), count * block.itemsize
    while left > 0:
        f.write(data[:left])
        left -= len(data)


def write_safetensors(path, scale):
    head = json.dumps({"w": {"dtype": "F32", "shape": [2, N // 4], "data_offsets": [0, 2 * N]},
                       "b": {"dtype": "F32", "shape": [N // 2], "data_offsets": [2 * N, 4 * N]}}).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head)
        write_values(f, "f", N, scale)


def write_npy(path, scale):
    head = "{'descr': '<f8', 'fortran_order': False, 'shape': (%d,), }" % N
    head += " " * (63 - (10 + len(head)) % 64) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        write_values(f, "d", N, scale)


def check_mean(path, skip, code, want):
    """Some thousands of values from all over the file."""
    size = struct.calcsize(code)
    with open(path, "rb") as f:
        if skip is None:
            (length,) = struct.unpack("<Q", f.read(8))
            skip = 8 + length
        expect(os.path.getsize(path) == skip + size * N, "%s: %d bytes" % (path, os.path.getsize(path)))
        for start in [k * (N // 7) for k in range(7)] + [N - 1000]:
            f.seek(skip + size * start)
            got = struct.unpack("<1000" + code, f.read(1000 * size))
            for i, v in enumerate(got):
                w = want * PERIOD[(start + i) % len(PERIOD)]
                expect(abs(v - w) < 1e-4, "%s: value %d is %r, not %r" % (path, start + i, v, w))


def peak_of(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(next(line for line in f if line.startswith("VmHWM")).split()[1]) * 1024


def main():
    with tempfile.TemporaryDirectory() as models:
        names = os.path.join(models, "names.safetensors")
        write_safetensors(names, 1.0)
        with federation(n=options.shareholders, clients=2, options=(
                "--tensors-from", names, "--round-timeout", "7200", "--answer-timeout", "7200")) as fed:
            os.unlink(names)
            fed.start_all()
            start = time.time()
            r = json.loads(fed.ok("round", "open", "--federation", "federation.json", "--key", "admin.key", "--clients", "2",
                                  "--json").out)["round"]
            write_safetensors(os.path.join(fed.folder, "u1.safetensors"), 1.0)
            write_npy(os.path.join(fed.folder, "u2.npy"), 0.5)
            waiting = {}
            for i, name, out in ((1, "u1.safetensors", "m1.safetensors"), (2, "u2.npy", "m2.npy")):
                waiting[i] = subprocess.Popen([PROGRAM, *fed.submit_args(i, r, name, 50, "--out", out, "--threads", "2",
                                                                         "--timeout", "3600")],
                                              cwd=fed.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            peaks = {}
            for i, process in waiting.items():
                text = process.stdout.read().decode()
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                expect(process.returncode == 0, "client %d: %s" % (i, text))
                peaks["client %d" % i] = usage.ru_maxrss * 1024
                print("client %d: %s" % (i, text.strip()))
            seconds = time.time() - start
            for name, process in fed.process.items():
                peaks[name] = peak_of(process.pid)
            check_mean(os.path.join(fed.folder, "m1.safetensors"), None, "f", 0.75)
            check_mean(os.path.join(fed.folder, "m2.npy"), 128, "d", 0.75)
            fed.stop_all()
    print("%d values, %d shareholders, %.0f s" % (N, options.shareholders, seconds))
    for name, peak in peaks.items():
        print("peak of %-9s %8.1f MB" % (name, peak / 1e6))
    for i in (1, 2):
        expect(SANITIZED or peaks["client %d" % i] < options.limit, "client %d: above %d bytes" % (i, options.limit))


main()
