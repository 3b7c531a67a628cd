#!/usr/bin/env python3
"""Every command of docs/OPERATIONS.md, in its order, on three hosts that are folders of this machine.

  operations_md.py PROGRAM

A block ```sh a b c is run on the hosts named, in each one's home folder, by sh -e. Host names become addresses of the loopback
network, ports become free ones, /etc/veilsum, /var/lib, /usr/local/bin and /etc/systemd/system folders of the host. sudo, scp,
systemctl, journalctl, hostname, curl and apt-get are stood in for by this script itself; systemctl runs the units of docs/systemd as
they are: their ExecStart with their credentials and state folder. Then the units are checked with systemd-analyze."""
import contextlib, json, os, re, shlex, shutil, signal, subprocess, sys, tempfile, time, urllib.request

ADDRESS = {"a": "127.0.0.1", "b": "127.0.0.2", "c": "127.0.0.3"}


# --- stand-ins, run as: operations_md.py --as NAME ARGS... -------------------------------------------------------


def translate(text, host):
    """What a host's own files and the document say, as it is here."""
    root, ports = os.environ["OPS_ROOT"], json.loads(os.environ["OPS_PORTS"])
    top = os.path.join(root, host)
    for path in ("/etc/veilsum", "/etc/systemd/system", "/var/lib", "/usr/local/bin"):
        text = re.sub(r"(?<![\w/.-])" + path + r"(?=[/ \n\"']|$)", top + path, text)
    for name, address in ADDRESS.items():
        text = text.replace(name + ".example.org", address)
    for port, real in ports[host].items():
        text = re.sub(r"127\.0\.0\.1:%s\b" % port, "%s:%s" % (ADDRESS[host], real), text) if port == "9101" else text
    for other, address in ADDRESS.items():
        for port, real in ports[other].items():
            text = re.sub(re.escape(address) + ":%s\\b" % port, "%s:%s" % (address, real), text)
    return text


def unit_of(name):
    path = os.path.join(os.environ["OPS_ROOT"], os.environ["OPS_HOST"], "etc/systemd/system", name + ".service")
    values = {}
    with open(path) as f:
        for line in translate(f.read(), os.environ["OPS_HOST"]).splitlines():
            found = re.match(r"^(\w+)=(.*)$", line)
            if found:
                values.setdefault(found.group(1), []).append(found.group(2))
    return values


def environment_of(unit):
    env = {}
    lines = [line.strip('"') for line in unit.get("Environment", [])]
    for path in unit.get("EnvironmentFile", []):
        with contextlib.suppress(FileNotFoundError):
            with open(path.lstrip("-")) as f:
                lines += translate(f.read(), os.environ["OPS_HOST"]).splitlines()
    for line in lines:
        key, _, value = line.partition("=")
        env[key] = value
    return env


def pid_file(name):
    return os.path.join(os.environ["OPS_ROOT"], os.environ["OPS_HOST"], name + ".pid")


def start(name):
    top = os.path.join(os.environ["OPS_ROOT"], os.environ["OPS_HOST"])
    unit, credentials, state = unit_of(name), os.path.join(top, "run", name), os.path.join(top, "var/lib")
    shutil.rmtree(credentials, ignore_errors=True)
    os.makedirs(credentials, mode=0o700)
    for line in unit["LoadCredential"]:
        target, _, source = line.partition(":")
        shutil.copyfile(source, os.path.join(credentials, target))
        os.chmod(os.path.join(credentials, target), 0o440)  # as an access list shows
    for folder in unit["StateDirectory"]:
        os.makedirs(os.path.join(state, folder), mode=0o700, exist_ok=True)
    env = dict(os.environ, CREDENTIALS_DIRECTORY=credentials, **environment_of(unit))
    words = []
    for word in unit["ExecStart"][0].replace("%d", credentials).replace("%S", state).split():
        words += env[word[1:]].split() if word.startswith("$") else [word]
    with open(os.path.join(top, name + ".log"), "a+") as log:
        at = log.seek(0, os.SEEK_END)
        process = subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        with open(pid_file(name), "w") as f:
            f.write(str(process.pid))
        end = time.time() + 30
        while time.time() < end:
            log.seek(at)
            text = log.read()
            if "listens on" in text:
                return 0
            if process.poll() is not None:
                break
            time.sleep(0.05)
    print(text, file=sys.stderr)
    return 1


def is_running(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def stop(name):
    try:
        with open(pid_file(name)) as f:
            pid = int(f.read())
    except FileNotFoundError:
        return 0
    os.remove(pid_file(name))
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    end = time.time() + int(unit_of(name)["TimeoutStopSec"][0])
    while is_running(pid):
        if time.time() > end:
            os.kill(pid, signal.SIGKILL)
            return 1
        time.sleep(0.02)
    return 0


def as_systemctl(args):
    verb, names = args[0], [a for a in args[1:] if not a.startswith("-")]
    if verb == "daemon-reload":
        return 0
    if verb == "enable":
        return start(names[0]) if "--now" in args else 0
    if verb == "restart":
        return stop(names[0]) or start(names[0])
    return {"start": start, "stop": stop}[verb](names[0])


def as_scp(args):
    """HOST:PATH names a file of that host's home."""
    args = [a for a in args if a != "-r"]
    places = []
    for a in args:
        host = next((h for h, address in ADDRESS.items() if a.startswith(address + ":")), None)
        path = a.split(":", 1)[1] if host else a
        places.append(os.path.join(os.environ["OPS_ROOT"], host, "home", path) if host else path)
    for source in places[:-1]:
        target = places[-1]
        if os.path.isdir(source):
            target = os.path.join(target, os.path.basename(source))
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)
    return 0


def as_apt_get(args):
    known = lambda p: subprocess.run(["dpkg-query", "-W", p], capture_output=True).returncode == 0
    wrong = [p for p in args if not p.startswith("-") and p != "install" and not known(p)]
    if wrong:
        print("not installed here: " + " ".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


def stand_in(name, args):
    host = os.environ["OPS_HOST"]
    if name == "sudo":
        os.execvp(args[0], args)
    if name == "hostname":
        print(host if "-s" in args else ADDRESS[host])
        return 0
    if name == "journalctl":
        with open(os.path.join(os.environ["OPS_ROOT"], host, args[args.index("-u") + 1] + ".log")) as f:
            print(f.read())
        return 0
    if name == "curl":
        print(urllib.request.urlopen(args[-1], timeout=20).read().decode())
        return 0
    return {"systemctl": as_systemctl, "scp": as_scp, "apt-get": as_apt_get}[name](args)


# --- the document ------------------------------------------------------------------------------------------------


def blocks(path):
    """(line, hosts, commands) of each block ```sh."""
    with open(path) as f:
        lines = f.read().splitlines()
    found, at = [], 0
    while at < len(lines):
        if lines[at].startswith("```sh"):
            end = lines.index("```", at)
            hosts = lines[at].split()[1:]
            assert hosts and set(hosts) <= set(ADDRESS), "%s:%d: on which host? %s" % (path, at + 1, lines[at])
            found.append((at + 1, hosts, "\n".join(lines[at + 1:end])))
            at = end
        at += 1
    return found


def prepare(root, source, program):
    import by_hand
    bin_dir = os.path.join(root, "bin")
    os.mkdir(bin_dir)
    for name in ("sudo", "scp", "systemctl", "journalctl", "hostname", "curl", "apt-get"):
        path = os.path.join(bin_dir, name)
        with open(path, "w") as f:
            f.write("#!/bin/sh\nexec %s -B %s --as %s \"$@\"\n" % (shlex.quote(sys.executable), shlex.quote(os.path.abspath(__file__)), name))
        os.chmod(path, 0o755)
    free = iter(by_hand.free_ports(9))
    ports = {h: {p: next(free) for p in (("7100", "7101", "9100", "9101") if h == "a" else ("7101", "9101"))} for h in ADDRESS}
    for k, host in enumerate(ADDRESS):
        home = os.path.join(root, host, "home")
        os.makedirs(home)
        for folder in ("etc/systemd/system", "var/lib", "usr/local/bin"):
            os.makedirs(os.path.join(root, host, folder))
        shutil.copy(program, os.path.join(home, "veilsum"))
        shutil.copytree(os.path.join(source, "docs/systemd"), os.path.join(home, "docs/systemd"))
        by_hand.save_npy(os.path.join(home, "update.npy"), [0.1 * (k + 1)] * 1000)
    return ports


def run_block(root, host, line, commands):
    env = dict(os.environ, OPS_HOST=host)
    env["PATH"] = "%s:%s:%s" % (os.path.join(root, host, "usr/local/bin"), os.path.join(root, "bin"), os.environ["PATH"])
    env["HOME"] = os.path.join(root, host, "home")
    os.environ["OPS_HOST"] = host
    begin = time.time()
    done = subprocess.run(["sh", "-e", "-c", translate(commands, host)], cwd=env["HOME"], env=env, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=200)
    print("%s  line %3d on %s  %5.1f s  %s" % ("ok  " if done.returncode == 0 else "FAIL", line, host, time.time() - begin,
                                                commands.splitlines()[0][:70]), flush=True)
    if done.returncode != 0:
        logs = ""
        for name in os.listdir(os.path.join(root, host)):
            if name.endswith(".log"):
                with open(os.path.join(root, host, name)) as f:
                    logs += name + ":\n" + "".join(f.readlines()[-12:])
        raise SystemExit("docs/OPERATIONS.md:%d on %s: status %d\n%s\n%s" % (line, host, done.returncode, done.stdout, logs))
    return done.stdout


def check_results(root, outputs):
    import by_hand
    mean = by_hand.load_npy(os.path.join(root, "a/home/mean.npy"))
    assert len(mean) == 1000 and all(abs(x - 0.2) < 1e-3 for x in mean), "the mean is wrong: %r" % mean[:3]
    text = "\n".join(outputs)
    for words in ("audit ok", "veilsum_build_info", '"phase"', "0 problems"):
        assert words in text, "nowhere: " + words


def check_units(source, program):
    if not shutil.which("systemd-analyze"):
        print("skip  no systemd-analyze here")
        return
    with tempfile.TemporaryDirectory() as folder:
        for role in ("shareholder", "aggregator"):
            path = os.path.join(folder, "veilsum-%s.service" % role)
            with open(os.path.join(source, "docs/systemd", os.path.basename(path))) as f:
                text = f.read()
            with open(path, "w") as f:
                f.write(text.replace("/usr/local/bin/veilsum", program))
            done = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True)
            assert done.returncode == 0 and not done.stderr.strip(), "systemd-analyze verify: " + done.stdout + done.stderr
            done = subprocess.run(["systemd-analyze", "security", "--offline=true", path], capture_output=True, text=True)
            found = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
            if found is None:
                print("skip  this systemd-analyze has no offline check")
                continue
            print("ok    unit of the %s: exposure %s" % (role, found.group(1)))
            assert float(found.group(1)) < 2.0, done.stdout


def main():
    program = os.path.abspath(sys.argv[1])
    source = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    root = tempfile.mkdtemp(prefix="veilsum-ops-")
    os.environ["OPS_ROOT"] = root
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    outputs = []
    try:
        os.environ["OPS_PORTS"] = json.dumps(prepare(root, source, program))
        for line, hosts, commands in blocks(os.path.join(source, "docs/OPERATIONS.md")):
            for host in hosts:
                outputs.append(run_block(root, host, line, commands))
        check_results(root, outputs)
        check_units(source, program)
    finally:
        for host in ADDRESS:
            os.environ["OPS_HOST"] = host
            for name in ("veilsum-shareholder", "veilsum-aggregator"):
                with contextlib.suppress(OSError, KeyError):
                    stop(name)
        shutil.rmtree(root, ignore_errors=True)
    print("docs/OPERATIONS.md: %d blocks executed" % len(outputs))
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "--as":
        sys.exit(stand_in(sys.argv[2], sys.argv[3:]))
    sys.exit(main())
