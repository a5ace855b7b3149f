"""Results of benchmarks and experiments: an HDF5 file with a group of equally long 1-D columns.

The columns of /results are float64, int64 or text, each with the attribute `unit`; the root's attributes say where the
file comes from (version, git_hash, config, mesh, host, start_time), as in a run's metrics.h5.
"""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from .errors import UserError
from .hdf5 import columns_of, frame_of, read_file


@dataclass
class Table:
    path: Path
    frame: pd.DataFrame
    units: dict  # by column
    provenance: dict

    def heading(self, column):
        """ "seconds (s)"; a number without a unit is only named."""
        unit = self.units.get(column, "1")
        return column if unit in ("1", "") else f"{column} ({unit})"

    def check_columns(self, names):
        for name in names:
            if name not in self.frame:
                raise UserError(f"{self.path} has no column {name}; it has {', '.join(self.frame.columns)}")


def load_table(path, group="results"):
    """Reads the columns of a group. UserError where the file is no such table."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"the result file {path} does not exist")

    def read(file):
        if not isinstance(file.get(group), h5py.Group):
            raise UserError(f"{path} is no result file: it has no group /{group}")
        columns, units = columns_of(file[group], path)
        if not columns:
            raise UserError(f"/{group} of {path} has no columns")
        rows = len(next(iter(columns.values())))
        for name, values in columns.items():
            if len(values) != rows:
                raise UserError(f"/{group}/{name} of {path} has {len(values)} rows, other columns {rows}")
        return Table(path, frame_of(columns, rows), units, dict(file.attrs))

    return read_file(path, "result file", read)


def load_tables(paths, group="results"):
    """The rows of several files one after the other, as the points of a study. UserError where their columns differ."""
    tables = [load_table(path, group) for path in paths]
    first = tables[0]
    for other in tables[1:]:
        if list(other.frame.columns) != list(first.frame.columns):
            raise UserError(f"{other.path} has other columns than {first.path}; draw results of one kind together")
    return Table(first.path, pd.concat([t.frame for t in tables], ignore_index=True), first.units, first.provenance)


def markdown(table, columns=None):
    """The table in Markdown: units in the heading, numbers to four digits and to the right."""
    columns = list(columns or table.frame.columns)
    table.check_columns(columns)
    cells = [[table.heading(column) for column in columns]]
    cells += [[_cell(value) for value in row] for row in table.frame[columns].itertuples(index=False)]
    widths = [max(3, *(len(row[c]) for row in cells)) for c in range(len(columns))]
    numeric = [pd.api.types.is_numeric_dtype(table.frame[column]) for column in columns]

    def line(row):
        padded = (text.rjust(w) if n else text.ljust(w) for text, w, n in zip(row, widths, numeric))
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (w + 1) + (":" if n else "-") for w, n in zip(widths, numeric)) + "|"
    return "\n".join([line(cells[0]), rule, *map(line, cells[1:])]) + "\n"


def _cell(value):
    if isinstance(value, (float, np.floating)):
        return f"{value:.4g}"
    return str(value).replace("|", "\\|").replace("\n", " ")
