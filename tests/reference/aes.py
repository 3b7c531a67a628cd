"""AES-256 (FIPS 197), counter mode and GCM (NIST SP 800-38A, 38D), in plain Python.

For test vectors only: table lookups, so not constant time.
"""
import struct


def _tables():
    """S-box and the four tables that do SubBytes, ShiftRows and MixColumns of a byte at once."""
    exp, log, x = [0] * 512, [0] * 256, 1
    for i in range(255):  # 3 generates the multiplicative group of GF(2^8)
        exp[i] = exp[i + 255] = x
        log[x] = i
        x ^= (x << 1) ^ (0x11B if x & 0x80 else 0)
        x &= 0xFF
    sbox = []
    for b in range(256):
        inverse = exp[255 - log[b]] if b else 0
        s = 0x63
        for turn in range(5):
            s ^= (inverse << turn | inverse >> (8 - turn)) & 0xFF
        sbox.append(s)
    first = []
    for s in sbox:
        two = (s << 1) ^ (0x11B if s & 0x80 else 0)
        first.append(two << 24 | s << 16 | s << 8 | two ^ s)
    tables = [first]
    for _ in range(3):
        tables.append([w >> 8 | (w & 0xFF) << 24 for w in tables[-1]])
    return sbox, tables


SBOX, (T0, T1, T2, T3) = _tables()


class AES256:
    def __init__(self, key):
        assert len(key) == 32
        w = list(struct.unpack(">8I", key))
        rcon = 1
        for i in range(8, 60):
            t = w[-1]
            if i % 8 == 0:
                t = self._sub((t << 8 | t >> 24) & 0xFFFFFFFF) ^ rcon << 24
                rcon <<= 1
            elif i % 8 == 4:
                t = self._sub(t)
            w.append(w[i - 8] ^ t)
        self.keys = w

    @staticmethod
    def _sub(x):
        return SBOX[x >> 24] << 24 | SBOX[x >> 16 & 255] << 16 | SBOX[x >> 8 & 255] << 8 | SBOX[x & 255]

    def block(self, data):
        k = self.keys
        a, b, c, d = struct.unpack(">4I", data)
        a, b, c, d = a ^ k[0], b ^ k[1], c ^ k[2], d ^ k[3]
        for r in range(4, 56, 4):
            a, b, c, d = (
                T0[a >> 24] ^ T1[b >> 16 & 255] ^ T2[c >> 8 & 255] ^ T3[d & 255] ^ k[r],
                T0[b >> 24] ^ T1[c >> 16 & 255] ^ T2[d >> 8 & 255] ^ T3[a & 255] ^ k[r + 1],
                T0[c >> 24] ^ T1[d >> 16 & 255] ^ T2[a >> 8 & 255] ^ T3[b & 255] ^ k[r + 2],
                T0[d >> 24] ^ T1[a >> 16 & 255] ^ T2[b >> 8 & 255] ^ T3[c & 255] ^ k[r + 3])
        s = SBOX
        return struct.pack(
            ">4I",
            (s[a >> 24] << 24 | s[b >> 16 & 255] << 16 | s[c >> 8 & 255] << 8 | s[d & 255]) ^ k[56],
            (s[b >> 24] << 24 | s[c >> 16 & 255] << 16 | s[d >> 8 & 255] << 8 | s[a & 255]) ^ k[57],
            (s[c >> 24] << 24 | s[d >> 16 & 255] << 16 | s[a >> 8 & 255] << 8 | s[b & 255]) ^ k[58],
            (s[d >> 24] << 24 | s[a >> 16 & 255] << 16 | s[b >> 8 & 255] << 8 | s[c & 255]) ^ k[59])

    def counter_stream(self, prefix, first_block, n_blocks):
        """Keystream: 12 bytes of prefix, then a 32-bit big-endian block counter."""
        return b"".join(self.block(prefix + struct.pack(">I", i))
                        for i in range(first_block, first_block + n_blocks))


def _xor(data, stream):
    return bytes(x ^ y for x, y in zip(data, stream))


def _gf128(x, y):
    """Product in GF(2^128), bit 0 the highest (SP 800-38D 6.3)."""
    z = 0
    for i in range(127, -1, -1):
        if y >> i & 1:
            z ^= x
        x = x >> 1 ^ (0xE1 << 120 if x & 1 else 0)
    return z


def _ghash(h, data):
    y = 0
    for i in range(0, len(data), 16):
        y = _gf128(y ^ int.from_bytes(data[i:i + 16].ljust(16, b"\0"), "big"), h)
    return y


def _tag(aes, nonce, sealed):
    h = int.from_bytes(aes.block(bytes(16)), "big")
    padded = sealed + bytes(-len(sealed) % 16) + struct.pack(">QQ", 0, 8 * len(sealed))
    return _xor(_ghash(h, padded).to_bytes(16, "big"), aes.counter_stream(nonce, 1, 1))


def gcm_seal(key, nonce, plain):
    """Ciphertext and 16-byte tag; no associated data, 12-byte nonce."""
    aes = AES256(key)
    sealed = _xor(plain, aes.counter_stream(nonce, 2, (len(plain) + 15) // 16))
    return sealed + _tag(aes, nonce, sealed)


def gcm_open(key, nonce, sealed):
    """The plaintext, or None."""
    aes = AES256(key)
    if len(sealed) < 16 or _tag(aes, nonce, sealed[:-16]) != sealed[-16:]:
        return None
    return _xor(sealed[:-16], aes.counter_stream(nonce, 2, (len(sealed) - 1) // 16))


# FIPS 197 C.3; McGrew and Viega, test cases 13 and 14 of the GCM submission.
assert AES256(bytes(range(32))).block(bytes.fromhex("00112233445566778899aabbccddeeff")).hex() \
    == "8ea2b7ca516745bfeafc49904b496089"
assert gcm_seal(bytes(32), bytes(12), b"").hex() == "530f8afbc74536b9a963b4f1c4cb738b"
assert gcm_seal(bytes(32), bytes(12), bytes(16)).hex() \
    == "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
