#!/usr/bin/env python3
"""Times every kernel for a moment and prints what share of its floor it reaches, beside what was recorded in
benchmarks/small_set.csv. It reports; noise fails nothing.

  benchmarks/small_set.py build/apps
  benchmarks/small_set.py build/apps --record     on a quiet machine, after a change that is meant to be faster
"""

import argparse
import csv
import os
import subprocess
import tempfile
from pathlib import Path

import h5py

RECORDED = Path(__file__).resolve().with_suffix(".csv")
SIZES = "--bench.length 2048 --bench.heads 4 --bench.width 64 --bench.vocabulary 8192 --bench.repeats 7"


def measure(programs):
    """{(kernel, pass): share of the floor} on one thread."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "kernels.h5"
        subprocess.run([programs / "longspan-bench", "kernel", *SIZES.split(), "--bench.output", table], check=True,
                       stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"})
        with h5py.File(table) as file:
            kernels = file["results/kernel"].asstr()[:]
            shares = {part: file[f"results/{part}_reached"][:] for part in ("forward", "backward")}
    return {(kernel, part): float(values[i]) for part, values in shares.items() for i, kernel in enumerate(kernels)
            if values[i] > 0}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", type=Path, help="folder of the built programs")
    parser.add_argument("--record", action="store_true", help="replaces what is recorded")
    arguments = parser.parse_args()
    now = measure(arguments.programs)
    if arguments.record:
        with RECORDED.open("w", newline="") as file:
            csv.writer(file).writerows([["kernel", "pass", "reached"], *([*key, f"{value:.3f}"] for key, value in sorted(now.items()))])
        print(f"wrote {RECORDED}")
        return
    with RECORDED.open() as file:
        recorded = {(row["kernel"], row["pass"]): float(row["reached"]) for row in csv.DictReader(file)}
    print("kernel            pass       of its floor   recorded   ratio")
    for key, value in sorted(now.items()):
        before = recorded.get(key)
        print(f"{key[0]:17s} {key[1]:9s} {100 * value:10.0f} %   " +
              ("       new" if before is None else f"{100 * before:6.0f} %  {value / before:6.2f}"))


if __name__ == "__main__":
    main()
