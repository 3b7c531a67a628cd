"""Suite "errors" of docs/VECTORS.md: what must be accepted and what must be refused."""
import curve25519 as c25519
from scheme import *  # noqa: F403
from vector_files import core_object, dec


def judged(case, judge):
    """The case with its verdict."""
    try:
        judge()
        return {**case, "accepted": True, "error": None}
    except Refused as refused:
        return {**case, "accepted": False, "error": refused.args[0]}


def case_of(kind, name, why, **members):
    return {"name": name, "kind": kind, "why": why, **members}


def bytes_case(kind, name, why, data, judge):
    return judged(case_of(kind, name, why, bytes=data.hex()), lambda: judge(data))


def element_cases():
    for value, name, why in [(0, "zero", ""), (P - 1, "p - 1", ""),
                             (P, "p", "not canonical: p is another form of 0"),
                             (P + 1, "p + 1", "not canonical: p + 1 is another form of 1"),
                             (2**63, "2^63", "not canonical: the highest bit"),
                             (2**64 - 1, "2^64 - 1", "not canonical")]:
        yield bytes_case("element", name, why, u64(value), decode)


def layout_cases(kind, data, judge):
    yield bytes_case(kind, "as it should be", "", data, judge)
    yield bytes_case(kind, "one byte short", "wrong length", data[:-1], judge)
    yield bytes_case(kind, "other label", "wrong label", bytes([data[0] ^ 0x20]) + data[1:], judge)
    yield bytes_case(kind, "one byte more", "leftover bytes", data + b"\0", judge)


def header_cases(draw):
    listed = [(1 + 2 * i, draw.id("header commitment", i), draw.id("header ephemeral_key", i),
               draw.uint("header sealed_len", i, 40)) for i in range(2)]
    data = header(draw.id("header federation_id"), draw.uint("header round", 0, 48),
                  *[draw.id("header " + f) for f in ("model_hash", "params_hash", "client_key",
                                                     "salt")], listed)
    yield from layout_cases("header", data, read_header)
    end = len(data) - 2 * 76
    for at, value, name, why in [
            (end - 4, 1, "count too small", "leftover bytes"),
            (end - 4, 3, "count too large", "more shares announced than there are"),
            (end - 4, 129, "count 129", "more than 128 shareholders"),
            (end, 0, "index 0", "shareholders count from 1"),
            (end, 3, "the same index twice", "indexes must ascend strictly"),
            (end, 4, "indexes that descend", "indexes must ascend strictly"),
            (end + 76, 129, "index 129", "at most 128 shareholders")]:
        yield bytes_case("header", name, why, data[:at] + u32(value) + data[at + 4:], read_header)
    yield bytes_case("header", "no shares", "a header lists at least one shareholder",
                     data[:end - 4] + u32(0), read_header)


def trailer_cases(draw):
    fed, rnd = draw.id("trailer federation_id"), draw.uint("trailer round", 0, 48)
    submission = draw.id("trailer submission")
    w = draw.elements("trailer W", 0, 4)
    good = trailer(fed, rnd, submission, [tuple(w[:2]), tuple(w[2:])])

    def one(name, why, f=fed, r=rnd, s=submission, count=2, data=good):
        case = case_of("trailer", name, why, federation_id=f.hex(), round=r, submission=s.hex(),
                       r=count, bytes=data.hex())
        return judged(case, lambda: read_trailer(data, f, r, s, count))
    yield one("as it should be", "")
    yield one("fewer values than r", "W has r values", count=3)
    yield one("more values than r", "W has r values", count=1)
    yield one("other round", "it belongs to another round", r=rnd ^ 1)
    yield one("other federation", "it belongs to another federation",
              f=bytes([fed[0] ^ 1]) + fed[1:])
    yield one("other submission", "it does not name this header's hash",
              s=submission[:-1] + bytes([submission[-1] ^ 1]))
    yield one("imaginary part p", "an element that is not canonical", data=good[:-8] + u64(P))


def record_cases(draw):
    a, b, c = sorted(draw.bytes("record", i, 96) for i in range(3))
    for name, why, data in [
            ("as they should be", "", a + b + c),
            ("one byte more", "a record has 96 bytes", a + b + c + b"\0"),
            ("not in order", "records ascend by pseudonym", b + a + c),
            ("one pseudonym twice", "records ascend strictly by pseudonym", b + b[:32] + a[32:])]:
        yield bytes_case("records", name, why, data, read_records)


def proposal_cases(draw):
    data = proposal(draw.id("proposal federation_id"), draw.uint("proposal round", 0, 48),
                    draw.id("proposal params_hash"), 3, draw.id("proposal root"), 1,
                    draw.id("proposal rejected_root"))
    yield from layout_cases("proposal", data, read_proposal)


def flip(data, at, bit=1):
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1:]


def share_cases(draw):
    core = core_object(4, 1, 2, 20, 8, 10, draw)
    ctx = bytes.fromhex(core["ctx"])

    def share_of(j):
        row = encode([int(v) for v in core["shares"][j - 1]])
        return dict(ctx=ctx, j=j, t=1, columns=core["columns"],
                    nonce=bytes.fromhex(core["nonces"][j - 1]),
                    commitment=bytes.fromhex(core["commitments"][j - 1]),
                    rho=tuple(map(int, core["rho"])),
                    W=[tuple(map(int, v)) for v in core["W"]],
                    bytes=row if j > 1 else bytes.fromhex(core["seeds"][0]))

    def one(name, why, s, **changed):
        s = {**s, **changed}
        members = {"ctx": s["ctx"].hex(), "j": s["j"], "t": 1, "columns": s["columns"],
                   "nonce": s["nonce"].hex(), "commitment": s["commitment"].hex(),
                   "rho": dec(s["rho"]), "W": [dec(v) for v in s["W"]], "bytes": s["bytes"].hex()}
        return judged(case_of("share", name, why, **members),
                      lambda: check_share(s["ctx"], s["j"], 1, s["columns"], s["nonce"],
                                          s["commitment"], s["rho"], s["W"], s["bytes"]))

    def committed(s):
        """The commitment to the bytes as they are."""
        return {**s, "commitment": commitment(s["ctx"], s["j"], s["nonce"], chunk_root(s["bytes"]))}

    good, seed = share_of(3), share_of(1)
    data, w = good["bytes"], good["W"]
    first = int.from_bytes(data[:8], "little")
    plus_one = u64((first + 1) % P) + data[8:]
    not_open = "the commitment does not open to this share"
    not_w = "the share does not give W(j)"
    yield one("a vector as it should be", "", good)
    yield one("a seed as it should be", "", seed)
    yield one("one element short", "a share has M + 2 elements", good, bytes=data[:-8])
    yield one("one element more", "a share has M + 2 elements", good, bytes=data + bytes(8))
    yield one("p added to an element", "an element that is not canonical", good,
              bytes=u64(first + P) + data[8:])
    yield one("an element wrong", not_open, good, bytes=plus_one)
    yield one("two elements swapped", not_open, good, bytes=data[8:16] + data[:8] + data[16:])
    yield one("other nonce", not_open, good, nonce=flip(good["nonce"], 0))
    yield one("other commitment", not_open, good, commitment=flip(good["commitment"], 0))
    yield one("other context", "the commitment is bound to its context", good, ctx=flip(ctx, 0))
    yield one("the share of another", "the commitment is bound to its shareholder", good, j=4)
    yield one("W wrong at 3", not_w, good, W=w[:2] + [((w[2][0] + 1) % P, w[2][1])])
    yield one("the share of another, committed to as one's own", not_w, committed({**good, "j": 4}))
    yield one("a wrong element that was committed to", not_w, committed({**good, "bytes": plus_one}))
    beyond = share_of(4)
    yield one("a vector beyond r as it should be", "", beyond)
    yield one("W wrong at 1, seen at 4", not_w, beyond, W=[(w[0][0], (w[0][1] + 1) % P)] + w[1:])
    yield one("31 bytes of seed", "a seed has 32 bytes", seed, bytes=seed["bytes"][:31])
    yield one("other seed", "the commitment does not open to this seed", seed,
              bytes=flip(seed["bytes"], 31))


def sealed_cases(draw):
    secret, round_secret = (draw.id("sealed " + f) for f in ("ephemeral_secret", "round_secret"))
    ctx, public = draw.id("sealed ctx"), c25519.x25519_public(secret)
    round_key = c25519.x25519_public(round_secret)
    key = seal_key(c25519.x25519(secret, round_key), public, round_key, ctx, 2)
    a, b, c = seal(key, [draw.bytes("sealed plain", i, n) for i, n in enumerate([32, 100, 50])])

    def one(name, why, chunks, eph=public, context_=ctx, j=2):
        case = case_of("sealed", name, why, round_secret=round_secret.hex(), ephemeral_key=eph.hex(),
                       ctx=context_.hex(), j=j, chunks=[x.hex() for x in chunks])
        return judged(case, lambda: unseal(round_secret, eph, context_, j, chunks))
    good = [a, b, c]
    yield one("as it should be", "", good)
    yield one("two chunks swapped", "the chunk's number is in the nonce", [b, a, c])
    yield one("last chunk missing", "the last chunk says so in the nonce", [a, b])
    yield one("last chunk twice", "nothing follows the last chunk", [a, b, c, c])
    yield one("other shareholder", "the key is bound to its shareholder", good, j=3)
    yield one("other context", "the key is bound to its context", good, context_=flip(ctx, 0))
    yield one("a bit of the ciphertext", "the tag does not fit", [a, flip(b, 0), c])
    yield one("a bit of the tag", "the tag does not fit", [a, b, flip(c, len(c) - 1, 0x80)])
    yield one("a chunk shorter than its tag", "a chunk has at least 16 bytes", [a, b, c[:15]])
    yield one("ephemeral key 0", "the shared secret is all-zero", good, eph=bytes(32))
    yield one("ephemeral key 1", "the shared secret is all-zero", good, eph=b"\1" + bytes(31))


def signature_cases(draw):
    seed, other = draw.id("signature seed", 0), draw.id("signature seed", 1)
    message = draw.bytes("signature message", 0, 64)
    public, signature = c25519.ed25519_public(seed), c25519.ed25519_sign(seed, message)

    def one(name, why, key=public, text=message, sig=signature):
        case = case_of("signature", name, why, public_key=key.hex(), message=text.hex(),
                       signature=sig.hex())
        return judged(case, lambda: need(c25519.ed25519_verify(key, text, sig), "proof"))
    large = int.from_bytes(signature[32:], "little") + c25519.L
    fit = "the signature does not fit"
    yield one("as it should be", "")
    yield one("other key", "another key did not sign this", key=c25519.ed25519_public(other))
    yield one("a bit of R", fit, sig=flip(signature, 0))
    yield one("a bit of s", fit, sig=flip(signature, 32))
    yield one("s + L", "s must be below the group's order",
              sig=signature[:32] + large.to_bytes(32, "little"))
    yield one("a bit of the message", fit, text=flip(message, 63))


def parameter_cases():
    for n, t, k, margin, name, why in [
            (5, 1, 2, 1, "robust", ""), (3, 1, 1, 1, "private", ""),
            (128, 42, 44, 42, "largest", ""),
            (1, 1, 1, 0, "one shareholder", "n is at least 2"),
            (129, 1, 2, 1, "too many shareholders", "n is at most 128"),
            (5, 0, 2, 0, "no privacy", "t is at least 1"), (5, 5, 1, 0, "t = n", "t is below n"),
            (5, 1, 0, 1, "no secrets", "k is at least 1"),
            (5, 2, 4, 0, "r above n", "t + k is at most n"),
            (5, 2, 2, 2, "no room for the margin", "r + margin is at most n"),
            (5, 2, 2**32 - 1, 0, "k that overflows", "t + k is at most n")]:
        yield judged(case_of("committee", name, why, n=n, t=t, k=k, margin=margin),
                     lambda: check_committee(n, t, k, margin))
    for bits, clients, k, dim, name, why in [
            (32, 32768, 1, 33554430, "widest slot, one per element", ""),
            (1, 2, 2, 10, "thirty slots of two bits", ""),
            (0, 10, 2, 10, "no bits", "b is at least 1"),
            (33, 10, 2, 10, "33 bits", "b is at most 32"),
            (8, 1, 2, 10, "one client", "N is at least 2"),
            (8, 32769, 2, 10, "too many clients", "N is at most 32768"),
            (8, 10, 0, 10, "no secrets", "k is at least 1"),
            (8, 10, 129, 10, "too many secrets", "k is below n, n is at most 128"),
            (8, 10, 2, 0, "no coordinates", "L is at least 1"),
            (32, 32768, 1, 33554431, "too many columns", "M + 2 is at most 2^25"),
            (8, 10, 128, 2**40, "2^40 coordinates", "L is below 2^32")]:
        yield judged(case_of("layout", name, why, bits=bits, max_clients=clients, k=k, dim=dim),
                     lambda: Layout(bits, clients, k, dim))


def sum_cases():
    for elements, name, why in [
            ([sum(765 << 12 * s for s in range(5)), 765], "largest sums", ""),
            ([766, 0], "a slot too large", "a sum of 3 clients is at most 765"),
            ([766 << 48, 0], "the last slot too large", "a sum is at most 765"),
            ([1 << 60, 0], "above the slots", "an element is below 2^60"),
            ([0, 1 << 36], "padding", "slots beyond L are zero")]:
        case = case_of("sums", name, why, bits=8, max_clients=10, k=2, dim=8, clients=3,
                       elements=dec(elements))
        layout = Layout(8, 10, 2, 8)
        yield judged(case, lambda: layout.unpack(layout.rows(elements), 3))


def error_cases(draw):
    yield from element_cases()
    yield from header_cases(draw)
    yield from trailer_cases(draw)
    yield from record_cases(draw)
    yield from proposal_cases(draw)
    yield from share_cases(draw)
    yield from sealed_cases(draw)
    yield from signature_cases(draw)
    yield from parameter_cases()
    yield from sum_cases()
