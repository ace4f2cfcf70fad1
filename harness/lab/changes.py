"""What is heard of a run's sessions is waited for without a thread: a host may have many of both."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress


class Changes:
    """Any thread may `tell`; coroutines of any event loop wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, set[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = {}

    def tell(self, run_id: str) -> None:
        """Something of the run has changed."""
        with self._lock:
            waiting = list(self._waiting.get(run_id, ()))
        for loop, event in waiting:
            with suppress(RuntimeError):  # the loop has been closed
                loop.call_soon_threadsafe(event.set)

    @contextmanager
    def of(self, run_id: str) -> Iterator[Callable[[float], Awaitable[None]]]:
        """Inside, every change counts; what it yields waits for the first one, at most so many seconds."""
        mine = asyncio.get_running_loop(), asyncio.Event()
        with self._lock:
            self._waiting.setdefault(run_id, set()).add(mine)

        async def changed(seconds: float) -> None:
            with suppress(TimeoutError, asyncio.TimeoutError):
                await asyncio.wait_for(mine[1].wait(), seconds)

        try:
            yield changed
        finally:
            with self._lock:
                self._waiting[run_id].discard(mine)
                if not self._waiting[run_id]:
                    del self._waiting[run_id]
