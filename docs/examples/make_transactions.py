#!/usr/bin/env python3
"""Card transactions of three banks, made up, with a fixed seed. No download, standard library only.

  make_transactions.py FOLDER [ROWS]

writes FOLDER/bank-1, bank-2, bank-3, each with train.csv, and FOLDER/all with train.csv (the rows of all banks, which
nobody has in reality) and test.csv. About one transaction in 50 is fraud; banks differ in their customers. Amounts are
missing in 2 % of the rows, the age of the account in 5 %, the merchant's category in 1 %; categories are quoted
where they hold commas. ROWS (default 6000) is the number of training rows; the test set has a third of it."""
import csv, math, os, random, sys

# Category: how often, typical amount, how much likelier fraud is there.
SHOPS = {
    "Groceries": (30, 35, 0.3),
    "Restaurants, bars": (18, 30, 0.5),
    "Fuel": (14, 50, 0.8),
    "Clothing, shoes": (12, 70, 1.0),
    "Travel, hotels": (8, 240, 1.6),
    "Electronics": (8, 180, 2.5),
    "Online, other": (7, 60, 3.0),
    'Gift cards, "prepaid"': (3, 100, 6.0),
}


def transaction(rng, bank):
    """One row: amount, hour, merchant, age of the account in days, foreign, fraud."""
    fraud = rng.random() < 0.02 * (0.7, 1.0, 1.3)[bank]
    weights = [often * (risk if fraud else 1) for often, _, risk in SHOPS.values()]
    shop = rng.choices(list(SHOPS), weights)[0]
    amount = rng.lognormvariate(math.log(SHOPS[shop][1] * (1.0, 1.4, 0.8)[bank]), 0.7) * (1.9 if fraud else 1)
    hour = int(rng.gauss(2, 3) if fraud and rng.random() < 0.45 else rng.gauss(15, 4)) % 24
    age = int(rng.expovariate(1 / (500 if fraud else 1500))) + 1
    foreign = int(rng.random() < (0.35 if fraud else 0.06))
    return [
        "" if rng.random() < 0.02 else "%.2f" % amount,
        hour,
        "" if rng.random() < 0.01 else shop,
        "NA" if rng.random() < 0.05 else age,
        foreign,
        "yes" if fraud else "no",
    ]


def write(folder, name, rows):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "w", newline="") as f:
        out = csv.writer(f)
        out.writerow(["amount", "hour", "merchant", "account_days", "foreign", "fraud"])
        out.writerows(rows)


def main():
    folder, n = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 6000
    rng = random.Random(20)
    everything = []
    for bank, part in enumerate((0.5, 0.3, 0.2)):  # a large bank, a smaller one, a small one
        rows = [transaction(rng, bank) for _ in range(int(n * part))]
        write(os.path.join(folder, "bank-%d" % (bank + 1)), "train.csv", rows)
        everything += rows
    write(os.path.join(folder, "all"), "train.csv", everything)
    write(os.path.join(folder, "all"), "test.csv", [transaction(rng, rng.choices((0, 1, 2), (5, 3, 2))[0]) for _ in range(n // 3)])


if __name__ == "__main__":
    main()
