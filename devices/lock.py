"""One benchmark at a time per machine: a lock that a live process on the device holds."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from bnnbench.devices.errors import CommandFailed, DeviceBusy
from bnnbench.devices.transport.protocol import RemoteProcess, Transport

ACQUIRE_TIMEOUT_S = 15.0
_LONGEST_ERROR = 300


class MachineLock:
    """Held while a process over there lives; if this end or the link dies, its stdin ends and it lets go.

    `argv`, run in folder `cwd`, is the lock holder: it prints one JSON line, `{"ok":true}` once it holds the
    machine-wide lock or `{"ok":false,"error":WHO}`, and holds the lock until its stdin ends. WHO is the other holder's
    text; it may begin with "held by ".
    """

    def __init__(self, transport: Transport, argv: Sequence[str], cwd: str) -> None:
        self._transport = transport
        self._argv = list(argv)
        self._cwd = cwd
        self._process: RemoteProcess | None = None

    def acquire(self, timeout_s: float = ACQUIRE_TIMEOUT_S) -> None:
        """Take the lock or fail at once; `timeout_s` bounds the holder's answer.

        Raises DeviceBusy, whose `holder` is who holds it, CommandFailed when the holder misbehaves, DeviceLost.
        """
        if self._process is not None:
            raise RuntimeError("the lock is already held")
        process = self._transport.spawn(self._argv, cwd=self._cwd)
        try:
            reply = self._reply(process, time.monotonic() + timeout_s)
            if reply.get("ok") is not True:
                raise self._busy(str(reply.get("error") or ""))
        except BaseException:
            process.kill()
            raise
        self._process = process

    def is_held(self) -> bool:
        """Whether the holder still lives. Raises DeviceLost."""
        return self._process is not None and self._process.wait(time.monotonic()) is None

    def release(self) -> None:
        """Let go and wait until the holder is gone; releasing twice is fine. Never raises."""
        process, self._process = self._process, None
        if process is not None:
            process.close()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _busy(self, said: str) -> DeviceBusy:
        who = (said or "the holder is unknown")[:_LONGEST_ERROR].rstrip(".")
        sentence = f"device {self._transport.spec.name!r} is busy: {who}; wait with --wait 10m, or end that benchmark."
        return DeviceBusy(sentence, holder=said.removeprefix("held by "))

    def _reply(self, process: RemoteProcess, deadline: float) -> dict[str, object]:
        what = f"The lock of device {self._transport.spec.name!r} cannot be taken"
        try:
            line = process.read_line(deadline)
        except TimeoutError as error:
            raise CommandFailed(f"{what}: its holder did not answer in time.") from error
        except EOFError as error:
            status = process.wait(time.monotonic() + 1)
            message = process.stderr_tail().strip().splitlines()
            because = message[-1].rstrip(".") if message else f"it ended with status {status}"
            raise CommandFailed(f"{what}: {self._argv[0]!r} failed ({because}).") from error
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError):
            reply = None
        if not isinstance(reply, dict):
            raise CommandFailed(f"{what}: its holder answered {line[:80]!r} instead of JSON.")
        return reply
