"""A session on a lab host: in a thread of its own, whatever becomes of the scheduler and of the client that asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from bnnbench.results.records import Entry

from ..bench.context import RunContext
from ..bench.stop import Interrupted, Stop
from ..bench.trouble import is_fault, sentence, trace
from .wire import Ended, News, to_line

LEASE_S = 25.0
"""A session ends when its client has not asked for news for so long: what a killed job held is free within 30 s."""

_Recorded = TypeVar("_Recorded", bound=Entry)


@dataclass
class Outbox:
    """The records of a session, for its client to fetch; a watcher that keeps what there is to show."""

    lines: list[str] = field(default_factory=list)
    changed: Callable[[], None] = lambda: None
    """Is called after each change that a client waits for: a record, a note, the end."""
    _told: tuple[str, int, int] | None = None
    _phase: tuple[str, int, int] | None = None
    _notes: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, line: str) -> None:
        """A record that is on the disk."""
        with self._lock:
            self.lines.append(line)
        self.changed()

    def phase(self, device: str, text: str, done: int, total: int) -> None:
        """See `context.Watcher`. Clients are told when they hear something else, or have waited."""
        with self._lock:
            self._phase = (text, done, total)

    def note(self, text: str) -> None:
        """See `context.Watcher`."""
        with self._lock:
            self._notes.append(text)
        self.changed()

    def progress(self) -> tuple[str, int, int] | None:
        """What comes next, and how far it is."""
        return self._phase

    def has_more(self, start: int) -> bool:
        """Whether there are notes, or records from `start` on."""
        return bool(self._notes) or len(self.lines) > start

    def has_moved(self) -> bool:
        """Whether the phase is another one than was told."""
        return self._phase != self._told

    def news(self, start: int, most: int) -> News:
        """Records from `start` on."""
        with self._lock:
            notes, self._notes, self._told = self._notes, [], self._phase
            return News(
                is_known=True, start=start, lines=self.lines[start : start + most], phase=self._phase, notes=notes
            )


@dataclass
class StreamingContext(RunContext):
    """Also puts what it journals into the outbox, once it is on this host's disk."""

    outbox: Outbox = field(default_factory=Outbox)

    def append(self, entry: _Recorded) -> _Recorded:
        """See `RunContext`."""
        entry = super().append(entry)
        self.outbox.add(to_line(entry))
        return entry


@dataclass
class HostedSession:
    """`work` is given the session and does it; `stop` ends it."""

    run_id: str
    device: str
    work: Callable[[HostedSession], Ended]
    outbox: Outbox = field(default_factory=Outbox)
    stop: Stop = field(default_factory=Stop)
    ended: Future[Ended] = field(default_factory=Future)
    seen_s: float = field(default_factory=time.monotonic)
    begun_s: float = field(default_factory=time.monotonic)
    _why: str = ""
    _by: str = ""

    def start(self) -> None:
        """In a thread; `ended` has how it ended."""
        threading.Thread(target=self._run, name=f"session {self.device}", daemon=True).start()

    def _run(self) -> None:
        try:
            ended = self.work(self)
        except Interrupted:
            ended = Ended(outcome="stopped", message=self._why, by=self._by)
        except Exception as error:
            if self.stop.is_ordered:
                ended = Ended(outcome="stopped", message=self._why, by=self._by)
            else:
                text = trace(self.device, error) if is_fault(error) else None
                message = sentence(self.device, error)
                ended = Ended(outcome="failed", kind=type(error).__name__, message=message, trace=text)
        self.ended.set_result(msgspec.structs.replace(ended, records=len(self.outbox.lines)))
        self.outbox.changed()

    def end(self, why: str, by: str = "") -> None:
        """Ends its engines and gives the device back; the session then returns by itself. `by`: who cancelled it."""
        self._why, self._by = self._why or why, self._by or by
        self.stop.order()

    def seen(self) -> None:
        """Its client is there."""
        self.seen_s = time.monotonic()

    def end_if_left(self) -> None:
        """Where its client is gone."""
        if not self.ended.done() and time.monotonic() - self.seen_s > LEASE_S:
            self.end(f"its client was not heard of for {LEASE_S:.0f} s")
