#!/usr/bin/env python3
"""DSSE envelopes of published logs, checked without any code of veilsum's: dsse.py FOLDER...

The pre-authentication encoding is written out here from the DSSE specification; Ed25519 is
libsodium's, through ctypes. Every envelope is also checked with one byte changed, and must fail."""
import base64
import ctypes
import ctypes.util
import json
import os
import struct
import sys

NAME = ctypes.util.find_library("sodium")
if NAME is None:
    print("SKIPPED: no libsodium on this machine")
    sys.exit(0)
SODIUM = ctypes.CDLL(NAME)
if SODIUM.sodium_init() < 0:
    sys.exit("libsodium does not start")


def verifies(signature, message, key):
    return len(signature) == 64 and len(key) == 32 and SODIUM.crypto_sign_verify_detached(
        signature, message, ctypes.c_ulonglong(len(message)), key) == 0


def pae(kind, payload):
    kind = kind.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def tile_name(number, width):
    digits = "%03d" % number
    digits = digits.rjust(-(-len(digits) // 3) * 3, "0")
    groups = [digits[i:i + 3] for i in range(0, len(digits), 3)]
    name = "/".join(["x" + g for g in groups[:-1]] + groups[-1:])
    return "tile/entries/" + name + ("" if width == 256 else ".p/%d" % width)


def entries(folder):
    with open(os.path.join(folder, "checkpoint"), encoding="utf-8") as f:
        size = int(f.read().split("\n")[1])
    for number in range(-(-size // 256)):
        width = min(256, size - number * 256)
        with open(os.path.join(folder, tile_name(number, width)), "rb") as f:
            bundle = f.read()
        at = 0
        for _ in range(width):
            (length,) = struct.unpack_from(">H", bundle, at)
            yield bundle[at + 2:at + 2 + length]
            at += 2 + length
        assert at == len(bundle), "leftovers in bundle %d" % number


def check(envelope, key):
    j = json.loads(envelope)
    assert sorted(j) == ["payload", "payloadType", "signatures"], sorted(j)
    assert j["payloadType"].startswith("application/vnd.veilsum."), j["payloadType"]
    payload = base64.b64decode(j["payload"], validate=True)
    signature = j["signatures"][0]
    sig = base64.b64decode(signature["sig"], validate=True)
    public = bytes.fromhex(signature["keyid"])
    assert key is None or public == key, "signed by another key"
    message = pae(j["payloadType"], payload)
    assert verifies(sig, message, public), "the signature fails"
    changed = bytearray(message)
    changed[len(changed) // 2] ^= 1
    assert not verifies(sig, bytes(changed), public), "a changed payload passes"


def main(folders):
    for folder in folders:
        key = None
        path = os.path.join(folder, "signer")
        if os.path.exists(path):
            with open(path, encoding="ascii") as f:
                key = bytes.fromhex(f.read().strip())
        n = 0
        for i, envelope in enumerate(entries(folder)):
            if i > 2000 and i % 50 != 0:
                continue  # of long logs a part: each costs two verifications
            try:
                check(envelope, key)
            except (AssertionError, ValueError, KeyError) as e:
                sys.exit("dsse: %s: entry %d: %s" % (folder, i, e))
            n += 1
        print("dsse: %s: %d envelopes ok" % (os.path.basename(folder), n))


if __name__ == "__main__":
    main(sys.argv[1:])
