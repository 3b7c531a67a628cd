"""The three array formats in plain Python, from their specifications: .npy, .npz (zipfile) and .safetensors.

A container is a dict name -> (dtype, shape, list of values), dtype one of F64, F32, F16, BF16."""
import json, struct, zipfile

CODE = {"F64": "d", "F32": "f", "F16": "e"}
DESCR = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
SIZE = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}


def count(shape):
    n = 1
    for d in shape:
        n *= d
    return n


def pack(dtype, values):
    if dtype == "BF16":  # values that fit: the lower half of the float is zero
        return b"".join(struct.pack("<f", v)[2:] for v in values)
    return struct.pack("<%d%s" % (len(values), CODE[dtype]), *values)


def unpack(dtype, data):
    if dtype == "BF16":
        return [struct.unpack("<f", b"\0\0" + data[i:i + 2])[0] for i in range(0, len(data), 2)]
    return list(struct.unpack("<%d%s" % (len(data) // SIZE[dtype], CODE[dtype]), data))


def npy_bytes(dtype, shape, values, version=1):
    dims = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (DESCR[dtype], dims)
    start = 10 if version == 1 else 12
    head += " " * (63 - (start + len(head)) % 64) + "\n"
    length = struct.pack("<H" if version == 1 else "<I", len(head))
    return b"\x93NUMPY" + bytes([version, 0]) + length + head.encode() + pack(dtype, values)


def npy_read(data):
    assert data[:8] == b"\x93NUMPY\x01\x00", data[:8]
    (n,) = struct.unpack("<H", data[8:10])
    head = eval(data[10:10 + n].decode(), {})  # the test's own files
    assert not head["fortran_order"] and (10 + n) % 64 == 0
    dtype = {"<f8": "F64", "<f4": "F32"}[head["descr"]]
    values = unpack(dtype, data[10 + n:])
    assert len(values) == count(head["shape"])
    return dtype, list(head["shape"]), values


def safetensors_bytes(tensors, order=None, metadata=None, pad=True):
    """order: in which the values stand; the header keeps the dict's order."""
    place, at, data = {}, 0, b""
    for name in order or tensors:
        dtype, shape, values = tensors[name]
        chunk = pack(dtype, values)
        place[name] = [at, at + len(chunk)]
        at += len(chunk)
        data += chunk
    head = {} if metadata is None else {"__metadata__": metadata}
    for name, (dtype, shape, values) in tensors.items():
        head[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": place[name]}
    text = json.dumps(head, ensure_ascii=False).encode()
    if pad:
        text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def safetensors_read(data):
    (n,) = struct.unpack("<Q", data[:8])
    head, values = json.loads(data[8:8 + n]), data[8 + n:]
    head.pop("__metadata__", None)
    end = 0
    for name, t in sorted(head.items(), key=lambda item: item[1]["data_offsets"]):
        begin, after = t["data_offsets"]
        assert begin == end and after - begin == count(t["shape"]) * SIZE[t["dtype"]], (name, t)
        end = after
    assert end == len(values)
    return {name: (t["dtype"], t["shape"], unpack(t["dtype"], values[slice(*t["data_offsets"])])) for name, t in head.items()}


def npz_write(path, tensors, deflated=False, force_zip64=False):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED) as z:
        for name, (dtype, shape, values) in tensors.items():
            with z.open(name + ".npy", "w", force_zip64=force_zip64) as f:  # as numpy.savez does
                f.write(npy_bytes(dtype, shape, values))


def npz_read(path):
    with zipfile.ZipFile(path) as z:
        assert z.testzip() is None
        return {i.filename[:-len(".npy")]: npy_read(z.read(i)) for i in z.infolist()}


def write(path, tensors, **kw):
    if path.endswith(".npz"):
        npz_write(path, tensors, **kw)
        return
    with open(path, "wb") as f:
        if path.endswith(".npy"):
            ((dtype, shape, values),) = tensors.values()
            f.write(npy_bytes(dtype, shape, values, **kw))
        else:
            f.write(safetensors_bytes(tensors, **kw))


def read(path):
    if path.endswith(".npz"):
        return npz_read(path)
    with open(path, "rb") as f:
        data = f.read()
    return {"": npy_read(data)} if path.endswith(".npy") else safetensors_read(data)
