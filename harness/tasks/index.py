"""Making the index of a store, with pauses while something is timed on this machine."""

from __future__ import annotations

import shutil
import time

from bnnbench.results.index.make import Indexed, make_index
from bnnbench.results.store.parts import index_folder
from bnnbench.results.store.place import require_store
from bnnbench.results.store.runs import Store

from ..bench.context import Watcher
from ..bench.machine_lock import is_timed_here
from ..bench.waiting import OPTION, current
from ..errors import CallError

_POLL_S = 0.5


def make(store: Store, watcher: Watcher, *, rebuild: bool = False) -> Indexed:
    """Brings the index up to date; `rebuild` deletes it first. Raises StoreError, and CallError while a benchmark runs
    on this machine for longer than `--wait` says: what was indexed until then stays."""
    require_store(store.path)
    pause = _Pause(watcher)
    pause(0, 0)
    if rebuild:
        shutil.rmtree(index_folder(store.path), ignore_errors=True)
    return make_index(store.path, store.runs_path, pause)


class _Pause:
    """Between two batches: tells how far it is, and waits while something is timed."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._left_s = current().limit_s

    def __call__(self, done: int, total: int) -> None:
        if done:
            self._watcher.phase("index", "runs", done, total)
        begun = time.monotonic()
        while is_timed_here():
            if time.monotonic() - begun >= self._left_s:
                raise CallError(
                    f"a benchmark runs on this machine, which indexing would disturb: wait with {OPTION} 10m, or index "
                    "later; runs that are not in the index are read from their folders."
                )
            time.sleep(_POLL_S)
        self._left_s -= time.monotonic() - begun
