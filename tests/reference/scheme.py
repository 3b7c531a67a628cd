"""The scheme of docs/PROTOCOL.md and the layouts of docs/WIRE.md, by their definitions.

Plain Python, standard library only. Sharing and reconstruction are Lagrange interpolation and
nothing else; decoding is Berlekamp-Welch as a system of linear equations.
"""
import hashlib
import struct

import aes
import curve25519

P = 2**61 - 1
CHUNK = 65536
TILE = 1024
SHARE, CHALLENGE, LOCATE = 0, 1, 2  # stream ids


class Refused(Exception):
    """What must be refused; args[0] is malformed, proof, state or limit."""


def u8(v):
    return struct.pack("<B", v)


def u32(v):
    return struct.pack("<I", v)


def u64(v):
    return struct.pack("<Q", v)


def H(label, *parts):
    return hashlib.sha256(label.encode() + b"\0" + b"".join(parts)).digest()


def merkle_root(leaves):
    """RFC 6962 section 2.1."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + merkle_root(leaves[:k]) + merkle_root(leaves[k:])).digest()


# --- parameters --------------------------------------------------------------------------------


def check_committee(n, t, k, margin=0):
    if not (2 <= n <= 128 and 1 <= t < n and k >= 1 and t + k + margin <= n):
        raise Refused("limit")


class Layout:
    """Slot width w, slots S, elements and columns M of L coordinates."""

    def __init__(self, bits, max_clients, k, dim):
        if not (1 <= bits <= 32 and 2 <= max_clients <= 32768 and 1 <= k <= 128 and dim >= 1):
            raise Refused("limit")
        self.bits, self.k, self.dim = bits, k, dim
        self.width = bits + (max_clients - 1).bit_length()
        if self.width > 60:
            raise Refused("limit")
        self.slots = 60 // self.width
        self.elements = -(-dim // self.slots)
        self.columns = -(-self.elements // k)
        if dim >= 2**32 or self.columns + 2 > 2**25:
            raise Refused("limit")

    def pack(self, coordinates):
        return [sum(c << self.width * s for s, c in enumerate(coordinates[i:i + self.slots]))
                for i in range(0, len(coordinates), self.slots)]

    def rows(self, elements):
        """Element e is secret e mod k of column floor(e/k): k rows of M."""
        padded = elements + [0] * (self.columns * self.k - len(elements))
        return [padded[i::self.k] for i in range(self.k)]

    def unpack(self, rows, clients):
        """The L sums, or Refused("limit"): an element, slot or padding out of range."""
        sums, largest = [], clients * (2**self.bits - 1)
        for m in range(len(rows[0])):
            for row in rows:
                if row[m] >> self.width * self.slots:
                    raise Refused("limit")
                sums += [row[m] >> self.width * s & 2**self.width - 1 for s in range(self.slots)]
        if any(v > largest for v in sums) or any(sums[self.dim:]):
            raise Refused("limit")
        return sums[:self.dim]


# --- field, sharing, PRG -----------------------------------------------------------------------


def basis(points, at):
    """Lagrange coefficients: f(at) = sum of basis[i] f(points[i]) for deg f < len(points)."""
    out = []
    for i, x in enumerate(points):
        top = bottom = 1
        for j, y in enumerate(points):
            if j != i:
                top, bottom = top * (at - y) % P, bottom * (x - y) % P
        out.append(top * pow(bottom, -1, P) % P)
    return out


def combine(coefficients, rows):
    """Sum of coefficient times row, column by column."""
    return [sum(c * v for c, v in zip(coefficients, column)) % P for column in zip(*rows)]


def share(n, t, k, secrets, seed_shares):
    """The n share rows of k rows of secrets; rows 1..t are given."""
    rows = list(seed_shares)
    for i in range(k):
        g = combine(basis(range(1, t + 1), t + 1 + i), seed_shares)
        rows.append([(s + v) % P for s, v in zip(secrets[i], g)])
    first = rows[:]
    for j in range(t + k + 1, n + 1):
        rows.append(combine(basis(range(1, t + k + 1), j), first))
    return rows


def reconstruct(t, k, points, rows):
    """The k rows of secrets from the rows at t + k points."""
    out = []
    g_rows = [combine(basis(points, j), rows) for j in range(1, t + 1)]
    for i in range(1, k + 1):
        f = combine(basis(points, t + i), rows)
        g = combine(basis(range(1, t + 1), t + i), g_rows)
        out.append([(a - b) % P for a, b in zip(f, g)])
    return out


def elements_of(keystream, first, count):
    """keystream(tile, attempt) gives 8192 bytes. A tile with a value p is drawn again whole."""
    out = []
    for tile in range(first // TILE, (first + count - 1) // TILE + 1):
        attempt = 0
        while True:
            words = [w & P for w in struct.unpack("<1024Q", keystream(tile, attempt))]
            if P not in words:
                break
            attempt += 1
        out += words
    return out[first % TILE:first % TILE + count]


def prg(seed, stream, count):
    cipher = aes.AES256(seed)

    def keystream(tile, attempt):
        if attempt == 0:  # one continuous stream
            return cipher.counter_stream(struct.pack("<III", 0, 0, stream), 512 * tile, 512)
        return cipher.counter_stream(struct.pack("<III", tile, attempt, stream), 0, 512)
    return elements_of(keystream, 0, count)


def multiply(a, b):
    """In F_p[i]/(i^2 + 1)."""
    return (a[0] * b[0] - a[1] * b[1]) % P, (a[0] * b[1] + a[1] * b[0]) % P


def invert(a):
    n = pow(a[0] * a[0] + a[1] * a[1], -1, P)
    return a[0] * n % P, -a[1] * n % P


def weighted_sum(rho, row):
    """Sum over m of rho^(m+1) row[m], by Horner's rule."""
    v = (0, 0)
    for x in reversed(row):
        v = multiply(((v[0] + x) % P, v[1]), rho)
    return v


def proof_value(rho, row):
    """W(j) of share row j: M columns weighted, two mask columns as they are."""
    v = weighted_sum(rho, row[:-2])
    return (v[0] + row[-2]) % P, (v[1] + row[-1]) % P


def extend(values, j):
    """W(j) from its values at 1..r."""
    b = basis(range(1, len(values) + 1), j)
    return tuple(sum(c * v[part] for c, v in zip(b, values)) % P for part in (0, 1))


# --- hashes ------------------------------------------------------------------------------------


def encode(row):
    return struct.pack("<%dQ" % len(row), *row)


def decode(data):
    row = list(struct.unpack("<%dQ" % (len(data) // 8), data))
    if any(v >= P for v in row):
        raise Refused("malformed")
    return row


def pair(key, stream):
    return tuple(prg(key, stream, 2))


def pseudonym(federation, rnd, client_key, salt):
    return H("veilsum/v1 pseudonym", federation, u64(rnd), client_key, salt)


def context(federation, rnd, model_hash, params_hash, name):
    return H("veilsum/v1 context", federation, u64(rnd), model_hash, params_hash, name)


def chunk_root(data):
    return merkle_root([data[i:i + CHUNK] for i in range(0, len(data), CHUNK)])


def commitment(ctx, j, nonce, root):
    return H("veilsum/v1 share", ctx, u32(j), nonce, root)


def challenge(ctx, root):
    return pair(H("veilsum/v1 challenge", ctx, root), CHALLENGE)


def locate_challenge(set_leaf_hash, logged):
    return pair(H("veilsum/v1 locate", set_leaf_hash, *[u32(j) + h for j, h in logged]), LOCATE)


def answer_hash(federation, rnd, j, data):
    return H("veilsum/v1 answer", federation, u64(rnd), u32(j), data)


def result_hash(federation, rnd, clients, sums):
    return H("veilsum/v1 result", federation, u64(rnd), u32(clients), *[u64(s) for s in sums])


def answer_context(federation, rnd, set_leaf_hash):
    return H("veilsum/v1 answer context", federation, u64(rnd), set_leaf_hash)


# --- wrong answers -----------------------------------------------------------------------------


def solve(matrix):
    """Some solution of a linear system over F_{p^2} (rows: coefficients, then the right side), or
    None."""
    rows, width = [r[:] for r in matrix], len(matrix[0]) - 1
    pivots = []
    for col in range(width):
        at = next((i for i in range(len(pivots), len(rows)) if rows[i][col] != (0, 0)), None)
        if at is None:
            continue
        top = len(pivots)
        rows[top], rows[at] = rows[at], rows[top]
        scale = invert(rows[top][col])
        rows[top] = [multiply(v, scale) for v in rows[top]]
        for i, row in enumerate(rows):
            if i != top and row[col] != (0, 0):
                f = row[col]
                rows[i] = [((a[0] - x[0]) % P, (a[1] - x[1]) % P)
                           for a, x in zip(row, (multiply(f, v) for v in rows[top]))]
        pivots.append(col)
    if any(row[width] != (0, 0) for row in rows[len(pivots):]):
        return None
    out = [(0, 0)] * width
    for row, col in zip(rows, pivots):
        out[col] = row[width]
    return out


def divide(a, b):
    """Quotient and remainder of polynomials over F_{p^2}, lowest coefficient first; b monic."""
    a, q = a[:], [(0, 0)] * max(len(a) - len(b) + 1, 0)
    for i in range(len(q) - 1, -1, -1):
        q[i] = a[i + len(b) - 1]
        for j, c in enumerate(b):
            x = multiply(q[i], c)
            a[i + j] = (a[i + j][0] - x[0]) % P, (a[i + j][1] - x[1]) % P
    return q, a


def evaluate(poly, x):
    v = (0, 0)
    for c in reversed(poly):
        v = (v[0] * x + c[0]) % P, (v[1] * x + c[1]) % P
    return v


def locate(points, symbols, r):
    """Positions that disagree with the polynomial of degree < r that all but at most
    floor((m - r) / 2) symbols agree with; None if there is none. Q(x) = y E(x), E monic of degree
    e, deg Q < r + e."""
    m = len(points)
    if m < r:
        return None
    e = (m - r) // 2
    matrix = []
    for x, y in zip(points, symbols):
        row = [(pow(x, i, P), 0) for i in range(r + e)]
        row += [multiply(y, (-pow(x, i, P) % P, 0)) for i in range(e)]
        matrix.append(row + [multiply(y, (pow(x, e, P), 0))])
    solution = solve(matrix)
    if solution is None:
        return None
    f, rest = divide(solution[:r + e], solution[r + e:] + [(1, 0)])
    if any(c != (0, 0) for c in rest + f[r:]):
        return None
    wrong = [i for i in range(m) if evaluate(f, points[i]) != symbols[i]]
    return wrong if len(wrong) <= e else None


# --- sealing -----------------------------------------------------------------------------------


def seal_key(shared, ephemeral_key, round_key, ctx, j):
    text = b"veilsum/v1 seal\0" + shared + ephemeral_key + round_key + ctx + u32(j)
    return hashlib.blake2b(text, digest_size=32).digest()


def seal_nonce(i, count):
    return u32(i) + u8(i == count - 1) + bytes(7)


def seal(key, chunks):
    return [aes.gcm_seal(key, seal_nonce(i, len(chunks)), c) for i, c in enumerate(chunks)]


def unseal(round_secret, ephemeral_key, ctx, j, chunks):
    shared = curve25519.x25519(round_secret, ephemeral_key)
    if shared == bytes(32):
        raise Refused("proof")
    key = seal_key(shared, ephemeral_key, curve25519.x25519_public(round_secret), ctx, j)
    for i, chunk in enumerate(chunks):
        if len(chunk) < 16:
            raise Refused("malformed")
        if aes.gcm_open(key, seal_nonce(i, len(chunks)), chunk) is None:
            raise Refused("proof")


def sealed_shape(columns, is_seed):
    """Plaintext bytes of each chunk: the nonce, then the seed or the vector in pieces."""
    size = 32 if is_seed else 8 * (columns + 2)
    return [32] + [min(CHUNK, size - at) for at in range(0, size, CHUNK)]


# --- layouts -----------------------------------------------------------------------------------


def header(federation, rnd, model_hash, params_hash, client_key, salt, listed):
    return b"".join([b"veilsum/v1 header\0", federation, u64(rnd), model_hash, params_hash,
                     client_key, salt, u32(len(listed))] +
                    [u32(j) + c + key + u64(size) for j, c, key, size in listed])


def trailer(federation, rnd, submission, w):
    return b"veilsum/v1 trailer\0" + federation + u64(rnd) + submission + encode(sum(w, ()))


def proposal(federation, rnd, params_hash, count, root, rejected_count, rejected_root):
    return b"".join([b"veilsum/v1 set\0", federation, u64(rnd), params_hash, u32(count), root,
                     u32(rejected_count), rejected_root])


def statement(label, federation, rnd, *fields):
    return b"".join([label.encode(), b"\0", federation, u64(rnd), *fields])


def need(condition, error="malformed"):
    if not condition:
        raise Refused(error)


def read_header(data):
    label = b"veilsum/v1 header\0"
    fixed = len(label) + 32 + 8 + 4 * 32 + 4
    need(len(data) >= fixed and data.startswith(label))
    count, = struct.unpack_from("<I", data, fixed - 4)
    need(1 <= count <= 128 and len(data) == fixed + 76 * count)
    listed = [struct.unpack_from("<I", data, fixed + 76 * i)[0] for i in range(count)]
    need(listed == sorted(set(listed)) and listed[0] >= 1 and listed[-1] <= 128)


def read_trailer(data, federation, rnd, submission, r):
    label = b"veilsum/v1 trailer\0"
    need(len(data) == len(label) + 72 + 16 * r and data.startswith(label))
    need(data[len(label):-16 * r] == federation + u64(rnd) + submission, "state")
    decode(data[-16 * r:])


def read_proposal(data):
    label = b"veilsum/v1 set\0"
    need(len(data) == len(label) + 32 + 8 + 32 + 2 * 36 and data.startswith(label))


def read_records(data):
    need(len(data) % 96 == 0)
    names = [data[i:i + 32] for i in range(0, len(data), 96)]
    need(names == sorted(set(names)))


def check_share(ctx, j, t, columns, nonce, expected, rho, w, data):
    """Length, canonical elements, commitment, W: in this order."""
    if j <= t:
        need(len(data) == 32)
        row = prg(data, SHARE, columns + 2)
    else:
        need(len(data) == 8 * (columns + 2))
        row = decode(data)
    need(commitment(ctx, j, nonce, chunk_root(data)) == expected, "proof")
    need(proof_value(rho, row) == extend(w, j), "proof")
