"""A ProxyCommand: the user's own program that carries a connection on its stdin and stdout."""

from __future__ import annotations

import errno
import os
import platform
import signal
import socket
import subprocess
import threading
from contextlib import suppress
from typing import Final

from bnnbench.devices.transport.lines import Tail

_GRACE_S: Final = 0.5
_SAID_MAX: Final = 400


class Proxy:
    """A ProxyCommand that runs. `socket` is our end of the connection."""

    def __init__(self, command: str) -> None:
        """Start it. Raises OSError."""
        if platform.system() == "Windows":
            raise OSError(errno.ENOSYS, "a program cannot carry a connection on Windows")
        self.command = command
        self.socket, theirs = socket.socketpair()
        self._said = Tail(_SAID_MAX)
        # The command is the user's own shell line from ~/.ssh/config, and meant for a shell: theirs, as ssh does.
        argv = [os.environ.get("SHELL") or "/bin/sh", "-c", f"exec {command}"]
        with theirs:
            # A group of its own: Ctrl-C must leave us a connection to clean up over, and all of it ends together.
            self._process = subprocess.Popen(
                argv, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.PIPE, start_new_session=True
            )
        self._reader = threading.Thread(target=self._read, name="ssh-proxy", daemon=True)
        self._reader.start()

    def report(self) -> str:
        """How it ended, if it did, and what it printed as errors: for the end of a sentence."""
        try:
            status = self._process.wait(_GRACE_S)
            self._reader.join(_GRACE_S)
        except subprocess.TimeoutExpired:
            how = "it still ran"
        else:
            how = f"it ended with status {status}" if status >= 0 else f"it was ended by signal {-status}"
        message = " ".join("".join(char if char.isprintable() else " " for char in self._said.text()).split())
        return f"{how} and said {message!r}" if message else f"{how} and printed no error"

    def close(self) -> None:
        """End it and all that it started. Never raises."""
        self.socket.close()
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_S)
        self._signal(signal.SIGKILL)  # it, if that was not enough, and what it started and left
        self._process.wait()
        self._reader.join(_GRACE_S)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            while data := os.read(stream.fileno(), 1 << 12):
                self._said.feed(data)
