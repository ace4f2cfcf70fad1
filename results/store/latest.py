"""The latest run of a store: by its index where it has one, because reading thousands of records takes long."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from bnnbench.results.errors import StoreError, StoreWarning
from bnnbench.results.store.parts import PartError, index_folder
from bnnbench.results.store.stored_run import is_run, read_record

T = TypeVar("T")
Place = tuple[str, str]
"""What a run is sorted by."""


def latest_run(store: Path, runs_path: Path, names: Sequence[str]) -> tuple[Place, Path] | None:
    """The latest of the runs with these names, and what it is sorted by; None where there is none.

    Warns (StoreWarning) of a run that can't be read, which is left out.
    """
    found, known = _indexed(store, runs_path, names)
    for name in sorted(set(names) - known):
        folder = runs_path / name
        record = unless_damaged(read_record, folder) if is_run(folder) else None
        if record is not None:
            found.append((record.place, folder))
    return max(found, default=None)


def _indexed(store: Path, runs_path: Path, names: Sequence[str]) -> tuple[list[tuple[Place, Path]], set[str]]:
    """The latest run that stands in the index as it is now, and all runs that it is not older than."""
    if not index_folder(store).is_dir():
        return [], set()
    import numpy as np

    from bnnbench.results.store.entries import entries_of

    try:
        entries = entries_of(store, names, columns=())
    except PartError:
        return [], set()
    places = entries.places(np.arange(len(entries.ids)))
    changed: set[str] = set()
    for row in sorted(range(len(places)), key=lambda row: places[row], reverse=True):
        if entries.standing(np.array([row]), runs_path)[0]:
            return [(places[row], runs_path / entries.ids[row])], set(entries.ids) - changed
        changed.add(entries.ids[row])
    return [], set()


def unless_damaged(reader: Callable[[Path], T], folder: Path) -> T | None:
    """What is read from a run's folder; None, and a warning (StoreWarning), when it can't be."""
    try:
        return reader(folder)
    except StoreError as error:
        warnings.warn(StoreWarning(f"run {folder.name} is left out: {error}"), stacklevel=3)
        return None
