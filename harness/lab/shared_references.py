"""Right outputs of a run, each computed at one host of the lab and sent to the others."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from ..bench.context import Watcher
from ..bench.stop import Interrupted
from ..errors import CannotMeasure
from ..workload.base import Workload
from .files import Sent
from .link import Link
from .reference_calls import compute_references

LEAST_MACS: Final = 1_000_000_000
"""Of a kernel case. The oracle computes a smaller one in less time than sending its output takes; a model is run on
several inputs, also by other interpreters."""
_WAIT_S: Final = 5.0


def worth_sending(workloads: Sequence[Workload]) -> list[str]:
    """The `prepared_key` of each that takes long, once."""
    keys: dict[str, None] = {}
    for workload in workloads:
        figures = workload.figures()
        macs = (figures.get("macs_1bit") or 0) + (figures.get("macs_32bit") or 0)
        if not workload.unverified and (workload.kind == "model" or macs >= LEAST_MACS):
            keys[workload.prepared_key] = None
    return list(keys)


@dataclass
class SharedReferences:
    """`keys` are of workloads, `hosts` are workers by the names of hosts that may compute. The first device's work that
    asks has everything computed; what fails is left to each host."""

    link: Link
    sent: Sent
    keys: Sequence[str]
    hosts: Mapping[str, str]
    watcher: Watcher
    names: dict[str, str] = field(default_factory=dict)
    """Of the files, by key."""
    _folder: tempfile.TemporaryDirectory[str] | None = None
    _is_done: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def files(self, check: Callable[[], None]) -> Mapping[str, Path]:
        """By the names under which they are sent, once they are here; `check` raises what ends it. Raises OSError."""
        while not self._lock.acquire(timeout=0.2):
            check()
        try:
            if not self._is_done:
                self._have_computed(check)
                self._is_done = True
        finally:
            self._lock.release()
        return {name: Path(self._folder.name) / name for name in self.names.values()} if self._folder else {}

    def close(self) -> None:
        """Removes the files."""
        if self._folder is not None:
            self._folder.cleanup()

    def _have_computed(self, check: Callable[[], None]) -> None:
        shares = {host: list(self.keys[at :: len(self.hosts)]) for at, host in enumerate(self.hosts)}
        self._folder = tempfile.TemporaryDirectory(prefix="bnnbench-")
        threads = [
            threading.Thread(target=self._at, args=(host, keys, check), daemon=True)
            for host, keys in shares.items()
            if keys
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
                check()
        check()

    def _at(self, host: str, keys: Sequence[str], check: Callable[[], None]) -> None:
        """Computed there, and fetched."""
        assert self._folder is not None
        worker, folder = self.hosts[host], Path(self._folder.name)
        many = f"{len(keys)} workload{'s' * (len(keys) != 1)}"
        self.watcher.note(f"the host {host} computes the reference outputs of {many}")
        try:
            self.link.send(worker, self.sent.files, check)
            config = msgspec.json.encode(self.sent.config)
            while (found := self.link.ask(worker, compute_references, config, list(keys), _WAIT_S)) is None:
                check()
            for key, name in found.items():
                self.link.fetch(worker, name, folder, check)
                self.names[key] = name
        except (CannotMeasure, OSError) as error:
            self.watcher.note(f"the host {host} did not compute them: {error}")
        except Interrupted:
            return  # whoever waits for this is told too
