"""Longspan's HDF5 files as columns, also while a program writes them."""

import multiprocessing
import time
from pathlib import Path

import h5py
import pandas as pd

from .errors import UserError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
TRIES, PAUSE = 5, 0.2  # a reader may meet a writer between two flushes; seconds
PATIENCE = 10  # seconds that reading a file which is being written may take


def being_written(path):
    """Whether a program has the file open, or was killed with it open: the consistency flags of HDF5's superblock."""
    with open(path, "rb") as file:
        head = file.read(12)
    return len(head) == 12 and head[8] >= 3 and head[11] != 0


def read_file(path, kind, read):
    """read(file) of the HDF5 file at `path`, which errors call a `kind`; tried again while a writer is in the way."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            if file.read(len(SIGNATURE)) != SIGNATURE:
                raise UserError(f"{path} is no {kind}: it is no HDF5 file")
    except OSError as error:
        raise UserError(f"the {kind} {path} cannot be read: {error.strerror}") from error
    for last in [*[False] * (TRIES - 1), True]:
        live = being_written(path)
        try:
            return _within(PATIENCE, lambda: _open_and(read, path, True)) if live else _open_and(read, path, False)
        # h5py's errors of a file that is cut short, damaged, or in the middle of a change
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            if last or isinstance(error, TimeoutError) or not (live or being_written(path)):
                reason = str(error).strip("'\"").split("\n")[0]
                damage = f"is cut short or damaged ({reason})"
                raise UserError(f"the {kind} {path} {damage}; make or copy it again") from error
        time.sleep(PAUSE)


def _open_and(read, path, live):
    with h5py.File(path, "r", swmr=live, locking=False) as file:
        return read(file)


def _within(seconds, work):
    """work() in a process of its own, ended after so many seconds: where a writer may be at work, HDF5 waits for what
    is missing, in a damaged file for ever."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def child():
        try:
            sender.send((work(), None))
        except Exception as error:
            sender.send((None, error))

    process = context.Process(target=child, daemon=True)
    process.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            raise TimeoutError(f"not read within {seconds} s")
        result, error = receiver.recv()
    except EOFError as gone:
        raise OSError("the reading process was ended") from gone
    finally:
        process.kill()
        process.join()
    if error is not None:
        raise error
    return result


def columns_of(group, path):
    """The 1-D datasets below a group, nested ones as "group/name", and their `unit` attributes: (DataFrame, {})."""
    columns, units = {}, {}

    def visit(name, item):
        if not isinstance(item, h5py.Dataset):
            return
        if item.ndim != 1:
            raise UserError(f"{item.name} of {path} has {item.ndim} dimensions; a column has one")
        columns[name] = item.asstr()[...] if h5py.check_string_dtype(item.dtype) else item[...]
        units[name] = str(item.attrs.get("unit", "1"))

    group.visititems(visit)
    return columns, units


def frame_of(columns, rows):
    return pd.DataFrame({name: values[:rows] for name, values in columns.items()})
