"""A run's metrics.h5 as data frames. docs/metrics_format.md describes the file."""

import configparser
import re
import time
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from .errors import UserError
from .hdf5 import being_written, columns_of, frame_of, read_file

KIND = "metrics file"
REQUIRED = {"train": ["step", "loss", "tokens", "seconds", "tokens_per_second"], "validation": ["step", "loss"]}


@dataclass
class Run:
    """One run: a row per training step, a row per validation, units of the columns, and where it comes from."""

    path: Path  # the run's folder
    name: str
    train: pd.DataFrame  # the file's columns, and step_seconds: each step alone
    validation: pd.DataFrame
    units: dict  # by column: "nat/token", "byte", "s", "1"
    provenance: dict  # version, git_hash, mesh, host, start_time, config, ...
    config: dict  # "section.key" -> value, as the run resolved it
    writing: bool  # the program has the file open, or was killed
    age: float  # seconds since the file last changed

    @property
    def steps_done(self):
        return int(self.train["step"].iloc[-1]) if len(self.train) else 0

    @property
    def steps_planned(self):
        """0 where the file does not say."""
        steps = self.config.get("run.steps", "")
        return int(steps) if steps.isdigit() else 0

    @property
    def state(self):
        """running, silent (running or killed: no row for long), finished, or stopped (early, for whatever reason)."""
        if self.writing:
            usual = np.nan_to_num(self.train["step_seconds"].median())
            return "silent" if self.age > max(60.0, 20 * usual) else "running"
        return "finished" if self.steps_done >= self.steps_planned else "stopped"

    def families(self):
        """Columns that belong together, such as comm_bytes/AXIS: {"comm_bytes": ["data", "tensor", ...]}."""
        found = {}
        for column in self.train.columns:
            if "/" in column:
                family, member = column.split("/", 1)
                found.setdefault(family, []).append(member)
        return found

    def at_validations(self, column):
        """A training column's values at the steps of the validations; NaN where that step is not in the file."""
        by_step = self.train.drop_duplicates("step").set_index("step")[column]
        return by_step.reindex(self.validation["step"]).to_numpy(dtype=float)

    def communication_summary(self):
        """Rank 0's account at the end of its log, by group: calls, seconds in messages or waiting. Often empty."""
        log = self.path / "log.txt"
        if not log.exists():
            return pd.DataFrame(columns=["calls", "seconds"])
        line = re.compile(r"^(\w+) +(\d+) calls .* ([\d.]+) s in messages or waiting$", re.MULTILINE)
        rows = {group: (int(calls), float(seconds)) for group, calls, seconds in line.findall(log.read_text())}
        return pd.DataFrame.from_dict(rows, orient="index", columns=["calls", "seconds"])


def parse_config(text):
    """Longspan's INI text as {"section.key": "value"}."""
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes="#", default_section="")
    parser.optionxform = str
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}
    return {f"{section}.{key}": value for section in parser.sections() for key, value in parser[section].items()}


def metrics_file(path):
    """runs/NAME or runs/NAME/metrics.h5 -> the latter."""
    path = Path(path)
    return path if path.suffix == ".h5" else path / "metrics.h5"


def step_seconds(train):
    """Duration of each step alone, without validations and checkpoints: its tokens over tokens_per_second."""
    tokens = train["tokens"].diff()
    tokens = tokens.where(train["step"] != 1, train["tokens"])  # what came before a resumed run's first row is unknown
    return tokens / train["tokens_per_second"].where(train["tokens_per_second"] > 0)


def _read_table(file, name, path, units):
    if not isinstance(file.get(name), h5py.Group):
        raise UserError(f"{path} is no metrics file of a run: it has no group /{name}")
    columns, found = columns_of(file[name], path)
    missing = [column for column in REQUIRED[name] if column not in columns]
    if missing:
        raise UserError(f"{path} is no metrics file of a run: /{name} has no column {missing[0]}")
    units.update(found)
    # Columns grow one after the other: a row is whole when it is in all of them.
    return frame_of(columns, min(map(len, columns.values())))


def load_run(path):
    """Reads runs/NAME or runs/NAME/metrics.h5, also while the run writes. UserError where that is no run."""
    file = metrics_file(path)
    if not file.exists():
        where = f"{file.parent} has no metrics.h5" if file.parent.is_dir() else f"{file.parent} does not exist"
        raise UserError(f"{where}; name a run's folder")

    def read(opened):
        units = {}
        train, validation = (_read_table(opened, name, file, units) for name in ("train", "validation"))
        provenance = {key: value.item() if isinstance(value, np.generic) else value
                      for key, value in opened.attrs.items()}
        return train, validation, units, provenance

    # Asked before reading: rows of a file that was closed by then are all there are.
    writing, changed = being_written(file), file.stat().st_mtime
    train, validation, units, provenance = read_file(file, KIND, read)
    train["step_seconds"], units["step_seconds"] = step_seconds(train), "s"
    return Run(file.parent, file.parent.resolve().name, train, validation, units, provenance,
               parse_config(str(provenance.get("config", ""))), writing,
               time.time() - changed)


def load_runs(paths):
    """Several runs, with names that tell them apart: as much of their paths as that takes."""
    runs = [load_run(path) for path in paths]
    parts = [run.path.resolve().parts for run in runs]
    if len(set(parts)) < len(parts):
        raise UserError(f"{max(runs, key=lambda run: parts.count(run.path.resolve().parts)).path} is named twice; "
                        "name each run once")
    depth = 1
    while len({part[-depth:] for part in parts}) < len(parts):
        depth += 1
    for run, part in zip(runs, parts):
        run.name = "/".join(part[-depth:])
    return runs
