#!/usr/bin/env python3
"""What a user does by hand, with the real program and real processes on loopback.

  by_hand.py PROGRAM [NAME ...]     run all cases, or those named; exit 1 if one fails

Each case is a function `case_*`: it makes a federation in a temporary folder, starts daemons, and looks at
results, exit statuses and messages. Standard library only. Processes are ended by their own ids."""
import array, contextlib, json, os, random, shutil, signal, socket, struct, subprocess, sys, tempfile, time

PROGRAM = os.path.abspath(sys.argv[1])
os.environ["OPENBLAS_NUM_THREADS"] = "1"


def save_npy(path, values, dtype="<f8", shape=None):
    """A .npy file, version 1.0, as numpy writes it."""
    shape = (len(values),) if shape is None else shape
    dims = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (dtype, dims)
    head += " " * (63 - (10 + len(head)) % 64) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        f.write(array.array("d" if dtype == "<f8" else "f", values).tobytes())


def load_npy(path):
    with open(path, "rb") as f:
        assert f.read(8) == b"\x93NUMPY\x01\x00"
        (n,) = struct.unpack("<H", f.read(2))
        head = f.read(n).decode()
        assert "'<f8'" in head, head
        return array.array("d", f.read()).tolist()


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Run:
    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr
        self.all = done.stdout + done.stderr


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


class Federation:
    def __init__(self, folder, n=3, clients=3, min_clients=2, options=(), address="tcp://127.0.0.1:%d", daemon_options=lambda name: (),
                 public_ports=None):
        """public_ports: those that stand in the file, when something listens there for the daemons."""
        self.folder, self.n, self.process, self.log = folder, n, {}, {}
        self.ports = free_ports(n + 1)
        self.address, self.daemon_options = address, daemon_options
        public = self.ports if public_ports is None else public_ports(self.ports)
        self.ok("keygen", "--out", "admin.key")
        self.ok("keygen", "--out", "agg.key")
        parties = ["--aggregator", "agg.pub@" + address % public[0]]
        for j in range(1, n + 1):
            self.ok("keygen", "--out", "s%d.key" % j)
            parties += ["--shareholder", "s%d.pub@%s" % (j, address % public[j])]
        self.ok("federation", "new", "--name", "by-hand", "--admin", "admin.pub", *parties, "--min-clients",
                str(min_clients), "--max-clients", "16", "--max-weight", "100", "--clip-norm", "1000",
                *([] if "--round-timeout" in options else ["--round-timeout", "60", "--answer-timeout", "30"]), *options, "--out", "federation.json")
        for i in range(1, clients + 1):
            self.client(i)

    def client(self, i):
        self.ok("keygen", "--out", "c%d.key" % i)
        self.ok("federation", "enrol", "--federation", "federation.json", "--key", "admin.key", "c%d.pub" % i)

    def run(self, *args, timeout=120):
        return Run(subprocess.run([PROGRAM, *args], cwd=self.folder, timeout=timeout, text=True,
                                  stdin=subprocess.DEVNULL, capture_output=True))

    def ok(self, *args, **kw):
        done = self.run(*args, **kw)
        expect(done.status == 0, "%s: status %d\n%s" % (" ".join(args), done.status, done.all))
        return done

    def refused(self, *args, status=1, says=(), **kw):
        """One clear line on stderr, the right exit status, the words that must be in it."""
        done = self.run(*args, **kw)
        what = "%s: status %d\n%s" % (" ".join(args), done.status, done.all)
        expect(done.status == status, what)
        lines = [line for line in done.err.splitlines() if line.startswith("veilsum")]
        expect(len(lines) == 1, "not one error line: " + what)
        for word in [says] if isinstance(says, str) else says:
            expect(word in lines[0], "no %r in: %s" % (word, what))
        return done

    def start(self, name):
        role = "aggregator" if name == "agg" else "shareholder"
        self.log[name] = open(os.path.join(self.folder, name + ".log"), "a+")
        start = self.log[name].tell()
        self.process[name] = subprocess.Popen(
            [PROGRAM, role, "--federation", "federation.json", "--key", name + ".key", "--data", name + "-data",
             *self.daemon_options(name)],
            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=self.log[name], stderr=self.log[name])
        end = time.time() + 20
        while time.time() < end:
            self.log[name].seek(start)
            if "listens on" in self.log[name].read():
                return
            expect(self.process[name].poll() is None, name + " ended: " + self.logged(name))
            time.sleep(0.02)
        raise AssertionError(name + " does not listen")

    def logged(self, name):
        with open(os.path.join(self.folder, name + ".log")) as f:
            return f.read()

    def start_all(self):
        for j in range(1, self.n + 1):
            self.start("s%d" % j)
        self.start("agg")

    def kill(self, name, sig=signal.SIGKILL):
        self.process[name].send_signal(sig)
        status = self.process[name].wait(timeout=30)
        del self.process[name]
        return status

    def stop_all(self):
        for name in list(self.process):
            status = self.kill(name, signal.SIGTERM)
            expect(status == 0, "%s ended with %s: %s" % (name, status, self.logged(name)))

    def close(self):
        for name, process in self.process.items():
            process.kill()
            process.wait()
        for f in self.log.values():
            f.close()

    # --- a round ---

    def open(self, dim, *options):
        done = self.ok("round", "open", "--federation", "federation.json", "--key", "admin.key", "--dim",
                       str(dim), "--json", *options)
        return json.loads(done.out)["round"]

    def submit_args(self, i, round_number, update, weight, *options):
        return ["submit", "--federation", "federation.json", "--key", "c%d.key" % i, "--round",
                str(round_number), "--update", update, "--weight", str(weight), *options]

    def submit(self, i, round_number, values, weight, *options):
        save_npy(os.path.join(self.folder, "u%d.npy" % i), values)
        return self.ok(*self.submit_args(i, round_number, "u%d.npy" % i, weight, *options))

    def wait(self, round_number, status=0):
        done = self.run("round", "wait", "--federation", "federation.json", "--round", str(round_number),
                        "--timeout", "100")
        expect(done.status == status, "round wait: status %d\n%s" % (done.status, done.all))
        return done

    def result(self, round_number):
        self.ok("round", "result", "--federation", "federation.json", "--key", "admin.key", "--round",
                str(round_number), "--out", "mean-%d.npy" % round_number)
        return load_npy(os.path.join(self.folder, "mean-%d.npy" % round_number))

    def audit(self, status=0):
        done = self.run("audit", "agg-data/ledger", "--federation", "federation.json")
        expect(done.status == status, "audit: status %d\n%s" % (done.status, done.all))
        return done


@contextlib.contextmanager
def federation(**options):
    folder = tempfile.mkdtemp(prefix="veilsum-hand-")
    fed = None
    try:
        fed = Federation(folder, **options)
        yield fed
    finally:
        if fed is not None:
            fed.close()
        shutil.rmtree(folder, ignore_errors=True)


def updates(count, dim, seed=7):
    rng = random.Random(seed)
    return [[rng.uniform(-0.9, 0.9) for _ in range(dim)] for _ in range(count)]


def expect_mean(mean, values, weights, max_weight=100, bits=16, clipping_range=1.0):
    total = sum(weights)
    step = 2 * clipping_range / (2 ** bits - 1) * max_weight * len(values) / total
    expect(len(mean) == len(values[0]), "%d values" % len(mean))
    for c, got in enumerate(mean):
        want = sum(w * v[c] for w, v in zip(weights, values)) / total
        expect(abs(got - want) <= step, "coordinate %d: %r, not %r within %r" % (c, got, want, step))


def case_weighted_mean():
    """Three shareholders, three submissions: the mean is the weighted mean within the quantiser's step."""
    with federation() as fed:
        fed.start_all()
        values, weights = updates(3, 1000), [10, 60, 100]
        r = fed.open(1000, "--clients", "3")
        for i in range(3):
            fed.submit(i + 1, r, values[i], weights[i])
        fed.wait(r)
        expect_mean(fed.result(r), values, weights)
        fed.stop_all()
        done = fed.audit()
        expect("audit ok" in done.out, done.all)
        fed.ok("ledger", "fsck", "agg-data/ledger")


def case_any_one_of_five_shareholders_may_stop():
    with federation(n=5) as fed:
        fed.start_all()
        for r_want, victim in ((1, "s1"),):
            values = updates(3, 200, seed=r_want)
            r = fed.open(200, "--clients", "3")
            for i in range(3):
                if i == 1:
                    fed.kill(victim)
                fed.submit(i + 1, r, values[i], 50, "--purpose", "round %d" % r)
            fed.wait(r)
            expect_mean(fed.result(r), values, [50] * 3)
            fed.start(victim)
        # one that hangs instead: its connections stay open and nothing is answered
        for moment in ("opening", "listing", "set fixed"):
            values = updates(3, 200, seed=len(moment))
            if moment == "opening":
                fed.process["s4"].send_signal(signal.SIGSTOP)
            r = fed.open(200, "--clients", "3")
            for i in range(3):
                fed.submit(i + 1, r, values[i], 50, "--purpose", "round %d" % r)
            if moment == "listing":
                fed.process["s4"].send_signal(signal.SIGSTOP)
            end = time.time() + 30
            while moment == "set fixed" and "round %d: set fixed" % r not in fed.logged("agg"):
                expect(time.time() < end, "no set: " + fed.logged("agg"))
                time.sleep(0.002)
            fed.process["s4"].send_signal(signal.SIGSTOP)
            fed.wait(r)
            expect_mean(fed.result(r), values, [50] * 3)
            fed.process["s4"].send_signal(signal.SIGCONT)
        fed.stop_all()
        fed.audit()


def case_a_killed_upload_is_resumed():
    dim = 1000000
    with federation() as fed:
        fed.start_all()
        r = fed.open(dim, "--clients", "2")
        for i in (1, 2):
            save_npy(os.path.join(fed.folder, "u%d.npy" % i), [0.25 * i] * dim)
        for pause in (0.02, 0.08, 0.2):
            client = subprocess.Popen([PROGRAM, *fed.submit_args(1, r, "u1.npy", 50)], cwd=fed.folder,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(pause)
            client.kill()
            client.wait()
        for i in (1, 2):
            fed.ok(*fed.submit_args(i, r, "u%d.npy" % i, 50))
        fed.wait(r)
        mean = fed.result(r)
        expect(max(abs(x - 0.375) for x in mean) < 2e-4, "not the mean")
        fed.stop_all()
        fed.audit()


def case_an_expired_round():
    with federation() as fed:
        fed.start_all()
        r = fed.open(10, "--collect", "2")
        save_npy(os.path.join(fed.folder, "u.npy"), [0.5] * 10)
        time.sleep(3.2)
        fed.refused(*fed.submit_args(1, r, "u.npy", 1), says="ended")
        done = fed.wait(r, status=1)
        expect("too-few-clients" in done.all, done.all)
        fed.stop_all()
        fed.audit()


def case_below_the_threshold_it_aborts():
    with federation(n=5, options=()) as fed:
        fed.start_all()
        values = updates(3, 100)
        r = fed.open(100, "--clients", "0", "--collect", "6")
        for i in range(3):
            fed.submit(i + 1, r, values[i], 50)
        fed.kill("s2")
        fed.kill("s3")
        done = fed.wait(r, status=1)
        expect("abort" in done.all and "few" in done.all, done.all)
        expect("3 submitted" in done.out, done.out)
        # and a round that cannot even open says so, though there was one before it
        fed.refused("round", "open", "--federation", "federation.json", "--key", "admin.key", "--dim", "100",
                    says=("round 2 was not opened", "3 of 5"))
        fed.refused("round", "result", "--federation", "federation.json", "--key", "admin.key", "--round", str(r),
                    "--out", "mean.npy")
        expect(not os.path.exists(os.path.join(fed.folder, "mean.npy")), "a mean was written")
        fed.stop_all()
        fed.audit()


def case_aggregator_killed_goes_on():
    with federation() as fed:
        fed.start_all()
        values = updates(3, 300)
        r = fed.open(300, "--clients", "3")
        fed.submit(1, r, values[0], 50)
        fed.kill("agg")
        fed.start("agg")
        fed.submit(2, r, values[1], 50)
        fed.kill("s2")
        fed.start("s2")
        fed.submit(3, r, values[2], 50)
        fed.wait(r)
        expect_mean(fed.result(r), values, [50] * 3)
        fed.stop_all()
        fed.audit()


def case_cancel():
    with federation() as fed:
        fed.start_all()
        r = fed.open(100)
        fed.submit(1, r, updates(1, 100)[0], 50)
        fed.ok("round", "cancel", "--federation", "federation.json", "--key", "admin.key", "--round", str(r))
        done = fed.wait(r, status=1)
        expect("cancelled" in done.all, done.all)
        # the round is closed, so the same client may submit again for the same (no) model
        r2 = fed.open(100, "--clients", "2")
        values = updates(2, 100)
        for i in range(2):
            fed.submit(i + 1, r2, values[i], 50)
        fed.wait(r2)
        expect_mean(fed.result(r2), values, [50] * 2)
        fed.stop_all()
        fed.audit()


def case_enrolment():
    with federation() as fed:
        fed.start_all()
        r = fed.open(10)
        save_npy(os.path.join(fed.folder, "u.npy"), [0.5] * 10)
        fed.ok("keygen", "--out", "c9.key")
        fed.refused(*fed.submit_args(9, r, "u.npy", 1), says="enrol")
        # an enrolment by somebody else's key does not help
        fed.ok("keygen", "--out", "mallory.key")
        fed.refused("federation", "enrol", "--federation", "federation.json", "--key", "mallory.key", "c9.pub",
                    says="admin")
        fed.ok("federation", "enrol", "--federation", "federation.json", "--key", "admin.key", "c9.pub")
        fed.ok(*fed.submit_args(9, r, "u.npy", 1))
        # only the admin opens and cancels
        fed.refused("round", "cancel", "--federation", "federation.json", "--key", "c1.key", "--round", str(r))
        fed.stop_all()


def case_bad_input():
    with federation() as fed:
        fed.start_all()
        r = fed.open(10, "--clients", "3")
        path = lambda name: os.path.join(fed.folder, name)
        good = [0.25] * 10
        save_npy(path("good.npy"), good)
        fed.refused(*fed.submit_args(1, r, "none.npy", 1), says="none.npy")
        public = fed.submit_args(1, r, "good.npy", 1)
        public[public.index("c1.key")] = "c1.pub"
        fed.refused(*public, says="c1.pub: is a public key")
        with open(path("good.npy"), "rb") as f:
            whole = f.read()
        with open(path("cut.npy"), "wb") as f:
            f.write(whole[:-7])
        fed.refused(*fed.submit_args(1, r, "cut.npy", 1), says="cut.npy")
        with open(path("long.npy"), "wb") as f:
            f.write(whole + b"12345678")
        fed.refused(*fed.submit_args(1, r, "long.npy", 1), says="long.npy")
        save_npy(path("nan.npy"), [0.25] * 9 + [float("nan")])
        fed.refused(*fed.submit_args(1, r, "nan.npy", 1), says="9")
        save_npy(path("inf.npy"), [float("inf")] + [0.25] * 9)
        fed.refused(*fed.submit_args(1, r, "inf.npy", 1))
        save_npy(path("short.npy"), [0.25] * 9)
        fed.refused(*fed.submit_args(1, r, "short.npy", 1), says=("9", "10"))
        fed.refused(*fed.submit_args(1, r, "good.npy", 0), status=2, says="weight")
        fed.refused(*fed.submit_args(1, r, "good.npy", 101), says="max_weight = 100")
        fed.refused(*fed.submit_args(1, r, "good.npy", "abc"), status=2, says="abc")
        fed.refused(*fed.submit_args(1, r + 5, "good.npy", 1, "--timeout", "3"), timeout=60)
        fed.ok(*fed.submit_args(1, r, "good.npy", 1))
        save_npy(path("other.npy"), [0.75] * 10)
        fed.refused(*fed.submit_args(1, r, "other.npy", 1), says="another update")
        fed.ok(*fed.submit_args(1, r, "good.npy", 1))  # the same again is fine
        # port in use: the daemon that has it goes on
        shutil.copytree(path("s1-data"), path("copy"))
        fed.refused("shareholder", "--federation", "federation.json", "--key", "s1.key", "--data", "copy2",
                    says=str(fed.ports[1]))
        fed.refused("shareholder", "--federation", "federation.json", "--key", "s1.key", "--data", "s1-data")
        fed.refused("shareholder", "--federation", "federation.json", "--key", "c1.key", "--data", "x")
        # another federation's file: same addresses, other id
        text = open(path("federation.json")).read().replace("by-hand", "by-foot")
        open(path("other.json"), "w").write(text)
        args = fed.submit_args(2, r, "good.npy", 1)
        args[2] = "other.json"
        fed.refused(*args)
        # garbage on the port
        for port in fed.ports:
            with socket.create_connection(("127.0.0.1", port)) as s:
                s.sendall(os.urandom(3000))
        values = [good, good, good]
        for i in (2, 3):
            fed.ok(*fed.submit_args(i, r, "good.npy", 1))
        fed.wait(r)
        expect_mean(fed.result(r), values, [1, 1, 1])
        # the round is over
        fed.client(4)
        fed.refused(*fed.submit_args(4, r, "good.npy", 1))
        fed.stop_all()
        fed.audit()


def main():
    cases = {name[5:]: f for name, f in globals().items() if name.startswith("case_")}
    wanted = sys.argv[2:] or list(cases)
    failed = 0
    for name in wanted:
        start = time.time()
        try:
            cases[name]()
            print("ok    %-45s %5.1f s" % (name, time.time() - start), flush=True)
        except Exception as error:  # report, go on with the next case
            failed += 1
            print("FAIL  %-45s %5.1f s\n      %s" % (name, time.time() - start, error), flush=True)
    print("%d passed, %d failed" % (len(wanted) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
