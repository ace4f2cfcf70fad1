"""This machine as a device."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from bnnbench.devices.errors import CommandFailed, CommandTimeout
from bnnbench.devices.host import require_measured_system
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport.bounded import Bounded, collect
from bnnbench.devices.transport.lines import LineProcess
from bnnbench.devices.transport.marks import Sink
from bnnbench.devices.transport.posix import PosixTransport
from bnnbench.devices.transport.protocol import MAX_OUTPUT_BYTES, Completed, RemoteProcess

_CHUNK_BYTES = 1 << 16
_KILL_GRACE_S = 3.0
_POLL_S = 0.01
# What a bash called `sh` would take from its environment: options, functions and start files.
_OF_A_SHELL: Final = r"SHELLOPTS|BASHOPTS|BASH_ENV|ENV|CDPATH|BASH_FUNC_.*"
# Credentials for the store: an engine needs none, and what it prints when it fails is kept.
_OF_THE_STORE: Final = r"AWS_.*"
# The address of the webhook, which is a secret: a checked engine may be a stranger's.
_OF_NOTIFICATIONS: Final = r"BNNBENCH_NOTIFY_.*"
_KEPT_BACK: Final = re.compile(f"{_OF_A_SHELL}|{_OF_THE_STORE}|{_OF_NOTIFICATIONS}")


class LocalTransport(PosixTransport):
    """Runs things here, each in a session of its own, so that a deadline ends its children too."""

    def __init__(self, spec: DeviceSpec) -> None:
        """Raises DeviceError on a system that no engine runs on."""
        require_measured_system()
        super().__init__(spec)

    def run(
        self, argv: Sequence[str], *, timeout_s: float = 30, input: bytes = b"", limit_bytes: int = MAX_OUTPUT_BYTES
    ) -> Completed:
        what = f"{argv[0]!r} on this machine"
        try:
            return complete(argv, what, timeout_s=timeout_s, input=input, limit_bytes=limit_bytes)
        except OSError as error:  # As a shell over SSH would have it.
            status = 127 if isinstance(error, FileNotFoundError) else 126
            return Completed(status, b"", f"{argv[0]}: {error.strerror}\n".encode())

    def spawn(self, argv: Sequence[str], *, cwd: str) -> RemoteProcess:
        try:
            return LocalProcess(start_process(argv, cwd))
        except OSError as error:
            raise CommandFailed(f"{argv[0]!r} cannot be started in {cwd} on this machine: {error.strerror}.") from error

    def close(self) -> None:
        """Nothing is held open."""


class LocalProcess(LineProcess):
    """A process of this machine behind three pipes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__()
        self._into_stdout, self._into_stderr = self._sinks()
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        os.set_blocking(self._stdin.fileno(), False)
        self._drain = threading.Thread(target=self._drain_stderr, name="stderr", daemon=True)
        self._drain.start()

    def stderr_tail(self) -> str:
        if self._process.poll() is not None:
            self._drain.join(0.5)  # What was written just before the end is still in the pipe.
        return super().stderr_tail()

    def close_stdin(self) -> None:
        with suppress(OSError):
            self._stdin.close()

    def wait(self, deadline: float) -> int | None:
        try:
            return _status(self._process.wait(max(0.0, deadline - time.monotonic())))
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        if self._stdout.closed:
            return
        self.close_stdin()
        # A launcher ends its own group when its stdin ends; killed at once it would leave that group behind.
        if self.wait(time.monotonic() + _KILL_GRACE_S) is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            self.wait(time.monotonic() + 1)
        self.end_now()

    def end_now(self) -> None:
        """Its group is killed without asking."""
        _kill_group(self._process)
        self._stdout.close()

    def _receive(self, timeout_s: float) -> bool:
        if self._stdout.closed:
            return False
        ready = select.poll()
        ready.register(self._stdout, select.POLLIN)
        if not ready.poll(timeout_s * 1000):
            return True
        data = os.read(self._stdout.fileno(), _CHUNK_BYTES)
        self._into_stdout.feed(data)
        return bool(data)

    def _send(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            if self._stdin.closed:
                raise EOFError("The process's input is closed.")
            ready = select.poll()
            ready.register(self._stdin, select.POLLOUT)
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0 or not ready.poll(remaining_s * 1000):
                raise TimeoutError
            try:
                view = view[os.write(self._stdin.fileno(), view) :]
            except BlockingIOError:
                time.sleep(_POLL_S)
            except BrokenPipeError as error:
                raise EOFError("The process has closed its input.") from error

    def _sinks(self) -> tuple[Sink, Sink]:
        """Where its two streams go."""
        return self._lines, self._tail

    def _drain_stderr(self) -> None:
        with self._stderr:
            while data := os.read(self._stderr.fileno(), _CHUNK_BYTES):
                self._into_stderr.feed(data)


def complete(
    argv: Sequence[str],
    what: str,
    *,
    timeout_s: float,
    input: bytes = b"",
    limit_bytes: int = MAX_OUTPUT_BYTES,
) -> Completed:
    """Start a command and see it through to its end; `what` is how errors call it.

    Raises OSError when it cannot be started, CommandTimeout, TooMuchOutput.
    """
    process = start_process(argv, None)
    stdout, stderr = Bounded(limit_bytes, what), Bounded(MAX_OUTPUT_BYTES, what)
    try:
        collect(process, input, time.monotonic() + timeout_s, stdout, stderr)
    except BaseException as error:
        _kill_group(process)
        if isinstance(error, TimeoutError):
            raise CommandTimeout(f"{what} was not done after {timeout_s:g} s.") from error
        raise
    finally:
        for pipe in (process.stdin, process.stdout, process.stderr):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]  # all three are pipes
    return Completed(_status(process.returncode), stdout.bytes(), stderr.bytes())


def start_process(argv: Sequence[str], cwd: str | None) -> subprocess.Popen[bytes]:
    """Three pipes, in a session of its own. Raises OSError."""
    # A relative program is meant relative to `cwd`, as it is over SSH, not to this process's folder.
    program = str(Path(cwd) / argv[0]) if cwd is not None and "/" in argv[0] else argv[0]
    return subprocess.Popen(
        argv,
        executable=program,
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if not _KEPT_BACK.fullmatch(name)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
    )


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _status(returncode: int) -> int:
    return 128 - returncode if returncode < 0 else returncode
