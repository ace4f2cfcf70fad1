"""Commands on phones from before Android 7: their adbd knows no `shell_v2`, so stdout and stderr are one stream, and
nothing tells a status or ends stdin.

What its `exec` service has, since Android 5, is a stream of bytes without a terminal. The rest is shell over there: it
tells the status in the mark, keeps stderr in a file until then, and hands on as much input as was announced, or lines
up to an agreed one. The client cannot use that service in both directions, so the adb server is asked itself:
https://android.googlesource.com/platform/packages/modules/adb, OVERVIEW.TXT and SERVICES.TXT.
"""

from __future__ import annotations

import os
import secrets
import select
import shlex
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from bnnbench.devices.errors import CommandFailed, CommandTimeout, DeviceLost
from bnnbench.devices.transport.bounded import Bounded
from bnnbench.devices.transport.lines import LineProcess
from bnnbench.devices.transport.marks import Mark, Marked, Sink, quoted
from bnnbench.devices.transport.protocol import MAX_OUTPUT_BYTES, Completed
from bnnbench.devices.transport.quoting import armoured, checked

_CHUNK_BYTES: Final = 1 << 15
_CONNECT_S: Final = 10.0
_END_S: Final = 5.0
_LARGEST_FILE: Final = (256 << 20) // 512
"""In the blocks of `ulimit -f`: a flood of errors must not fill a phone."""
_FOLDER: Final = "${TMPDIR:-/data/local/tmp}"
# Some of the time have no `head -c`; `dd` must not take a short read for a block.
_SOME_BYTES: Final = (
    "if head -c 0 < /dev/null > /dev/null 2>&1; then head -c {0}; else dd bs=1 count={0} 2> /dev/null; fi | "
)
_LINES: Final = 'while IFS= read -r line && [ "$line" != {0} ]; do printf \'%s\\n\' "$line"; done | '


class ExecStream:
    """One command over there. `out` and `err` take what it writes, stderr when it has ended."""

    def __init__(self, serial: str, who: str, line: str, mark: Mark, out: Sink, err: Sink) -> None:
        """Raises DeviceLost, and CommandFailed where there is no such service."""
        self._who = who
        self._errors = Marked(mark.word(2), err)
        self._marked = Marked(mark.word(1), out, self._errors)
        self._socket = socket.create_connection(_server(), timeout=_CONNECT_S)
        try:
            for service in (f"host:transport:{serial}", f"exec:{line}"):
                self._ask(service)
        except BaseException:
            self.close()
            raise

    @property
    def status(self) -> int | None:
        """None until all has been read: stderr comes last."""
        return self._errors.status

    def receive(self, timeout_s: float) -> bool:
        """False at the end of the command."""
        if self.status is not None:
            return False
        if not select.select([self._socket], [], [], max(0.0, timeout_s))[0]:
            return True
        try:
            data = self._socket.recv(_CHUNK_BYTES)
        except OSError:
            data = b""
        if data:
            self._marked.feed(data)
            return True
        if not self._marked.has_begun:
            raise CommandFailed(f"{self._who} did not run a command of ours: {quoted(self._marked.said)}.")
        return False

    def send(self, data: bytes, deadline: float) -> None:
        """Raises EOFError when nobody reads, TimeoutError at the deadline."""
        view = memoryview(data)
        while view:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not select.select([], [self._socket], [], left_s)[1]:
                raise TimeoutError
            try:
                view = view[self._socket.send(view[:_CHUNK_BYTES]) :]
            except OSError as error:
                raise EOFError("The process's input is closed.") from error

    def close(self) -> None:
        """The device ends the command's input when the stream is gone."""
        self._socket.close()

    @property
    def is_closed(self) -> bool:
        return self._socket.fileno() < 0

    def _ask(self, service: str) -> None:
        text = service.encode()
        try:
            self._socket.sendall(f"{len(text):04x}".encode() + text)
            answer = self._take(4)
            message = self._take(int(self._take(4), 16)) if answer != b"OKAY" else b""
        except (OSError, EOFError, ValueError) as error:
            raise DeviceLost(
                f"The connection to {self._who} is lost: the adb server hung up; see `adb devices`."
            ) from error
        if answer != b"OKAY" and service.startswith("exec:"):
            raise CommandFailed(f"{self._who} took no command: {quoted(message)}.")
        if answer != b"OKAY":
            raise DeviceLost(f"The connection to {self._who} is lost: {quoted(message)}; see `adb devices`.")

    def _take(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            if not (part := self._socket.recv(count - len(data))):
                raise EOFError
            data += part
        return data


class ExecProcess(LineProcess):
    """RemoteProcess whose stdin ends with an agreed line."""

    def __init__(self, serial: str, who: str, argv: Sequence[str], cwd: str) -> None:
        super().__init__()
        mark, self._last = Mark(), secrets.token_hex(16)
        line = _line(argv, mark, _LINES.format(self._last), "", cwd)
        self._stream = ExecStream(serial, who, line, mark, self._lines, self._tail)
        self._who = who
        self._is_ending = False
        self._reading = threading.Lock()

    def close_stdin(self) -> None:
        if not self._is_ending:
            self._is_ending = True
            with suppress(EOFError, TimeoutError, ValueError, OSError):
                self._stream.send(f"{self._last}\n".encode(), time.monotonic() + _END_S)

    def wait(self, deadline: float) -> int | None:
        while self._stream.status is None:
            if time.monotonic() >= deadline:
                return None
            if not self._receive(min(0.5, deadline - time.monotonic())) and self._stream.status is None:
                raise DeviceLost(f"The connection to {self._who} is lost; check its cable, power and `adb devices`.")
        return self._stream.status

    def kill(self) -> None:
        self.close_stdin()
        self._stream.close()

    def _receive(self, timeout_s: float) -> bool:
        with self._reading:
            if self._stream.is_closed or self._stream.status is not None:
                return False
            return self._stream.receive(timeout_s)

    def _send(self, data: bytes, deadline: float) -> None:
        if self._is_ending or self._stream.is_closed:
            raise EOFError("The process's input is closed.")
        self._stream.send(data, deadline)


def run(serial: str, who: str, argv: Sequence[str], *, timeout_s: float, input: bytes, limit_bytes: int) -> Completed:
    """A command to its end. Raises as `Transport.run`."""
    deadline, what, mark = time.monotonic() + timeout_s, f"{argv[0]!r} on {who}", Mark()
    stdout, stderr = Bounded(limit_bytes, what), Bounded(MAX_OUTPUT_BYTES, what)
    feed = _SOME_BYTES.format(len(input)) if input else ""
    stream = ExecStream(serial, who, _line(argv, mark, feed, "" if input else "< /dev/null"), mark, stdout, stderr)
    try:
        if input:
            threading.Thread(target=_feed, args=(stream, input, deadline), daemon=True).start()
        while stream.receive(deadline - time.monotonic()):
            stdout.check()
            stderr.check()
            if time.monotonic() >= deadline:
                raise CommandTimeout(f"{what} was not done after {timeout_s:g} s.")
        if stream.status is None:
            raise DeviceLost(f"The connection to {who} is lost; check its cable, power and `adb devices`.")
        return Completed(stream.status, stdout.bytes(), stderr.bytes())
    finally:
        stream.close()


def _feed(stream: ExecStream, data: bytes, deadline: float) -> None:
    with suppress(EOFError, TimeoutError, OSError, ValueError):  # whoever waits for the status is told
        stream.send(data, deadline)


def _line(argv: Sequence[str], mark: Mark, feed: str, source: str, cwd: str = "") -> str:
    """`feed` begins a pipe to the command, `source` redirects its input."""
    enter = f"cd {shlex.quote(cwd)} 2>&3 || exit 126; " if cwd else ""
    run = f'(ulimit -f {_LARGEST_FILE}; {enter}"$@" 2>&3 3>&- 4<&- {source}); set -- $?'
    # Told as soon as it has ended, while what feeds it may still wait for more.
    tell = f"{mark.end_of(1)}; {mark.begin_of(2)}; cat <&4; {mark.end_of(2)}"
    begin = f'errors={_FOLDER}/.bnnbench-{secrets.token_hex(8)}; exec 3> "$errors" 4< "$errors"; rm -f "$errors"'
    script = f"{begin}; {mark.begin_of(1)}; {feed}{{ {run}; {tell}; }}"
    return armoured(f"set -- {shlex.join(checked(argv))}; {script}")


def _server() -> tuple[str, int]:
    """Where the adb server listens, by the environment variables of the client."""
    _, _, address = os.environ.get("ADB_SERVER_SOCKET", "").partition("tcp:")
    host, _, port = address.rpartition(":")
    host = host or os.environ.get("ANDROID_ADB_SERVER_ADDRESS") or "127.0.0.1"
    port = port or os.environ.get("ANDROID_ADB_SERVER_PORT") or "5037"
    return host.strip("[]"), int(port) if port.isdecimal() else 5037
