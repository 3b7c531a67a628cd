#!/usr/bin/env python3
"""A trainer of one's own for `veilsum watch`, in plain Python: no line of veilsum in it.

  trainer.py DIR DATA.json ROUNDS

Linear regression by gradient descent on the rows of DATA.json ([[x1, x2, y], ...]). It waits for round-N.json in DIR,
starts from global-N.safetensors, writes the change of its parameters as update-N.safetensors, and goes on with the next
round when result-N.safetensors is there. Standard library only."""
import json, os, struct, sys, time


def read_safetensors(path):
    with open(path, "rb") as f:
        (n,) = struct.unpack("<Q", f.read(8))
        head, data = json.loads(f.read(n)), f.read()
    tensors = {}
    for name, t in head.items():
        if name != "__metadata__":
            begin, end = t["data_offsets"]
            code = {"F32": "f", "F64": "d"}[t["dtype"]]
            tensors[name] = list(struct.unpack("<%d%s" % ((end - begin) // struct.calcsize(code), code), data[begin:end]))
    return tensors


def write_safetensors(path, tensors):
    """Under another name first: who watches the folder must never see half a file."""
    head, data = {}, b""
    for name, values in tensors.items():
        chunk = struct.pack("<%df" % len(values), *values)
        head[name] = {"dtype": "F32", "shape": [len(values)], "data_offsets": [len(data), len(data) + len(chunk)]}
        data += chunk
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)
        f.flush()
        os.fsync(f.fileno())
    os.rename(path + ".part", path)


def train(model, rows, steps=20, rate=0.1):
    w, b = list(model["w"]), model["b"][0]
    for _ in range(steps):
        gw, gb = [0.0] * len(w), 0.0
        for *x, y in rows:
            error = sum(wi * xi for wi, xi in zip(w, x)) + b - y
            gw = [g + error * xi / len(rows) for g, xi in zip(gw, x)]
            gb += error / len(rows)
        w, b = [wi - rate * g for wi, g in zip(w, gw)], b - rate * gb
    return {"w": [new - old for new, old in zip(w, model["w"])], "b": [b - model["b"][0]]}


def newest_round(folder):
    numbers = [int(name[6:-5]) for name in os.listdir(folder) if name.startswith("round-") and name.endswith(".json")]
    return max(numbers, default=0)


def main(folder, data, rounds):
    with open(data) as f:
        rows = json.load(f)
    done = 0
    for _ in range(rounds):
        while not os.path.isdir(folder) or newest_round(folder) <= done:
            time.sleep(0.05)
        done = newest_round(folder)
        with open(os.path.join(folder, "round-%d.json" % done)) as f:
            word = json.load(f)
        path = lambda what: os.path.join(folder, "%s-%d" % (what, done))
        change = train(read_safetensors(os.path.join(folder, word["global"])), rows)
        with open(path("update") + ".json.part", "w") as f:
            json.dump({"weight": len(rows)}, f)
        os.rename(path("update") + ".json.part", path("update") + ".json")
        write_safetensors(path("update") + ".safetensors", change)
        while not os.path.exists(path("result") + ".safetensors"):
            time.sleep(0.05)
        print("round %d: w %s" % (done, read_safetensors(path("result") + ".safetensors")["w"]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
