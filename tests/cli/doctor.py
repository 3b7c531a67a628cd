#!/usr/bin/env python3
"""`veilsum doctor` on deployments that are broken in one way each.

  doctor.py PROGRAM [NAME ...]     run all cases, or those named; exit 1 if one fails"""
import contextlib, json, os, resource, shutil, signal, socket, struct, subprocess, sys, threading, time

import by_hand, operations
from by_hand import PROGRAM, expect, federation, free_ports


class Bed:
    """A healthy federation of three, and doctor on it as shareholder 1."""

    def __init__(self, fed):
        self.fed = fed

    def doctor(self, *args, name="s1", federation_file="federation.json", **kw):
        done = subprocess.run([PROGRAM, "doctor", "--federation", federation_file, "--key", name + ".key", "--data", name + "-data",
                               "--json", "--min-free", "10", *args], cwd=self.fed.folder, text=True, capture_output=True, timeout=120, **kw)
        expect(done.returncode in (0, 1), done.stdout + done.stderr)
        report = json.loads(done.stdout)
        bad = [c for c in report["checks"] if c["status"] == "fail"]
        expect((done.returncode == 1) == bool(bad) and report["ok"] == (not bad) and report["problems"] == len(bad), done.stdout)
        return report

    def finds(self, check, status, words, *args, **kw):
        """This check has this status, its text these words, and (unless ok) it says what to do."""
        report = self.doctor(*args, **kw)
        words = [words] if isinstance(words, str) else words
        for c in report["checks"]:
            if c["check"] == check and c["status"] == status and all(w in c["found"] for w in words):
                expect(c["advice"] or status == "ok" or check == "key", "no advice: %s" % c)
                return c
        raise AssertionError("no %s of \"%s\" with %s in\n%s" % (status, check, words, json.dumps(report, indent=1)))


@contextlib.contextmanager
def bed(**options):
    with federation(**options) as fed:
        fed.start_all()
        yield Bed(fed)


def case_a_healthy_deployment_has_no_problem():
    with bed() as b:
        for name in ("s1", "agg"):
            report = b.doctor(name=name)
            expect(report["ok"], json.dumps(report, indent=1))
        for check in ("program", "cpu", "open files", "randomness", "federation file", "key", "data folder", "disk space",
                      "durable writes", "aggregator", "shareholder 1", "shareholder 2", "shareholder 3", "lock"):
            expect(any(c["check"] == check for c in report["checks"]), "not checked: " + check)
        for name, words in (("admin", "admin"), ("c1", "enrolled")):
            done = b.fed.run("doctor", "--federation", "federation.json", "--key", name + ".key")
            expect(done.status == 0 and words in done.out, done.all)
            expect(not any(line != line.rstrip() for line in done.out.splitlines()), "trailing spaces: " + done.out)
        b.fed.refused("doctor", status=2, says="federation")
        b.fed.stop_all()


def case_the_federation_file():
    with bed() as b:
        path = os.path.join(b.fed.folder, "broken.json")
        with open(os.path.join(b.fed.folder, "federation.json")) as f:
            text = f.read()
        with open(path, "w") as f:
            f.write(text[:-20])
        b.finds("federation file", "fail", "broken.json", federation_file="broken.json")
        b.finds("federation file", "fail", "nowhere.json", federation_file="nowhere.json")
        with open(path, "w") as f:
            f.write(text.replace("by-hand", "by-foot"))
        b.finds("aggregator", "fail", "federation", federation_file="broken.json")


def case_the_key():
    with bed() as b:
        os.chmod(os.path.join(b.fed.folder, "s1.key"), 0o644)
        b.finds("key", "fail", "others may read")
        os.chmod(os.path.join(b.fed.folder, "s1.key"), 0o600)
        b.fed.ok("keygen", "--out", "stranger.key")
        b.finds("key", "fail", "no party", name="stranger")
        shutil.copy(os.path.join(b.fed.folder, "c1.enrolment"), os.path.join(b.fed.folder, "stranger.enrolment"))
        b.finds("key", "fail", "another key", name="stranger")


def case_the_data_folder_and_its_lock():
    with bed() as b:
        data = os.path.join(b.fed.folder, "s1-data")
        os.chmod(data, 0o755)
        b.finds("data folder", "fail", "mode 755")
        os.chmod(data, 0o700)
        shutil.copytree(data, os.path.join(b.fed.folder, "s9-data"))
        shutil.copy(os.path.join(b.fed.folder, "s1.key"), os.path.join(b.fed.folder, "s9.key"))
        b.finds("lock", "fail", "does not use s9-data", name="s9")
        b.fed.process["s1"].send_signal(signal.SIGSTOP)
        b.finds("lock", "warn", "does not answer")
        b.fed.process["s1"].send_signal(signal.SIGCONT)
        b.fed.kill("s1")
        b.finds("lock", "ok", "free")
        shutil.rmtree(data)
        b.finds("data folder", "warn", "No such file")
        with open(data, "w") as f:
            f.write("a file")
        os.chmod(data, 0o600)
        b.finds("data folder", "fail", "is no folder")


def case_the_disk():
    with bed() as b:
        done = b.fed.run("doctor", "--federation", "federation.json", "--key", "s1.key", "--data", "s1-data", "--min-free", "900000000")
        expect(done.status == 1 and "FAIL  disk space" in done.out and "make room" in done.out, done.all)
        if os.geteuid() != 0 or not shutil.which("unshare"):
            return
        # a full disk: durable writes fail
        script = ("mount -t tmpfs -o size=64k none full && chmod 700 full && "
                  "{ head -c 1000000 /dev/zero > full/zeros; true; } 2>/dev/null; "
                  '"$0" doctor --federation federation.json --data full --json --min-free 0')
        done = subprocess.run(["unshare", "-m", "sh", "-c", "mkdir -p full; " + script, PROGRAM], cwd=b.fed.folder, text=True, capture_output=True)
        if "mount" in done.stderr:
            return "no mounts here"
        report = json.loads(done.stdout)
        expect(any(c["check"] == "durable writes" and c["status"] == "fail" and "full" in c["found"] for c in report["checks"]), done.stdout)


def case_limits_and_the_instruction_set():
    with bed() as b:
        few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))
        b.finds("open files", "fail", "512", preexec_fn=few)
        b.finds("cpu", "warn", "portable", env=dict(os.environ, VEILSUM_ISA="portable"))


def case_a_party_that_is_down():
    with bed() as b:
        b.fed.kill("s3")
        b.finds("shareholder 3", "fail", "refused")
        b.fed.process["s2"].send_signal(signal.SIGSTOP)
        b.finds("shareholder 2", "fail", "in time", "--timeout", "1")
        b.fed.process["s2"].send_signal(signal.SIGCONT)


def case_a_host_name_that_nobody_knows():
    with federation(address="tcp://no-such-host.invalid:%d") as fed:
        Bed(fed).finds("aggregator", "fail", "host name is not known", "--timeout", "1")


# --- a daemon of another kind: nng's REP over TCP, and a status reply, byte by byte ---------------------------------


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def status_reply(role="shareholder", version="0.1.0", index=3, log_size=1, unix_ms=None):
    unix_ms = int(time.time() * 1000) if unix_ms is None else unix_ms
    text = lambda tag, s: varint(tag << 3 | 2) + varint(len(s)) + s.encode()
    number = lambda tag, n: varint(tag << 3) + varint(n)
    body = text(1, role) + text(2, version) + number(3, index) + number(6, log_size) + number(7, unix_ms)
    head = varint(3 << 3 | 2) + varint(len(body)) + body
    return struct.pack("<I", len(head)) + head


def read_exactly(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            raise ConnectionError
        data += more
    return data


class FakeShareholder:
    def __init__(self, port, **reply):
        self.reply = reply
        self.listener, self.open = socket.create_server(("127.0.0.1", port)), []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(s)
            threading.Thread(target=self.talk, args=(s,), daemon=True).start()

    def talk(self, s):
        with contextlib.suppress(OSError, ConnectionError):
            s.sendall(b"\0SP\0" + struct.pack(">HH", 0x31, 0))
            read_exactly(s, 8)
            while True:
                message = read_exactly(s, struct.unpack(">Q", read_exactly(s, 8))[0])
                answer = message[:4] + status_reply(**self.reply)
                s.sendall(struct.pack(">Q", len(answer)) + answer)

    def close(self):
        for s in [self.listener, *self.open]:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()


def case_clock_version_and_identity_of_a_party():
    with bed() as b:
        b.fed.kill("s3")
        now = int(time.time() * 1000)
        for reply, status, words in (
            (dict(unix_ms=now - 20000), "warn", "behind ours"),
            (dict(unix_ms=now + 600000), "fail", "ahead of ours"),
            (dict(version="9.9.9"), "warn", "runs version 9.9.9"),
            (dict(index=2), "fail", "shareholder 2 answers there"),
            (dict(role="aggregator", index=0), "fail", "aggregator 0 answers there"),
        ):
            fake = FakeShareholder(b.fed.ports[3], **reply)
            b.finds("shareholder 3", status, words)
            fake.close()
            time.sleep(0.1)
        fake = FakeShareholder(b.fed.ports[3], log_size=1000)
        b.finds("ledger", "fail", ["1000 entries", "aggregator has 1"])
        fake.close()


def expired_certificate(folder):
    """host.pem of the CA in folder/ca, for 127.0.0.1, that ended in 2021; by the openssl command."""
    config = "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n" \
             "x509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName=DNS:127.0.0.1\n[req]\ndistinguished_name=n\n[n]\n"
    work = os.path.join(folder, "work")
    os.mkdir(work)
    for name, text in (("c.cnf", config), ("index", ""), ("serial", "01\n")):
        with open(os.path.join(work, name), "w") as f:
            f.write(text)
    run = lambda *words: subprocess.run(["openssl", *words], cwd=work, check=True, capture_output=True)
    run("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "k.pem", "-subj", "/CN=127.0.0.1",
        "-out", "r.csr", "-config", "c.cnf")
    run("ca", "-batch", "-config", "c.cnf", "-in", "r.csr", "-out", "h.pem", "-cert", "../ca/ca.pem", "-keyfile", "../ca/ca.key", "-notext",
        "-startdate", "20200101000000Z", "-enddate", "20210101000000Z")
    with open(os.path.join(work, "h.pem")) as cert, open(os.path.join(work, "k.pem")) as key, open(os.path.join(folder, "tls", "host.pem"), "w") as out:
        out.write(cert.read() + key.read())


def case_certificates():
    with federation(address="tls+tcp://127.0.0.1:%d") as fed:
        b = Bed(fed)
        b.finds("TLS CA", "fail", "no TLS folder")
        tls = os.path.join(fed.folder, "tls")
        host = lambda *args: (fed.ok("tls", "new", "ca", *args), shutil.rmtree(tls, ignore_errors=True))
        host("--host", "elsewhere.example.org")
        shutil.copytree(os.path.join(fed.folder, "ca", "elsewhere.example.org"), tls)
        b.finds("TLS name", "fail", "does not name 127.0.0.1")
        os.remove(os.path.join(tls, "host.pem"))
        b.finds("TLS certificate", "fail", "no host.pem")
        host("--host", "127.0.0.1", "--days", "5")
        shutil.copytree(os.path.join(fed.folder, "ca", "127.0.0.1"), tls)
        b.finds("TLS certificate", "warn", "days")
        fed.start_all()
        b.finds("shareholder 2", "ok", "answers")
        if shutil.which("openssl"):
            expired_certificate(fed.folder)
            b.finds("TLS certificate", "fail", "has expired")
        fed.ok("tls", "new", "other")
        b.finds("aggregator", "fail", "certificate", "--tls", "other")
        b.finds("TLS folder", "fail", "nowhere", "--tls", "nowhere")


if __name__ == "__main__":
    sys.exit(operations.run_cases(globals()))
