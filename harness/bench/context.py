"""What the sessions of one run share: the store, the display, and the order to stop."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from bnnbench.results.records import Entry
from bnnbench.results.store.runs import RunWriter

from ..errors import CannotMeasure
from ..plan.extras import NONE, Extras
from .stop import Stop

_Recorded = TypeVar("_Recorded", bound=Entry)


class Watcher(Protocol):
    """A display of what happens; called between measurements only."""

    def phase(self, device: str, text: str, done: int, total: int) -> None:
        """`text` is what comes next on a device, of which `done` of `total` steps are over."""
        ...

    def note(self, text: str) -> None:
        """One line that stays."""
        ...


class Silent:
    """A watcher that shows nothing."""

    def phase(self, device: str, text: str, done: int, total: int) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""


@dataclass
class RunContext:
    """Shared by the threads of a run."""

    store: Path
    writer: RunWriter
    watcher: Watcher
    samples: int
    invocations: int
    calibrates: bool
    """Whether anything is timed at all."""
    min_sample_ns: int
    min_warmup_ns: int
    seed: int
    extras: Extras = NONE
    # Held while a block is timed on this machine: nothing else of ours draws or writes then.
    quiet: threading.RLock = field(default_factory=threading.RLock)
    stop: Stop = field(default_factory=Stop)

    def append(self, entry: _Recorded) -> _Recorded:
        """Journals a record, at a moment when nothing is timed here, and returns what was stored: one that would not
        read back is stored as failed, without its figures."""
        with self.quiet:
            try:
                self.writer.append(entry)
            except (ValueError, OverflowError) as error:
                entry = _without_figures(entry, str(error))
                try:
                    self.writer.append(entry)
                except (ValueError, OverflowError):
                    raise CannotMeasure(f"a device or an engine reported an impossible value: {error}.") from error
        return entry

    def append_all(self, entries: Sequence[Entry]) -> None:
        """Journals records that another host has measured, with one wait for the disk; see `append`."""
        with self.quiet:
            try:
                self.writer.append(*entries)
            except (ValueError, OverflowError):  # nothing of it was written
                for entry in entries:
                    self.append(entry)

    def show(self, device: str, text: str, done: int, total: int) -> None:
        """Updates the display, and what other hosts see of the run, at a moment when nothing is timed here."""
        with self.quiet:
            self.watcher.phase(device, text, done, total)
            if trouble := self.writer.share():
                self.watcher.note(trouble)


def _without_figures(entry: _Recorded, why: str) -> _Recorded:
    """What says which record it is, and no more."""
    kept = {field.name: getattr(entry, field.name) for field in msgspec.structs.fields(entry) if field.required}
    if "status" in kept:
        kept |= {"status": "failed", "reason": f"the measured values cannot be stored: {why}"}
    return type(entry)(**kept)
