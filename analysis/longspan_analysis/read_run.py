"""A run's metrics.h5 as data frames. Works while the run is still writing."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import pandas as pd


@dataclass
class Run:
    """One run: a row per training step, a row per validation, units of the columns, and where it comes from."""

    path: Path
    train: pd.DataFrame
    validation: pd.DataFrame
    units: dict
    provenance: dict


def _read_group(group, units):
    columns = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            columns[name] = item[...]
            units[name] = item.attrs.get("unit", "")

    group.visititems(visit)
    # A row is whole only when its last column is written.
    rows = min((len(values) for values in columns.values()), default=0)
    return pd.DataFrame({name: values[:rows] for name, values in columns.items()})


def load_run(path):
    """Reads runs/NAME or runs/NAME/metrics.h5."""
    path = Path(path)
    file = path / "metrics.h5" if path.is_dir() else path
    if not file.exists():
        raise SystemExit(f"{file} does not exist; name a run's folder or its metrics.h5")
    units = {}
    with h5py.File(file, "r", swmr=True, locking=False) as f:
        train = _read_group(f["train"], units)
        validation = _read_group(f["validation"], units)
        provenance = {name: value for name, value in f.attrs.items()}
    return Run(file.parent, train, validation, units, provenance)
