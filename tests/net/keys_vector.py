"""The role seeds of master seed 00 01 .. 1f, for tests/net/test_keys.c."""
import hashlib

master = bytes(range(32))
for role in ("identity", "log", "cosigner"):
    message = b"veilsum/v1 key\0" + role.encode() + b"\0"
    print(role, hashlib.blake2b(message, digest_size=32, key=master).hexdigest())
