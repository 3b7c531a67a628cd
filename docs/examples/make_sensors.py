#!/usr/bin/env python3
"""Readings of a thousand sensors on pumps, made up, with a fixed seed. No download, standard library only.

  make_sensors.py FOLDER [SENSORS]

writes FOLDER/train.csv, twelve readings of each sensor (reading after reading, sensor after sensor: row r belongs to sensor
r mod SENSORS), and FOLDER/test.csv, 2,000 readings of pumps that have no sensor in the training set. A reading is temperature,
vibration in three bands, motor current and pressure, and what the pump was found to have: nothing (0), a bad bearing (1), a clogged
filter (2), cavitation (3). Every pump is mounted a little differently, so each sensor has an offset of its own."""
import csv, os, random, sys

# State: how often, and the shift of temperature, low, middle, high band, current, pressure, in deviations.
STATES = ((0.70, (0, 0, 0, 0, 0, 0)), (0.10, (1.2, 0.3, 1.0, 2.2, 0.4, 0)), (0.12, (0.8, 0, 0, 0, 1.5, -1.8)), (0.08, (0, 1.6, 0.8, 0.9, -0.6, -1.2)))
UNITS = ((55, 6), (1.2, 0.3), (0.8, 0.25), (0.4, 0.15), (11, 1.4), (3.1, 0.35))  # mean and deviation of each value
NAMES = ["temperature", "vibration_low", "vibration_mid", "vibration_high", "current", "pressure", "state"]


def reading(rng, offset):
    state = rng.choices(range(4), [often for often, _ in STATES])[0]
    shift = STATES[state][1]
    values = [mean + spread * (rng.gauss(0, 0.8) + o + s) for (mean, spread), o, s in zip(UNITS, offset, shift)]
    return ["%.3f" % v for v in values] + [state]


def write(path, rows):
    with open(path, "w", newline="") as f:
        out = csv.writer(f)
        out.writerow(NAMES)
        out.writerows(rows)


def main():
    folder, n = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    rng = random.Random(30)
    offsets = [[rng.gauss(0, 0.5) for _ in UNITS] for _ in range(n + 200)]
    os.makedirs(folder, exist_ok=True)
    write(os.path.join(folder, "train.csv"), [reading(rng, offsets[i]) for _ in range(12) for i in range(n)])
    write(os.path.join(folder, "test.csv"), [reading(rng, offsets[n + i % 200]) for i in range(2000)])


if __name__ == "__main__":
    main()
