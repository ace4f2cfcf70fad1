"""Bringing the index of a store up to date: run by run as they end, or all at once.

Each call adds a part of its own, so several processes can add at once; one at a time merges parts.
"""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bnnbench.results.errors import StoreError
from bnnbench.results.index.merge import by_rows, merge, merging, small_parts
from bnnbench.results.index.retry import with_index
from bnnbench.results.index.settled_run import settled_run
from bnnbench.results.index.write import write_runs
from bnnbench.results.store.entries import read_runs
from bnnbench.results.store.files import FILES
from bnnbench.results.store.parts import (
    UNDER_WAY,
    PartError,
    forget_removed,
    index_folder,
    part_folders,
    parts_of,
    read_part,
    remove_part,
    removed_runs,
)
from bnnbench.results.store.run_columns import DERIVATION
from bnnbench.results.store.stored_run import END, RECORD
from bnnbench.results.tables.run_files import TABLES

_BATCH = 500
"""Runs that are read into a part before the next look at whether anything is timed."""
_ABANDONED_S = 600.0

Pause = Callable[[int, int], None]
"""Called between batches with the number of runs that are done, and of all; it may wait, or raise."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """What making an index came to: runs in it, runs that were added, and the names of runs that could not be,
    each with the reason."""

    runs: int
    added: int
    left_out: dict[str, str]


def add_run(store: Path, folder: Path) -> bool:
    """Adds a run and merges small parts; False while somebody writes to it. Raises StoreError, also for a run whose
    journal is damaged."""
    found = settled_run(folder)
    if found is None:
        return False
    write_runs(store, [found])
    with merging(store) as is_ours:
        if is_ours:
            for group in small_parts(parts_of(store, DERIVATION)):
                merge(store, folder.parent, group)
    return True


def make_index(store: Path, runs_path: Path, pause: Pause = lambda done, of: None) -> Indexed:
    """Brings an index up to date: adds what it lacks, drops what is gone, and merges its parts. Raises StoreError, and
    what `pause` raises: what was added until then stays."""
    names = sorted(os.listdir(runs_path))  # noqa: PTH208 - names alone
    for folder in part_folders(store):
        version = folder.name.partition("-")[0]
        is_damaged = version == str(DERIVATION) and not _is_readable(folder)
        if is_damaged or (version.isdigit() and int(version) < DERIVATION):
            remove_part(folder)
    with merging(store) as is_ours:
        if is_ours:
            _drop_removed(store, runs_path)
    entries = with_index(store, lambda: names, lambda found: found, ())
    standing = entries.standing(np.arange(len(entries.ids)), runs_path)
    known = {run for run, stands in zip(entries.ids, standing.tolist(), strict=True) if stands}
    missing = [name for name in names if not (name in known and _has_tables(runs_path / name))]
    missing = [name for name in missing if (runs_path / name / RECORD).is_file()]
    added, left_out = set[str](), dict[str, str]()
    for start in range(0, len(missing), _BATCH):
        pause(start, len(missing))
        batch = {}
        for name in missing[start : start + _BATCH]:
            try:
                found = settled_run(runs_path / name)
            except StoreError as error:
                left_out[name] = str(error)
                continue
            if found is not None and name not in known:
                batch[name] = found
        write_runs(store, list(batch.values()))
        added |= batch.keys()
    pause(len(missing), len(missing))
    with merging(store) as is_ours:
        if is_ours:
            for group in by_rows(parts_of(store, DERIVATION)):
                merge(store, runs_path, group)
            _clean(store)
    return Indexed(len(known | added), len(added), left_out)


def _has_tables(folder: Path) -> bool:
    """Whether a run has the tables of one that has ended, or has not ended."""
    names = (*TABLES, FILES) if (folder / END).exists() else ()
    return all((folder / name).exists() for name in names)


def _is_readable(folder: Path) -> bool:
    part = read_part(folder)
    if part is None:
        return False
    try:
        for table in part.manifest.tables:
            part.paths(table)
    except PartError:
        return False
    return True


def _drop_removed(store: Path, runs_path: Path) -> None:
    """Makes the parts anew that have rows of runs which were removed."""
    gone = removed_runs(store)
    if not gone:
        return
    for part in parts_of(store, DERIVATION):
        with suppress(PartError):  # one that another process has just removed has no rows any more
            if not gone.isdisjoint(read_runs(part)["run_id"].to_pylist()):
                merge(store, runs_path, [part])
    for run_id in gone:
        forget_removed(store, run_id)


def _clean(store: Path) -> None:
    """Removes what writers left that were killed."""
    with suppress(OSError):
        for folder in index_folder(store).iterdir():
            if folder.name.startswith(UNDER_WAY) and time.time() - folder.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(folder, ignore_errors=True)
