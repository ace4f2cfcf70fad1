"""The index of the store, brought up to date when a run has ended and nothing is timed on this machine."""

from __future__ import annotations

import warnings
from pathlib import Path

from bnnbench.results.errors import StoreWarning
from bnnbench.results.store.runs import Store

from ..bench.machine_lock import is_timed_here


def add_to_index(store: Store, folder: Path) -> None:
    """Adds a run that has ended, unless another one is timed now. Without it the run is read from its folder, so a
    full disk or a store that may only be read costs nothing but time."""
    if is_timed_here() or folder.parent != store.runs_path:
        return
    from bnnbench.results.index.make import add_run

    try:
        add_run(store.path, folder)
    except Exception as error:  # whatever is wrong with a cache, the run has ended well
        warnings.warn(StoreWarning(f"run {folder.name} is not in the index of the store: {error}"), stacklevel=2)
