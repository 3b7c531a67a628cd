"""The processes of a federation, each behind a proxy of ours."""
import array, json, os, signal, socket, struct, subprocess, threading, time

from proxy import Proxy

BITS, MAX_WEIGHT = 16, 100


def save_npy(path, values):
    """A .npy file, version 1.0, as numpy writes it."""
    head = "{'descr': '<f8', 'fortran_order': False, 'shape': (%d,), }" % len(values)
    head += " " * (63 - (10 + len(head)) % 64) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        f.write(array.array("d", values).tobytes())


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Federation:
    def __init__(self, folder, program, liar, n, clients, answer_s):
        self.folder, self.program, self.liar = folder, os.path.abspath(program), os.path.abspath(liar)
        self.process, self.lied, self.statements = {}, set(), set()
        self.lock = threading.Lock()
        self.names = ["agg"] + ["s%d" % j for j in range(1, n + 1)]
        self.port = {name: free_port() for name in self.names}
        self.proxy = {name: Proxy(name, self.port[name], self.statements) for name in self.names}
        self.ok("keygen", "--out", "admin.key")
        parties = []
        for name in self.names:
            self.ok("keygen", "--out", name + ".key")
            parties += ["--aggregator" if name == "agg" else "--shareholder",
                        "%s.pub@tcp://127.0.0.1:%d" % (name, self.proxy[name].port)]
        self.ok("federation", "new", "--name", "chaos", "--admin", "admin.pub", *parties, "--min-clients", "3",
                "--max-clients", "16", "--max-weight", str(MAX_WEIGHT), "--clip-norm", "0", "--round-timeout", "60",
                "--quantization-bits", str(BITS), "--answer-timeout", str(answer_s), "--public-results")
        for i in range(1, clients + 1):
            self.ok("keygen", "--out", "c%d.key" % i)
            self.ok("federation", "enrol", "--federation", "federation.json", "--key", "admin.key", "c%d.pub" % i)

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *args):
        try:
            return subprocess.run([self.program, *args], cwd=self.folder, timeout=120, text=True,
                                  stdin=subprocess.DEVNULL, capture_output=True)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(args, 124, "", "timed out")

    def ok(self, *args):
        done = self.run(*args)
        if done.returncode != 0:
            raise RuntimeError("%s: %s" % (" ".join(args), done.stdout + done.stderr))
        return done

    # --- daemons ---

    def logged(self, name):
        with open(self.path(name + ".log")) as f:
            return f.read()

    def start(self, name, lie=None, environment={}):
        environment = dict(os.environ, OPENBLAS_NUM_THREADS="1", **environment)
        if lie:
            environment["VEILSUM_LIE"] = lie
            self.lied.add(name)
        role = "aggregator" if name == "agg" else "shareholder"
        with open(self.path(name + ".log"), "a") as log:
            start = log.tell()
            process = subprocess.Popen(
                [self.liar if lie else self.program, role, "--federation", "federation.json", "--key", name + ".key",
                 "--data", name + "-data", "--listen", "tcp://127.0.0.1:%d" % self.port[name]],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        with self.lock:
            self.process[name] = process
        end = time.time() + 30
        while "listens on" not in self.logged(name)[start:]:
            if process.poll() is not None:
                raise RuntimeError("%s ended with status %d: %s" % (name, process.returncode, self.logged(name)[start:]))
            if time.time() > end:
                raise RuntimeError("%s does not listen: %s" % (name, self.logged(name)[start:]))
            time.sleep(0.02)

    def start_all(self):
        for name in self.names[1:] + self.names[:1]:
            self.start(name)

    def signal(self, name, number):
        self.process[name].send_signal(number)

    def kill(self, name):
        process = self.process[name]
        if process.poll() is not None:
            raise RuntimeError("%s had ended with status %d: %s" % (name, process.returncode, self.logged(name)[-500:]))
        process.kill()
        process.wait()
        self.proxy[name].cut()

    def partition(self, name, seconds, cut):
        if cut:
            self.proxy[name].cut()
        self.proxy[name].silence(seconds)

    def stop_all(self):
        for name, process in self.process.items():
            process.send_signal(signal.SIGTERM)
            try:
                status = process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                raise RuntimeError("%s does not stop: %s" % (name, self.logged(name)[-500:]))
            if status != 0:
                raise RuntimeError("%s ended with status %d: %s" % (name, status, self.logged(name)[-500:]))
        self.process = {}

    def close(self):
        for process in self.process.values():
            process.kill()
            process.wait()
        for proxy in self.proxy.values():
            proxy.close()

    # --- rounds ---

    def status(self, number):
        done = self.run("round", "status", "--federation", "federation.json", "--round", str(number), "--json")
        try:
            return json.loads(done.stdout) if done.returncode == 0 else None
        except ValueError:
            return None

    def submit(self, i, number, weight, lie=None):
        environment = dict(os.environ, OPENBLAS_NUM_THREADS="1", **({"VEILSUM_LIE": lie} if lie else {}))
        return subprocess.Popen(
            [self.liar if lie else self.program, "submit", "--federation", "federation.json", "--key", "c%d.key" % i,
             "--round", str(number), "--update", "u%d.npy" % i, "--weight", str(weight), "--purpose", "round %d" % number,
             "--timeout", "40", "--json"],
            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment)

    def sums(self, number):
        for tries in range(20):
            done = self.run("round", "result", "--federation", "federation.json", "--key", "admin.key", "--round",
                            str(number), "--out", "mean-%d.npy" % number, "--sums", "sums-%d" % number)
            if done.returncode == 0:
                break
            time.sleep(0.5)
        if done.returncode != 0:
            raise RuntimeError("round result: " + done.stdout + done.stderr)
        with open(self.path("sums-%d" % number), "rb") as f:
            return array.array("Q", f.read()).tolist()
