"""Reads Longspan's runs and results (HDF5) into data frames and draws them."""

from .errors import UserError
from .runs import Run, load_run, load_runs
from .tables import Table, load_table, load_tables, markdown

__all__ = ["Run", "Table", "UserError", "load_run", "load_runs", "load_table", "load_tables", "markdown"]
