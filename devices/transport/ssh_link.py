"""Whether the other end of an SSH session still lives, by own deadlines.

The library's `is_active()` stays true for seconds after a link died, and a host that vanished without a word
never closes anything. So a question is asked every two seconds, and a missing answer closes the session,
which wakes whoever waits on it.
"""

from __future__ import annotations

import threading
import time

import paramiko
from paramiko.ssh_exception import SSHException

from bnnbench.devices.errors import DeviceLost

PING_EVERY_S = 2.0
LOST_AFTER_S = 10.0
_WATCH_EVERY_S = 0.5


class Link:
    """Watches one authenticated session."""

    def __init__(self, transport: paramiko.Transport, name: str, *, lost_after_s: float = LOST_AFTER_S) -> None:
        self._transport = transport
        self._name = name
        self._lost_after_s = lost_after_s
        self._stop = threading.Event()
        self._asked_s: float | None = None
        self._heard_s = time.monotonic()
        self._silent = False
        for work in (self._ping, self._watch):
            threading.Thread(target=work, name=f"ssh-{work.__name__}", daemon=True).start()

    @property
    def title(self) -> str:
        """How errors call the device."""
        return f"device {self._name!r}"

    def heard(self) -> None:
        """Note a sign of life: bytes came, or the far side took some."""
        self._heard_s = time.monotonic()

    def is_dead(self) -> bool:
        return self._silent or not self._transport.is_active()

    def check(self) -> None:
        """Raise DeviceLost when the session is gone."""
        if self.is_dead():
            raise self.lost()

    def lost(self) -> DeviceLost:
        """The error to raise for a session that is gone."""
        how = f"it has not answered for {self._lost_after_s:g} s" if self._silent else "it was closed"
        return DeviceLost(f"The connection to device {self._name!r} is lost: {how}; check its power and network.")

    def stop(self) -> None:
        self._stop.set()

    def _ping(self) -> None:
        while not self._stop.wait(PING_EVERY_S) and self._transport.is_active():
            self._asked_s = time.monotonic()
            try:
                self._transport.global_request("keepalive@openssh.com", wait=True)
            except (SSHException, OSError, EOFError):
                return  # The session is gone, and whoever uses it finds that out.
            self._asked_s = None
            self.heard()

    def _watch(self) -> None:
        while not self._stop.wait(_WATCH_EVERY_S) and self._transport.is_active():
            asked_s = self._asked_s
            if asked_s is None:
                continue
            # Answers queue behind the data of a slow link, so data counts as an answer.
            if time.monotonic() - max(asked_s, self._heard_s) > self._lost_after_s:
                self._silent = True
                self._transport.close()
