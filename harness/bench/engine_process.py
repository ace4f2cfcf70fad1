"""One engine process on a device, under the launcher, with its protocol client."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from bnnbench.devices.errors import CommandFailed
from bnnbench.devices.transport.protocol import RemoteProcess
from bnnbench.kernels.engines.client import EngineClient

from .launcher import Launcher
from .launcher_report import left_behind, read_report

_END_S = 5.0
_STDERR_LINES = 5
_LONGEST_LINE = 300


class EngineProcess:
    """A fresh process; leaving the `with` block ends it. `launcher` is that of the device."""

    def __init__(
        self, launcher: Launcher, command: Sequence[str], *, name: str, cpus: Sequence[int], deadline_s: float
    ) -> None:
        self._process: RemoteProcess = launcher.start(command, cpus, deadline_s)
        self.client = EngineClient(self._process, name)

    @property
    def left_behind(self) -> int:
        """How many processes had left its group and were ended after it; known once it has ended."""
        return left_behind(self._process.stderr_tail())

    def kill(self) -> None:
        """Ends it now, from any thread; the launcher over there ends what it started."""
        self._process.kill()

    def last_words(self) -> str:
        """How it ended and its last stderr lines, for the reason of a failure; empty when there is nothing to say."""
        self._process.close_stdin()
        with suppress(CommandFailed):
            self._process.wait(time.monotonic() + _END_S)
        lines = [line for line in self._process.stderr_tail().splitlines() if line.strip()]
        ending = ""
        if lines and (report := read_report(lines[-1])) is not None:
            ending = report.words
            lines.pop()
        message = " | ".join([line[:_LONGEST_LINE] for line in lines[-_STDERR_LINES:]])
        return " ".join(part for part in (ending, f"It said: {message}" if message else "") if part)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.client.quit()
            self._process.close()
        else:
            self._process.kill()
