"""`.tflite` files in archives that may be hostile: nothing is unpacked by its path, and sizes are limited."""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

MOST_MEMBER_BYTES = 512 << 20
MOST_TOTAL_BYTES = 4 << 30
MOST_MEMBERS = 100_000
MOST_NESTED = 3
_ARCHIVES = (".task", ".zip", ".whl", ".tgz", ".gz", ".binarypb", ".tflite", ".data")
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, RuntimeError, ValueError, KeyError)


class Budget:
    """What may still be read of one package."""

    def __init__(self) -> None:
        self.members, self.left = MOST_MEMBERS, MOST_TOTAL_BYTES

    def take(self, size: int) -> bool:
        """Whether a member of this size may be read."""
        self.members -= 1
        if self.members < 0 or not 0 <= size <= min(MOST_MEMBER_BYTES, self.left):
            return False
        self.left -= size
        return True


def models(archive: Path) -> Iterator[tuple[str, bytes]]:
    """The name and the content of each model in an archive, also in archives within it."""
    budget = Budget()
    if budget.take(archive.stat().st_size):
        yield from _inside(archive.name, archive.read_bytes(), budget, 0)


def _inside(name: str, content: bytes, budget: Budget, depth: int) -> Iterator[tuple[str, bytes]]:
    if content[4:8] == b"TFL3":
        yield name, content
    elif depth <= MOST_NESTED:
        try:
            for inner, member in _members(content, budget):
                yield from _inside(f"{name}!{inner}" if depth else inner, member, budget, depth + 1)
        except _BROKEN as error:
            print(f"{name[:80]!r}: not read to its end: {type(error).__name__}")


def _members(content: bytes, budget: Budget) -> Iterator[tuple[str, bytes]]:
    """Files of a zip or a tar whose names or first bytes say that they may be models or archives."""
    if content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist():
                if not info.is_dir() and info.filename.lower().endswith(_ARCHIVES) and budget.take(info.file_size):
                    with archive.open(info) as file:
                        yield info.filename, file.read(info.file_size)
    elif content[:2] == b"\x1f\x8b":
        with tarfile.open(fileobj=io.BytesIO(content), mode="r|gz") as tar:
            for member in tar:
                if not budget.take(member.size):
                    return
                is_wanted = member.isfile() and member.name.lower().endswith(_ARCHIVES)
                source = tar.extractfile(member) if is_wanted else None
                if source is not None:
                    yield member.name, source.read(member.size)
