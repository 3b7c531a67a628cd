#!/usr/bin/env python3
"""The ledger page in headless Chromium: a good log turns green, each tampered one red, naming what.

usage: test_page.py VEILSUM OUTPUT_FOLDER

Runs a real demo, serves its published folder on loopback and opens it. Screenshots (light, dark, phone)
go to the output folder. Needs Debian's chromium, chromium-driver and python3-selenium.
"""
import base64
import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.chrome.service import Service

WAIT_S = 60


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def end_headers(self):
        self.send_header("Cache-Control", "no-store")
        super().end_headers()


def serve(folder):
    handler = functools.partial(Quiet, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, "http://127.0.0.1:%d/" % server.server_address[1]


def browser(profile):
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 "--hide-scrollbars", "--user-data-dir=" + profile):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))


def until(what, check):
    end = time.time() + WAIT_S
    while time.time() < end:
        value = check()
        if value:
            return value
        time.sleep(0.05)
    raise SystemExit("FAILED: waited %d s for %s" % (WAIT_S, what))


def state(b):
    return b.find_element(By.ID, "verdict").get_attribute("data-state")


def steps(b):
    return [e.text for e in b.find_elements(By.CSS_SELECTOR, "#steps li")]


def verify(b, address):
    """Open the page, press Verify; the verdict's state and all sentences."""
    b.get(address)
    until("the page to be ready", lambda: b.find_element(By.ID, "verify").is_enabled())
    b.find_element(By.ID, "verify").click()
    until("a verdict", lambda: state(b) in ("good", "bad") and b.find_element(By.ID, "verify").is_enabled())
    return state(b), steps(b)


def expect(claim, condition, shown=""):
    print("%-4s %s" % ("ok" if condition else "FAIL", claim))
    if not condition:
        raise SystemExit("FAILED: %s %s" % (claim, shown))


def change(folder, name, edit):
    """A copy of the folder with one file changed."""
    copy = tempfile.mkdtemp(prefix="veilsum-page-")
    shutil.rmtree(copy)
    shutil.copytree(folder, copy)
    path = os.path.join(copy, name)
    with open(path, "rb") as f:
        data = f.read()
    changed = edit(data)
    assert changed != data
    with open(path, "wb") as f:
        f.write(changed)
    return copy


def bundle(folder):
    """Path of the first bundle of entries, as it is now."""
    base = os.path.join(folder, "tile", "entries", "000.p")
    newest = max(os.listdir(base), key=int)
    return "tile/entries/000.p/" + newest, "tile/0/000.p/" + newest


def edit_entry(index, old, new):
    """Change the payload of one entry, leaving everything else."""
    def edit(data):
        out, at, i = b"", 0, 0
        while at < len(data):
            size = data[at] * 256 + data[at + 1]
            entry = data[at + 2:at + 2 + size]
            if i == index:
                envelope = json.loads(entry)
                payload = base64.b64decode(envelope["payload"])
                assert old in payload, (old, payload)
                envelope["payload"] = base64.b64encode(payload.replace(old, new, 1)).decode()
                entry = json.dumps(envelope, separators=(",", ":")).encode()
            out += len(entry).to_bytes(2, "big") + entry
            at += 2 + size
            i += 1
        return out
    return edit


def flip(position):
    def edit(data):
        out = bytearray(data)
        out[position] ^= 1
        return bytes(out)
    return edit


def kinds(folder, name):
    with open(os.path.join(folder, name), "rb") as f:
        data = f.read()
    out, at = [], 0
    while at < len(data):
        size = data[at] * 256 + data[at + 1]
        out.append(json.loads(data[at + 2:at + 2 + size])["payloadType"].split(".")[2])
        at += 2 + size
    return out


def tampered(folder):
    """(what was done, folder, word that the page must say)"""
    entries, tile = bundle(folder)
    result = kinds(folder, entries).index("result")
    with open(os.path.join(folder, "federation.json"), "rb") as f:
        fed = f.read()
    fed_blob = [n for n in os.listdir(os.path.join(folder, "blob"))
                if open(os.path.join(folder, "blob", n), "rb").read() == fed][0]
    yield ("another weight sum in a result", change(folder, entries, edit_entry(result, b'"weight_sum":', b'"weight_sum":1')),
           "entry %d is not what the log signed" % result)
    yield "a leaf hash in the tile", change(folder, tile, flip(32 * 3 + 5)), "leaf hash of entry 3"
    yield ("a smaller size in the checkpoint", change(folder, "checkpoint.cosigned", lambda d: d.replace(b"\n", b"\n1", 1)),
           "signature of the log")
    yield ("a cosignature", change(folder, "checkpoint.cosigned", lambda d: d[:-12] + (b"A" if d[-12:-11] != b"A" else b"B") + d[-11:]),
           "cosignature of")
    yield ("cosignatures left out", change(folder, "checkpoint.cosigned", lambda d: b"\n".join(d.split(b"\n")[:6]) + b"\n"),
           "needed")
    yield ("the federation file", change(folder, "blob/" + fed_blob, lambda d: d.replace(b'"min_clients": ', b'"min_clients": 1')),
           "federation file is not the one")


def check_tampering(b, folder):
    for what, copy, word in tampered(folder):
        server, address = serve(copy)
        verdict, said = verify(b, address)
        expect("tampered (%s): red, says \"%s\"" % (what, word), verdict == "bad" and any(word in s for s in said), said)
        server.shutdown()
        shutil.rmtree(copy)


def check_keyboard(b, address):
    b.get(address)
    until("the page to be ready", lambda: b.find_element(By.ID, "verify").is_enabled())
    body = b.find_element(By.TAG_NAME, "body")
    for _ in range(12):
        b.switch_to.active_element.send_keys(Keys.TAB)
        if b.switch_to.active_element.get_attribute("id") == "verify":
            break
    expect("Tab reaches the Verify button", b.switch_to.active_element.get_attribute("id") == "verify", body.text)
    b.switch_to.active_element.send_keys(Keys.ENTER)
    until("green by keyboard", lambda: state(b) == "good")
    expect("Enter verifies", True)
    entry = b.find_element(By.CSS_SELECTOR, "#entries summary")
    entry.send_keys(Keys.ENTER)
    until("an inclusion path", lambda: "leads to the signed root" in b.find_element(By.ID, "entries").text)
    expect("an entry opens and shows its path to the signed root", True)


def check_wrong_policy(b, address):
    b.get(address)
    until("the page to be ready", lambda: b.find_element(By.ID, "verify").is_enabled())
    b.execute_script("const p = document.getElementById('policy');"
                     "p.value = p.value.replace(/group (\\S+) \\d+/, 'group $1 5').replace(/witness (\\S+) \\S+\\n/, "
                     "(l, n) => `witness ${n} PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\\n`);")
    b.find_element(By.ID, "verify").click()
    until("a verdict", lambda: state(b) in ("good", "bad") and b.find_element(By.ID, "verify").is_enabled())
    expect("the reader's own policy decides", state(b) == "bad" and any("4 of 5 cosignatures" in s for s in steps(b)), steps(b))


def check_folder(b, folder):
    b.get("file://" + os.path.join(folder, "index.html"))
    until("the folder button", lambda: b.find_element(By.ID, "open").is_displayed())
    b.find_element(By.ID, "folder").send_keys(folder)
    until("the page to be ready", lambda: b.find_element(By.ID, "verify").is_enabled())
    b.find_element(By.ID, "verify").click()
    until("a verdict", lambda: state(b) in ("good", "bad"))
    expect("opened as a file, with the folder chosen: green", state(b) == "good", steps(b))


def shoot(b, address, path, width, height, dark):
    b.execute_cdp_cmd("Emulation.setEmulatedMedia",
                      {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
    b.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                      {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
    verdict, said = verify(b, address)
    expect("green before the picture %s" % os.path.basename(path), verdict == "good", said)
    overflow = b.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
    expect("no sideways scrolling at %d pixels" % width, overflow <= 0, overflow)
    whole = b.execute_script("return document.documentElement.scrollHeight")
    b.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                      {"width": width, "height": min(whole, 2400), "deviceScaleFactor": 1, "mobile": width < 600})
    b.save_screenshot(path)


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    program, out = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    os.makedirs(out, exist_ok=True)
    work = tempfile.mkdtemp(prefix="veilsum-page-")
    b = None
    try:
        demo = os.path.join(work, "demo")
        run = subprocess.run([program, "demo", "--clients", "6", "--rounds", "4", "--data", "digits:3000", "--keep", demo,
                              "--picture", os.path.join(work, "demo.svg")], capture_output=True, text=True)
        if run.returncode != 0:
            raise SystemExit("FAILED: the demo: " + run.stdout + run.stderr)
        folder = os.path.join(demo, "aggregator", "public")
        server, address = serve(folder)
        b = browser(os.path.join(work, "profile"))
        verdict, said = verify(b, address)
        expect("a real demo's ledger: green", verdict == "good" and len(said) == 4, said)
        accuracy = json.load(open(os.path.join(folder, "metrics.json")))["rounds"]
        table = b.find_element(By.ID, "round-rows").text
        expect("each round's accuracy is in the table", all("%.2f %%" % (100 * r["accuracy"]) in table for r in accuracy), table)
        check_wrong_policy(b, address)
        check_keyboard(b, address)
        check_tampering(b, folder)
        for name, width, height, dark in (("light", 1100, 900, False), ("dark", 1100, 900, True), ("phone", 390, 844, False)):
            shoot(b, address, os.path.join(out, "page-%s.png" % name), width, height, dark)
        check_folder(b, folder)
        severe = [e for e in b.get_log("browser") if e["level"] == "SEVERE" and "404" not in e["message"]]
        expect("no errors in the browser's console", not severe, severe)
        server.shutdown()
        print("page: all passed; pictures in " + out)
    finally:
        if b is not None:
            b.quit()
        shutil.rmtree(work, ignore_errors=True)


main()
