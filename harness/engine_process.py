"""One engine process on a device, under the launcher, with its protocol client."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import msgspec

from bnnbench.devices.errors import CommandFailed
from bnnbench.devices.transport.protocol import RemoteProcess, Transport
from bnnbench.kernels.engines.client import EngineClient

_END_S = 5.0
_STDERR_LINES = 5
_LONGEST_LINE = 300


class _LauncherReport(msgspec.Struct, frozen=True):
    """The launcher's last line on stderr."""

    killed: str | None
    exit: int | None = None
    signal: int | None = None


class EngineProcess:
    """A fresh process; leaving the `with` block ends it. `launcher` is the native engine's path over there."""

    def __init__(
        self,
        transport: Transport,
        workdir: str,
        launcher: str,
        command: Sequence[str],
        *,
        name: str,
        cpus: Sequence[int],
        deadline_s: float,
    ) -> None:
        pinned = ["--cpus", ",".join(map(str, cpus))] if cpus else []
        argv = [f"./{launcher}", "exec", *pinned, "--deadline-s", f"{deadline_s:.0f}", "--", *command]
        self._process: RemoteProcess = transport.spawn(argv, cwd=workdir)
        self.client = EngineClient(self._process, name)

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
        if lines and (report := _launcher_report(lines[-1])) is not None:
            ending = report
            lines.pop()
        said = " | ".join([line[:_LONGEST_LINE] for line in lines[-_STDERR_LINES:]])
        return " ".join(part for part in (ending, f"It said: {said}" if said else "") if part)

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


def _launcher_report(line: str) -> str | None:
    """The launcher's JSON line as words; None when it is something else, "" when the engine ended well."""
    try:
        report = msgspec.json.decode(line, type=_LauncherReport)
    except (msgspec.DecodeError, RecursionError):
        return None
    if report.killed:
        return "It was ended at its deadline." if report.killed == "deadline" else ""
    if report.signal:
        return f"It was ended by signal {report.signal}."
    return f"It ended with status {report.exit}." if report.exit else ""
