"""The order to stop: it ends every process that was started, and whoever goes on finds out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol


class Interrupted(Exception):  # noqa: N818 - names a state
    """The user asked to stop."""


class Endable(Protocol):
    """A process on a device."""

    def kill(self) -> None: ...


@dataclass
class Stop:
    """Shared by the threads of a run."""

    _ordered: threading.Event = field(default_factory=threading.Event)
    _live: set[Endable] = field(default_factory=set)
    _live_lock: threading.Lock = field(default_factory=threading.Lock)

    def order(self) -> None:
        """Ends every engine now; the sessions then clean up and return."""
        self._ordered.set()
        with self._live_lock:
            live = list(self._live)
        for process in live:
            process.kill()

    @property
    def is_ordered(self) -> bool:
        return self._ordered.is_set()

    def check(self) -> None:
        """Raises Interrupted after `order`."""
        if self._ordered.is_set():
            raise Interrupted

    @contextmanager
    def ends(self, process: Endable) -> Iterator[None]:
        """While inside, `order` kills the process."""
        with self._live_lock:
            self._live.add(process)
        try:
            self.check()
            yield
        finally:
            with self._live_lock:
                self._live.discard(process)
