"""Writes tests/fl/noise_vectors.h: what the noise samplers give on fixed streams, from a second
implementation (Python integers of any size, nothing shared with fl/noise.c but docs/FL.md).

  python3 tests/fl/noise_vectors.py > tests/fl/noise_vectors.h

Stream of a seed: SHA-256(le64 seed || le64 i), i = 0, 1, ...
"""
import hashlib
from math import isqrt

N_VALUES = 40


class Stream:
    def __init__(self, seed):
        self.seed, self.block, self.rest = seed, 0, b""

    def byte(self):
        if not self.rest:
            message = self.seed.to_bytes(8, "little") + self.block.to_bytes(8, "little")
            self.rest, self.block = hashlib.sha256(message).digest(), self.block + 1
        value, self.rest = self.rest[0], self.rest[1:]
        return value

    def below(self, n):
        bits = (n - 1).bit_length()
        while True:
            raw = bytes(self.byte() for _ in range((bits + 7) // 8))
            value = int.from_bytes(raw, "little") & ((1 << bits) - 1)
            if value < n:
                return value


def bernoulli_exp1(s, num, den):  # exp(-num/den), num <= den
    k = 1
    while s.below(den * k) < num:
        k += 1
    return k % 2 == 1


def bernoulli_exp(s, num, den):
    while num > den:
        if not bernoulli_exp1(s, 1, 1):
            return False
        num -= den
    return bernoulli_exp1(s, num, den)


def laplace(s, t):
    while True:
        u = s.below(t)
        if not bernoulli_exp1(s, u, t):
            continue
        v = 0
        while bernoulli_exp1(s, 1, 1):
            v += 1
        x = u + t * v
        negative = s.below(2) == 1
        if negative and x == 0:
            continue
        return -x if negative else x


def gaussian(s, variance):
    t = isqrt(variance) + 1
    while True:
        y = laplace(s, t)
        if bernoulli_exp(s, (abs(y) * t - variance) ** 2, 2 * variance * t * t):
            return y


def poisson_table(mean):
    weights, w, k = {}, 1 << (127 - mean.bit_length()), mean
    top = w
    while w:
        weights[k] = w
        if k == 0:
            break
        w, k = w * k // mean, k - 1
    w, k = top, mean
    while True:
        w, k = w * mean // (k + 1), k + 1
        if not w:
            break
        weights[k] = w
    return sorted(weights.items())


def poisson(s, table, total):
    u = s.below(total)
    for k, w in table:
        if u < w:
            return k
        u -= w
    raise AssertionError


def skellam(s, variance):
    table = poisson_table(variance // 2)
    total = sum(w for _, w in table)
    for _ in range(N_VALUES):
        first = poisson(s, table, total)
        yield first - poisson(s, table, total)


print("/* tests/fl/noise_vectors.h - made by tests/fl/noise_vectors.py; do not edit. */")
print("/* clang-format off */")
print("#ifndef VS_TESTS_FL_NOISE_VECTORS_H\n#define VS_TESTS_FL_NOISE_VECTORS_H\n\n#include <stdint.h>\n")
print(f"#define N_VALUES {N_VALUES}")
print("static const struct { int skellam; uint64_t seed, variance; int64_t value[N_VALUES]; } VECTORS[] = {")
for seed, variance in enumerate([1, 2, 3, 100, 7_398_401, 123_456_789_012, 1 << 40]):
    stream = Stream(seed)
    values = [gaussian(stream, variance) for _ in range(N_VALUES)]
    print(f"    {{0, {seed}, {variance}, {{{', '.join(map(str, values))}}}}},")
for seed, variance in enumerate([2, 6, 100, 65536, 7_398_402]):
    values = list(skellam(Stream(seed + 100), variance))
    print(f"    {{1, {seed + 100}, {variance}, {{{', '.join(map(str, values))}}}}},")
print("};\n\n#endif /* VS_TESTS_FL_NOISE_VECTORS_H */")
