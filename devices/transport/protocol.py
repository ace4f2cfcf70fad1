"""What every way of reaching a device can do; one file beside this one implements each way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from bnnbench.devices.facts import DeviceFacts
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport.emulator import Emulator

MAX_LINE_BYTES = 16 << 20
STDERR_TAIL_BYTES = 64 << 10
MAX_OUTPUT_BYTES = 16 << 20
"""Of a command, on each of its streams; and of a file, where nothing better is known."""


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ended. `status` is its exit status, or 128 + the number of the signal that ended it."""

    status: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class Environment:
    """What the transport itself has to know of a device, from one round trip.

    `sha256_tool` is the program that tells a file's SHA-256 there (`sha256sum`, `toybox`, `busybox`,
    `openssl`), or None: then files are checked by reading them back.
    """

    home: str
    sha256_tool: str | None


@runtime_checkable
class RemoteProcess(Protocol):
    """A live process on a device, spoken to by lines. It fits the kernels' `LineChannel` as it is."""

    def write_line(self, line: str) -> None:
        """Send `line` and a newline. Raises EOFError when the process no longer reads, and DeviceLost."""

    def read_line(self, deadline: float) -> str:
        """The next line of stdout, without its newline; `deadline` is a time of `time.monotonic()`.

        Raises TimeoutError at the deadline, EOFError when stdout has ended, DeviceLost when the link died,
        and CommandFailed for a line longer than 16 MiB.
        """

    def stderr_tail(self) -> str:
        """The last 64 KiB of stderr so far; it is drained all the time."""

    def close_stdin(self) -> None:
        """Tell the process that nothing more comes."""

    def wait(self, deadline: float) -> int | None:
        """The exit status, or None when it still runs at the deadline. Raises DeviceLost."""

    def close(self) -> None:
        """End it politely: stdin ends, it gets two seconds, then `kill()`. Never raises."""

    def kill(self) -> None:
        """Close everything now. A launcher over there ends its process group because its stdin ended."""


@runtime_checkable
class Transport(Protocol):
    """A connection to one device. Every call has a deadline; each may raise DeviceLost."""

    @property
    def spec(self) -> DeviceSpec:
        """The device this is a connection to."""

    @property
    def emulator(self) -> Emulator | None:
        """What runs an engine on an emulated CPU; None on a real one."""

    def facts(self, found: DeviceFacts) -> DeviceFacts:
        """What is known of the device: what the probe's script found, unless the CPU is emulated where it ran."""

    def run(
        self, argv: Sequence[str], *, timeout_s: float = 30, input: bytes = b"", limit_bytes: int = MAX_OUTPUT_BYTES
    ) -> Completed:
        """Run a command to its end, both streams drained; one that isn't there has status 127.

        Raises CommandTimeout at the deadline, TooMuchOutput when it writes more than `limit_bytes` to stdout or more
        than 16 MiB to stderr; it is ended then.
        """

    def shell(self, script: str, *args: str, timeout_s: float = 30, input: bytes = b"") -> Completed:
        """Run `sh -c SCRIPT sh ARG...`: values go in as `$1`, `$2`, never into the text of the script."""

    def spawn(self, argv: Sequence[str], *, cwd: str) -> RemoteProcess:
        """Start a process in the folder `cwd`, to which a program's relative path is relative.

        A program that can't be started is CommandFailed at once, or a process that ends with 126 or 127.
        """

    def push(
        self, source: bytes | Path, path: str, *, mode: int = 0o644, sha256: str, known_absent: bool = False
    ) -> bool:
        """Put a file at absolute `path`: temporary name, checked over there, renamed. False: already there.

        `sha256` is the source's, in hex; `known_absent` saves the round trip that asks whether it is there.
        Raises DeviceFull, and CommandFailed when what arrived differs.
        """

    def pull(self, path: str, *, limit_bytes: int = MAX_OUTPUT_BYTES, timeout_s: float = 300) -> bytes:
        """A file's bytes. Raises CommandFailed when it can't be read, TooMuchOutput when it has more than the limit."""

    def free_bytes(self, folder: str) -> int | None:
        """Free space of the file system that holds `folder`, or None where the device does not say."""

    def home(self) -> str:
        """The user's home folder over there, absolute."""

    def environment(self) -> Environment:
        """Home, login shell and checksum tool; asked for once."""

    def close(self) -> None:
        """End the connection. Never raises; closing twice is fine."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
