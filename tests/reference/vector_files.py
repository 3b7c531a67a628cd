"""The files of docs/VECTORS.md from their seed: the core object, and the suites."""
import hashlib
import json
import math
import struct

import curve25519 as c25519
from scheme import *  # noqa: F403 - the whole scheme is the vocabulary here


class Draw:
    """D(what, index, length) of docs/VECTORS.md "Inputs from a seed"."""

    def __init__(self, seed, prefix=""):
        self.seed, self.prefix = seed, prefix

    def bytes(self, what, index, length):
        start = b"veilsum/v1 vectors\0" + (self.prefix + what).encode() + b"\0" + u32(index)
        blocks = [hashlib.sha256(start + u64(i) + self.seed).digest()
                  for i in range((length + 31) // 32)]
        return b"".join(blocks)[:length]

    def id(self, what, index=0):
        return self.bytes(what, index, 32)

    def uint(self, what, index, bits):
        return int.from_bytes(self.bytes(what, index, 8), "little") & (1 << bits) - 1

    def elements(self, what, index, count):
        words = struct.unpack("<%dQ" % count, self.bytes(what, index, 8 * count))
        return [w & P if w & P != P else 0 for w in words]


def text(members):
    """The one form of a file: a top-level member a line, a case a line, no other spaces."""
    def compact(value):
        return json.dumps(value, separators=(",", ":"))

    def show(key, value):
        if key == "cases":
            return "[\n  " + ",\n  ".join(compact(case) for case in value) + "\n ]"
        return compact(value)
    return "{\n" + ",\n".join(f' "{k}": {show(k, v)}' for k, v in members.items()) + "\n}\n"


def dec(row):
    return [str(v) for v in row]


# --- core --------------------------------------------------------------------------------------


def core_object(n, t, k, length, bits, max_clients, draw):
    check_committee(n, t, k)
    layout = Layout(bits, max_clients, k, length)
    ids = {name: draw.id(name) for name in ("federation_id", "model_hash", "params_hash",
                                            "pseudonym")}
    rnd = draw.uint("round", 0, 48)
    words = struct.unpack("<%dI" % length, draw.bytes("coordinates", 0, 4 * length))
    coordinates = [w & 2**bits - 1 for w in words]
    seeds = [draw.id("seed", j) for j in range(1, t + 1)]
    masks = draw.elements("mask", 0, 2 * k)
    masks = [masks[:k], masks[k:]]
    nonces = [draw.id("nonce", j) for j in range(1, n + 1)]

    ctx = context(ids["federation_id"], rnd, ids["model_hash"], ids["params_hash"],
                  ids["pseudonym"])
    elements = layout.pack(coordinates)
    secrets = [row + [masks[0][i], masks[1][i]] for i, row in enumerate(layout.rows(elements))]
    cols = layout.columns + 2
    shares = share(n, t, k, secrets, [prg(seed, SHARE, cols) for seed in seeds])
    roots = [chunk_root(seeds[j] if j < t else encode(shares[j])) for j in range(n)]
    commitments = [commitment(ctx, j + 1, nonces[j], roots[j]) for j in range(n)]
    root = merkle_root(commitments)
    rho = challenge(ctx, root)
    w = [proof_value(rho, row) for row in shares[:t + k]]
    for j in range(t + k, min(n, t + k + 1)):
        assert extend(w, j + 1) == proof_value(rho, shares[j])
    return {
        "n": n, "t": t, "k": k, "bits": bits, "max_clients": max_clients,
        "slot_width": layout.width, "slots": layout.slots, "columns": layout.columns,
        "context": {"federation_id": ids["federation_id"].hex(), "round": rnd,
                    "model_hash": ids["model_hash"].hex(),
                    "params_hash": ids["params_hash"].hex(),
                    "pseudonym": ids["pseudonym"].hex()},
        "ctx": ctx.hex(), "coordinates": coordinates, "elements": dec(elements),
        "seeds": [s.hex() for s in seeds], "mask_secrets": [dec(m) for m in masks],
        "nonces": [x.hex() for x in nonces], "shares": [dec(row) for row in shares],
        "chunk_roots": [x.hex() for x in roots], "commitments": [x.hex() for x in commitments],
        "root": root.hex(), "rho": dec(rho), "W": [dec(v) for v in w],
    }


# --- reconstruction ----------------------------------------------------------------------------

A = (5, 1, 2, 1), 8, 10, 3, 20, 2  # (n, t, k, margin), bits, max_clients, clients, dim, digits
B = (7, 1, 4, 1), 16, 16, 2, 50, 2
C = (10, 2, 4, 2), 12, 100, 4, 33, 2
E = (3, 1, 1, 1), 8, 10, 3, 19, 2


def low(margin):
    return (5, 2, 1, margin), 4, 3, 3, 40, 3


def margin_0(numbers):
    return numbers[0][:3] + (0,), *numbers[1:]


# name, numbers, absent, lies {j: what}, honest ones that colluders agree with, change of all
RECONSTRUCTION = [
    ("every answer right", A, [], {}, [], ""),
    ("one missing, still certain", A, [2], {}, [], ""),
    ("r answers, below the margin", A, [1, 3], {}, [], ""),
    ("r answers, margin 0", margin_0(A), [1, 3], {}, [], ""),
    ("fewer than r answers", A, [1, 2, 5], {}, [], ""),
    ("one liar", B, [], {3: "random"}, [], ""),
    ("one liar, wrong by one", B, [], {1: "one"}, [], ""),
    ("two liars where one can be located", B, [], {2: "random", 7: "random"}, [], ""),
    ("two liars of ten", C, [], {1: "random", 10: "one"}, [], ""),
    ("two liars, one missing", C, [4], {1: "random", 10: "random"}, [], ""),
    ("a liar outvoted, not proven wrong", low(1), [], {4: "random"}, [], ""),
    ("a liar outvoted, below the margin", low(2), [], {4: "random"}, [], ""),
    ("two liars imitate another codeword, an honest one is blamed", low(2), [],
     {3: "collude", 4: "collude"}, [1, 2], ""),
    ("erasures: short, long, not canonical, not what was logged", margin_0(C), [],
     {1: "short", 2: "long", 3: "p", 4: "hash"}, [], ""),
    ("an erasure and a liar", C, [], {5: "p", 7: "random"}, [], ""),
    ("three liars of sixteen", ((16, 3, 7, 3), 32, 32768, 2, 30, 1), [],
     {1: "random", 2: "random", 16: "one"}, [], ""),
    ("an element out of range", A, [], {}, [], "shift"),
    ("padding that is not zero", E, [], {}, [], "padding"),
    ("weight sum zero", E, [], {}, [], "no weight"),
]


def product(x, roots):
    v = 1
    for root in roots:
        v = v * (x - root) % P
    return v


def honest_sums(draw, index, layout, n, t, k, clients, digits, change):
    total = [[0] * layout.columns for _ in range(n)]
    for i in range(1, clients + 1):
        words = struct.unpack("<%dI" % layout.dim,
                              draw.bytes("coordinates", 256 * index + i, 4 * layout.dim))
        coordinates = [w & 2**layout.bits - 1 for w in words]
        if change == "no weight":
            coordinates[-digits:] = [0] * digits
        seeds = [draw.elements("share", 65536 * index + 256 * i + j, layout.columns)
                 for j in range(1, t + 1)]
        rows = share(n, t, k, layout.rows(layout.pack(coordinates)), seeds)
        total = [[(a + b) % P for a, b in zip(x, y)] for x, y in zip(total, rows)]
    return total


def told(draw, index, layout, rows, lies, honest, change, t):
    """The rows after every lie that changes elements."""
    for j, what in lies.items():
        row = rows[j - 1]
        if what == "random":
            add = draw.elements("lie", 256 * index + j, layout.columns)
        elif what == "collude":
            add = [a * product(j, honest)
                   for a in draw.elements("lie", 256 * index, layout.columns)]
        else:
            add = [1] if what == "one" else []
        for m, v in enumerate(add):
            row[m] = (row[m] + v) % P
    where, value = {"shift": (0, 2**60),
                    "padding": (layout.columns - 1, 2**(layout.width * (layout.slots - 1)))
                    }.get(change, (0, 0))
    for j, row in enumerate(rows, 1):
        row[where] = (row[where] + value * product(j, range(1, t + 1))) % P
    return rows


def reconstruction_case(draw, index):
    name, numbers, absent, lies, honest, change = RECONSTRUCTION[index]
    (n, t, k, margin), bits, max_clients, clients, dim, digits = numbers
    layout = Layout(bits, max_clients, k, dim)
    federation, rnd = draw.id("federation_id", index), draw.uint("round", index, 48)
    set_leaf_hash = draw.id("set_leaf_hash", index)
    rows = told(draw, index, layout,
                honest_sums(draw, index, layout, n, t, k, clients, digits, change),
                lies, honest, change, t)
    answers = []
    for j in range(1, n + 1):
        if j in absent:
            continue
        data = encode(rows[j - 1])
        what = lies.get(j, "")
        data = u64(P) + data[8:] if what == "p" else data
        data = data[:-8] if what == "short" else data + bytes(8) if what == "long" else data
        logged = answer_hash(federation, rnd, j, data)
        data = bytes([data[0] ^ 1]) + data[1:] if what == "hash" else data
        answers.append((j, logged, data))
    case = {"name": name, "n": n, "t": t, "k": k, "margin": margin, "bits": bits,
            "max_clients": max_clients, "clients": clients, "dim": dim, "weight_digits": digits,
            "federation_id": federation.hex(), "round": rnd,
            "set_leaf_hash": set_leaf_hash.hex(),
            "answers": [{"j": j, "logged_hash": logged.hex(), "sum_share": data.hex()}
                        for j, logged, data in answers]}
    case.update(verdict(case, layout, answers, federation, rnd, set_leaf_hash))
    return case


def usable_row(layout, logged, actual, data):
    if len(data) != 8 * layout.columns or actual != logged:
        return None
    try:
        return decode(data)
    except Refused:
        return None


def verdict(case, layout, answers, federation, rnd, set_leaf_hash):
    t, k, r = case["t"], case["k"], case["t"] + case["k"]
    hashes = [answer_hash(federation, rnd, j, data) for j, _, data in answers]
    rows = [usable_row(layout, logged, h, data) for h, (j, logged, data) in zip(hashes, answers)]
    rho = locate_challenge(set_leaf_hash, [(j, logged) for j, logged, _ in answers])
    symbols = [None if row is None else weighted_sum(rho, row) for row in rows]
    used = [(a[0], row, s) for a, row, s in zip(answers, rows, symbols) if row is not None]
    found = locate([u[0] for u in used], [u[2] for u in used], r)
    wrong = [a[0] for a, row in zip(answers, rows) if row is None]
    wrong = sorted(wrong + [used[i][0] for i in found or []])
    left = None if found is None else len(used) - r - len(found)
    what, sums, weight = "ok", None, None
    if found is None:
        what = "too-few" if len(used) < r else "undecodable"
    elif left < case["margin"]:
        what = "uncertain"
    else:
        good = [u for i, u in enumerate(used) if i not in found][:r]
        secrets = reconstruct(t, k, [u[0] for u in good], [u[1] for u in good])
        try:
            sums = layout.unpack(secrets, case["clients"])
            digits = sums[-case["weight_digits"]:]
            weight = sum(d << layout.bits * i for i, d in enumerate(digits))
            need(0 < weight < 2**64, "limit")
        except Refused:
            what, sums = "range", None
    return {"columns": layout.columns, "answer_hashes": [h.hex() for h in hashes],
            "usable": [row is not None for row in rows], "rho": dec(rho),
            "symbols": [None if s is None else dec(s) for s in symbols],
            "decodable": found is not None, "wrong": wrong, "margin_left": left,
            "certain": found is not None and left >= t, "verdict": what,
            "sums": None if sums is None else dec(sums),
            "weight_sum": None if sums is None else str(weight),
            "sum_hash": None if sums is None else
            result_hash(federation, rnd, case["clients"], sums).hex()}


# --- sealing -----------------------------------------------------------------------------------

SEALING = [
    ("seed share: nonce and seed", 1, [32, 32]),
    ("share vector of 40 elements", 4, [32, 320]),
    ("one chunk, at once first and last", 2, [4096]),
    ("many chunks, one empty", 128, [32, 1, 15, 16, 17, 0]),
]
SHAPES = [(1, True), (1, False), (8189, False), (8190, False), (8191, False), (8192, True),
          (16383, False)]


FULL_CHUNK = [("a full chunk and what is left", 3, [32, 65536, 16])]


def chunk_cases(draw):
    return chunks_cases(draw, FULL_CHUNK)


def sealing_cases(draw):
    yield from chunks_cases(draw, SEALING)
    for columns, is_seed in SHAPES:
        shape = sealed_shape(columns, is_seed)
        yield {"name": "shape of a sealed share", "kind": "shape", "columns": columns,
               "is_seed": is_seed, "plain_len": shape,
               "sealed_len": sum(shape) + 16 * len(shape)}


def chunks_cases(draw, recipes):
    for index, (name, j, lengths) in enumerate(recipes):
        secret, round_secret = draw.id("ephemeral_secret", index), draw.id("round_secret", index)
        ctx = draw.id("ctx", index)
        plain = [draw.bytes("plain", 256 * index + i, size) for i, size in enumerate(lengths)]
        ephemeral_key = c25519.x25519_public(secret)
        round_key = c25519.x25519_public(round_secret)
        shared = c25519.x25519(secret, round_key)
        assert shared == c25519.x25519(round_secret, ephemeral_key)
        key = seal_key(shared, ephemeral_key, round_key, ctx, j)
        yield {"name": name, "kind": "chunks", "ephemeral_secret": secret.hex(),
               "round_secret": round_secret.hex(), "ctx": ctx.hex(), "j": j,
               "plain": [p.hex() for p in plain], "ephemeral_key": ephemeral_key.hex(),
               "round_key": round_key.hex(), "shared": shared.hex(), "key": key.hex(),
               "nonces": [seal_nonce(i, len(plain)).hex() for i in range(len(plain))],
               "sealed": [s.hex() for s in seal(key, plain)]}


# --- manifest ----------------------------------------------------------------------------------

MANIFEST = [("all of three shareholders", 2, [1, 2, 3], 1),
            ("five of seven shareholders", 5, [1, 2, 4, 6, 7], 3)]


def manifest_cases(draw):
    for index, recipe in enumerate(MANIFEST):
        yield manifest_case(draw, index, *recipe)


def manifest_case(draw, index, name, r, listed_j, operation):
    names = ("federation_id model_hash params_hash salt admin_seed client_seed round_key "
             "list_root rejected_root set_leaf_hash arguments_hash shareholder_seed").split()
    x = {what: draw.id(what, index) for what in names}
    rnd = draw.uint("round", index, 48)
    listed = [(j, draw.id("commitment", 256 * index + i), draw.id("ephemeral_key", 256 * index + i),
               draw.uint("sealed_len", 256 * index + i, 40)) for i, j in enumerate(listed_j)]
    values = draw.elements("W", index, 2 * r)
    w = list(zip(values[::2], values[1::2]))
    j = listed_j[-1]
    list_count, rejected_count = (draw.uint(f, index, 15) for f in ("list_count",
                                                                    "rejected_count"))
    unix_time = draw.uint("unix_time", index, 40)
    case = {"name": name, **{what: v.hex() for what, v in x.items()}, "round": rnd,
            "listed": [{"j": a, "commitment": b.hex(), "ephemeral_key": c.hex(), "sealed_len": d}
                       for a, b, c, d in listed],
            "W": [dec(v) for v in w], "j": j, "list_count": list_count,
            "rejected_count": rejected_count, "operation": operation, "unix_time": unix_time}

    fed = x["federation_id"]
    client_key = c25519.ed25519_public(x["client_seed"])
    case["admin_key"] = c25519.ed25519_public(x["admin_seed"]).hex()
    case["client_key"] = client_key.hex()
    case["shareholder_key"] = c25519.ed25519_public(x["shareholder_seed"]).hex()
    enrolment = statement("veilsum/v1 enrolment", fed, 0, client_key)
    case["enrolment_signature"] = c25519.ed25519_sign(x["admin_seed"], enrolment).hex()
    name_ = pseudonym(fed, rnd, client_key, x["salt"])
    root = merkle_root([c for _, c, _, _ in listed])
    case["pseudonym"] = name_.hex()
    case["ctx"] = context(fed, rnd, x["model_hash"], x["params_hash"], name_).hex()
    case["root"] = root.hex()

    def signed(what, data, seed):
        case[what + "_bytes"] = data.hex()
        case[what + "_signature"] = c25519.ed25519_sign(seed, data).hex()

    head = header(fed, rnd, x["model_hash"], x["params_hash"], client_key, x["salt"], listed)
    submission = hashlib.sha256(head).digest()
    manifest_hash = hashlib.sha256(head + encode(sum(w, ()))).digest()
    holder = x["shareholder_seed"]
    signed("header", head, x["client_seed"])
    case["submission"] = submission.hex()
    signed("trailer", trailer(fed, rnd, submission, w), x["client_seed"])
    case["manifest_hash"] = manifest_hash.hex()
    case["record"] = (name_ + manifest_hash + root).hex()
    signed("receipt", statement("veilsum/v1 receipt", fed, rnd, u32(j), manifest_hash), holder)
    signed("round_key", statement("veilsum/v1 round key", fed, rnd, u32(j), x["round_key"]), holder)
    signed("list", statement("veilsum/v1 list", fed, rnd, u32(j), u32(list_count),
                             x["list_root"]), holder)
    set_ = proposal(fed, rnd, x["params_hash"], list_count, x["list_root"], rejected_count,
                    x["rejected_root"])
    case["proposal_bytes"] = set_.hex()
    case["proposal_hash"] = hashlib.sha256(set_).hexdigest()
    signed("vote", statement("veilsum/v1 vote", fed, rnd, u32(j), hashlib.sha256(set_).digest()),
           holder)
    signed("control", statement("veilsum/v1 control", fed, rnd, u8(operation), u64(unix_time),
                                x["arguments_hash"]), x["admin_seed"])
    case["answer_context"] = answer_context(fed, rnd, x["set_leaf_hash"]).hex()
    return case


# --- records, quantiser, redraw ----------------------------------------------------------------

COUNTS = [0, 1, 2, 3, 5, 8, 13]


def records_cases(draw):
    for index in range(2 * len(COUNTS)):
        rejected = index >= len(COUNTS)
        drawn = sorted(draw.bytes("rejected" if rejected else "record", 256 * index + i, 96)
                       for i in range(COUNTS[index % len(COUNTS)]))
        fields, records = [], []
        for i, raw in enumerate(drawn):
            entry = {"pseudonym": raw[:32].hex(), "manifest_hash": raw[32:64].hex()}
            reason = i % 10 + 1
            entry.update({"reason": reason} if rejected else {"commit_root": raw[64:].hex()})
            fields.append(entry)
            records.append(raw[:64] + u8(reason) + bytes(31) if rejected else raw)
        yield {"name": "rejected clients" if rejected else "clients of a set",
               "kind": "rejected" if rejected else "records", "records": fields,
               "bytes": b"".join(records).hex(), "root": merkle_root(records).hex(),
               "blob_name": hashlib.sha256(b"".join(records)).hexdigest()}


QUANTISER = [
    ("one bit, one digit", 1, 1, [1, 1, 1]),
    ("one bit, many digits", 1, 1000, [1, 512, 1000]),
    ("largest weight of one digit", 8, 255, [255, 1]),
    ("smallest weight of two digits", 8, 256, [256, 255, 1]),
    ("digit sums above the base", 8, 65535, [65535] * 6),
    ("bits that do not divide", 13, 100000, [1, 8191, 8192, 100000]),
    ("sixteen bits", 16, 60000, [600, 60000, 1, 333]),
    ("largest weight there is", 32, 2**48, [2**48, 4294967295]),
]


def quantiser_cases(draw):
    drawn = [("drawn weights", bits, 2**40,
              [draw.uint("weight", 256 * i + w, 40) + 1 for w in range(5)])
             for i, bits in enumerate([11, 16])]
    for name, bits, max_weight, weights in QUANTISER + drawn:
        n = -(-max_weight.bit_length() // bits)
        digits = [[w >> bits * i & 2**bits - 1 for i in range(n)] for w in weights]
        sums = [sum(column) for column in zip(*digits)]
        yield {"name": name, "bits": bits, "max_weight": str(max_weight), "weights": dec(weights),
               "n_digits": n, "digits": digits, "digit_sums": dec(sums),
               "weight_sum": str(sum(s << bits * i for i, s in enumerate(sums)))}


# --- update ------------------------------------------------------------------------------------

# name, clip_norm, clipping_range, max_weight, bits, dim, stochastic, weights, updates (or drawn)
UPDATE = [
    ("to the nearest", 0.0, 1.0, 1, 8, 11, False, [1],
     [[-2, -1, -0.99609375, -0.5, -0.0, 0, 0.0039, 0.25, 0.5, 0.999, 3]]),
    ("norm 5 clipped to 1, norm 0.5 not", 1.0, 0.5, 10, 16, 3, False, [10, 5],
     [[3, -4, 0], [0.3, 0.4, -0.0]]),
    ("stochastic rounding", 0.0, 1.0, 1000, 16, 40, True, [1000, 1, 377], None),
    ("norm and range clipped", 2.0, 0.25, 64, 12, 37, True, [64, 33], None),
    ("one bit", 0.0, 1.0, 1, 1, 20, True, [1, 1], None),
    ("thirty-two bits", 8.0, 1.0, 2**48, 32, 17, True, [2**48, 2**40], None),
]


def f64(values):
    return struct.pack("<%dd" % len(values), *values).hex()


def norm_of(update):
    """Squares in 16 lanes, lanes in halves; scaled by a power of two before and after."""
    largest = max(abs(x) for x in update)
    if largest == 0:
        return 0.0
    exponent = math.frexp(largest)[1]
    lanes = [0.0] * 16
    for i, x in enumerate(update):
        y = x * math.ldexp(1.0, -exponent)
        lanes[i % 16] += y * y
    while len(lanes) > 1:
        half = len(lanes) // 2
        lanes = [a + b for a, b in zip(lanes[:half], lanes[half:])]
    return math.ldexp(math.sqrt(lanes[0]), exponent)


def quantise(x, factor, limit, levels, unit):
    """The integer of one coordinate, and whether it was clipped; unit in [0, 1)."""
    x *= factor
    clipped = x > limit or x < -limit
    y = levels if x >= limit else (max(x, -limit) + limit) * (levels / (2.0 * limit))
    return math.floor(min(y + unit, levels)), clipped


def update_cases(draw):
    for index, recipe in enumerate(UPDATE):
        name, clip_norm, limit, max_weight, bits, dim, stochastic, weights, updates = recipe
        words = [struct.unpack("<%dQ" % dim, draw.bytes("words", 256 * index + i, 8 * dim))
                 for i in range(len(weights))]
        if updates is None:
            drawn = [struct.unpack("<%dQ" % dim, draw.bytes("delta", 256 * index + i, 8 * dim))
                     for i in range(len(weights))]
            updates = [[((w >> 11) * 2.0**-52 - 1.0) * 1.5 for w in row] for row in drawn]
        levels = float(2**bits - 1)
        norms = [norm_of(u) for u in updates]
        factors = [(clip_norm / norm if 0 < clip_norm < norm else 1.0) * (w / max_weight)
                   for norm, w in zip(norms, weights)]
        rows = [[quantise(float(x), factor, limit, levels,
                          (word >> 12) * 2.0**-52 if stochastic else 0.5)
                 for x, word in zip(update, row)]
                for update, row, factor in zip(updates, words, factors)]
        sums = [sum(q for q, _ in column) for column in zip(*rows)]
        unit = limit / levels * (max_weight / sum(weights))
        yield {"name": name, "bits": bits, "clip_norm": f64([clip_norm]),
               "clipping_range": f64([limit]), "max_weight": str(max_weight),
               "stochastic_rounding": stochastic, "weights": dec(weights),
               "deltas": [f64(u) for u in updates],
               "words": [struct.pack("<%dQ" % dim, *row).hex() for row in words],
               "norms": [f64([norm]) for norm in norms],
               "factors": [f64([factor]) for factor in factors],
               "clipped": [sum(c for _, c in row) for row in rows],
               "coordinates": [[q for q, _ in row] for row in rows], "sums": dec(sums),
               "weight_sum": str(sum(weights)),
               "mean": f64([float(2 * s - len(weights) * (2**bits - 1)) * unit for s in sums])}


# name, first, count, draws of tile 0 and 1, {(tile, attempt, word): value}
REDRAW = [
    ("p - 1 is a value like any other", 0, 8, (1, 0),
     {(0, 0, 5): P - 1, (0, 0, 6): 2**64 - 2}),
    ("a value that nobody uses equals p", 0, 8, (2, 0), {(0, 0, 1000): P}),
    ("tile 1 drawn three times", 1020, 10, (1, 3),
     {(1, 0, 1023): 2**64 - 1, (1, 1, 0): P, (1, 2, 0): 0}),
]


def redraw_cases(draw):
    for index, (name, first, count, draws, changes) in enumerate(REDRAW):
        stream = {}
        for tile in (0, 1):
            for attempt in range(draws[tile]):
                data = bytearray(draw.bytes("keystream", 65536 * index + 256 * tile + attempt, 8192))
                for (a, b, word), value in changes.items():
                    if (a, b) == (tile, attempt):
                        data[8 * word:8 * word + 8] = u64(value)
                stream[tile, attempt] = bytes(data)
        yield {"name": name, "first": first, "count": count,
               "keystream": [{"tile": a, "attempt": b, "bytes": v.hex()}
                             for (a, b), v in stream.items()],
               "elements": dec(elements_of(lambda a, b: stream[a, b], first, count))}
