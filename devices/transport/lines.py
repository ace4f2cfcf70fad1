"""A process spoken to by lines: what local and remote processes share."""

from __future__ import annotations

import builtins
import threading
import time
from abc import ABC, abstractmethod

from bnnbench.devices.errors import CommandFailed, DeviceError
from bnnbench.devices.transport.protocol import MAX_LINE_BYTES, STDERR_TAIL_BYTES

WRITE_LIMIT_S = 30.0
CLOSE_GRACE_S = 2.0


class LineBuffer:
    """Cuts a stream of bytes into lines; a line over the limit is an error, not memory."""

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._data = bytearray()
        self._searched = 0
        self._limit = limit

    def feed(self, data: bytes) -> None:
        self._data += data

    def pop(self) -> bytes | None:
        """The next whole line without its newline, or None. Raises CommandFailed past the limit."""
        end = self._data.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._data)
        if (len(self._data) if end < 0 else end) > self._limit:
            raise CommandFailed(f"The process wrote a line longer than {self._limit >> 20} MiB; it is not used.")
        if end < 0:
            return None
        line = bytes(self._data[:end])
        del self._data[: end + 1]
        self._searched = 0
        return line


class Tail:
    """The last bytes of a stream that a thread keeps draining."""

    def __init__(self, limit: int = STDERR_TAIL_BYTES) -> None:
        self._data = bytearray()
        self._limit = limit
        self._lock = threading.Lock()

    def feed(self, data: builtins.bytes) -> None:
        with self._lock:
            self._data += data
            del self._data[: -self._limit]

    def bytes(self) -> builtins.bytes:
        with self._lock:
            return builtins.bytes(self._data)

    def text(self) -> str:
        return self.bytes().decode("utf-8", "replace")


class LineProcess(ABC):
    """RemoteProcess over five primitives; the subclass also feeds `self._tail` from a thread."""

    def __init__(self) -> None:
        self._lines = LineBuffer()
        self._tail = Tail()

    @abstractmethod
    def _receive(self, timeout_s: float) -> bool:
        """Feed `self._lines` with what comes of stdout, if anything comes in time; False when stdout has ended."""

    @abstractmethod
    def _send(self, data: bytes, deadline: float) -> None:
        """Write all of `data` to stdin. Raises EOFError when nobody reads, TimeoutError at the deadline."""

    @abstractmethod
    def close_stdin(self) -> None: ...

    @abstractmethod
    def wait(self, deadline: float) -> int | None: ...

    @abstractmethod
    def kill(self) -> None: ...

    def write_line(self, line: str) -> None:
        if "\n" in line:
            raise ValueError("a line must not hold a newline")
        try:
            self._send(line.encode() + b"\n", time.monotonic() + WRITE_LIMIT_S)
        except TimeoutError as error:
            raise CommandFailed(f"The process has not read its input for {WRITE_LIMIT_S:.0f} s.") from error

    def read_line(self, deadline: float) -> str:
        while (line := self._lines.pop()) is None:
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0:
                raise TimeoutError("The process did not answer in time.")
            if not self._receive(remaining_s):
                raise EOFError("The process has ended its output.")
        return line.decode("utf-8", "replace")

    def stderr_tail(self) -> str:
        return self._tail.text()

    def close(self) -> None:
        try:
            self.close_stdin()
            self.wait(time.monotonic() + CLOSE_GRACE_S)
        except DeviceError:
            pass  # Lost is as closed as it gets; whoever read or wrote has been told.
        finally:
            self.kill()
