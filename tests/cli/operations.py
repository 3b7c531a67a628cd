#!/usr/bin/env python3
"""Running a federation, with the real program on loopback: metrics, logs, signals, TLS, IPv6, a bad network.

  operations.py PROGRAM [NAME ...]     run all cases, or those named; exit 1 if one fails

Built on by_hand.py. Standard library only."""
import asyncio, http.client, json, os, random, re, shutil, signal, subprocess, sys, threading, time

import by_hand
from by_hand import PROGRAM, expect, expect_mean, federation, free_ports, updates


# --- HTTP and the exposition format ------------------------------------------------------------------------------


def get(port, path, host="127.0.0.1"):
    connection = http.client.HTTPConnection(host, port, timeout=20)
    connection.request("GET", path)
    reply = connection.getresponse()
    body = reply.read().decode()
    connection.close()
    return reply.status, reply.getheader("Content-Type"), body


SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"')


def parse_labels(text):
    labels, at = {}, 0
    while at < len(text):
        found = LABEL.match(text, at)
        expect(found, "bad labels: " + text)
        expect(found.group(1) not in labels, "label twice: " + text)
        labels[found.group(1)] = found.group(2)
        at = found.end()
        if at < len(text):
            expect(text[at] == "," and at + 1 < len(text), "bad labels: " + text)
            at += 1
    return labels


def parse_metrics(text):
    """Prometheus text format 0.0.4, strictly. {(name, frozenset of labels): value}"""
    expect(text.endswith("\n"), "no final newline")
    kinds, helps, samples, family, done = {}, set(), {}, None, set()
    for line in text[:-1].split("\n"):
        if line.startswith("# "):
            words = line.split(" ", 3)
            expect(words[1] in ("HELP", "TYPE") and len(words) == 4 and words[3], "bad comment: " + line)
            name = words[2]
            if name != family:
                expect(name not in done, "family in two places: " + name)
                done.add(family)
                family = name
            if words[1] == "HELP":
                expect(name not in helps, "HELP twice: " + name)
                helps.add(name)
            else:
                expect(name not in kinds and words[3] in ("counter", "gauge", "histogram"), "bad TYPE: " + line)
                kinds[name] = words[3]
            continue
        found = SAMPLE.match(line)
        expect(found, "bad line: %r" % line)
        name, labels, value = found.group(1), parse_labels(found.group(2) or ""), float(found.group(3))
        suffixes = ("_bucket", "_sum", "_count") if kinds.get(family) == "histogram" else ("",)
        expect(any(name == family + suffix for suffix in suffixes), "sample %s in family %s" % (name, family))
        expect(kinds[family] != "counter" or (name.endswith("_total") and value >= 0), "counter " + line)
        key = (name, frozenset(labels.items()))
        expect(key not in samples, "sample twice: " + line)
        samples[key] = value
    expect(helps == set(kinds), "HELP without TYPE, or TYPE without HELP")
    for (name, labels), value in list(samples.items()):
        if name.endswith("_bucket"):
            check_bucket(samples, name[:-7], dict(labels), value)
    return samples


def check_bucket(samples, family, labels, value):
    bound = labels.pop("le")
    rest = frozenset(labels.items())
    count = samples[(family + "_count", rest)]
    expect((family + "_sum", rest) in samples, "no sum of " + family)
    expect(value <= count and (bound != "+Inf" or value == count), "bucket of " + family)
    for (name, other), more in samples.items():
        other = dict(other)
        if name == family + "_bucket" and float(other.pop("le")) > float(bound) and frozenset(other.items()) == rest:
            expect(more >= value, "buckets of %s fall" % family)


def value_of(samples, name, **labels):
    return samples[(name, frozenset(labels.items()))]


def secrets_of(fed):
    """What must be in no log and on no page: key files' seeds, and clients' keys and names."""
    words = []
    for name in os.listdir(fed.folder):
        path = os.path.join(fed.folder, name)
        if name.endswith(".key"):
            with open(path) as f:
                words += re.findall(r"[0-9a-f]{64}|[A-Za-z0-9+/]{43}=", f.read())
        if re.match(r"c\d+\.pub$", name):
            with open(path) as f:
                words += re.findall(r"[0-9a-f]{64}|[A-Za-z0-9+/]{43}=", f.read())
    expect(words, "no secrets to look for")
    return words


def with_http(n):
    """Daemon options that give every daemon an HTTP port, and the ports by name."""
    names = ["agg"] + ["s%d" % j for j in range(1, n + 1)]
    ports = dict(zip(names, free_ports(n + 1)))
    return ports, lambda name: ("--http", "http://127.0.0.1:%d" % ports[name])


# --- cases -------------------------------------------------------------------------------------------------------


def case_metrics_are_valid_and_count_a_round():
    ports, options = with_http(3)
    with federation(daemon_options=options) as fed:
        fed.start_all()
        pages = []
        for name, port in ports.items():
            status, kind, body = get(port, "/healthz")
            expect((status, body) == (200, "ok\n"), "healthz of %s: %d %s" % (name, status, body))
            parse_metrics(get(port, "/metrics")[2])
        values, weights = updates(3, 500), [10, 60, 100]
        r = fed.open(500, "--clients", "3")
        for i in range(3):
            fed.submit(i + 1, r, values[i], weights[i])
        by_hand.save_npy(os.path.join(fed.folder, "late.npy"), values[0])
        fed.ok("keygen", "--out", "c9.key")
        fed.refused(*fed.submit_args(9, r, "late.npy", 1))  # nobody enrolled it
        fed.wait(r)
        time.sleep(0.5)
        for name, port in ports.items():
            status, kind, body = get(port, "/metrics")
            expect(kind == "text/plain; version=0.0.4; charset=utf-8", kind)
            samples = parse_metrics(body)
            pages.append(body)
            expect(value_of(samples, "veilsum_submissions_accepted_total") >= 3, name + ": accepted")
            expect(value_of(samples, "veilsum_round") == r, name + ": round")
            expect(value_of(samples, "process_resident_memory_bytes") > 1e6, "memory")
            expect(value_of(samples, "process_cpu_seconds_total") > 0, "cpu")
            expect(value_of(samples, "veilsum_message_bytes_total", direction="in") > 3 * 500 * 2, "bytes")
            expect(value_of(samples, "veilsum_commit_duration_seconds_count") > 0 or name == "agg", name + ": commits")
            status, kind, body = get(port, "/status")
            expect((status, kind) == (200, "application/json"), "status page")
            page = json.loads(body)
            pages.append(body)
            expect(page["round"] == r and page["version"] and page["federation"] == "by-hand", body)
            expect(page["role"] == ("aggregator" if name == "agg" else "shareholder"), body)
            expect(abs(page["unix_time"] - time.time()) < 5, "clock")
        agg = parse_metrics(get(ports["agg"], "/metrics")[2])
        expect(value_of(agg, "veilsum_rounds_total", outcome="final") == 1, "final rounds")
        expect(value_of(agg, "veilsum_round_clients", state="included") == 3, "clients of the round")
        expect(all(value_of(agg, "veilsum_peer_up", peer=str(j)) == 1 for j in (1, 2, 3)), "peers")
        fed.kill("s3")
        time.sleep(0.5)
        agg = parse_metrics(get(ports["agg"], "/metrics")[2])
        expect(value_of(agg, "veilsum_peer_up", peer="3") == 0, "a dead peer is up")
        shares = parse_metrics(get(ports["s1"], "/metrics")[2])
        refused = sum(v for (n, _), v in shares.items() if n == "veilsum_submissions_rejected_total")
        expect(value_of(shares, "veilsum_submissions_rejected_total", reason="unregistered") >= 1 or refused == 0, "reasons")
        for secret in secrets_of(fed):
            expect(not any(secret in page for page in pages), "a page shows a key")
        fed.stop_all()


def case_logs_are_structured_and_hold_no_secret():
    with federation(n=5, daemon_options=lambda name: ("--log-format", "json", "--log-level", "debug")) as fed:
        fed.start_all()
        values = updates(3, 100)
        r = fed.open(100, "--clients", "3")
        for i in range(3):
            fed.submit(i + 1, r, values[i], 50)
        fed.wait(r)
        fed.kill("s3")
        r2 = fed.open(100, "--clients", "2", "--collect", "5")
        for i in range(2):
            fed.submit(i + 1, r2, values[i], 50, "--purpose", "again")
        fed.run("round", "wait", "--federation", "federation.json", "--round", str(r2), "--timeout", "60")
        fed.stop_all()
        events = {}
        for name in ("agg", "s1", "s3"):
            text = fed.logged(name)
            for secret in secrets_of(fed):
                expect(secret not in text, "the log of %s shows a key" % name)
            lines = [json.loads(line) for line in text.splitlines()]
            for line in lines:
                expect(set(line) <= {"time", "level", "role", "index", "round", "peer", "event", "text"}, str(line))
                expect(re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", line["time"]), str(line))
                expect(line["level"] in ("error", "warn", "info", "debug"), str(line))
            events[name] = lines
        seen = {(line["event"], line.get("round")) for line in events["agg"]}
        for event in ("round_started", "round_open", "results_received", "set_fixed", "result", "round_final"):
            expect((event, r) in seen, "aggregator: no %s of round %d" % (event, r))
        expect(any("received 3 results and 0 failures" in line["text"] for line in events["agg"]), "results line")
        expect(any("[ROUND %d" % r in line["text"] for line in events["agg"]), "round line")
        expect(any(line["event"] == "answered" and line.get("peer") for line in events["agg"]), "a peer that answered")
        seen = {(line["event"], line.get("round"), line.get("index")) for line in events["s1"]}
        for event in ("round_key", "round_open", "submission_accepted", "listed", "voted", "answered"):
            expect((event, r, 1) in seen, "shareholder: no %s of round %d: %s" % (event, r, seen))


def phases_at_end(fed, name):
    return re.findall(r"phase (\w+)", fed.logged(name))


def case_sigterm_ends_the_aggregator_in_every_phase():
    """It is stopped at each step of a round and started again: it ends with 0 within 5 s, the round goes on."""
    ports, options = with_http(5)
    seen = set()

    def stop_and_restart(fed):
        seen.add(json.loads(get(ports["agg"], "/status")[2])["phase"])
        start = time.time()
        status = fed.kill("agg", signal.SIGTERM)
        took = time.time() - start
        expect(status == 0, "aggregator ended with %s: %s" % (status, fed.logged("agg")))
        expect(took < 5, "the aggregator took %.1f s" % took)

    with federation(n=5, daemon_options=options) as fed:
        fed.start_all()
        stop_and_restart(fed)
        fed.start("agg")
        for k, line in enumerate(("open with", "collection ended", "proposed a set", "set fixed", "answered", "result of")):
            values = updates(2, 200, seed=k)
            before = fed.logged("agg").count(line)
            r = fed.open(200, "--clients", "2")
            fed.submit(1, r, values[0], 50, "--purpose", "p%d" % k)
            if line == "open with":
                stop_and_restart(fed)
                fed.start("agg")
            fed.submit(2, r, values[1], 50, "--purpose", "p%d" % k)
            if line != "open with":
                end = time.time() + 30
                while fed.logged("agg").count(line) == before and time.time() < end:
                    time.sleep(0.001)
                for j in range(1, 6):  # the phase stays as it is
                    fed.process["s%d" % j].send_signal(signal.SIGSTOP)
                stop_and_restart(fed)
                for j in range(1, 6):
                    fed.process["s%d" % j].send_signal(signal.SIGCONT)
                fed.start("agg")
            fed.wait(r)
            expect_mean(fed.result(r), values, [50, 50])
        print("      phases: " + ", ".join(sorted(seen)))
        expect({"idle", "collect"} <= seen, "phases seen: %s" % seen)  # the others are luck: a round takes milliseconds
        fed.stop_all()
        fed.audit()


def case_sigterm_ends_a_shareholder_in_every_phase():
    ports, options = with_http(3)
    seen = set()
    with federation(n=3, daemon_options=options) as fed:
        fed.start_all()
        for k, line in enumerate(("", "is open here", "froze its list", "voted", "answered")):
            values = updates(2, 200, seed=k)
            before = fed.logged("s2").count(line)
            r = fed.open(200, "--clients", "2")
            fed.submit(1, r, values[0], 50, "--purpose", "p%d" % k)
            last = None
            if k > 1:  # in the background: the shareholder goes while the round is on
                by_hand.save_npy(os.path.join(fed.folder, "u2.npy"), values[1])
                last = subprocess.Popen([PROGRAM, *fed.submit_args(2, r, "u2.npy", 50, "--purpose", "p%d" % k)],
                                        cwd=fed.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                end = time.time() + 30
                while fed.logged("s2").count(line) == before and time.time() < end:
                    time.sleep(0.001)
            seen.add(json.loads(get(ports["s2"], "/status")[2])["phase"])
            start = time.time()
            status = fed.kill("s2", signal.SIGTERM)
            expect(status == 0, "shareholder ended with %s: %s" % (status, fed.logged("s2")))
            expect(time.time() - start < 5, "the shareholder took %.1f s" % (time.time() - start))
            fed.start("s2")
            if last is None:
                fed.submit(2, r, values[1], 50, "--purpose", "p%d" % k)
            else:
                expect(last.wait(60) == 0, "the client failed")
            fed.wait(r)
            expect_mean(fed.result(r), values, [50, 50])
        print("      phases: " + ", ".join(sorted(seen)))
        fed.stop_all()
        fed.audit()


def make_tls(fed, *hosts):
    fed.ok("tls", "new", "tls", *[word for host in hosts for word in ("--host", host)])
    for name in ("ca.pem", "host.pem"):
        if name == "host.pem":
            os.replace(os.path.join(fed.folder, "tls", hosts[0].split(",")[0], name), os.path.join(fed.folder, "tls", name))


def case_a_round_over_tls_and_ipv6():
    with federation(address="tls+tcp://[::1]:%d") as fed:
        fed.refused("shareholder", "--federation", "federation.json", "--key", "s1.key", "--data", "x", says="ca.pem")
        make_tls(fed, "localhost,127.0.0.1,::1")
        fed.start_all()
        values = updates(3, 1000)
        r = fed.open(1000, "--clients", "3")
        for i in range(3):
            fed.submit(i + 1, r, values[i], 50)
        fed.wait(r)
        expect_mean(fed.result(r), values, [50] * 3)
        # reconnection: everybody goes and comes back
        for name in ("s1", "s2", "s3", "agg"):
            fed.kill(name)
            fed.start(name)
        r = fed.open(1000, "--clients", "3")
        for i in range(3):
            fed.submit(i + 1, r, values[i], 50, "--purpose", "again")
        fed.wait(r)
        # a client with another CA gets nowhere and is told why
        fed.ok("tls", "new", "other")
        os.environ["VEILSUM_TLS"] = os.path.join(fed.folder, "other")
        try:
            fed.refused("round", "status", "--federation", "federation.json", says="certificate")
        finally:
            del os.environ["VEILSUM_TLS"]
        fed.stop_all()
        fed.audit()


def case_ipv6_without_tls():
    with federation(address="tcp://[::1]:%d") as fed:
        fed.start_all()
        values = updates(2, 100)
        r = fed.open(100, "--clients", "2")
        for i in range(2):
            fed.submit(i + 1, r, values[i], 50)
        fed.wait(r)
        expect_mean(fed.result(r), values, [50] * 2)
        fed.stop_all()


# --- a bad network -----------------------------------------------------------------------------------------------


class Proxy:
    """Between a port of its own and a daemon's: delays, loses (a connection dies in the middle of a message), cuts off."""

    loop = None

    def __init__(self, target, seed):
        if Proxy.loop is None:
            Proxy.loop = asyncio.new_event_loop()
            threading.Thread(target=Proxy.loop.run_forever, daemon=True).start()
        self.target, self.random = target, random.Random(seed)
        self.delay, self.loss, self.partitioned, self.lost, self.blocks = 0.0, 0.0, False, 0, 0
        self.server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self.accept, "127.0.0.1", 0), Proxy.loop).result()
        self.port = self.server.sockets[0].getsockname()[1]

    async def accept(self, reader, writer):
        try:
            onward, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        both = [writer, back]
        await asyncio.gather(self.pump(reader, back, both), self.pump(onward, writer, both))

    async def pump(self, reader, writer, both):
        try:
            while block := await reader.read(16384):
                self.blocks += 1
                if self.loss and self.random.random() < self.loss:
                    self.lost += 1
                    break
                if self.delay:
                    await asyncio.sleep(self.delay * (0.5 + self.random.random()))
                while self.partitioned:
                    await asyncio.sleep(0.02)
                writer.write(block)
                await writer.drain()
        except OSError:
            pass
        for w in both:
            w.close()


def proxied(n):
    """public_ports and daemon_options of a federation whose every link goes through a proxy, and the proxies."""
    proxies = {}
    names = ["agg"] + ["s%d" % j for j in range(1, n + 1)]

    def public_ports(ports):
        for k, name in enumerate(names):
            proxies[name] = Proxy(ports[k], k)
        return [proxies[name].port for name in names]

    return proxies, public_ports, lambda name: ("--listen", "tcp://127.0.0.1:%d" % proxies[name].target)


def submit_with_patience(fed, i, r, values, *options):
    """A user runs it again until it is through: it resumes."""
    by_hand.save_npy(os.path.join(fed.folder, "u%d.npy" % i), values)
    for _ in range(30):
        done = fed.run(*fed.submit_args(i, r, "u%d.npy" % i, 50, "--timeout", "20", *options))
        if done.status == 0:
            return
    raise AssertionError("client %d never got through: %s" % (i, done.all))


def case_a_round_over_delay_loss_and_partition():
    proxies, public_ports, options = proxied(5)
    with federation(n=5, public_ports=public_ports, daemon_options=options,
                    options=("--round-timeout", "600", "--answer-timeout", "600")) as fed:
        fed.start_all()
        values = updates(3, 20000)
        for p in proxies.values():
            p.delay, p.loss = 0.03, 0.02
        r = fed.open(20000, "--clients", "3")
        submit_with_patience(fed, 1, r, values[0])
        # a shareholder is cut off while a client submits, then the aggregator
        proxies["s2"].partitioned = True
        client = threading.Thread(target=submit_with_patience, args=(fed, 2, r, values[1]))
        client.start()
        time.sleep(2)
        proxies["agg"].partitioned = True
        time.sleep(1)
        proxies["s2"].partitioned = proxies["agg"].partitioned = False
        client.join()
        # one shareholder is gone for good just before the last one submits: the round tolerates it
        proxies["s4"].partitioned = True
        submit_with_patience(fed, 3, r, values[2])
        fed.wait(r)
        for p in proxies.values():
            p.loss = 0.0
        expect_mean(fed.result(r), values, [50] * 3)
        lost = sum(p.lost for p in proxies.values())
        blocks = sum(p.blocks for p in proxies.values())
        print("      %d connections lost, %d blocks forwarded" % (lost, blocks))
        expect(lost > 0, "nothing was lost")
        # all is well again: the one that was cut off catches up
        proxies["s4"].partitioned = False
        for p in proxies.values():
            p.delay = 0.0
        r = fed.open(100, "--clients", "2")
        for i in (1, 2):
            submit_with_patience(fed, i, r, [0.25] * 100, "--purpose", "again")
        fed.wait(r)
        fed.stop_all()
        fed.audit()


NETEM = """
import os, subprocess, sys
run = lambda *words: subprocess.run(words, capture_output=True, text=True)
run("ip", "link", "set", "lo", "up")
done = run("tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "15ms", "5ms", "loss", "2%", "duplicate", "1%", "reorder", "5%")
if done.returncode != 0:
    print("netem: " + (done.stderr or done.stdout).strip().splitlines()[0])
    sys.exit(77)
sys.argv = ["operations.py", os.environ["VEILSUM_PROGRAM"]]
sys.path.insert(0, os.environ["VEILSUM_TESTS"])
import operations
operations.round_in_netem()
"""


def round_in_netem():
    with federation(n=5) as fed:
        fed.start_all()
        values = updates(3, 20000)
        r = fed.open(20000, "--clients", "3")
        for i in range(3):
            submit_with_patience(fed, i + 1, r, values[i])
        fed.wait(r)
        expect_mean(fed.result(r), values, [50] * 3)
        fed.stop_all()
        fed.audit()


def case_a_round_in_a_network_namespace_with_netem():
    """A namespace of its own with 15 ms delay, 2 % loss, duplicates and reordering, where the kernel has netem."""
    if not shutil.which("unshare") or not shutil.which("tc") or not shutil.which("ip"):
        return "no unshare, ip or tc here"
    rights = ["--net"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--net"]
    env = dict(os.environ, VEILSUM_PROGRAM=PROGRAM, VEILSUM_TESTS=os.path.dirname(os.path.abspath(__file__)))
    done = subprocess.run(["unshare", *rights, sys.executable, "-B", "-c", NETEM], env=env, capture_output=True, text=True)
    if done.returncode == 77:
        return done.stdout.strip()
    if done.returncode != 0 and "unshare" in done.stderr and "Operation not permitted" in done.stderr:
        return "no network namespaces here"
    expect(done.returncode == 0, done.stdout + done.stderr)


def run_cases(names):
    cases = {name[5:]: f for name, f in names.items() if name.startswith("case_")}
    failed = 0
    wanted = sys.argv[2:] or list(cases)
    for name in wanted:
        start = time.time()
        try:
            skipped = cases[name]()
            if skipped:  # said and counted; not in ctest's word for a whole program
                print("skip  %-50s %s" % (name, skipped), flush=True)
                continue
            print("ok    %-50s %5.1f s" % (name, time.time() - start), flush=True)
        except Exception as error:  # report, go on with the next case
            failed += 1
            print("FAIL  %-50s %5.1f s\n      %s" % (name, time.time() - start, error), flush=True)
    print("%d passed, %d failed" % (len(wanted) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(run_cases(globals()))
