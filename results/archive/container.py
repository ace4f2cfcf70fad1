"""The zip file that an archive is.

Zip with deflate, of the standard library: kind, name and size of every member are in a directory at the end, so all of
them are checked before any content is read. In a tar file they lie between the contents, and its headers may
themselves be of any size. zstd compresses better, but the standard library has it only from Python 3.14 on.

Only what `pack` writes is accepted: members back to back, without comments, extra fields, encryption or zip64.
"""

import hashlib
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bnnbench.results.archive.error import ArchiveError
from bnnbench.results.archive.manifest import (
    MANIFEST,
    MOST_BYTES,
    MOST_FILES,
    MOST_MANIFEST_BYTES,
    SIGNATURE,
    Manifest,
    read_manifest,
)
from bnnbench.results.errors import store_error
from bnnbench.results.printable import shorten
from bnnbench.results.store.atomic import replacing

AGAIN = "get the archive again"
_END = struct.Struct("<4s4H2LH")
_END_64 = b"PK\x06\x07"
_END_64_BYTES = 20
_MOST_DIRECTORY_BYTES = 2**20
_CHUNK_BYTES = 2**20
_MOST_RATIO = 250
"""Journals are compressed to a fifth to a thirtieth; deflate can reach a thousandth with a text of one letter."""
_SMALL_BYTES = 2**24
"""Files up to this size may be compressed to anything."""
_DATE = (1980, 1, 1, 0, 0, 0)
_UTF8_NAME = 0x800
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    struct.error,
)
"""What `zipfile` raises for a file that is no zip file, or a damaged one."""


class Archive:
    """An open archive whose directory and manifest are right; its contents are checked while they are extracted."""

    def __init__(self, path: Path, zip_file: zipfile.ZipFile) -> None:
        self.path = path
        self._zip = zip_file
        self._members = _checked_members(path, zip_file.infolist())
        if MANIFEST not in self._members:
            raise ArchiveError(f"{path} is not an archive of a run, it has no {MANIFEST}: {AGAIN}")
        self.manifest_bytes = self._small(MANIFEST)
        self.manifest: Manifest = read_manifest(self.manifest_bytes, str(path))
        self.signature = self._small(SIGNATURE) if SIGNATURE in self._members else None
        self._require_listed()

    def extract(self, folder: Path) -> None:
        """Writes every file that the manifest lists into `folder`, never more than it says. Raises ArchiveError,
        StoreError."""
        for name in self.manifest.files:
            target = folder / name
            try:
                target.parent.mkdir(exist_ok=True)
                with target.open("xb") as file:
                    for chunk in self._content(name):
                        file.write(chunk)
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise store_error(error, target) from error

    def check(self) -> None:
        """Reads every file, and writes none. Raises ArchiveError."""
        for name in self.manifest.files:
            for _ in self._content(name):
                pass

    def _content(self, name: str) -> Iterator[bytes]:
        """The content of a file, in pieces. Raises ArchiveError at its end when it is not what the manifest says."""
        listed, digest, size = self.manifest.files[name], hashlib.sha256(), 0
        for chunk in self._read(name):
            size += len(chunk)
            if size > listed.size:
                break
            digest.update(chunk)
            yield chunk
        if size != listed.size or digest.hexdigest() != listed.sha256:
            raise ArchiveError(f"{self.path}: {name} is not what {MANIFEST} says, its SHA-256 is another: {AGAIN}")

    def _small(self, name: str) -> bytes:
        if self._members[name].file_size > MOST_MANIFEST_BYTES:
            raise ArchiveError(f"{self.path}: {name} has more than {MOST_MANIFEST_BYTES} bytes: {AGAIN}")
        return b"".join(self._read(name))

    def _read(self, name: str) -> Iterator[bytes]:
        try:
            with self._zip.open(self._members[name]) as member:
                while chunk := member.read(_CHUNK_BYTES):
                    yield chunk
        except (*_BROKEN, OSError) as error:
            why = shorten(str(error), 100) or "it ends too early"
            raise ArchiveError(f"{self.path}: {name} is damaged ({why}): {AGAIN}") from error

    def _require_listed(self) -> None:
        files, members = self.manifest.files, set(self._members) - {MANIFEST, SIGNATURE}
        for name in sorted(members - files.keys()):
            raise ArchiveError(f"{self.path}: {name} is not listed in {MANIFEST}: {AGAIN}")
        for name in sorted(files.keys() - members):
            raise ArchiveError(f"{self.path}: {name} is listed in {MANIFEST} and missing: {AGAIN}")
        for name, file in files.items():
            if (size := self._members[name].file_size) != file.size:
                raise ArchiveError(f"{self.path}: {name} has {size} bytes where {MANIFEST} says {file.size}: {AGAIN}")


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """An archive for reading. Raises ArchiveError when it is none, or is more than a run can be."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read ({error.strerror}): name an archive of a run") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ArchiveError(f"{path} is not a regular file: name an archive of a run")
    with os.fdopen(descriptor, "rb") as file:
        _require_plain_directory(path, file)
        try:
            zip_file = zipfile.ZipFile(file)
        except (*_BROKEN, OSError) as error:
            raise ArchiveError(f"{path} is not an archive of a run, or is damaged: {AGAIN}") from error
        with zip_file:
            yield Archive(path, zip_file)


def write(path: Path, contents: Mapping[str, bytes]) -> None:
    """Writes an archive of members in the given order; equal contents are equal bytes. The file is complete or absent.
    Raises StoreError."""
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, allowZip64=False) as zip_file:
        for name, content in contents.items():
            info = zipfile.ZipInfo(name, _DATE)
            info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            zip_file.writestr(info, content, zipfile.ZIP_DEFLATED, 9)


def _require_plain_directory(path: Path, file: IO[bytes]) -> None:
    """Raises ArchiveError unless the file ends in a directory of a bounded size. `zipfile` reads all of it at once."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END.size - _END_64_BYTES))
    tail = file.read()
    if len(tail) < _END.size:
        raise ArchiveError(f"{path} is not an archive of a run, it is too short: {AGAIN}")
    magic, disk, first_disk, here, entries, length, offset, comment = _END.unpack(tail[-_END.size :])
    if magic != b"PK\x05\x06" or disk or first_disk or comment or here != entries:
        raise ArchiveError(f"{path} is not an archive of a run, or its end is missing: {AGAIN}")
    if entries > MOST_FILES or length > _MOST_DIRECTORY_BYTES:
        raise ArchiveError(f"{path} has more than {MOST_FILES} members: an archive of a run has fewer")
    if tail[: -_END.size].startswith(_END_64) or offset + length + _END.size != size:
        raise ArchiveError(f"{path} is not an archive of a run, its directory does not fit the file: {AGAIN}")


def _checked_members(path: Path, infos: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """The members by name. Raises ArchiveError for one that `write` would not write."""
    members: dict[str, zipfile.ZipInfo] = {}
    folded: dict[str, str] = {}
    for info in infos:
        name, shown = info.orig_filename, shorten(repr(info.orig_filename), 100)
        if wrong := _wrong_name(name) or _wrong_kind(info) or _wrong_size(info):
            raise ArchiveError(f"{path}: {shown} {wrong}: {AGAIN}")
        if name in members:
            raise ArchiveError(f"{path}: {shown} is there twice: {AGAIN}")
        if other := folded.get(name.casefold()):
            raise ArchiveError(f"{path}: {shown} and {other!r} differ in case only: {AGAIN}")
        members[name] = info
        folded[name.casefold()] = name
    if sum(info.file_size for info in infos) > MOST_BYTES:
        raise ArchiveError(f"{path} holds more than {MOST_BYTES} bytes: an archive of a run is smaller")
    return members


def _wrong_name(name: str) -> str | None:
    if name.startswith(("/", "\\")):
        return "has an absolute name"
    if re.match("[A-Za-z]:", name):
        return "has a name with a drive letter"
    if ".." in re.split(r"[/\\]", name):
        return "leads out of the archive"
    if "\\" in name or not name.isprintable() or not name:
        return "has a name that no file of a run has"
    return None


def _wrong_kind(info: zipfile.ZipInfo) -> str | None:
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "is a link"
    if info.create_system != 3 or not stat.S_ISREG(mode) or info.orig_filename.endswith("/"):
        return "is not a regular file"
    if info.flag_bits & 1:
        return "is encrypted"
    if info.flag_bits & ~_UTF8_NAME or info.compress_type not in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        return "is packed in a way that bnnbench does not write"
    return "has data beside its content" if info.extra or info.comment else None


def _wrong_size(info: zipfile.ZipInfo) -> str | None:
    if info.file_size > MOST_BYTES:
        return f"has {info.file_size} bytes, more than {MOST_BYTES}"
    if info.file_size > max(_SMALL_BYTES, info.compress_size * _MOST_RATIO):
        return f"has {info.file_size} bytes and is compressed to {info.compress_size}, which no file of a run is"
    return None
