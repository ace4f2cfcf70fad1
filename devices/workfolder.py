"""The one folder bnnbench uses on a device: content-addressed `blobs/`, and `tmp/<run>/` for the rest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Self

from bnnbench.devices import folder_scripts as scripts
from bnnbench.devices.errors import CommandFailed, DeviceFull, InventoryError, TooMuchOutput
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport.answers import reason_of
from bnnbench.devices.transport.protocol import MAX_OUTPUT_BYTES, Completed, Transport

_SHA = re.compile(r"[0-9a-f]{64}")
_RUN_ID = re.compile(scripts.RUN_ID)
_FULL = re.compile(r"no space left|disk quota", re.IGNORECASE)
_CHECK_TIMEOUT_S = 300.0
_LEAST_FREE_BYTES = 4096


class WorkFolder:
    """An open work folder. Paths it returns are relative to `path`, the engines' working folder."""

    def __init__(self, transport: Transport, path: str) -> None:
        self._transport = transport
        self._path = path
        self._verified: set[str] = set()
        self._executable: set[str] = set()
        self._sizes: dict[str, int] = {}

    @classmethod
    def open(cls, transport: Transport, spec: DeviceSpec) -> Self:
        """Make the folder or take one of ours, run a file in it, and clear pushes that were cut off over an hour ago.

        A folder is ours by its marker; an empty one, or one that holds only what bnnbench makes, gets it.
        Raises InventoryError for an unusable `workdir`: one that holds files of others or that other users may write
        to, CommandFailed when it can't be written or run from, DeviceFull.
        """
        path = _absolute(spec, transport)
        done = transport.shell(scripts.OPEN, path)
        answer, _, detail = done.stdout.decode("utf-8", "replace").removesuffix("\n").partition("\n")
        where = f"The work folder {path} of device {spec.name!r}"
        if answer == "ok" and detail.startswith("/") and "\n" not in detail:
            return cls(transport, detail)
        if answer == "foreign":
            raise InventoryError(
                f"{where} holds {detail!r}, which is not bnnbench's, and no file {scripts.MARKER!r}; set workdir= to a "
                "new or empty folder, or make that file there when all of the folder is bnnbench's."
            )
        if answer == "unsafe":
            raise InventoryError(
                f"{where} cannot be trusted: {detail}, so another user could replace the programs that are run there; "
                "set workdir= to a folder that only you can write to, or correct its owner and mode."
            )
        if answer == "noexec":
            raise CommandFailed(
                f"{where} allows no programs to run (mounted noexec?); set workdir= to a folder that does, "
                "for example in the home folder."
            )
        reason = reason_of(done)
        free = transport.free_bytes(path)
        # A shell's own `printf` calls a full disk an I/O error.
        if _FULL.search(reason) or (free is not None and free < _LEAST_FREE_BYTES):
            raise DeviceFull(f"{where} cannot be made: the disk is full; free some space or set workdir=.")
        if answer != "unwritable":
            raise CommandFailed(
                f"{where} cannot be looked at ({reason}); a file of its login shell may start something that goes on "
                "printing."
            )
        raise CommandFailed(f"{where} cannot be written ({reason}); set workdir= to a folder that can.")

    @property
    def path(self) -> str:
        """The folder itself, absolute and without symbolic links."""
        return self._path

    def absolute(self, relative: str) -> str:
        """The absolute path of one of the folder's files, for `Transport.push` and `pull`."""
        return f"{self._path}/{relative}"

    def blob(self, source: bytes | Path, *, executable: bool = False) -> str:
        """Put one file there, unless it is, and return `blobs/<sha256>`. Raises DeviceFull, DeviceLost."""
        return self.blobs([source], executable=executable)[0]

    def blobs(self, sources: Sequence[bytes | Path], *, executable: bool = False) -> list[str]:
        """As `blob` for several files, checked in one round trip. Files travel one after the other."""
        order = [_sha256(source) for source in sources]
        contents = dict(zip(order, sources, strict=True))
        self._sizes |= {
            sha: len(content) if isinstance(content, bytes) else content.stat().st_size
            for sha, content in contents.items()
        }
        there = self.have(contents, executable=executable)
        for sha, source in contents.items():
            if sha not in there:
                self._push(sha, source, executable)
        return [f"blobs/{sha}" for sha in order]

    def have(self, shas: Iterable[str], *, executable: bool = False) -> frozenset[str]:
        """Which of these blobs are there and whole, in one command; a damaged one is removed.

        A blob is read through once per connection; later calls go by that.
        """
        asked = dict.fromkeys(shas)
        known = self._executable if executable else self._verified
        unknown = [sha for sha in asked if sha not in known]
        if unknown:
            mark = "x" if executable else "-"
            lines = "".join(f"{_checked(sha)} {mark}\n" for sha in unknown)
            tool = self._transport.environment().sha256_tool or ""
            done = self._shell(scripts.HAVE, tool, input=lines.encode(), timeout_s=_CHECK_TIMEOUT_S)
            for line in done.stdout.decode("ascii", "replace").splitlines():
                answer, _, sha = line.partition(" ")
                if answer == "have" or (answer == "unchecked" and self._read_back(sha)):
                    self._note(sha, executable)
        return frozenset(sha for sha in asked if sha in known)

    def run_folder(self, run_id: str) -> str:
        """Make the folder of one run and return `tmp/<run id>`; those that were left there over a day ago are removed.

        Only while holding the machine's lock: another run's folder looks left behind after a day.
        """
        relative = f"tmp/{_checked_run(run_id)}"
        self._shell(scripts.MAKE_RUN, relative)
        return relative

    def copy(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Copy files within the work folder, programs with their mode: (from, to), both relative to it."""
        words = [word for pair in pairs for word in pair]
        if words:
            self._shell(scripts.COPY, *words)

    def remove_run_folder(self, run_id: str) -> None:
        """Remove a run's folder with all that is in it; one that isn't there is fine."""
        self._shell(scripts.REMOVE_RUN, f"tmp/{_checked_run(run_id)}")

    def trim(self, limit_bytes: int, keep: Collection[str] = ()) -> int:
        """Remove blobs, least recently used first, until they take at most `limit_bytes`; the bytes freed.

        Those in `keep` (SHA-256s, or paths as `blob` returns them) stay. Only while holding the machine's
        lock: another run's blobs look unused.
        """
        kept = {name.removeprefix("blobs/") for name in keep}
        entries = []
        for line in (
            self._shell(scripts.LIST, timeout_s=_CHECK_TIMEOUT_S).stdout.decode("utf-8", "replace").splitlines()
        ):
            digits, _, name = line.partition(" ")
            if _SHA.fullmatch(name):
                entries.append((int(digits), name))
        excess = sum(size for size, _ in entries) - limit_bytes
        freed, victims = 0, []
        for size, name in reversed(entries):
            if freed < excess and name not in kept:
                victims.append(name)
                freed += size
        if victims:
            self._verified.difference_update(victims)
            self._executable.difference_update(victims)
            self._shell(scripts.REMOVE, input="".join(f"{name}\n" for name in victims).encode())
        return freed

    def free_bytes(self) -> int | None:
        """Free space of the folder's file system; None where the device does not say."""
        return self._transport.free_bytes(self._path)

    def _push(self, sha: str, source: bytes | Path, executable: bool) -> None:
        mode = 0o500 if executable else 0o400
        self._transport.push(source, self.absolute(f"blobs/{sha}"), mode=mode, sha256=sha, known_absent=True)
        self._note(sha, executable)

    def _note(self, sha: str, executable: bool) -> None:
        self._verified.add(sha)
        if executable:
            self._executable.add(sha)

    def _read_back(self, sha: str) -> bool:
        """For a device without any checksum tool: fetch the blob and look."""
        limit_bytes = self._sizes.get(sha, MAX_OUTPUT_BYTES)
        try:
            content = self._transport.pull(self.absolute(f"blobs/{_checked(sha)}"), limit_bytes=limit_bytes)
        except TooMuchOutput:
            return False
        return hashlib.sha256(content).hexdigest() == sha

    def _shell(self, script: str, *args: str, input: bytes = b"", timeout_s: float = 60) -> Completed:
        done = self._transport.shell(script, self._path, *args, timeout_s=timeout_s, input=input)
        if done.status != 0:
            name = self._transport.spec.name
            raise CommandFailed(f"The work folder {self._path} of device {name!r} is unusable: {reason_of(done)}.")
        return done


def _absolute(spec: DeviceSpec, transport: Transport) -> str:
    workdir = (spec.workdir or spec.kind.workdir).rstrip("/") or "/"
    if workdir == "~" or workdir.startswith("~/"):
        workdir = transport.home().rstrip("/") + workdir[1:]
    if not workdir.startswith("/") or workdir == "/":
        raise InventoryError(
            f"Device {spec.name!r}: workdir {spec.workdir!r} must be an absolute path or start with ~/."
        )
    return workdir


def _sha256(source: bytes | Path) -> str:
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checked(sha: str) -> str:
    if not _SHA.fullmatch(sha):
        raise ValueError(f"not a SHA-256 in hex: {sha!r}")
    return sha


def _checked_run(run_id: str) -> str:
    if not _RUN_ID.fullmatch(run_id):
        raise ValueError(f"not a run id: {run_id!r}")
    return run_id
