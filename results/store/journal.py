"""The journal of a run: one JSON record per line, flushed and fsynced, never rewritten.

Every line has its number and a checksum (seal.py), so a line that was damaged, lost, doubled or moved changes no figure
without a word. A line that a crash cut short is the only thing that can be wrong with a journal that bnnbench wrote.
Journals of before have no checksums: their lines are taken as they are, up to the first that has one.
"""

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import msgspec

from bnnbench.results.errors import StoreError, store_error
from bnnbench.results.records import Entry, RunEnd
from bnnbench.results.store.reading import UnreadableError, decoded, read_regular
from bnnbench.results.store.seal import looks_sealed, number_of, seal_line

_MOST_WARNINGS = 20
_MOST_TEXT = 64_000


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
    record has its newline. `next_number` is that of the record to come. `last_figure` is the number of the last record
    that is not an end of the run, 0 where there is none.
    """

    entries: list[Entry]
    warnings: list[str]
    whole_bytes: int
    ends_line: bool
    next_number: int
    last_figure: int


def encode(entry: Entry, number: int = 1) -> bytes:
    """Line `number` of a journal. Raises ValueError when the entry would not read back (a number that is not
    finite)."""
    entry = _capped(entry)
    try:
        line = msgspec.json.encode(entry)
    except UnicodeEncodeError:
        line = msgspec.json.encode(_without_surrogates(msgspec.to_builtins(entry)))
    try:
        decoded(line, _decoder)
    except UnreadableError as error:
        raise ValueError(f"a record can't be stored because it would not read back: {error}") from error
    return seal_line(line, number) + b"\n"


def decode(line: bytes) -> Entry:
    """A record of a line of a journal. Raises ValueError for a line that holds none."""
    try:
        return decoded(line.rstrip(b"\n"), _decoder)
    except UnreadableError as error:
        raise ValueError(f"a line holds no record: {error}") from error


def _capped(entry: Entry) -> Entry:
    """An error's text may be megabytes long; both its ends are kept."""
    texts = {name: getattr(entry, name) for name in entry.__struct_fields__}
    long = {name: text for name, text in texts.items() if isinstance(text, str) and len(text) > _MOST_TEXT}
    half = _MOST_TEXT // 2
    return msgspec.structs.replace(
        entry,
        **{name: f"{text[:half]} … {len(text) - 2 * half} characters … {text[-half:]}" for name, text in long.items()},
    )


def _without_surrogates(value: Any) -> Any:
    """An engine's stderr may hold any bytes; those that are not UTF-8 become question marks."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    return value


def read(path: Path, *, sealed: bool = False, least: int = 0) -> Contents:
    """Reads a journal without changing it; a missing one is empty. `sealed`: every line must have its checksum.
    `least` records were there once. Raises StoreError when it can't be opened."""
    try:
        data = read_regular(path)
    except FileNotFoundError:
        data = b""
    except OSError as error:
        raise StoreError(f"{path} can't be read ({error.strerror}): check its permissions") from error
    lines = data.split(b"\n")
    tail = lines.pop()
    reading = _Reading(sealed)
    for line in lines:
        reading.take(line)
    whole_bytes, ends_line = len(data) - len(tail), True
    if tail and reading.is_record(tail):
        reading.take(tail)
        whole_bytes, ends_line = len(data), False
    elif tail:
        reading.torn()
    return Contents(
        entries=reading.in_order(),
        warnings=reading.all_warnings(least),
        whole_bytes=whole_bytes,
        ends_line=ends_line,
        next_number=max(reading.lines, *reading.found, least) + 1 if reading.found else max(reading.lines, least) + 1,
        last_figure=reading.last_figure(),
    )


@dataclass(slots=True)
class _Reading:
    """What is known of a journal while it is read line by line; `unsealed` are records of before, `found` sealed ones
    by their number."""

    sealed: bool
    unsealed: list[Entry | None] = field(default_factory=list)
    found: dict[int, Entry | None] = field(default_factory=dict)
    lines: int = 0
    left_out: int = 0
    moved: bool = False
    cut: bool = False
    warnings: list[str] = field(default_factory=list)

    def take(self, line: bytes) -> None:
        self.lines += 1
        number = number_of(line)
        if number is None and (self.sealed or self.found or looks_sealed(line)):
            self._leave_out(_newer(line) or "is damaged and is left out: its checksum is missing or wrong")
        elif number is None:
            self.unsealed.append(self._entry(line))
        elif number in self.found:
            self._leave_out(f"is record {number} once more and is left out", lost=False)
        else:
            self.moved |= bool(self.found) and number < next(reversed(self.found))
            self.found[number] = self._entry(line)

    def is_record(self, tail: bytes) -> bool:
        """Whether a last line without its newline is whole: no proper prefix of a JSON object is itself JSON."""
        return number_of(tail) is not None if self.sealed or self.found else _tag(tail) is not None

    def torn(self) -> None:
        self.cut = True
        self.warnings.append(f"the last record of the journal was cut off and is left out (line {self.lines + 1})")

    def in_order(self) -> list[Entry]:
        entries = [*self.unsealed, *(self.found[number] for number in sorted(self.found))]
        return [entry for entry in entries if entry is not None]

    def last_figure(self) -> int:
        if not self.found:
            places = [n for n, entry in enumerate(self.unsealed, 1) if not isinstance(entry, RunEnd)]
            return max(places, default=0)
        return max((n for n, entry in self.found.items() if not isinstance(entry, RunEnd)), default=0)

    def all_warnings(self, least: int) -> list[str]:
        """The warnings, with what no line by itself shows."""
        last = max([least, *self.found])
        first = 1 if self.sealed or not self.found else min(self.found)
        before = 0 if self.sealed else len(self.unsealed)
        if self.found and not self.sealed and before != first - 1:
            self.warnings.append(
                f"the journal has {before} records without a checksum, and {first - 1} were written: some are lost or "
                "doubled"
            )
        written = last - first + 1 if self.found or self.sealed else max(0, last - before)
        lost = written - len(self.found) - self.left_out - self.cut
        if lost > 0:
            what = "1 record" if lost == 1 else f"{lost} records"
            self.warnings.append(f"{what} of the journal {'is' if lost == 1 else 'are'} lost")
        if self.moved:
            self.warnings.append("lines of the journal are not in the order they were written in; they are read in it")
        shown = self.warnings[:_MOST_WARNINGS]
        more = len(self.warnings) - len(shown)
        return [*shown, f"{more} more warnings about the journal"] if more else shown

    def _leave_out(self, why: str, lost: bool = True) -> None:
        self.left_out += lost
        self.warnings.append(f"line {self.lines} of the journal {why}")

    def _entry(self, line: bytes) -> Entry | None:
        try:
            return decoded(line, _decoder)
        except UnreadableError as error:
            why = _newer(line) or f"is damaged and is left out: {error}"
            self.warnings.append(f"line {self.lines} of the journal {why}")
            return None


def _tag(line: bytes) -> str | None:
    """The kind of a record; None where the line is not a record."""
    try:
        return decoded(line, _tag_decoder).type
    except UnreadableError:
        return None


def _newer(line: bytes) -> str | None:
    tag = _tag(line)
    return None if tag is None or tag in _TAGS else "is of a kind that only a newer bnnbench reads"


class Journal:
    """Appends to a journal; several threads may. Opening it for append cuts off a torn last line."""

    def __init__(self, path: Path, contents: Contents | None = None) -> None:
        """`contents` is what `read` found at `path`, or None for a new journal. Raises StoreError."""
        self.path = path
        self._mutex = threading.Lock()
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
            try:
                self._size = 0 if contents is None else contents.whole_bytes
                self._number = 1 if contents is None else contents.next_number
                os.ftruncate(self._descriptor, self._size)
                if contents is not None and not contents.ends_line:
                    self._write(b"\n")
            except OSError:
                os.close(self._descriptor)
                raise
        except OSError as error:
            raise store_error(error, path) from error

    def append(self, *entries: Entry) -> None:
        """Writes records and waits until they are on the disk.

        Raises StoreError when they can't be written, with the journal left as it was; ValueError when a
        record is not storable or the journal is closed.
        """
        with self._mutex:
            lines = [encode(entry, self._number + place) for place, entry in enumerate(entries)]
            if self._descriptor < 0:
                raise ValueError(f"{self.path} is closed")
            try:
                self._write(b"".join(lines))
                self._number += len(lines)
            except OSError as error:
                # Half a line would swallow the next one.
                os.ftruncate(self._descriptor, self._size)
                raise store_error(error, self.path) from error

    def _write(self, data: bytes) -> None:
        os.lseek(self._descriptor, self._size, os.SEEK_SET)
        written = 0
        while written < len(data):
            written += os.write(self._descriptor, data[written:])
        os.fsync(self._descriptor)
        self._size += len(data)

    def close(self) -> None:
        """Idempotent."""
        with self._mutex:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
