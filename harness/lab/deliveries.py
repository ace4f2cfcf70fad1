"""What a run has sent to its hosts: each process is asked once for what it lacks, however many devices it has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bnnbench.kernels.built_elsewhere import Artifact

from .link import Link
from .shared_builds import send as send_builds
from .wire import Placed


@dataclass(eq=False)
class _Delivered:
    worker: str
    things: set[str | Artifact] = field(default_factory=set)
    """Names of files, and builds."""
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(eq=False)
class Deliveries:
    """Threads may share it."""

    link: Link
    _hosts: dict[str, _Delivered] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def host(self, placed: Placed) -> Placed:
        """The worker by which the same process is asked: always the same one, because each connection costs a
        handshake."""
        return Placed(self._of(placed).worker, placed.process)

    def deliver(
        self, placed: Placed, files: Mapping[str, Path], builds: Sequence[Artifact], check: Callable[[], None]
    ) -> None:
        """`check` raises what ends it. Raises LinkLost, OSError, CannotMeasure."""
        host = self._of(placed)
        while not host.lock.acquire(timeout=0.2):
            check()
        try:
            new_files = {name: path for name, path in files.items() if name not in host.things}
            new_builds = [each for each in builds if each not in host.things]
            if new_files:
                self.link.send(host.worker, new_files, check)
            if new_builds:
                send_builds(self.link, host.worker, new_builds, check)
            host.things.update(new_files, new_builds)
        finally:
            host.lock.release()

    def forget(self, placed: Placed) -> None:
        """It did not answer: it may be another process by now, or have lost what it had."""
        with self._lock:
            self._hosts.pop(placed.process, None)

    def _of(self, placed: Placed) -> _Delivered:
        with self._lock:
            return self._hosts.setdefault(placed.process, _Delivered(placed.address))
