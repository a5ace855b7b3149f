#!/usr/bin/env python3
"""How the time of a training step grows with the length of its sequences: a table as Markdown, and the slope of a line
through the logarithms (1: linear).

  benchmarks/length.py build/apps
  benchmarks/length.py build/apps --lengths 1024,2048,4096,8192 --model.mixers attention --parallel.sequence 1

What is not known here goes to longspan-bench. Each length is timed in several rounds, of which the fastest counts, so
that other work on the machine disturbs less.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

CONFIG = Path(__file__).resolve().parent.parent / "configs/bench/length.cfg"
LENGTHS = ",".join(str(1 << power) for power in range(12, 19))


def ranks_of(config, overrides):
    """The sequence axis is the whole mesh here."""
    words = [line.split("#")[0].split("=") for line in config.read_text().splitlines()]
    named = dict(zip(overrides[::2], overrides[1::2]))
    return int(named.get("--parallel.sequence", next((w[1] for w in words if w[0].strip() == "sequence"), 1)))


def measure(programs, config, length, overrides):
    """{column: value} of one length, one thread a rank."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "step.h5"
        words = ["mpirun", "--oversubscribe", "-n", ranks_of(config, overrides), programs / "longspan-bench", "--config",
                 config, "--data.sequence_length", length, "--bench.output", table, *overrides]
        done = subprocess.run([str(word) for word in words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              env=os.environ | {"OMP_NUM_THREADS": "1"})
        if done.returncode != 0:
            sys.exit(f"{done.stderr}longspan-bench ended with {done.returncode} at data.sequence_length = {length}")
        with h5py.File(table) as file:
            return {name: file[f"results/{name}"][0] for name in ("seconds", "tokens_per_second", "peak_bytes")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", type=Path, help="folder of the built programs")
    parser.add_argument("--config", type=Path, default=CONFIG, help="default: %(default)s")
    parser.add_argument("--lengths", default=LENGTHS, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=2, help="default: %(default)s")
    arguments, overrides = parser.parse_known_args()
    lengths = [int(length) for length in arguments.lengths.split(",")]
    rows = [measure(arguments.programs, arguments.config, length, overrides) for length in lengths * arguments.rounds]
    best = [min(rows[i::len(lengths)], key=lambda row: row["seconds"]) for i in range(len(lengths))]
    print("| T | s a step | tokens/s | peak of a rank, MiB |\n|--:|--:|--:|--:|")
    for length, row in zip(lengths, best):
        print(f"| {length} | {row['seconds']:.3g} | {row['tokens_per_second']:.3g} | {row['peak_bytes'] / 2**20:.0f} |")
    if len(lengths) > 1:
        print(f"\nslope {np.polyfit(np.log(lengths), np.log([row['seconds'] for row in best]), 1)[0]:.3f}")


if __name__ == "__main__":
    main()
