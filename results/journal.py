"""The journal of a run: one JSON record per line, flushed and fsynced, never rewritten.

A line that a crash cut short is the only thing that can be wrong with a journal that bnnbench wrote. No
proper prefix of a JSON object is itself JSON, so a last line without its newline that still parses is whole
and is kept.
"""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import msgspec

from bnnbench.results.errors import StoreError, refusal
from bnnbench.results.records import Entry


class _Tag(msgspec.Struct):
    type: str


_TAGS = {kind.__struct_config__.tag for kind in get_args(Entry)}
_decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)
_tag_decoder = msgspec.json.Decoder(_Tag)


@dataclass(frozen=True, slots=True)
class Contents:
    """The readable entries of a journal in order, one warning per line that is not, and where the whole
    lines end.

    `whole_bytes` is the length of the journal up to its last whole record; `ends_line` says whether that
    record has its newline.
    """

    entries: list[Entry]
    warnings: list[str]
    whole_bytes: int
    ends_line: bool


def encode(entry: Entry) -> bytes:
    """One line of the journal. Raises ValueError when the entry would not read back (a number that is not
    finite)."""
    try:
        line = msgspec.json.encode(entry)
    except UnicodeEncodeError:
        line = msgspec.json.encode(_without_surrogates(msgspec.to_builtins(entry)))
    try:
        _decoder.decode(line)
    except msgspec.ValidationError as error:
        raise ValueError(f"a record can't be stored because it would not read back: {error}") from error
    return line + b"\n"


def _without_surrogates(value: Any) -> Any:
    """An engine's stderr may hold any bytes; those that are not UTF-8 become question marks."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    return value


def read(path: Path) -> Contents:
    """Reads a journal without changing it; a missing one is empty. Raises StoreError when it can't be
    opened."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = b""
    except OSError as error:
        raise StoreError(f"{path} can't be read ({error.strerror}): check its permissions") from error
    entries: list[Entry] = []
    warnings: list[str] = []
    lines = data.split(b"\n")
    tail = lines.pop()
    for number, line in enumerate(lines, start=1):
        _take(line, number, entries, warnings)
    whole_bytes = len(data) - len(tail)
    ends_line = True
    if tail and _is_json(tail):
        _take(tail, len(lines) + 1, entries, warnings)
        whole_bytes, ends_line = len(data), False
    elif tail:
        warnings.append(f"the last record of the journal was cut off and is left out (line {len(lines) + 1})")
    return Contents(entries, warnings, whole_bytes, ends_line)


def _is_json(line: bytes) -> bool:
    try:
        _tag_decoder.decode(line)
    except msgspec.DecodeError:
        return False
    return True


def _take(line: bytes, number: int, entries: list[Entry], warnings: list[str]) -> None:
    try:
        entries.append(_decoder.decode(line))
    except msgspec.DecodeError as error:
        newer = _is_json(line) and _tag_decoder.decode(line).type not in _TAGS
        if newer:
            warnings.append(f"line {number} of the journal is of a kind that only a newer bnnbench reads")
        else:
            warnings.append(f"line {number} of the journal is damaged and is left out: {error}")


class Journal:
    """Appends to a journal; several threads may. Opening it for append cuts off a torn last line."""

    def __init__(self, path: Path, contents: Contents | None = None) -> None:
        """`contents` is what `read` found at `path`, or None for a new journal. Raises StoreError."""
        self.path = path
        self._mutex = threading.Lock()
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                self._size = 0 if contents is None else contents.whole_bytes
                os.ftruncate(self._descriptor, self._size)
                if contents is not None and not contents.ends_line:
                    self._write(b"\n")
            except OSError:
                os.close(self._descriptor)
                raise
        except OSError as error:
            raise refusal(error, path) from error

    def append(self, entry: Entry) -> None:
        """Writes one record and waits until it is on the disk.

        Raises StoreError when it can't be written, with the journal left as it was; ValueError when the
        record is not storable or the journal is closed.
        """
        line = encode(entry)
        with self._mutex:
            if self._descriptor < 0:
                raise ValueError(f"{self.path} is closed")
            try:
                self._write(line)
            except OSError as error:
                # Half a line would swallow the next one.
                os.ftruncate(self._descriptor, self._size)
                raise refusal(error, self.path) from error

    def _write(self, data: bytes) -> None:
        written = 0
        while written < len(data):
            written += os.pwrite(self._descriptor, data[written:], self._size + written)
        os.fsync(self._descriptor)
        self._size += len(data)

    def close(self) -> None:
        """Idempotent."""
        with self._mutex:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
