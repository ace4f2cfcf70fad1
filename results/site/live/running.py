"""How far the runs are that a store's journals show as going on now; of each journal only what is new is read."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bnnbench.results.errors import StoreError
from bnnbench.results.records import RunRecord
from bnnbench.results.store.reading import UnreadableError, decoded
from bnnbench.results.store.run_lock import is_being_written
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import END, JOURNAL, RECORD, read_record

EVERY_S = 1.0
"""A journal is read at most so often, however many clients there are."""
_SILENT_S = 30.0
"""After so long without a new record, it is looked whether the writer still lives."""
_NEW_S = 24 * 3600.0
"""A run whose journal has not changed for so long is not looked at."""
_MOST_BYTES = 4 << 20
"""That are read of a journal at a time."""
_MOST_RUNS = 20


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """A run that goes on: `done` of `planned` cases, comparisons or other work have all their measurements; `share` is
    that of the measurements, 0 to 1."""

    run: str
    suite: str
    device: str
    done: int
    planned: int
    share: float


class _Line(msgspec.Struct):
    """What counts of a record."""

    type: str = ""
    case_id: str | None = None
    comparison_id: str | None = None
    status: str = ""
    index: int = 0


_decoder = msgspec.json.Decoder(_Line)
_TIMED = frozenset(("ok", "unstable", "unverified"))


@dataclass(slots=True)
class _Journal:
    """A journal that is followed: `offset` is where the next unread line begins."""

    record: RunRecord
    path: Path
    offset: int = 0
    ended: bool = False
    changed: float = 0.0
    looked: float = 0.0
    gates: dict[str, str] = field(default_factory=dict)
    invocations: dict[str, set[int]] = field(default_factory=dict)
    judged: set[str] = field(default_factory=set)

    def read(self, now: float) -> None:
        """Takes what is new. Nothing where the file can't be read."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
        except OSError:
            return
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size <= self.offset:
                return
            file.seek(self.offset)
            whole, _, _ = file.read(_MOST_BYTES).rpartition(b"\n")
        if not whole:
            return
        self.offset += len(whole) + 1
        self.changed = now
        for line in whole.split(b"\n"):
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            found = decoded(line, _decoder)
        except UnreadableError:
            return
        self.ended = found.type == "end"
        if found.case_id is not None and found.type == "gate":
            self.gates[found.case_id] = found.status
        elif found.case_id is not None and found.type == "invocation":
            self.invocations.setdefault(found.case_id, set()).add(found.index)
        elif found.comparison_id is not None and found.type in ("verdict", "verdicts"):
            self.judged.add(found.comparison_id)

    def progress(self) -> list[Progress]:
        """By device."""
        devices = list(dict.fromkeys(case.device for case in self.record.cases))
        return [self._of(device) for device in devices]

    def _of(self, device: str) -> Progress:
        record = self.record
        names = {"run": record.run_id, "suite": record.suite_name, "device": device}
        compared = [one.id for one in record.comparisons if one.device == device]
        if compared:
            done = sum(one in self.judged for one in compared)
            return Progress(**names, done=done, planned=len(compared), share=done / len(compared))
        cases = [case.id for case in record.cases if case.device == device]
        each = min(1, record.invocations_per_case) if device in record.counted else record.invocations_per_case
        steps = [self._steps(case, each) for case in cases]
        done = sum(step >= each + 1 for step in steps)
        share = sum(steps) / (len(cases) * (each + 1)) if cases else 0.0
        return Progress(**names, done=done, planned=len(cases), share=round(share, 4))

    def _steps(self, case: str, each: int) -> int:
        """Of one gate and `each` invocations, how many are done; all where the gate left nothing to time."""
        status = self.gates.get(case)
        if status is None:
            return 0
        return each + 1 if status not in _TIMED else 1 + min(each, len(self.invocations.get(case, ())))


class Running:
    """The runs of a store that go on now. May be asked by any number of threads."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._lock = threading.Lock()
        self._journals: dict[str, _Journal] = {}
        self._over: dict[str, int] = {}
        self._read_at = -EVERY_S
        self._now: list[Progress] = []

    def now(self) -> list[Progress]:
        """How far each run is, by device; of a second ago at most."""
        with self._lock:
            moment = self._clock()
            if moment - self._read_at >= EVERY_S:
                self._read_at = moment
                self._now = self._read(moment)
            return self._now

    def _read(self, moment: float) -> list[Progress]:
        found = []
        for run_id in self._candidates():
            followed = self._journals.get(run_id) or self._opened(run_id, moment)
            if followed is None:
                continue
            followed.read(moment)
            if followed.ended or self._is_dead(followed, moment):
                self._journals.pop(run_id, None)
                self._over[run_id] = _changed_ns(followed.path)
                continue
            found += followed.progress()
        return found

    def _candidates(self) -> list[str]:
        """Runs without an end whose journals changed lately, newest first. Ids begin with the time, so only the last
        ones are looked at."""
        with suppress(StoreError):
            names = sorted(self._store.names(), reverse=True)
            found: list[str] = []
            for name in names[: 5 * _MOST_RUNS]:
                folder = self._store.runs_path / name
                changed = _changed_ns(folder / JOURNAL)
                is_new = time.time() - changed / 1e9 < _NEW_S
                has_ended = _changed_ns(folder / END) >= changed  # a run that is resumed is written to again
                if is_new and not has_ended and self._over.get(name) != changed and len(found) < _MOST_RUNS:
                    found.append(name)
            return found
        return []

    def _opened(self, run_id: str, moment: float) -> _Journal | None:
        folder = self._store.runs_path / run_id
        try:
            if not (folder / RECORD).is_file():
                return None
            record = read_record(folder)
        except (StoreError, OSError):
            self._over[run_id] = _changed_ns(folder / JOURNAL)
            return None
        opened = _Journal(record, folder / JOURNAL, changed=moment, looked=moment - _SILENT_S)
        self._journals[run_id] = opened
        return opened

    def _is_dead(self, followed: _Journal, moment: float) -> bool:
        """Whether a run that tells nothing new was cut off. Looking takes the lock of a run that nobody writes to for a
        moment, so it is done rarely."""
        if moment - followed.looked < _SILENT_S or (
            followed.changed != moment and moment - followed.changed < _SILENT_S
        ):
            return False
        followed.looked = moment
        return not is_being_written(followed.path.parent)


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
