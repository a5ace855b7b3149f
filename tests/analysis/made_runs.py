"""Run folders and result files with known contents, written as the programs write them (docs/metrics_format.md)."""

from pathlib import Path

import h5py
import numpy as np

UNITS = {"step": "1", "loss": "nat/token", "accuracy": "1", "grad_norm": "1", "learning_rate": "1", "tokens": "token", "seconds": "s",
         "tokens_per_second": "token/s", "peak_bytes": "byte", "bits_per_byte": "bit/byte"}  # fmt: skip
GROUPS = ["data", "tensor", "pipeline", "sequence", "stage", "replicas", "positions", "model", "ends", "world"]
CONFIG = """[run]
name = {name}
steps = {planned}
dtype = float32

[optimizer]
learning_rate = {rate}
"""


def train_rows(steps, first=1, tokens_a_step=4096, seconds_a_step=0.5, seed=1):
    """Columns of /train: a loss that falls, and a mesh that uses three of the groups."""
    noise = np.random.default_rng(seed)
    step = np.arange(first, first + steps)
    rows = {
        "step": step,
        "loss": 1.5 + 4.0 * np.exp(-step / (0.2 * max(20, steps))) + 0.05 * noise.standard_normal(steps),
        "accuracy": 1 - np.exp(-step / steps),
        "grad_norm": 0.5 + np.abs(noise.standard_normal(steps)) * 0.2 + 8 * np.exp(-step / 10),
        "learning_rate": 1e-3 * np.minimum(1, step / 20),
        "tokens": step * tokens_a_step,
        "seconds": (step - first + 1) * (seconds_a_step + 0.01),
        "tokens_per_second": tokens_a_step / (seconds_a_step * (1 + 0.05 * noise.random(steps))),
        "peak_bytes": np.full(steps, 300 * 2**20),
    }
    used = {"data": 3 * 2**20, "tensor": 40 * 2**20, "sequence": 11 * 2**20}
    for group in GROUPS:
        rows[f"comm_bytes/{group}"] = np.full(steps, used.get(group, 0))
    return rows


def validation_rows(steps):
    step = np.asarray(steps, dtype=np.int64)
    loss = 1.6 + 4.0 * np.exp(-step / 60)
    return {"step": step, "loss": loss, "accuracy": 1 - np.exp(-step / 60), "bits_per_byte": loss / np.log(2)}


def append(file, group, rows):
    """Adds rows to a group's columns, `step` last."""
    for name, values in reversed(rows.items()):
        dataset = file[f"{group}/{name}"]
        dataset.resize((len(dataset) + len(values),))
        dataset[len(dataset) - len(values) :] = values
        dataset.flush()


def create(path, name="run", planned=0, rate=0.001, mesh="2x2x1x2 (data x tensor x pipeline x sequence)",
           units=UNITS, train=None, **attributes):
    """An open metrics.h5 with empty columns in SWMR mode, as a program that has just begun leaves it."""
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    file = h5py.File(path / "metrics.h5", "w", libver=("v110", "latest"), locking=False)
    file.attrs.update({"format_version": 1, "version": "0.1.0", "git_hash": "0123abc", "mesh": mesh, "host": "node7",
                       "config": CONFIG.format(name=name, planned=planned, rate=rate),
                       "start_time": "2026-11-24T20:00:00Z"} | attributes)  # fmt: skip
    for group, rows in [("train", train or train_rows(1)), ("validation", validation_rows([1]))]:
        for column, values in rows.items():
            kind = np.int64 if np.issubdtype(values.dtype, np.integer) else np.float64
            dataset = file.create_dataset(f"{group}/{column}", (0,), kind, maxshape=(None,), chunks=(256,))
            dataset.attrs["unit"] = units.get(column, "byte")
    file.swmr_mode = True
    return file


def make_run(path, train=None, validation=None, **words):
    """A whole, closed run."""
    train = train_rows(40) if train is None else train
    words = {"name": Path(path).name, "planned": len(train["step"])} | words
    with create(path, train=train, **words) as file:
        append(file, "train", train)
        append(file, "validation", validation if validation is not None else validation_rows([]))
    return Path(path)


def make_table(path, columns, units, group="results", **attributes):
    """A result file: columns are arrays or lists of text."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"version": "0.1.0", "host": "node7"} | attributes)
        for name, values in columns.items():
            text = isinstance(values[0], str) if len(values) else False
            dataset = file.create_dataset(f"{group}/{name}", data=values, dtype=h5py.string_dtype() if text else None)
            dataset.attrs["unit"] = units.get(name, "1")
    return Path(path)
