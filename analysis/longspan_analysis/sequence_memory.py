"""What a rank holds when a sequence is spread over ranks: the experiment of Li et al. (2021, Ring Self-Attention).

`longspan-sequence-memory measure FOLDER` runs the programs and leaves one result file for each point in FOLDER;
`longspan-sequence-memory draw FOLDER` makes the table and the picture from these files.

Three kinds of points. BERT-Base and BERT-Large are accounted by `longspan-bench capacity`, which runs the real step
shape-only; a small BERT is really trained on up to 64 ranks, where the accounted bytes are those that were held.
"""

import argparse
import itertools
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .errors import UserError, run_program
from .figures import STYLE, look, plt
from .tables import Table, load_table, markdown

GIB = 2**30
CARD = 16 * GIB  # the paper's device
WAYS = {
    "ring": "--parallel.sequence_method ring",
    "rsa": "--parallel.sequence_method rsa",
    "rsa_reduce_scatter": "--parallel.sequence_method rsa_reduce_scatter",
    "linformer": "--model.mixers linformer",
}
BERT = "--model.preset {model} --model.causal false --objective.kind masked_token --data.mask_documents false "
SMALL = (
    "--model.layers 2 --model.width 64 --model.heads 4 --model.positions learned --model.norm layer --model.bias true "
    "--model.causal false --objective.kind masked_token --data.mask_documents false "
)


@dataclass
class Point:
    """One run: what it is for, which model, how it is spread, what grows."""

    experiment: str
    model: str
    way: str  # a key of WAYS, or "tensor" with the way inside a rank behind a slash
    ranks: int
    batch: int
    length: int
    grow: str = "nothing"
    extra: str = ""
    real: bool = False

    @property
    def file(self):
        parts = [self.experiment, self.model, self.way.replace("/", "-"), self.ranks, self.batch, self.length]
        return "_".join(str(p) for p in parts) + ".h5"

    def words(self):
        axis, _, inner = self.way.partition("/")
        spread = f"--parallel.{'tensor' if inner else 'sequence'} {self.ranks} {WAYS[inner or axis]} "
        size = f"--data.batch {self.batch} --data.sequence_length {self.length} "
        return spread + size + self.extra


def weak_scaling():
    """The paper's table 4: eight stages, batch or length grow with the ranks."""
    for way, ranks in itertools.product(["ring", "rsa", "tensor/rsa"], [1, 2, 4, 8]):
        if way.startswith("tensor") and 12 % ranks:
            continue  # BERT-Base has 12 heads
        stages = "--parallel.pipeline 8 --parallel.microbatches 8 "
        yield Point("batch", "bert-base", way, ranks, 64 * ranks, 512, extra=stages)
        yield Point("length", "bert-base", way, ranks, 64, 256 * ranks, extra=stages)


def largest():
    """Equal bytes a rank: the largest batch and the longest sequence of 64 sequence ranks and of all tensor ranks."""
    for model, heads, batch in [("bert-base", 12, 64), ("bert-large", 16, 16)]:
        limit = f"--run.memory_limit {CARD} "
        for way, ranks in [("tensor/rsa", heads), ("tensor/ring", heads), ("rsa", 64),
                           ("rsa_reduce_scatter", 64), ("ring", 64)]:  # fmt: skip
            yield Point("largest-batch", model, way, ranks, 1, 512, "batch", limit)
            yield Point("longest", model, way, ranks, batch, 512, "length", limit)
    yield Point("longest", "bert-base", "linformer", 32, 4, 512, "length", f"--run.memory_limit {CARD} ")


def real():
    """A small BERT, trained for two steps on real ranks."""
    for way, ranks in [*itertools.product(["ring", "rsa"], [1, 2, 4, 8]), ("ring", 64)]:
        yield Point("batch", "small", way, ranks, 2 * ranks, 128, real=True)
        yield Point("length", "small", way, ranks, 2, 128 * ranks, real=True)


def points():
    return [*weak_scaling(), *largest(), *real()]


def measure(folder, launcher, apps):
    folder.mkdir(parents=True, exist_ok=True)
    corpus = _corpus(folder, apps)
    for point in points():
        target = folder / point.file
        if target.exists():
            continue
        model = SMALL if point.model == "small" else BERT.format(model=point.model)
        words = f"capacity {model}{point.words()} --bench.output {target} "
        if point.real:
            words += f"--bench.real true --data.corpus {corpus} "
            _run([*launcher.split(), str(point.ranks), f"{apps}/longspan-bench", *words.split()])
        else:
            words += f"--bench.grow {point.grow} --bench.vocabulary 30522 "
            _run([f"{apps}/longspan-bench", *words.split()])
        print(f"{target.name} done", flush=True)


def _corpus(folder, apps):
    """A token store of this package's own text, repeated until it is long enough."""
    corpus, text = folder / "text.h5", folder / "text.txt"
    if not corpus.exists():
        own = "".join(p.read_text() for p in sorted(Path(__file__).parent.glob("*.py")))
        text.write_text(own * (1 + 400_000 // len(own)))
        _run([f"{apps}/longspan-prepare", "--prepare.input", str(text), "--prepare.output", str(corpus),
              "--prepare.tokenizer", "byte"])  # fmt: skip
    return corpus


def _run(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise UserError(f"there is no program {command[0]}; build it, or name the folder with --apps") from error
    if done.returncode != 0:
        raise UserError(f"{' '.join(command)} ended with exit code {done.returncode}: {done.stderr.strip()[-400:]}")


def load(folder):
    """All points that were measured, in the order of points()."""
    rows = []
    for point in points():
        if (folder / point.file).exists():
            row = load_table(folder / point.file).frame.iloc[0].to_dict()
            rows.append({"experiment": point.experiment, "model": point.model, "way": point.way, "ranks": point.ranks,
                         "real": point.real, **row})  # fmt: skip
    if not rows:
        raise UserError(f"{folder} holds no results; run `longspan-sequence-memory measure {folder}` first")
    return pd.DataFrame(rows)


def draw(folder, table, picture):
    frame = load(folder)
    Path(table).parent.mkdir(parents=True, exist_ok=True)
    Path(table).write_text(_page(frame, Path(picture).name))
    _picture(frame, picture)


def _ratio(frame, experiment, model, way, baseline, column):
    def value(of):
        rows = frame[(frame.experiment == experiment) & (frame.model == model) & (frame.way == of)]
        return float(rows[column].iloc[0]) if len(rows) else float("nan")

    return value(way) / value(baseline)


def _growth(frame, experiment, model, way, upto=8):
    rows = frame[(frame.experiment == experiment) & (frame.model == model) & (frame.way == way)]
    rows = rows.set_index("ranks")["peak_bytes"]
    return rows.get(upto, float("nan")) / rows.get(1, float("nan"))


def _page(frame, picture):
    how = ["trained" if real else "accounted" for real in frame.real]
    shown = frame.assign(peak=frame.peak_bytes / GIB, how=how)
    shown = shown[["experiment", "model", "how", "way", "ranks", "batch", "length", "peak"]]
    claims = [
        ("Memory from 1 to 8 ranks, batch growing, BERT-Base, `ring`", _growth(frame, "batch", "bert-base", "ring"),
         "1.0016 with RSA in the paper"),
        ("the same, `rsa`", _growth(frame, "batch", "bert-base", "rsa"), ""),
        ("Memory from 1 to 8 ranks, length growing, BERT-Base, `ring`", _growth(frame, "length", "bert-base", "ring"),
         "2.84 with RSA in the paper"),
        ("the same, `rsa`", _growth(frame, "length", "bert-base", "rsa"), ""),
        ("the same, a small BERT that was really trained, `ring`", _growth(frame, "length", "small", "ring"), ""),
        ("Batch on 64 sequence ranks (`rsa`) over 12 tensor ranks, equal bytes a rank",
         _ratio(frame, "largest-batch", "bert-base", "rsa", "tensor/rsa", "batch"), "13.7 in the paper; 12.4 with whole rows"),
        ("The same with `rsa_reduce_scatter`, which holds no gradients of full length",
         _ratio(frame, "largest-batch", "bert-base", "rsa_reduce_scatter", "tensor/rsa", "batch"), "16.0 with whole rows"),
        ("The same with `ring`",
         _ratio(frame, "largest-batch", "bert-base", "ring", "tensor/rsa", "batch"), "23.1 with whole rows"),
        ("Length, `rsa` over tensor ranks that hold all scores",
         _ratio(frame, "longest", "bert-base", "rsa", "tensor/rsa", "length"), "3.0 in the paper; 5.1 with whole rows"),
        ("Length, `ring` over tensor ranks that hold all scores",
         _ratio(frame, "longest", "bert-base", "ring", "tensor/rsa", "length"), "23.1 with whole rows"),
        ("Length, `ring` over tensor ranks with blockwise attention",
         _ratio(frame, "longest", "bert-base", "ring", "tensor/ring", "length"), "20.8 with whole rows"),
        ("Batch, BERT-Large, 64 sequence ranks (`rsa`) over 16 tensor ranks",
         _ratio(frame, "largest-batch", "bert-large", "rsa", "tensor/rsa", "batch"), "10.2 in the paper; 10.4 with whole rows"),
        ("Length, BERT-Large, `rsa` over tensor ranks",
         _ratio(frame, "longest", "bert-large", "rsa", "tensor/rsa", "length"), "about 2 in the paper; 3.8 with whole rows"),
    ]  # fmt: skip
    linformer = frame[(frame.way == "linformer")]
    text = (
        "# Memory of a rank when a sequence is spread\n\n"
        "The experiment of Li et al. (2021), *Sequence Parallelism: Long Sequence Training from System Perspective*,\n"
        "from accounted memory. Made by `longspan-sequence-memory` from HDF5 results. `accounted`: the real training\n"
        "step run shape-only for the fullest rank; `trained`: two real steps on that many ranks of one machine, the\n"
        "fullest rank's counted peak. `tensor/X`: the tensor axis, attention inside a rank as X does it. float32; a\n"
        "rank of the largest and longest runs has 16 GiB.\n\n"
        "The tensor axis is stronger here than in the paper, where each of its ranks held all rows of the residual\n"
        "stream. Now its ranks share them between the layers (Korthikanti et al. 2022), which doubles what a tensor\n"
        "mesh can hold and so halves the lead of the sequence axis. `with whole rows`: the same runs of the last\n"
        "version whose tensor ranks held all rows, as in the paper.\n\n"
        f"![Memory by ranks](images/{picture})\n\n## Claims\n\n| what | here | elsewhere |\n|---|--:|---|\n"
    )
    text += "".join(f"| {what} | {value:.4g} | {paper} |\n" for what, value, paper in claims)
    if len(linformer):
        text += f"| Longest sequence, Linformer on 32 ranks, batch 4 | {int(linformer.length.iloc[0])} | 114 K in the paper |\n"
    return text + "\n## All points\n\n" + markdown(Table(Path("results"), shown, {"peak": "GiB"}, {}))


def _picture(frame, path):
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(10.6, 3.6), layout="constrained")
        for ax, experiment, title in zip(axes, ["batch", "length"], ["Batch grows with the ranks", "Length grows"]):
            rows = frame[(frame.experiment == experiment) & (frame.model == "bert-base")]
            for index, (way, line) in enumerate(rows.groupby("way", sort=False)):
                colour, _ = look(index)
                ax.plot(line.ranks, line.peak_bytes / GIB, "o-", color=colour, label=way)
            ax.set_title(title + " (BERT-Base, 8 stages)", loc="left", fontsize=10)
            ax.set_xscale("log", base=2)
            ax.set_xticks([1, 2, 4, 8], ["1", "2", "4", "8"])
            ax.set_xlabel("ranks that share a sequence or a layer")
            ax.set_ylabel("peak of a rank (GiB)")
            ax.set_ylim(bottom=0)
            ax.legend()
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110)
        plt.close(figure)


def main():
    parser = argparse.ArgumentParser(prog="longspan-sequence-memory", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("measure", help="run the programs; points that have a file are kept")
    run.add_argument("folder", type=Path)
    run.add_argument("--launcher", default="mpirun --oversubscribe -n", help="to which a number of ranks is added")
    run.add_argument("--apps", default="build/apps", help="folder of the programs")
    show = commands.add_parser("draw", help="table and picture from the results")
    show.add_argument("folder", type=Path)
    show.add_argument("--table", default="docs/sequence_memory.md")
    show.add_argument("--picture", default="docs/images/sequence-memory.png")
    words = parser.parse_args()
    if words.command == "measure":
        measure(words.folder, words.launcher, words.apps)
    else:
        draw(words.folder, words.table, words.picture)


def cli():
    return run_program(main)


if __name__ == "__main__":
    raise SystemExit(cli())
