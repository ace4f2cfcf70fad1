"""An Android device reached by the official adb client: USB serial or host:port."""

from __future__ import annotations

import platform
import shutil
import subprocess
import time
from collections.abc import Sequence
from typing import Final

from bnnbench.devices.errors import (
    AuthError,
    CommandFailed,
    CommandTimeout,
    DeviceError,
    DeviceLost,
    TooMuchOutput,
    Unreachable,
)
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport import adb_exec
from bnnbench.devices.transport.bounded import Bounded
from bnnbench.devices.transport.local import LocalProcess, complete, start_process
from bnnbench.devices.transport.marks import Mark, Sink, Streams
from bnnbench.devices.transport.posix import PosixTransport
from bnnbench.devices.transport.protocol import MAX_OUTPUT_BYTES, Completed, RemoteProcess
from bnnbench.devices.transport.quoting import command_line

CONNECT_TIMEOUT_S = 20.0
LOST_AFTER_S = 10.0
"""A device that does not answer `true` for so long is lost; it is asked when a process has been silent as long."""
_BACK_S = 2.0
"""A device that was lost must answer so soon before it is given another command: cleaning up takes several, and each
would wait for its own time limit."""
_POLL_S = 0.5
_AROUND_BYTES: Final = 1 << 16
"""Of marks, and of what is printed around them."""
# What a line that only repeats it does not hold.
_ASK, _ANSWER = "echo al''ive", b"alive"


class AdbTransport(PosixTransport):
    """Commands are `adb shell` processes of this machine."""

    def __init__(self, spec: DeviceSpec, *, lost_after_s: float = LOST_AFTER_S) -> None:
        """Connect. Raises Unreachable when there is no such device, AuthError when it does not trust this machine."""
        super().__init__(spec)
        self._serial = spec.serial or ""
        self._lost_after_s = lost_after_s
        self._was_lost = False
        if platform.system() == "Windows":
            raise Unreachable(f"{self._name()}: Android devices are not reached from Windows itself; work in WSL.")
        program = shutil.which("adb")
        if program is None:
            raise Unreachable(
                f"{self._name()} needs the program adb, which is not on the PATH; install Android's platform tools "
                "(Debian: adb)."
            )
        self._adb = [program, "-s", self._serial]
        # The server lives on: it must not hold our pipes, nor end with our terminal.
        self._client([program, "start-server"])
        self._has_shell = True
        """False on phones from before Android 7, whose commands go through `exec`."""
        by_network = ":" in self._serial
        if by_network:
            self._client([program, "connect", self._serial])
        state = self._client([*self._adb, "get-state"])
        if self._is_connected(state):
            return
        if by_network or self._serial.endswith("._tcp"):
            # The server may hold a connection that died long ago, or not have connected yet to a paired phone.
            self._client([program, "disconnect", self._serial])
            self._client([program, "connect", self._serial])
            state = self._client([*self._adb, "get-state"])
            if self._is_connected(state):
                return
        message = (state.stderr + state.stdout).decode("utf-8", "replace").strip()
        if "unauthorized" in message:
            raise AuthError(f"{self._name()} does not trust this machine yet; unlock it and accept its question.")
        known = (
            "it is listed, and does not answer" if state.status == 0 else message.removeprefix("error: ") or "no answer"
        )
        raise Unreachable(f"{self._name()} cannot be reached by adb: {known}; see `adb devices`.")

    def run(
        self, argv: Sequence[str], *, timeout_s: float = 30, input: bytes = b"", limit_bytes: int = MAX_OUTPUT_BYTES
    ) -> Completed:
        if self._was_lost:
            if not self.answers(_BACK_S):
                raise self.lost()
            self._was_lost = False
        if not self._has_shell:
            return self._run_by_exec(argv, timeout_s, input, limit_bytes)
        mark, what = Mark(), f"{argv[0]!r} on {self._name()}"
        try:
            most = limit_bytes + _AROUND_BYTES
            done = complete(self._words(argv, mark), what, timeout_s=timeout_s, input=input, limit_bytes=most)
        except CommandTimeout:
            if not self.answers(self._lost_after_s):
                raise self.lost() from None
            raise
        except TooMuchOutput as error:
            raise TooMuchOutput(f"{what} wrote more than {limit_bytes:,} bytes, so it was ended.") from error
        stdout, stderr = Bounded(limit_bytes, what), Bounded(MAX_OUTPUT_BYTES, what)
        streams = Streams(mark, stdout, stderr)
        streams.stdout.feed(done.stdout)
        streams.stderr.feed(done.stderr)
        streams.flush()
        stdout.check()
        if streams.status is None:  # the client says status 0 of a command that was cut off
            raise self.cut_off(streams)
        return Completed(streams.status, stdout.bytes(), stderr.bytes())

    def spawn(self, argv: Sequence[str], *, cwd: str) -> RemoteProcess:
        if not self._has_shell:
            return adb_exec.ExecProcess(self._serial, self._name(), argv, cwd)
        mark = Mark()
        return AdbProcess(start_process(self._words(argv, mark, cwd), None), self, mark)

    def close(self) -> None:
        """The adb server stays: others may use it."""

    def _run_by_exec(self, argv: Sequence[str], timeout_s: float, input: bytes, limit_bytes: int) -> Completed:
        try:
            return adb_exec.run(
                self._serial, self._name(), argv, timeout_s=timeout_s, input=input, limit_bytes=limit_bytes
            )
        except CommandTimeout:
            if not self.answers(self._lost_after_s):
                raise self.lost() from None
            raise

    def _is_connected(self, state: Completed) -> bool:
        if state.stdout.strip() != b"device":
            return False
        if self.answers(CONNECT_TIMEOUT_S):
            return True
        features = self._client([*self._adb, "features"])
        self._has_shell = features.status != 0 or b"shell_v2" in features.stdout
        if self._has_shell:
            return False
        if not self.answers(CONNECT_TIMEOUT_S):
            raise Unreachable(
                f"{self._name()} runs a system older than Android 5: its adb reports no exit status and changes "
                "bytes; reach it over SSH (Termux), or use another device."
            )
        return True

    def answers(self, timeout_s: float) -> bool:
        """Whether the device runs a command within the time."""
        words = ["shell", "-T", _ASK] if self._has_shell else ["exec-out", _ASK]
        try:
            return _ANSWER in self._client([*self._adb, *words], timeout_s).stdout
        except CommandTimeout:
            return False

    def check(self) -> None:
        """Raises DeviceLost when the device does not answer."""
        if not self.answers(self._lost_after_s):
            raise self.lost()

    @property
    def lost_after_s(self) -> float:
        return self._lost_after_s

    def cut_off(self, streams: Streams) -> DeviceError:
        """The error to raise for a command that did not tell its status."""
        message = streams.stderr.said.decode("utf-8", "replace")
        if streams.stdout.has_begun or _complaints(message) or not self.answers(self._lost_after_s):
            return self.lost(message)
        return streams.refused(self._name())

    def _words(self, argv: Sequence[str], mark: Mark, cwd: str | None = None) -> list[str]:
        # adb joins its words with spaces and gives them to the device's shell: one word, quoted by us.
        return [*self._adb, "shell", "-T", command_line(argv, mark, cwd=cwd)]

    def lost(self, said: str = "") -> DeviceLost:
        """The error to raise for a device that is gone; `said` is what the client says of it."""
        self._was_lost = True
        lines = _complaints(said)
        how = (lines[-1].partition(":")[2] or lines[-1]).strip().rstrip(".") if lines else "it does not answer"
        return DeviceLost(f"The connection to {self._name()} is lost: {how}; check its cable, power and `adb devices`.")

    def _client(self, argv: Sequence[str], timeout_s: float = CONNECT_TIMEOUT_S) -> Completed:
        try:
            return complete(argv, f"`adb {argv[-1]}` for {self._name()}", timeout_s=timeout_s)
        except OSError as error:
            raise CommandFailed(f"adb cannot be started: {error.strerror}.") from error


class AdbProcess(LocalProcess):
    """The client's process, which carries the device's three streams."""

    def __init__(self, process: subprocess.Popen[bytes], transport: AdbTransport, mark: Mark) -> None:
        self._mark = mark
        super().__init__(process)
        self._transport = transport
        self._heard_s = time.monotonic()

    def _sinks(self) -> tuple[Sink, Sink]:
        self._streams = Streams(self._mark, self._lines, self._tail)
        return self._streams.stdout, self._streams.stderr

    def write_line(self, line: str) -> None:
        super().write_line(line)
        self._heard_s = time.monotonic()  # a silence begins anew

    def wait(self, deadline: float) -> int | None:
        while super().wait(min(deadline, time.monotonic() + _POLL_S)) is None:
            if time.monotonic() >= deadline:
                return None
            self._check_silence()
        return self._exit_status()

    def _receive(self, timeout_s: float) -> bool:
        if self._streams.stdout.has_ended:
            return False
        before = self._streams.stdout.fed
        if not super()._receive(min(timeout_s, _POLL_S)):
            if super().wait(time.monotonic() + self._transport.lost_after_s) is not None:
                self._exit_status()
            return False
        if self._streams.stdout.fed > before:
            self._heard_s = time.monotonic()
        else:
            self._check_silence()
        return True

    def kill(self) -> None:
        # Waiting for the client's own end tells nothing here: the far side ends when its stdin has.
        if not self._stdout.closed:
            self.close_stdin()
            self.end_now()

    def _exit_status(self) -> int:
        self._drain.join(_POLL_S)  # what was written just before the end is still in the pipe
        if self._streams.status is None:
            raise self._transport.cut_off(self._streams)
        return self._streams.status

    def _check_silence(self) -> None:
        if time.monotonic() - self._heard_s > self._transport.lost_after_s:
            self._transport.check()
            self._heard_s = time.monotonic()


def _complaints(said: str) -> list[str]:
    """What the client itself says is wrong."""
    return [line for line in said.splitlines() if line.startswith(("error:", "adb:")) or line == "closed"]
