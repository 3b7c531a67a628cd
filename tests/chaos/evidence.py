"""What the parties left behind, read without the program under test: the published log's entries and record blobs, and
the shareholders' own databases."""
import base64, json, os, sqlite3, struct

RECORD = 96  # pseudonym | manifest hash | C, or pseudonym | manifest hash | reason and zeros


def tile_name(n):
    groups = ["%03d" % (n % 1000)]
    while n >= 1000:
        n //= 1000
        groups.insert(0, "x%03d" % (n % 1000))
    return "/".join(groups)


def log_size(public):
    with open(os.path.join(public, "checkpoint")) as f:
        return int(f.read().split("\n")[1])


def entries(public):
    """(kind, payload as an object, base64 of the payload) of every entry."""
    size, found = log_size(public), []
    for tile in range((size + 255) // 256):
        path = os.path.join(public, "tile", "entries", tile_name(tile))
        width = min(256, size - 256 * tile)
        if width < 256 and not os.path.exists(path):
            path += ".p/%d" % width
        with open(path, "rb") as f:
            data = f.read()
        at = 0
        for _ in range(width):
            (length,) = struct.unpack_from(">H", data, at)
            envelope = json.loads(data[at + 2:at + 2 + length])
            at += 2 + length
            kind = envelope["payloadType"].split("vnd.veilsum.")[1].split(".")[0]
            found.append((kind, json.loads(base64.b64decode(envelope["payload"])), envelope["payload"]))
    return found


def of_round(log, kind, number):
    return [payload for k, payload, _ in log if k == kind and payload["round"] == number]


def records(public, name, count):
    """{pseudonym hex: manifest hash hex} of a set's record blob."""
    if count == 0:
        return {}
    with open(os.path.join(public, "blob", name), "rb") as f:
        data = f.read()
    assert len(data) == RECORD * count, "a record blob of %d bytes for %d records" % (len(data), count)
    return {data[i:i + 32].hex(): data[i + 32:i + 64].hex() for i in range(0, len(data), RECORD)}


def stored_statements(state_db):
    """base64 payloads of the answers and closed statements in a shareholder's database (it must be stopped)."""
    db = sqlite3.connect("file:%s?mode=ro" % state_db, uri=True)
    found = []
    try:
        for key, value in db.execute("SELECT key, value FROM kv WHERE key LIKE 'round/%'"):
            if key.endswith("/answer") or key.endswith("/closed"):
                at = bytes(value).find(b'{"payload"')
                if at >= 0:
                    envelope, _ = json.JSONDecoder().raw_decode(bytes(value)[at:].decode("latin-1"))
                    found.append(envelope["payload"])
    finally:
        db.close()
    return found


def contradictions(payloads):
    """How many (round, shareholder) have said two different things: two answers, or an answer and `closed`."""
    said = {}
    for payload in set(payloads):
        p = json.loads(base64.b64decode(payload))
        said.setdefault((p["federation"], p["round"], p["index"]), set()).add(payload)
    return sum(1 for statements in said.values() if len(statements) > 1)


def check_itself():
    """The comparison sees two answers of one shareholder, and an answer beside a closed statement."""
    def payload(**members):
        return base64.b64encode(json.dumps(dict(federation="f", round=1, **members)).encode()).decode()
    one, other = payload(index=1, answer_hash="a"), payload(index=1, answer_hash="b")
    assert contradictions([one, one, payload(index=2, answer_hash="b")]) == 0
    assert contradictions([one, other]) == 1 and contradictions([one, payload(index=1, params_hash="p")]) == 1
