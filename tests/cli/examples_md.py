#!/usr/bin/env python3
"""Every command of a document (docs/examples, docs/POISONING.md), in its order, and what the file says they print.

  examples_md.py PROGRAM FILE.md            run, compare; exit 1 if something differs
  examples_md.py PROGRAM FILE.md --write    run, and put what was printed into FILE.md

All ```sh blocks run in one bash -eo pipefail, in a fresh folder that has docs/ of the source tree. A ```text block right after one
is what it prints. Words and whole numbers must be the same, others up to 5 %, 0.02 or 5 in the last place (training and rounding differ
a little from machine to machine); a line ... stands for any lines. Not compared: seconds, and whatever is random: keys, ids, pseudonyms. Ports 71xx
of the document become free ones."""
import os, re, shutil, signal, socket, subprocess, sys, tempfile

LIMIT_S = 540


def read_blocks(text):
    """(commands, printed or None, where the printed block starts and ends) for each ```sh block."""
    blocks = []
    for found in re.finditer(r"^```sh\n(.*?)^```\n(?:\n*```text\n(.*?)^```\n)?", text, re.M | re.S):
        blocks.append((found.group(1), found.group(2), found.span(2)))
    return blocks


def free_ports(text):
    """A free port for each one that the document names."""
    names = sorted(set(re.findall(r"\b71\d\d\b", text)))
    sockets = [socket.socket() for _ in names]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = {name: str(s.getsockname()[1]) for name, s in zip(names, sockets)}
    for s in sockets:
        s.close()
    return ports


def swap(text, table):
    for old, new in table.items():
        text = re.sub(r"(?<=:)%s\b" % old, new, text)
    return text


def run(program, source, blocks, ports):
    """What each block prints; the status and what came after the last mark if one fails."""
    folder = tempfile.mkdtemp(prefix="veilsum-example-")
    os.makedirs(os.path.join(folder, "bin"))
    os.symlink(program, os.path.join(folder, "bin/veilsum"))
    os.symlink(os.path.join(source, "docs"), os.path.join(folder, "docs"))
    env = dict(os.environ, PATH=os.path.join(folder, "bin") + ":" + os.environ["PATH"], HOME=folder, OPENBLAS_NUM_THREADS="1",
               PYTHONDONTWRITEBYTECODE="1")
    env.pop("XDG_STATE_HOME", None)
    script = "".join("%s\necho '=== end of block %d'\n" % (swap(commands, ports), i) for i, (commands, _, _) in enumerate(blocks))
    shell = subprocess.Popen(["bash", "-eo", "pipefail"], cwd=folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        out, _ = shell.communicate(script, timeout=LIMIT_S)
    finally:
        try:
            os.killpg(shell.pid, signal.SIGKILL)  # its own group: daemons, if it stopped half-way
        except ProcessLookupError:
            pass
        shutil.rmtree(folder, ignore_errors=True)
    parts = re.split(r"^=== end of block \d+\n", swap(out, {new: old for old, new in ports.items()}), flags=re.M)
    return shell.returncode, parts


def stable(line):
    """A line without what differs from run to run."""
    line = re.sub(r"\b[0-9a-f]{8,}\b", "<hex>", line)
    line = re.sub(r"[A-Za-z0-9+/]{40,}=*", "<base64>", line)
    line = re.sub(r"\b\d{4}-\d\d-\d\d[ T][0-9:.]+Z?", "<time>", line)
    if line.startswith("[ROUND"):  # the last two columns are seconds
        line = re.sub(r"\s+[0-9.]+\s+(?:[0-9.]+|-)$", "", line)
    if re.match(r"(seconds: |private round / plain round)", line):
        line = line.split()[0]
    line = re.sub(r"\b[0-9.]+ (s|ms|MB/s)\b", r"<n> \1", line)
    return re.split(r"[\s,]+", line.strip())


def same_word(a, b):
    if a == b:
        return True
    number = r"([-+(]*)([0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?)([^0-9]*)"
    x, y = re.fullmatch(number, a), re.fullmatch(number, b)
    if x is None or y is None or x.group(3) != y.group(3):
        return False
    p, q = (float(m.group(2)) * (-1 if "-" in m.group(1) else 1) for m in (x, y))
    digits = [len(m.group(2).partition(".")[2]) for m in (x, y)]
    if max(digits) == 0:
        return p == q  # counts
    return abs(p - q) <= max(0.02, 0.05 * max(abs(p), abs(q)), 5 * 10.0 ** -max(digits))


def same_line(a, b):
    a, b = stable(a), stable(b)
    return len(a) == len(b) and all(same_word(x, y) for x, y in zip(a, b))


def differs(want, got):
    """None, or the first line of want that got does not have where it should."""
    want, got, at, skip = want.splitlines(), got.splitlines(), 0, False
    for line in want:
        if line.strip() == "...":
            skip = True
            continue
        while skip and at < len(got) and not same_line(line, got[at]):
            at += 1
        if at == len(got) or not same_line(line, got[at]):
            return "document: %s\nprinted:  %s" % (line, got[at] if at < len(got) else "(nothing more)")
        at, skip = at + 1, False
    return None if skip or at == len(got) else "printed, not in the document: " + got[at]


def rewrite(path, text, blocks, parts):
    for (_, want, (start, end)), got in reversed(list(zip(blocks, parts))):
        if want is not None and "\n...\n" not in "\n" + want:
            text = text[:start] + got + text[end:]
    with open(path, "w") as f:
        f.write(text)


def main():
    program, path = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    source = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with open(path) as f:
        text = f.read()
    blocks = read_blocks(text)
    assert len(blocks) == text.count("```sh\n"), "a block that does not end"
    status, parts = run(program, source, blocks, free_ports(text))
    if status != 0 or len(parts) != len(blocks) + 1:
        n = len(parts) - 1
        print("%s: block %d failed with status %d:\n%s\nprinted:\n%s" % (path, n + 1, status, blocks[min(n, len(blocks) - 1)][0], parts[-1]))
        return 1
    if "--write" in sys.argv:
        rewrite(path, text, blocks, parts)
        for (commands, want, _), got in zip(blocks, parts):
            if want is not None and differs(want, got):
                print("--- %s\n%s" % (commands, got))
        return 0
    bad = 0
    for (commands, want, _), got in zip(blocks, parts):
        problem = differs(want, got) if want is not None else None
        if problem is not None:
            print("%s differs after:\n%s%s\n--- all of it:\n%s" % (os.path.basename(path), commands, problem, got))
            bad += 1
    print("%s: %d blocks executed, %d with their output compared, %d differ"
          % (os.path.basename(path), len(blocks), sum(want is not None for _, want, _ in blocks), bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
