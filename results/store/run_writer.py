"""The one writer of a run."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import filelock

from bnnbench.results.records import DeviceEvent, Entry, RunEnd, RunRecord
from bnnbench.results.store import journal
from bnnbench.results.store.atomic import write_atomically
from bnnbench.results.store.stored_run import END, StoredRun, is_sealed_run, read_journal, read_run

if TYPE_CHECKING:
    from bnnbench.results.store.remote.live_run import LiveRun


class RunWriter:
    """The one writer of a run; several threads may append. Leaving its `with` block closes it."""

    def __init__(
        self,
        folder: Path,
        record: RunRecord,
        lock: filelock.BaseFileLock,
        journal_: journal.Journal,
        live: LiveRun | None = None,
    ) -> None:
        self.path = folder
        self.record = record
        self._lock = lock
        self._journal = journal_
        self._live = live
        self._is_closed = False

    def read(self) -> StoredRun:
        """What is in the journal now, for a resumed run to see what it need not measure again. Reads the disk."""
        return read_run(self.path)

    def append(self, *entries: Entry) -> None:
        """Writes journal records and waits until they are on the disk.

        Raises StoreError when the disk refuses it (what was written before stays whole), ValueError for a
        record that would not read back.
        """
        self._journal.append(*entries)

    def share(self) -> str | None:
        """Lets other hosts see the run so far, if it is in a store in object storage, at most once a minute. Call it
        only while nothing is timed. Returns a sentence when it fails for the first time."""
        return None if self._live is None else self._live.share()

    def write_end(self) -> None:
        """Writes `journal.end`. Raises StoreError."""
        count = read_journal(self.path, is_sealed_run(self.path)).last_figure
        write_atomically(self.path / END, b"%d\n" % count)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was measured so far, whatever happened to devices. Reads the disk."""
        return all(isinstance(entry, DeviceEvent | RunEnd) for entry in self.read().entries)

    def discard(self) -> None:
        """Closes the run and removes its folder, and what was uploaded of it."""
        if not self._is_closed:
            self._close()
        if self._live is not None:
            self._live.discard()
        shutil.rmtree(self.path, ignore_errors=True)

    def close(self) -> None:
        """Lets others write to this run, after it was uploaded if its store is in object storage. Idempotent."""
        if self._is_closed:
            return
        self._journal.close()
        try:
            if self._live is not None:
                self._live.end()
        finally:
            self._close()

    def _close(self) -> None:
        self._is_closed = True
        self._journal.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
