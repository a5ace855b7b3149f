"""What papers say about token mixers, at toy scale: recall, tracking a state, hybrids.

`longspan-claims measure FOLDER` trains every mixer by `longspan-train` with configs/claims/ and leaves one HDF5 table a
claim in FOLDER; runs that are there already are not repeated. `longspan-claims draw FOLDER` makes the page and the
pictures from these tables.
"""

import argparse
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import pandas as pd

from .errors import UserError, run_program
from .figures import STYLE, look, plt
from .runs import load_run
from .tables import Table, load_table, markdown

LENGTHS = [40, 64, 128, 256]  # bits, in parity
LONG = [1024, 4096, 16384]  # tokens of the timed steps of hybrids


@dataclass
class Trained:
    """One training run of a claim."""

    claim: str
    label: str
    seed: int
    words: str = field(repr=False)  # beside the claim's configuration

    @property
    def name(self):
        return re.sub(r"[^A-Za-z0-9]+", "-", f"{self.claim}-{self.label}-{self.seed}")


def recall_runs(seeds):
    mixers = ["attention", "deltanet", "gated_deltanet", "gla", "retnet", "mamba", "mamba2", "linear_attention"]
    return [Trained("recall", m, seed, f"--model.mixers attention:2,{m}") for m in mixers for seed in seeds]


def parity_runs(seeds):
    ways = {m: f"--model.mixers {m}" for m in ["lstm", "slstm", "gru", "elman", "deltanet", "mamba", "attention"]}
    ways["deltanet, eigenvalues to -1"] = "--model.mixers deltanet --model.negative_eigenvalues true"
    return [Trained("parity", label, seed, words) for label, words in ways.items() for seed in seeds]


def hybrid_runs(seeds):
    patterns = ["attention*4", "deltanet*4", "mamba2*4", "deltanet*3,attention", "mamba2*3,attention",
                "attention:128*3,attention:0"]  # fmt: skip
    return [Trained("hybrid", p, seed, f"--model.mixers {p}") for p in patterns for seed in seeds]


RUNS = {"recall": recall_runs, "parity": parity_runs, "hybrid": hybrid_runs}


class Programs:
    """Where the programs and configurations are, and how large a study is."""

    def __init__(self, folder, apps, configs, extra):
        self.folder, self.apps, self.configs, self.extra = folder, Path(apps), Path(configs), extra.split()

    def call(self, program, *words):
        command = [str(self.apps / program), *words]
        try:
            done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        except FileNotFoundError as error:
            raise UserError(f"there is no program {command[0]}; build it, or name the folder with --apps") from error
        if done.returncode != 0:
            raise UserError(f"{' '.join(command)} ended with exit code {done.returncode}: {done.stderr.strip()[-400:]}")
        return done.stdout

    def words(self, run):
        return ["--config", str(self.configs / f"{run.claim}.cfg"), *self.extra, *run.words.split()]

    def train(self, run):
        """Trains, or goes on from what is there."""
        own = ["--run.directory", str(self.folder / "runs"), "--run.name", run.name, "--run.seed", str(run.seed)]
        self.call("longspan-train", *self.words(run), *own)
        print(f"{run.name} trained", flush=True)

    def run(self, run):
        """The data frames of a trained run."""
        return load_run(self.folder / "runs" / run.name)

    def accuracy(self, run, *words):
        """Of the newest checkpoint, by longspan-eval."""
        told = self.call("longspan-eval", str(self.folder / "runs" / run.name), *words)
        return float(re.search(r"accuracy ([0-9.]+)%", told).group(1)) / 100

    def step_seconds(self, run, length):
        """Median of a step of one sequence, by longspan-bench."""
        file = self.folder / f"{run.name}-{length}.h5"
        if not file.exists():
            size = ["--data.sequence_length", str(length), "--data.batch", "1"]
            self.call("longspan-bench", *self.words(run), *size, "--bench.warmup", "1", "--bench.steps", "3",
                      "--bench.output", str(file))  # fmt: skip
        return float(load_table(file).frame.seconds.iloc[0])


def recall_rows(programs, run):
    """Accuracy at every validation."""
    validation = programs.run(run).validation
    return [{"mixer": run.label, "seed": run.seed, "step": int(step), "accuracy": accuracy}
            for step, accuracy in zip(validation.step, validation.accuracy)]  # fmt: skip


def parity_rows(programs, run):
    """Accuracy of the last answer, by length."""
    return [{"mixer": run.label, "seed": run.seed, "length": n,
             "accuracy": programs.accuracy(run, "--data.sequence_length", str(n), "--task.answers", "last",
                                           "--validation.sequences", "512", "--data.batch", "64")}
            for n in LENGTHS]  # fmt: skip


def hybrid_rows(programs, run):
    """The loss at the end, and seconds of a step by length."""
    loss = float(programs.run(run).validation.loss.iloc[-1])
    row = {"mixers": run.label, "seed": run.seed, "loss": loss}
    return [row | {f"step_{n}": programs.step_seconds(run, n) for n in LONG}]


ROWS = {"recall": recall_rows, "parity": parity_rows, "hybrid": hybrid_rows}
UNITS = {"step": "1", "loss": "nat/token"} | {f"step_{n}": "s" for n in LONG}


def measure(programs, claims, seeds, jobs):
    programs.folder.mkdir(parents=True, exist_ok=True)
    for claim in claims:
        runs = RUNS[claim](seeds)
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(programs.train, runs))
        frame = pd.DataFrame([row for run in runs for row in ROWS[claim](programs, run)])
        save(programs.folder / f"{claim}.h5", frame, programs.run(runs[0]).provenance)
        print(f"{programs.folder / claim}.h5 written", flush=True)


def save(path, frame, provenance):
    """A table as benchmarks write them, with the provenance of the first run behind it."""
    with h5py.File(path, "w") as file:
        for key, value in provenance.items():
            file.attrs[key] = value
        group = file.create_group("results")
        for column in frame:
            values = frame[column]
            if not pd.api.types.is_numeric_dtype(values):
                values = values.astype(object)
                data = group.create_dataset(column, data=list(values), dtype=h5py.string_dtype())
            else:
                data = group.create_dataset(column, data=values.to_numpy())
            data.attrs["unit"] = UNITS.get(column, "1")


def best_of_seeds(frame, by):
    """Mean, least and greatest accuracy over the seeds."""
    return frame.groupby(by, sort=False).accuracy.agg(["mean", "min", "max"]).reset_index()


def draw_recall(frame, ax):
    for index, (mixer, rows) in enumerate(frame.groupby("mixer", sort=False)):
        colour, dashes = look(index)
        spread = best_of_seeds(rows, "step")
        ax.plot(spread.step, 100 * spread["mean"], color=colour, dashes=dashes, label=mixer)
        ax.fill_between(spread.step, 100 * spread["min"], 100 * spread["max"], color=colour, alpha=0.12, linewidth=0)
    ax.set_xlabel("training step")
    ax.set_ylabel("keys recalled (%)")
    ax.set_ylim(0, 102)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def draw_parity(frame, ax):
    for index, (mixer, rows) in enumerate(frame.groupby("mixer", sort=False)):
        colour, dashes = look(index)
        spread = best_of_seeds(rows, "length")
        size = 9 - 0.7 * index  # those that are all right lie on each other
        ax.plot(spread.length, 100 * spread["mean"], "o-", color=colour, dashes=dashes, label=mixer, markersize=size)
    ax.axhline(50, color="#aeb4bc", linewidth=1)
    ax.annotate("guessing", (LENGTHS[-1], 50), xytext=(0, -11), textcoords="offset points", ha="right", color="#5b6470")
    ax.set_xscale("log", base=2)
    ax.set_xticks(LENGTHS, [str(n) for n in LENGTHS])
    ax.set_xlabel("bits; trained on 40")
    ax.set_ylabel("last answers right (%)")
    ax.set_ylim(40, 103)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def draw_hybrid(frame, ax):
    for index, (mixers, rows) in enumerate(frame.groupby("mixers", sort=False)):
        colour, _ = look(index)
        ax.plot(rows[f"step_{LONG[-1]}"].mean(), rows.loss.mean(), "o", color=colour, markersize=8, label=mixers)
    ax.set_xlim(left=0)
    ax.set_xlabel(f"seconds of a step of {LONG[-1]} tokens, one thread")
    ax.set_ylabel("validation loss (nat/token)")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))


DRAW = {"recall": draw_recall, "parity": draw_parity, "hybrid": draw_hybrid}


def table_of(claim, table):
    """A row a mixer."""
    frame = table.frame
    if claim == "recall":
        last = frame[frame.step == frame.step.max()]
        shown = best_of_seeds(last, "mixer")
        solved = frame[frame.accuracy >= 0.99].groupby("mixer").step.min()
        shown["step of 99 %"] = [str(int(solved[m])) if m in solved else "not reached" for m in shown.mixer]
    elif claim == "parity":
        shown = frame.pivot_table(index="mixer", columns="length", values="accuracy", sort=False).reset_index()
        shown.columns = [str(c) if c == "mixer" else f"{c} bits" for c in shown.columns]
    else:
        shown = frame.groupby("mixers", sort=False)[["loss", *(f"step_{n}" for n in LONG)]].mean().reset_index()
    return markdown(Table(table.path, shown, table.units, {}))


def draw(folder, page, pictures):
    """Replaces what stands between `<!-- CLAIM -->` and `<!-- end -->` in the page by the table."""
    text = Path(page).read_text()
    for claim in RUNS:
        if not (folder / f"{claim}.h5").exists():
            continue
        table = load_table(folder / f"{claim}.h5")
        with plt.rc_context(STYLE):
            figure, ax = plt.subplots(figsize=(7.6, 3.4), layout="constrained")
            DRAW[claim](table.frame, ax)
            Path(pictures).mkdir(parents=True, exist_ok=True)
            figure.savefig(Path(pictures) / f"claim-{claim}.png", dpi=110)
            plt.close(figure)
        mark = rf"(<!-- {claim} -->\n).*?(<!-- end -->)"
        if not re.search(mark, text, re.S):
            raise UserError(f"{page} has no place <!-- {claim} --> ... <!-- end --> for the table; put one in")
        text = re.sub(mark, lambda m, t=table, c=claim: m[1] + table_of(c, t) + m[2], text, flags=re.S)
    Path(page).write_text(text)


def main():
    parser = argparse.ArgumentParser(prog="longspan-claims", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("measure", help="train and test; runs that are done are kept")
    run.add_argument("folder", type=Path)
    run.add_argument("--only", choices=list(RUNS), help="one claim")
    run.add_argument("--seeds", type=int, default=2, help="runs of each mixer (default 2)")
    run.add_argument("--jobs", type=int, default=2, help="runs at once, of one thread each (default 2)")
    run.add_argument("--apps", default="build/apps", help="folder of the programs")
    run.add_argument("--configs", default="configs/claims", help="folder of the configurations")
    run.add_argument("--extra", default="", help="further words for longspan-train, in quotes")
    show = commands.add_parser("draw", help="page and pictures from the tables")
    show.add_argument("folder", type=Path)
    show.add_argument("--page", default="docs/claims.md")
    show.add_argument("--pictures", default="docs/images")
    words = parser.parse_args()
    if words.command == "measure":
        programs = Programs(words.folder, words.apps, words.configs, words.extra)
        measure(programs, [words.only] if words.only else list(RUNS), range(1, words.seeds + 1), words.jobs)
    else:
        draw(words.folder, words.page, words.pictures)


def cli():
    return run_program(main)


if __name__ == "__main__":
    raise SystemExit(cli())
