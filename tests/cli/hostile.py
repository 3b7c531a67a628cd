#!/usr/bin/env python3
"""An honest round with real daemons while hundreds of bad connections hang on every one of them.

  hostile.py PROGRAM [NAME ...]     run all cases, or those named; exit 1 if one fails

Slow at every stage, idle, half-open (their process is stopped), floods, garbage, claims of oversized messages, bodies that are
never finished, replies that nobody takes. The round must end exactly as without them, and no daemon may have grown by more than
what docs/ARCHITECTURE.md states. Standard library only; processes are ended by their own ids."""
import multiprocessing, os, resource, signal, socket, struct, sys, threading, time

import by_hand, operations
from by_hand import expect, expect_mean, federation, updates

HELLO = b"\0SP\0\0\x30\0\0"
GROWTH_MAX = 160 << 20  # 64 MiB of bodies, 64 MiB of replies, and what connections cost


def head(length, ident=1):
    return struct.pack(">QI", length + 4, ident | 1 << 31)


def connect(port, greet=True):
    s = socket.create_connection(("127.0.0.1", port), timeout=5)
    if greet:
        s.sendall(HELLO)
    return s


def quiet(what):
    """Until the process is ended; what the other side closes is begun again."""
    while True:
        try:
            what()
        except OSError:
            time.sleep(0.05)


def keep(ports, count, make):
    """count connections to each port, held open without a word."""
    held = []
    for _ in range(count):
        for port in ports:
            try:
                held.append(make(port))
            except OSError:
                pass
    return held


def idle(ports):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    held = keep(ports, 400, connect) + keep(ports, 100, lambda port: connect(port, greet=False))
    if len(held) < 400 * len(ports):
        print("      only %d idle connections" % len(held))
    time.sleep(3600)


def half_open(ports):
    """Half a request each, and then this process is stopped: nothing is ever said, closed or acknowledged by it again."""
    held = keep(ports, 15, connect)
    for s in held:
        s.sendall(head(1000) + b"half")
    os.kill(os.getpid(), signal.SIGSTOP)


def drip(port, start):
    def once():
        with connect(port, greet=False) as s:
            s.sendall(start)
            for byte in (HELLO + head(4 << 20) + bytes(1000))[len(start):]:
                s.sendall(bytes([byte]))
                time.sleep(0.2)
    quiet(once)


def slow(ports):
    for port in ports:
        for start in (b"", HELLO, HELLO + head(4 << 20)[:6], HELLO + head(4 << 20) + bytes(100)):
            for _ in range(3):
                threading.Thread(target=drip, args=(port, start), daemon=True).start()
    time.sleep(3600)


def flood_one(port):
    def once():
        with connect(port) as s:
            s.recv(8)
            while True:  # junk, and requests for status of nobody's federation: as fast as they are answered
                s.sendall(head(40) + os.urandom(40))
                if not s.recv(65536):
                    return
    quiet(once)


def flood(ports):
    for port in ports:
        for _ in range(4):
            threading.Thread(target=flood_one, args=(port,), daemon=True).start()
    time.sleep(3600)


def garbage(ports):
    def once():
        for port in ports:
            for bytes_ in (os.urandom(3000), HELLO + os.urandom(3000), HELLO + head(1 << 62), HELLO + head((4 << 20) + 65537),
                           b"GET / HTTP/1.1\r\n\r\n"):
                with connect(port, greet=False) as s:
                    s.sendall(bytes_)
        time.sleep(0.05)
    quiet(once)


def unfinished(ports):
    """Claims the largest message and sends a megabyte of it, over and over."""
    def one(port):
        def once():
            with connect(port) as s:
                s.sendall(head(4 << 20) + bytes(1 << 20))
                time.sleep(20)
        quiet(once)
    for port in ports:
        for _ in range(20):
            threading.Thread(target=one, args=(port,), daemon=True).start()
    time.sleep(3600)


def untaken(ports):
    """Sends requests and never reads a reply."""
    def one(port):
        def once():
            with connect(port) as s:
                for i in range(10000):
                    s.sendall(head(40, i) + os.urandom(40))
        quiet(once)
    for port in ports:
        for _ in range(3):
            threading.Thread(target=one, args=(port,), daemon=True).start()
    time.sleep(3600)


ATTACKS = (idle, half_open, slow, flood, garbage, unfinished, untaken)


def rss(pid):
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    raise AssertionError("no VmHWM of %d" % pid)


class Siege:
    """Each attack in a process of its own."""

    def __init__(self, ports, attacks):
        fork = multiprocessing.get_context("fork")
        self.processes = [fork.Process(target=attack, args=(ports,), daemon=True) for attack in attacks]

    def __enter__(self):
        for p in self.processes:
            p.start()
        time.sleep(4)
        return self

    def __exit__(self, *_):
        for p in self.processes:
            os.kill(p.pid, signal.SIGKILL)
            p.join()


def round_under(fed, attacks, values):
    before = {name: rss(p.pid) for name, p in fed.process.items()}
    with Siege(fed.ports, attacks):
        start = time.time()
        r = fed.open(len(values[0]), "--clients", "3")
        for i, v in enumerate(values, 1):
            fed.submit(i, r, v, 1)
        fed.wait(r)
        took = time.time() - start
        expect_mean(fed.result(r), values, [1] * len(values))
    sanitized = b"__asan_init" in open(by_hand.PROGRAM, "rb").read()
    grew = {name: rss(p.pid) - before[name] for name, p in fed.process.items()}
    for name, grown in grew.items():
        limit = GROWTH_MAX * (4 if sanitized else 1)  # AddressSanitizer keeps 256 MiB of what was freed
        expect(grown <= limit, "%s grew by %d MiB" % (name, grown >> 20))
    return took, max(grew.values()) >> 20


def case_a_round_ends_while_everything_hangs_on_every_daemon():
    values = updates(3, 2000)
    with federation(n=3, clients=3) as fed:
        fed.start_all()
        calm, calm_mib = round_under(fed, (), values)
    with federation(n=3, clients=3) as fed:
        fed.start_all()
        took, mib = round_under(fed, ATTACKS, values)
        print("      %.1f s, the largest daemon grew by %d MiB; without attacks %.1f s, %d MiB" % (took, mib, calm, calm_mib))
        fed.stop_all()
        fed.audit()


if __name__ == "__main__":
    sys.exit(operations.run_cases(globals()))
