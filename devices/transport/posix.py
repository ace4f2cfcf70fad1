"""Files and scripts on a POSIX device, for any transport that can run a command there."""

from __future__ import annotations

import hashlib
import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bnnbench.devices.errors import CommandFailed, DeviceFull, TooMuchOutput
from bnnbench.devices.facts import DeviceFacts
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport import scripts
from bnnbench.devices.transport.answers import no_input, reason_of, takes_input_away
from bnnbench.devices.transport.emulator import Emulator
from bnnbench.devices.transport.protocol import MAX_OUTPUT_BYTES, Completed, Environment, RemoteProcess

PART_SUFFIX = ".part"
# Slow boards take 100 KB/s; a push or pull may last this long on top of what its size needs.
_FILE_TIMEOUT_S = 60.0
_SLOWEST_BYTES_PER_S = 50_000
_ENVIRONMENT = re.compile(r"(sha256sum|toybox|busybox|openssl|):(.*)")
_DF_LINE = re.compile(r"\s(\d+)\s+(\d+)\s+(-?\d+)\s+(?:\d+%|-)\s+\S")
_FULL = re.compile(r"no space left|disk quota exceeded|file too large", re.IGNORECASE)


class PosixTransport(ABC):
    """Transport whose files travel through `run` alone: no SFTP is needed, every step is checked."""

    def __init__(self, spec: DeviceSpec) -> None:
        self._spec = spec
        self._environment: Environment | None = None

    @property
    def spec(self) -> DeviceSpec:
        return self._spec

    @property
    def emulator(self) -> Emulator | None:
        return None

    def facts(self, found: DeviceFacts) -> DeviceFacts:
        return found

    @abstractmethod
    def run(
        self, argv: Sequence[str], *, timeout_s: float = 30, input: bytes = b"", limit_bytes: int = MAX_OUTPUT_BYTES
    ) -> Completed: ...

    @abstractmethod
    def spawn(self, argv: Sequence[str], *, cwd: str) -> RemoteProcess: ...

    @abstractmethod
    def close(self) -> None: ...

    def shell(self, script: str, *args: str, timeout_s: float = 30, input: bytes = b"") -> Completed:
        return self.run(["sh", "-c", script, "sh", *args], timeout_s=timeout_s, input=input)

    def environment(self) -> Environment:
        if self._environment is None:
            done = self.shell(scripts.ENVIRONMENT)
            if done.status != 0:
                raise CommandFailed(f"{self._name()} has no usable shell `sh`: {reason_of(done)}.")
            found = _ENVIRONMENT.fullmatch(done.stdout.decode("utf-8", "replace"))
            if found is None:
                raise CommandFailed(
                    f"{self._name()} did not report its home folder: {reason_of(done)}; a file of its login shell may "
                    "start something that keeps printing."
                )
            tool, home = found.groups()
            if not home.startswith("/"):
                raise CommandFailed(
                    f"{self._name()} has no home folder: its HOME is {home!r}, which does not begin with /; see which "
                    "file of its login shell sets it."
                )
            self._environment = Environment(home.rstrip("/") or "/", tool or None)
        return self._environment

    def home(self) -> str:
        return self.environment().home

    def push(
        self, source: bytes | Path, path: str, *, mode: int = 0o644, sha256: str, known_absent: bool = False
    ) -> bool:
        path = _absolute(path)
        data = source if isinstance(source, bytes) else source.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            name = path if isinstance(source, bytes) else source
            raise CommandFailed(f"{name} is not the file that was announced (SHA-256 {sha256[:12]}...); push it again.")
        if not known_absent and self._is_there(path, sha256, mode, len(data)):
            return False
        temporary = f"{path}.{secrets.token_hex(4)}{PART_SUFFIX}"
        tool = self.environment().sha256_tool or ""
        done = self.shell(
            scripts.RECEIVE, path, temporary, sha256, f"{mode:o}", tool, str(len(data)),
            timeout_s=_FILE_TIMEOUT_S + len(data) / _SLOWEST_BYTES_PER_S, input=data,
        )  # fmt: skip
        answer = done.stdout.decode("ascii", "replace").strip()
        if answer == "unchecked":
            self._read_back(temporary, path, sha256, len(data))
        elif answer != "ok":
            raise self._push_failure(path, len(data), answer, done)
        return True

    def pull(self, path: str, *, limit_bytes: int = MAX_OUTPUT_BYTES, timeout_s: float = 300) -> bytes:
        tool = self.environment().sha256_tool or ""
        argv = ["sh", "-c", scripts.SEND, "sh", _absolute(path), tool]
        too_large = TooMuchOutput(f"{path} on {self._name()} is larger than {limit_bytes:,} bytes; not read.")
        try:
            done = self.run(argv, timeout_s=timeout_s, limit_bytes=limit_bytes + scripts.SEND_TAIL_BYTES)
        except TooMuchOutput as error:
            raise too_large from error
        if done.status != 0:
            raise CommandFailed(f"{path} on {self._name()} cannot be read: {reason_of(done)}.")
        data, _, trailer = done.stdout.rpartition(b"\n")
        size, _, digest = trailer.decode("ascii", "replace").partition(" ")
        if size != str(len(data)) or digest not in ("", hashlib.sha256(data).hexdigest()):
            raise CommandFailed(
                f"{path} arrived damaged from {self._name()} ({len(data):,} bytes): it was changed meanwhile, or "
                "what its login shell starts prints among its bytes; try again."
            )
        if len(data) > limit_bytes:
            raise too_large
        return data

    def free_bytes(self, folder: str) -> int | None:
        """Free space of the file system that holds `folder`, or None where `df` does not say."""
        done = self.shell(scripts.FREE, _absolute(folder))
        lines = list(_DF_LINE.finditer(done.stdout.decode("utf-8", "replace")))
        return max(0, int(lines[-1][3])) * 1024 if lines else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _name(self) -> str:
        return f"device {self._spec.name!r}"

    def _is_there(self, path: str, sha256: str, mode: int, size: int) -> bool:
        tool = self.environment().sha256_tool or ""
        done = self.shell(scripts.CHECK, path, sha256, f"{mode:o}", tool, timeout_s=_FILE_TIMEOUT_S)
        answer = done.stdout.decode("ascii", "replace").strip()
        if answer == "folder":
            raise CommandFailed(f"{path} on {self._name()} is a folder; remove it or choose another work folder.")
        if answer == "unchecked":
            return hashlib.sha256(self.pull(path, limit_bytes=size)).hexdigest() == sha256
        return answer == "have"

    def _read_back(self, temporary: str, path: str, sha256: str, size: int) -> None:
        if hashlib.sha256(self.pull(temporary, limit_bytes=size)).hexdigest() != sha256:
            self.run(["rm", "-f", temporary])
            raise CommandFailed(f"{path} arrived damaged on {self._name()}; try again, and check its storage.")
        done = self.run(["mv", "-f", temporary, path])
        if done.status != 0:
            raise CommandFailed(f"{path} on {self._name()} cannot be written: {reason_of(done)}.")

    def _push_failure(self, path: str, size: int, answer: str, done: Completed) -> CommandFailed | DeviceFull:
        reason = done.stderr.decode("utf-8", "replace")
        folder = path.rpartition("/")[0] or "/"
        free = self.free_bytes(folder)
        if _FULL.search(reason) or (answer == "short" and free is not None and free < size):
            known = "unknown" if free is None else f"{free:,}"
            return DeviceFull(
                f"{self._name()} is full: {folder} has {known} bytes free and {size:,} are needed "
                f"for {path}; remove files there or set workdir= to a larger disk."
            )
        if answer != "differs" and takes_input_away(self):
            return CommandFailed(no_input(self))
        if answer in ("short", "differs") and not reason.strip():
            return CommandFailed(f"{path} arrived damaged on {self._name()}; try again, and check its storage.")
        return CommandFailed(f"{path} on {self._name()} cannot be written: {reason_of(done)}.")


def _absolute(path: str) -> str:
    if not path.startswith("/") or "\0" in path:
        raise ValueError(f"a path on a device must be absolute: {path!r}")
    return path
