"""Reads Longspan's runs (HDF5) into data frames and draws them."""

from .read_run import Run, load_run

__all__ = ["Run", "load_run"]
