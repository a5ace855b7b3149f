"""Runs the real programs as a user does: a scratch folder, a small corpus, exit codes and sentences.

A test file of this folder is started as `x_test.py APPS LAUNCHER`: the folder of the programs, and the command to which
a number of ranks is added ("mpirun --oversubscribe -n").
"""

import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import h5py

APPS = Path()
LAUNCHER: list[str] = []
LIMIT = 60  # seconds a program may take
ERROR = re.compile(r"^(?:internal )?error(?: on rank \d+)?: .*$", re.MULTILINE)
TINY = (
    "--model.layers 2 --model.width 32 --model.heads 2 --data.sequence_length 32 --data.batch 8 --run.steps 4 "
    "--optimizer.warmup 2 --validation.every 0 --validation.sequences 4 --run.dtype float64"
)


class Result:
    def __init__(self, code: int, out: str, err: str):
        self.code, self.out, self.err = code, out, err

    @property
    def errors(self) -> list[str]:
        return ERROR.findall(self.err)

    def __str__(self) -> str:
        return f"exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


def command(program: str, words: str, ranks: int) -> list[str]:
    """One rank is started as the plain program, more through the launcher."""
    launcher = [*LAUNCHER, str(ranks)] if ranks > 1 else []
    return [*launcher, str(APPS / f"longspan-{program}"), *words.split()]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "OMP_PROC_BIND": "false"}


def start(program: str, words: str, ranks: int = 1) -> subprocess.Popen:
    return subprocess.Popen(command(program, words, ranks), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            errors="backslashreplace", env=environment())  # a byte model may write any bytes


def finish(process: subprocess.Popen, limit: float = LIMIT) -> Result:
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.communicate()
        raise
    return Result(process.returncode, out, err)


def write_corpus(folder: Path) -> Path:
    """A few documents of words in a reproducible order, as a token store of bytes."""
    words = random.Random(5)
    texts = folder / "texts"
    texts.mkdir()
    for i, count in enumerate([900, 40, 1200, 3, 700]):
        sentence = words.choices(["the", "ring", "of", "ranks", "sends", "blocks", "around", "and", "waits"], k=count)
        (texts / f"{i}.txt").write_text(" ".join(sentence) + ".\n")
    made = finish(start("prepare", f"--prepare.input {texts} --prepare.output {folder / 'corpus.h5'}"))
    assert made.code == 0, made
    return folder / "corpus.h5"


class ProgramTest(unittest.TestCase):
    """Each test has a scratch folder of its own; the corpus is the class's."""

    @classmethod
    def setUpClass(cls):
        cls.shared = Path(tempfile.mkdtemp(prefix="longspan-programs-"))
        cls.addClassCleanup(shutil.rmtree, cls.shared)
        cls.corpus = write_corpus(cls.shared)

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="longspan-programs-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def training(self, name: str, words: str = "") -> str:
        """The words of a tiny training run; keys that `words` sets replace the tiny ones."""
        given = set(words.split())
        base = f"{TINY} --run.directory {self.folder} --data.corpus {self.corpus} --run.name {name}".split()
        kept = [f"{key} {value}" for key, value in zip(base[::2], base[1::2]) if key not in given]
        return " ".join([*kept, words])

    def run_program(self, program: str, words: str, ranks: int = 1, expected: int = 0) -> Result:
        result = finish(start(program, words, ranks))
        self.assertEqual(result.code, expected, f"{program} {words}\n{result}")
        return result

    def train(self, name: str, words: str = "", ranks: int = 1, expected: int = 0) -> Path:
        """Trains in scratch/NAME; the run's folder."""
        self.run_program("train", self.training(name, words), ranks, expected)
        return self.folder / name


def metric(run: Path, name: str) -> list[float]:
    with h5py.File(run / "metrics.h5", swmr=True) as file:  # also while the run writes
        return file[name][:].tolist()


def checkpoint(run: Path, step: int) -> Path:
    return run / "checkpoints" / f"step_{step:08}.h5"


def parameters(file: Path) -> dict[str, bytes]:
    """The bytes of each tensor of the model."""
    found = {}

    def take(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item[()].tobytes()

    with h5py.File(file) as opened:
        opened["model"].visititems(take)
    return found


def largest_difference(ours: list[float], theirs: list[float]) -> float:
    """Relative, over all entries."""
    assert len(ours) == len(theirs) > 0, (ours, theirs)
    return max(abs(a - b) / abs(b) for a, b in zip(ours, theirs))


def main():
    global APPS
    APPS = Path(sys.argv[1])
    LAUNCHER[:] = sys.argv[2].split()
    unittest.main(module="__main__", argv=[sys.argv[0], "--verbose", "--durations", "5", *sys.argv[3:]])
