#!/usr/bin/env python3
"""docs/SECURITY.md's table of attacks against the tests: every test that it names exists, and every test of
tests/attack is named.   table.py SOURCE_DIR"""
import glob, os, re, sys

root = sys.argv[1]
with open(os.path.join(root, "docs", "SECURITY.md")) as f:
    text = f.read()
section = text.split("## Attacks", 1)[1].split("\n## ", 1)[0]
rows = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| attack |")]
named = re.findall(r"`([a-z_]+::[a-z_0-9]+)`", section)  # Criterion's suite::test
programs = re.findall(r"`([a-z]+\.[a-z_0-9]+)`", section)  # ctest's module.program
tests = set()
for path in glob.glob(os.path.join(root, "tests", "*", "test_*.c")):
    with open(path) as f:
        tests |= {"%s::%s" % found for found in re.findall(r"^Test\(\s*(\w+),\s*(\w+)", f.read(), re.M)}
faults = ["SECURITY.md names %s, which does not exist" % name for name in named if name not in tests]
faults += ["%s is not in the table of SECURITY.md" % name for name in sorted(tests)
           if name.startswith("attack_") and name not in named]
for name in programs:
    module, stem = name.split(".")
    if not any(os.path.exists(os.path.join(root, "tests", module, file)) for file in ("test_%s.c" % stem, stem + ".py")):
        faults.append("SECURITY.md names the program %s, which does not exist" % name)
faults += ["no test in the row: %s" % row for row in rows
           if not re.search(r"`[a-z_]+(::|\.)[a-z_0-9]+`", row.rsplit("|", 2)[1])]
faults += [] if len(rows) >= 30 else ["only %d rows" % len(rows)]
print("\n".join(faults) or "%d attacks, %d tests, %d programs" % (len(rows), len(named), len(programs)))
sys.exit(1 if faults else 0)
