"""Lines on a terminal while objects are exchanged, if that takes long."""

import sys
import threading
import time
from collections.abc import Callable

_FIRST_S, _EVERY_S = 2.0, 5.0


def counting(what: str, total: int) -> Callable[[], None]:
    """A function to call after each of `total` steps, from any thread; it prints nothing where stderr is no terminal.

    Plain lines and no bar: this package does not steer terminals.
    """
    lock, done, due_s = threading.Lock(), 0, time.monotonic() + _FIRST_S

    def step() -> None:
        nonlocal done, due_s
        with lock:
            done += 1
            if time.monotonic() >= due_s and sys.stderr.isatty():
                due_s = time.monotonic() + _EVERY_S
                print(f"{what}: {done:,} of {total:,}", file=sys.stderr)

    return step
