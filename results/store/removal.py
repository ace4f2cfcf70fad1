"""Taking runs out of a store: never one that a baseline is of, never through a link, never while it is written."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from bnnbench.results.errors import StoreError, store_error
from bnnbench.results.store.baselines import Baselines
from bnnbench.results.store.parts import note_removed
from bnnbench.results.store.place import require_store
from bnnbench.results.store.run_lock import lock_run
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import RECORD


def removable(store: Store, selectors: Sequence[str]) -> list[Path]:
    """The folders of runs, each once, by their ids, unique beginnings of these, or `latest`.

    Raises StoreError when one is not there, is a link, or is what a baseline was saved from, and when a baseline can't
    be read.
    """
    require_store(store.path)
    folders = list(dict.fromkeys(store.folder(selector) for selector in selectors))
    needed = Baselines(store.path).runs_needed()
    for folder in folders:
        if folder.parent != store.runs_path:
            raise StoreError(f"{folder} is not a run of the store {store.runs_path}: name it by its id, with --store")
        if folder.is_symlink():
            raise StoreError(f"run {folder.name} is a link to {folder.readlink()}: remove the link itself, or that run")
        if folder.name in needed:
            names = ", ".join(needed[folder.name])
            raise StoreError(
                f"run {folder.name} is needed by the baseline {names}: save that baseline from another run first, or "
                f"delete {Baselines(store.path).path / needed[folder.name][0]}"
            )
    return folders


def remove_run(store: Store, folder: Path) -> None:
    """Removes a folder that `removable` gave, and its objects first if the store is in object storage.

    Raises StoreError, also while another process writes to the run, or the server can't be reached.
    """
    lock = lock_run(folder)
    try:
        if store.remote is not None:
            store.remote.remove_run(folder.name)
        # First: without this file the folder is not a run, so a removal that is cut off leaves none that looks whole.
        (folder / RECORD).unlink()
        note_removed(store.path, folder.name)
        shutil.rmtree(folder)
    except OSError as error:
        raise store_error(error, folder) from error
    finally:
        lock.release()
