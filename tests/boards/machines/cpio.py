"""A writer of initramfs archives (cpio, "newc"): owners and device nodes need no root here."""

from __future__ import annotations

import io
import stat


class Cpio:
    """Entries in the order they are added; folders above a file are made as they are needed."""

    def __init__(self, existing: frozenset[str] = frozenset()) -> None:
        """`existing` folders are there already and keep their owners."""
        self._bytes = io.BytesIO()
        self._inode = 1
        self._folders = {part for path in existing for part in _parents(path + "/x")}

    def folder(self, path: str, mode: int = 0o755, owner: int = 0) -> None:
        path = path.strip("/")
        for parent in _parents(path):
            if parent not in self._folders:
                self.folder(parent)
        if path not in self._folders:
            self._folders.add(path)
            self._entry(path, stat.S_IFDIR | mode, owner=owner)

    def file(self, path: str, data: bytes | str, mode: int = 0o644, owner: int = 0) -> None:
        self._under(path)
        self._entry(path.strip("/"), stat.S_IFREG | mode, data.encode() if isinstance(data, str) else data, owner)

    def link(self, path: str, target: str) -> None:
        self._under(path)
        self._entry(path.strip("/"), stat.S_IFLNK | 0o777, target.encode())

    def device(self, path: str, mode: int, major: int, minor: int) -> None:
        self._under(path)
        self._entry(path.strip("/"), stat.S_IFCHR | mode, device=(major, minor))

    def finished(self) -> bytes:
        self._entry("TRAILER!!!", 0)
        self._pad(512)
        return self._bytes.getvalue()

    def _under(self, path: str) -> None:
        folder = path.strip("/").rpartition("/")[0]
        if folder:
            self.folder(folder)

    def _entry(self, name: str, mode: int, data: bytes = b"", owner: int = 0, device: tuple[int, int] = (0, 0)) -> None:
        self._inode += 1
        encoded = name.encode() + b"\0"
        numbers = (self._inode, mode, owner, owner, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
        self._bytes.write(b"070701" + b"".join(b"%08x" % number for number in numbers) + encoded)
        self._pad(4)
        self._bytes.write(data)
        self._pad(4)

    def _pad(self, to: int) -> None:
        self._bytes.write(b"\0" * (-self._bytes.tell() % to))


def _parents(path: str) -> list[str]:
    parts = path.strip("/").split("/")[:-1]
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]
