"""Work that a host does for the whole lab, whose result then goes to the others: builds of engines, right outputs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

_Result = TypeVar("_Result")


@dataclass
class Errands:
    """Each is done once at a time, in a thread of its own, whoever asks and whatever becomes of who asked first."""

    _futures: dict[str, Future[Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def result(self, key: str, work: Callable[[], _Result], wait_s: float) -> _Result | None:
        """What `work` returned, begun by now; None while it is not done after `wait_s`. Raises as `work`; then it is
        done again for the next one who asks."""
        with self._lock:
            future: Future[_Result] | None = self._futures.get(key)
            if future is None:
                future = self._futures[key] = Future()
                threading.Thread(target=_do, args=(work, future), name=f"errand {key}", daemon=True).start()
        try:
            result = future.result(timeout=wait_s)
        except TimeoutError:
            if not future.done():
                return None
            self._forget(key, future)
            raise
        except BaseException:
            self._forget(key, future)
            raise
        self._forget(key, future)  # what it made is kept where it belongs
        return result

    def _forget(self, key: str, future: Future[Any]) -> None:
        with self._lock:
            if self._futures.get(key) is future:
                del self._futures[key]


def _do(work: Callable[[], _Result], future: Future[_Result]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)
