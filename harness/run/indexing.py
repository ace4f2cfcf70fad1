"""The index of the store, brought up to date when a run has ended and nothing is timed on this machine."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from bnnbench.results.errors import StoreError
from bnnbench.results.store.runs import Store

from ..bench.machine_lock import is_timed_here


def add_to_index(store: Store, folder: Path) -> None:
    """Adds a run that has ended, unless another one is timed now. Without it the run is read from its folder, so a
    full disk or a store that may only be read costs nothing but time."""
    if is_timed_here() or folder.parent != store.runs_path:
        return
    from bnnbench.results.index.make import add_run

    with suppress(StoreError):
        add_run(store.path, folder)
