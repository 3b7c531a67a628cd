"""Writes tests/fl/npy_samples.h: .npy files as numpy itself writes them, as C byte arrays.

  /usr/bin/python3 tests/fl/npy_samples.py > tests/fl/npy_samples.h      (needs numpy)
"""
import io

import numpy as np
from numpy.lib import format as npy


def saved(array, version=None):
    out = io.BytesIO()
    npy.write_array(out, array, version=version)
    return out.getvalue()


VALUES = [1.5, -2.0, 0.0, 1e-300, -0.1, 3.25e10]
SAMPLES = {
    "F8_1D": saved(np.array(VALUES, "<f8")),
    "F4_2D": saved(np.array(VALUES[:3] + [0.5, -0.25, 7.0], "<f4").reshape(2, 3)),
    "F8_V2": saved(np.array(VALUES, "<f8").reshape(3, 2), (2, 0)),
    "F8_SCALAR": saved(np.array(-4.5, "<f8")),
    "F8_EMPTY": saved(np.zeros((0, 4), "<f8")),
    "F8_FORTRAN": saved(np.asfortranarray(np.arange(6.0).reshape(2, 3))),
    "F8_BIG_ENDIAN": saved(np.array(VALUES, ">f8")),
    "I8": saved(np.arange(3, dtype="<i8")),
    "RECORD": saved(np.zeros(2, [("a", "<f8"), ("b", "<f4")])),
}

print("/* tests/fl/npy_samples.h - made by tests/fl/npy_samples.py; do not edit. */")
print("/* clang-format off */")
print("#ifndef VS_TESTS_FL_NPY_SAMPLES_H\n#define VS_TESTS_FL_NPY_SAMPLES_H\n\n#include <stdint.h>")
for name, data in SAMPLES.items():
    print(f"\nstatic const uint8_t {name}[{len(data)}] = {{")
    for i in range(0, len(data), 20):
        print("    " + ", ".join(str(b) for b in data[i:i + 20]) + ",")
    print("};")
print("\n#endif /* VS_TESTS_FL_NPY_SAMPLES_H */")
