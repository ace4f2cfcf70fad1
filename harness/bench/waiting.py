"""Waiting for a device that another benchmark holds: as long as the user says with `--wait`, and not at all without."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bnnbench.devices.errors import DeviceBusy
from bnnbench.devices.lock import MachineLock

from .stop import Stop

OPTION = "--wait"
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.5, 5.0
_REPORT_EVERY_S = 30.0
_POLL_S = 0.1


@dataclass(slots=True)
class Waiting:
    """How long to wait for each device, in all, and who is told about it. Threads may share it."""

    limit_s: float = 0.0
    tell: Callable[[str], None] = lambda _: None
    _waited_s: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def hold(self, lock: MachineLock, device: str, stop: Stop | None = None) -> Iterator[None]:
        """The lock, taken. Raises DeviceBusy when another holds it longer than there is time to wait, DeviceError when
        it cannot be asked for, Interrupted when `stop` is ordered."""
        self._take(lock, device, stop)
        try:
            yield
        finally:
            lock.release()

    def _take(self, lock: MachineLock, device: str, stop: Stop | None) -> None:
        look_s, reported, reported_at = _FIRST_LOOK_S, "", 0.0
        while True:
            try:
                return lock.acquire()
            except DeviceBusy as error:
                left_s = self.limit_s - self._waited_s.get(device, 0.0)
                if left_s <= 0:
                    raise _gave_up(error, self.limit_s) from None
                moment = time.monotonic()
                if error.holder != reported or moment - reported_at >= _REPORT_EVERY_S:
                    reported, reported_at = error.holder, moment
                    self.tell(f"device '{device}' is busy: {error.holder}; waiting up to {in_words(left_s)} more")
            self._pause(device, min(look_s, left_s), stop)
            look_s = min(2 * look_s, _LONGEST_LOOK_S)

    def _pause(self, device: str, seconds: float, stop: Stop | None) -> None:
        begun = time.monotonic()
        try:
            while (left := begun + seconds - time.monotonic()) > 0:
                if stop is not None:
                    stop.check()
                time.sleep(min(_POLL_S, left))
        finally:
            with self._lock:
                self._waited_s[device] = self._waited_s.get(device, 0.0) + time.monotonic() - begun


_current = Waiting()


def current() -> Waiting:
    """What the command was told about waiting; outside `waiting`, not to wait."""
    return _current


@contextmanager
def waiting(limit_s: float, tell: Callable[[str], None]) -> Iterator[None]:
    """Within it, a busy device is waited for, so long in all. It holds for every thread of this process."""
    global _current
    before, _current = _current, Waiting(limit_s, tell)
    try:
        yield
    finally:
        _current = before


def in_words(seconds: float) -> str:
    """About how long, like `40 s`, `10 min` or `1 h 30 min`."""
    whole = round(seconds)
    if whole < 100:
        return f"{max(whole, 1)} s"
    hours, minutes = divmod(round(whole / 60), 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part)


def _gave_up(error: DeviceBusy, limit_s: float) -> DeviceBusy:
    if not limit_s:
        return error
    sentence = f"{str(error).partition(';')[0]}; waited {in_words(limit_s)}; wait longer with {OPTION}."
    return DeviceBusy(sentence, holder=error.holder)
