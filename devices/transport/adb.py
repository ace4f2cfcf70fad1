"""An Android device reached by the official adb client: USB serial or host:port."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import time
from collections.abc import Sequence
from typing import Final

from bnnbench.devices.errors import AuthError, CommandFailed, CommandTimeout, DeviceLost, Unreachable
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport import scripts
from bnnbench.devices.transport.local import LocalProcess, complete, start_process
from bnnbench.devices.transport.posix import PosixTransport
from bnnbench.devices.transport.protocol import MAX_OUTPUT_BYTES, Completed, RemoteProcess
from bnnbench.devices.transport.quoting import command_line

CONNECT_TIMEOUT_S = 20.0
LOST_AFTER_S = 10.0
"""A device that does not answer `true` for so long is lost; it is asked when a process has been silent as long."""
_POLL_S = 0.5
# Of a command that was cut off the client says status 0, as of one that ended well: so each says its status itself.
_TELL_STATUS: Final = 'm=$1; shift; "$@"; s=$?; echo "$m$s" >&2; exit $s'


class AdbTransport(PosixTransport):
    """Commands are `adb shell` processes of this machine."""

    def __init__(self, spec: DeviceSpec, *, lost_after_s: float = LOST_AFTER_S) -> None:
        """Connect. Raises Unreachable when there is no such device, AuthError when it does not trust this machine."""
        super().__init__(spec)
        self._serial = spec.serial or ""
        self._lost_after_s = lost_after_s
        program = shutil.which("adb")
        if program is None:
            raise Unreachable(
                f"{self._name()} needs the program adb, which is not on the PATH; install Android's platform tools "
                "(Debian: adb)."
            )
        self._adb = [program, "-s", self._serial]
        # The server lives on: it must not hold our pipes, nor end with our terminal.
        self._client([program, "start-server"])
        by_network = ":" in self._serial
        if by_network:
            self._client([program, "connect", self._serial])
        state = self._client([*self._adb, "get-state"])
        if self._is_connected(state):
            return
        if by_network:  # the server may hold a connection that died long ago
            self._client([program, "disconnect", self._serial])
            self._client([program, "connect", self._serial])
            state = self._client([*self._adb, "get-state"])
            if self._is_connected(state):
                return
        said = (state.stderr + state.stdout).decode("utf-8", "replace").strip()
        if "unauthorized" in said:
            raise AuthError(f"{self._name()} does not trust this machine yet; unlock it and accept its question.")
        known = (
            "it is listed, and does not answer" if state.status == 0 else said.removeprefix("error: ") or "no answer"
        )
        raise Unreachable(f"{self._name()} cannot be reached by adb: {known}; see `adb devices`.")

    def run(
        self, argv: Sequence[str], *, timeout_s: float = 30, input: bytes = b"", limit_bytes: int = MAX_OUTPUT_BYTES
    ) -> Completed:
        mark, what = secrets.token_hex(8), f"{argv[0]!r} on {self._name()}"
        try:
            done = complete(self._words(argv, mark), what, timeout_s=timeout_s, input=input, limit_bytes=limit_bytes)
        except CommandTimeout:
            if not self.answers(self._lost_after_s):
                raise self._lost() from None
            raise
        text, status = _cut(done.stderr, mark)
        if status is None:
            raise self._lost(done.stderr.decode("utf-8", "replace"))
        return Completed(status, done.stdout, text)

    def spawn(self, argv: Sequence[str], *, cwd: str) -> RemoteProcess:
        mark = secrets.token_hex(8)
        return AdbProcess(start_process(self._words(argv, mark, cwd), None), self, mark)

    def close(self) -> None:
        """The adb server stays: others may use it."""

    def _is_connected(self, state: Completed) -> bool:
        return state.stdout.strip() == b"device" and self.answers(CONNECT_TIMEOUT_S)

    def answers(self, timeout_s: float) -> bool:
        """Whether the device runs a command within the time."""
        try:
            return self._client([*self._adb, "shell", "-T", "echo", "alive"], timeout_s).stdout.strip() == b"alive"
        except CommandTimeout:
            return False

    def check(self) -> None:
        """Raises DeviceLost when the device does not answer."""
        if not self.answers(self._lost_after_s):
            raise self._lost()

    @property
    def lost_after_s(self) -> float:
        return self._lost_after_s

    def lost(self, said: str = "") -> DeviceLost:
        """The error to raise for a command that was cut off."""
        return self._lost(said)

    def _words(self, argv: Sequence[str], mark: str, cwd: str | None = None) -> list[str]:
        # adb joins its words with spaces and gives them to the device's shell: one word, quoted by us.
        line = command_line(["sh", "-c", _TELL_STATUS, "sh", mark, *argv], cwd=cwd)
        return [*self._adb, "shell", "-T", line]

    def _ask_environment(self) -> Completed:
        return self.run(["sh", "-c", scripts.ENVIRONMENT])

    def _lost(self, said: str = "") -> DeviceLost:
        lines = [line for line in said.splitlines() if line.startswith(("error:", "adb:"))]
        how = lines[-1].partition(":")[2].strip().rstrip(".") if lines else "it does not answer"
        return DeviceLost(f"The connection to {self._name()} is lost: {how}; check its cable, power and `adb devices`.")

    def _client(self, argv: Sequence[str], timeout_s: float = CONNECT_TIMEOUT_S) -> Completed:
        try:
            return complete(argv, f"`adb {argv[-1]}` for {self._name()}", timeout_s=timeout_s)
        except OSError as error:
            raise CommandFailed(f"adb cannot be started: {error.strerror}.") from error


class AdbProcess(LocalProcess):
    """The client's process, which carries the device's three streams."""

    def __init__(self, process: subprocess.Popen[bytes], transport: AdbTransport, mark: str) -> None:
        super().__init__(process)
        self._transport = transport
        self._mark = mark
        self._heard_s = time.monotonic()

    def write_line(self, line: str) -> None:
        super().write_line(line)
        self._heard_s = time.monotonic()  # a silence begins anew

    def stderr_tail(self) -> str:
        return _cut(super().stderr_tail().encode(), self._mark)[0].decode("utf-8", "replace")

    def wait(self, deadline: float) -> int | None:
        while super().wait(min(deadline, time.monotonic() + _POLL_S)) is None:
            if time.monotonic() >= deadline:
                return None
            self._check_silence()
        return self._told()

    def _receive(self, timeout_s: float) -> bytes | None:
        data = super()._receive(min(timeout_s, _POLL_S))
        if data:
            self._heard_s = time.monotonic()
        elif data is None:
            self._check_silence()
        elif super().wait(time.monotonic() + self._transport.lost_after_s) is not None:
            self._told()
        return data

    def kill(self) -> None:
        # Waiting for the client's own end tells nothing here: the far side ends when its stdin has.
        if not self._stdout.closed:
            self.close_stdin()
            self.end_now()

    def _told(self) -> int:
        status = _cut(super().stderr_tail().encode(), self._mark)[1]
        if status is None:
            raise self._transport.lost(super().stderr_tail())
        return status

    def _check_silence(self) -> None:
        if time.monotonic() - self._heard_s > self._transport.lost_after_s:
            self._transport.check()
            self._heard_s = time.monotonic()


def _cut(stderr: bytes, mark: str) -> tuple[bytes, int | None]:
    """What a command said on stderr, and the status that the shell over there told after it."""
    lines = stderr.split(b"\n")
    for place, line in enumerate(lines):
        before, found, status = line.partition(mark.encode())
        if found and status.isdigit():
            rest = [*lines[:place], *([before] if before else []), *lines[place + 1 :]]
            return b"\n".join(rest), int(status)
    return stderr, None
