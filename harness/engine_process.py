"""One engine process on a device, under the launcher, with its protocol client."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from bnnbench.devices.errors import CommandFailed
from bnnbench.devices.transport.protocol import RemoteProcess, Transport
from bnnbench.kernels.engines.client import EngineClient

_END_S = 5.0
_STDERR_LINES = 5


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

    @property
    def left_behind(self) -> int:
        """How many processes had left its group and were ended after it; known once it has ended."""
        return processes_left_behind(self._process.stderr_tail())

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
        said = " | ".join(lines[-_STDERR_LINES:])
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


def processes_left_behind(stderr: str) -> int:
    """As the launcher's last line on stderr says."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    report = _launcher_line(lines[-1]) if lines else None
    count = report.get("left_behind") if report else None
    return count if isinstance(count, int) else 0


def _launcher_line(line: str) -> dict[str, object] | None:
    try:
        report = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) and "killed" in report else None


def _launcher_report(line: str) -> str | None:
    """The launcher's JSON line as words; None when it is something else, "" when the engine ended well."""
    report = _launcher_line(line)
    if report is None:
        return None
    words = [_ending(report), left_behind_words(report["left_behind"]) if report.get("left_behind") else ""]
    return " ".join(filter(None, words))


def _ending(report: dict[str, object]) -> str:
    if report["killed"]:
        return {"deadline": "It was ended at its deadline."}.get(str(report["killed"]), "")
    if report.get("signal"):
        return f"It was ended by signal {report['signal']}."
    return f"It ended with status {report['exit']}." if report.get("exit") else ""


def left_behind_words(count: object) -> str:
    """One sentence."""
    return f"It left {count} process(es) behind that had left its process group; they were ended."
