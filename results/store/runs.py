"""The store: one folder per run, merged with others by copying folders.

    <store>/runs/<run id>/run.json              written once, before the first measurement
    <store>/runs/<run id>/journal.jsonl         one record per line, only ever appended to
    <store>/runs/<run id>/journal.end           how many records that had when the run ended
    <store>/runs/<run id>/measurements.parquet  derived from the journal at the end

A store folder that is itself named `runs` holds the run folders directly.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bnnbench.results.errors import StoreError, StoreWarning, store_error
from bnnbench.results.records import RunRecord, just_after
from bnnbench.results.store import journal
from bnnbench.results.store.atomic import sync_folder, write_atomically
from bnnbench.results.store.latest import Place, latest_run, unless_damaged
from bnnbench.results.store.place import default_path, require_store
from bnnbench.results.store.remote.address import is_address, parse
from bnnbench.results.store.run_id import is_run_id, new_run_id
from bnnbench.results.store.run_lock import lock_run
from bnnbench.results.store.run_writer import RunWriter
from bnnbench.results.store.seal import seal_document
from bnnbench.results.store.stored_run import (
    JOURNAL,
    RECORD,
    StoredRun,
    is_run,
    is_sealed_run,
    read_journal,
    read_record,
    read_run,
)

if TYPE_CHECKING:
    from bnnbench.results.store.remote.live_run import LiveRun
    from bnnbench.results.store.remote.mirror import Mirror

__all__ = ["RunWriter", "Store", "StoreError", "StoredRun", "default_path", "new_run_id"]


class Store:
    """Runs under a folder, which need not exist before the first run is created; reading needs it."""

    def __init__(self, path: Path | str | None = None) -> None:
        """`path` is a folder, or `s3://bucket/prefix`: then `remote` is its mirror, which is brought up to date, and
        the store's path is that of the mirror. Raises StoreError when the address can't be used."""
        self.remote: Mirror | None = None
        if path is not None and is_address(path):
            from bnnbench.results.store.remote.mirror import open_mirror

            self.remote = open_mirror(parse(path))
            self.path = self.remote.path
        else:
            self.path = default_path() if path is None else Path(path)

    def upload(self) -> None:
        """Uploads what is new in a store in object storage; with a folder it does nothing. Warns (StoreWarning) when
        the server is away: the next command with this store does it then. Raises StoreError."""
        if self.remote is not None:
            self.remote.exchange()

    @property
    def place(self) -> str:
        """How a user names this store: its folder, or its address in object storage."""
        return str(self.path if self.remote is None else self.remote.address)

    @property
    def runs_path(self) -> Path:
        """The folder that holds the run folders."""
        return self.path if self.path.name == "runs" else self.path / "runs"

    def create(self, record: RunRecord) -> RunWriter:
        """Makes the folder of a new run, writes `run.json`, and returns its writer.

        Raises StoreError when the folder can't be written or the run exists; ValueError for an id that is no
        name.
        """
        if not is_run_id(record.run_id):
            raise ValueError(f"a run id is made of letters, digits and . _ -, not {record.run_id!r}")
        folder = self.runs_path / record.run_id
        try:
            self.runs_path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise store_error(error, self.runs_path) from error
        try:
            folder.mkdir()
        except FileExistsError as error:
            raise StoreError(
                f"{folder} exists already: resume it with --resume {record.run_id}, or choose a new id"
            ) from error
        except OSError as error:
            raise store_error(error, folder) from error
        lock = lock_run(folder)
        try:
            journal_ = journal.Journal(folder / JOURNAL)
            try:
                # Last, because a folder counts as a run once it has this file.
                write_atomically(
                    folder / RECORD, seal_document(msgspec.json.format(msgspec.json.encode(record), indent=1))
                )
                sync_folder(self.runs_path)
            except BaseException:
                journal_.close()
                raise
        except BaseException:
            lock.release()
            _remove_empty_run(folder)
            raise
        return RunWriter(folder, record, lock, journal_, self._live(folder))

    def reopen(self, run_id: str) -> RunWriter:
        """Opens a run to go on with it; a last journal line that a crash cut short is cut off.

        Accepts what `run` accepts. Raises StoreError, also while another process writes to the run.
        """
        folder = self.folder(run_id)
        record = read_record(folder)
        lock = lock_run(folder)
        try:
            contents = read_journal(folder, is_sealed_run(folder))
            journal_ = journal.Journal(folder / JOURNAL, contents)
            return RunWriter(folder, record, lock, journal_, self._live(folder))
        except BaseException:
            lock.release()
            raise

    def run(self, selector: str = "latest") -> StoredRun:
        """Reads one run: by its id, a unique beginning of it, its folder, or `latest`.

        Warns (StoreWarning) of what in its journal can't be read. Raises StoreError when none or several match, with a
        list of what there is.
        """
        run = read_run(self.folder(selector))
        _warn_of(run)
        return run

    def runs(self) -> list[StoredRun]:
        """Every run, oldest first; none when the store is empty.

        Warns (StoreWarning) of a run that can't be read, which is left out, and of lines of journals that can't be.
        Raises StoreError when there is no such store.
        """
        require_store(self.path)
        found = [run for folder in self._folders() if (run := unless_damaged(read_run, folder)) is not None]
        for run in found:
            _warn_of(run)
        return sorted(found, key=lambda run: run.record.place)

    def in_order(self, record: RunRecord) -> RunRecord:
        """The record of a new run, such that it is the latest also where the clock was set back since the last one."""
        newest = self._newest()
        if newest is None or newest[0] < record.place:
            return record
        return msgspec.structs.replace(record, after=just_after(newest[0][0]))

    def run_ids(self) -> list[str]:
        """The ids of all runs, by name."""
        return [folder.name for folder in self._folders()]

    def folder(self, selector: str) -> Path:
        """Where a run is: by its id, a unique beginning of it, its folder, or `latest`. Raises StoreError."""
        if is_run_id(selector) and is_run(self.runs_path / selector):
            return self.runs_path / selector
        newest = self._newest() if selector == "latest" else None
        if newest is not None:
            return newest[1]
        folders = self._folders()
        if not folders and not is_run(Path(selector)):
            require_store(self.path)
            raise StoreError(f"{self.runs_path} holds no runs: make one with bnnbench run, or name a --store")
        if selector == "latest":
            return folders[-1]  # damaged, which reading it says
        matches = [folder for folder in folders if selector and folder.name.startswith(selector)]
        if len(matches) == 1:
            return matches[0]
        if not matches and os.sep in selector and is_run(Path(selector)):
            return Path(selector)
        if matches:
            raise StoreError(f"{selector!r} begins the ids {_listed(matches)} in {self.runs_path}: give more of the id")
        raise StoreError(f"no run {selector!r} in {self.runs_path}: there is {_listed(folders)}")

    def _live(self, folder: Path) -> LiveRun | None:
        """What uploads a run; None in a store that is a folder, and for a run that is not in this store."""
        if self.remote is None or folder.parent != self.runs_path:
            return None
        from bnnbench.results.store.remote.live_run import LiveRun

        return LiveRun(self.remote, folder)

    def _folders(self) -> list[Path]:
        return [folder for name in self.names() if is_run(folder := self.runs_path / name)]

    def names(self) -> list[str]:
        """The names of all that is in the folder of runs, runs and others."""
        try:
            return sorted(os.listdir(self.runs_path))  # noqa: PTH208 - a store may have 100,000 runs
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise StoreError(f"{self.runs_path} can't be read ({error.strerror}): check its permissions") from error

    def _newest(self) -> tuple[Place, Path] | None:
        """The latest run. Warns of damaged ones."""
        return latest_run(self.path, self.runs_path, self.names())


def _warn_of(run: StoredRun) -> None:
    for warning in run.warnings:
        warnings.warn(StoreWarning(f"run {run.record.run_id}: {warning}"), stacklevel=3)


def _listed(folders: Iterable[Path], most: int = 8) -> str:
    names = [folder.name for folder in folders]
    # Ids begin with the time, so the last ones are the newest.
    shown = ", ".join(names[-most:])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} older"


def _remove_empty_run(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for name in (JOURNAL, "journal.lock"):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()
