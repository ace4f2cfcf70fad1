"""Where a command's own output begins and ends, among what a login shell and a server print around it."""

from __future__ import annotations

import builtins
import re
import secrets
from typing import Final, Protocol

from bnnbench.devices.errors import CommandFailed, CommandTimeout

_MOST_SAID: Final = 2048
_LONGEST_QUOTE: Final = 200
_STATUS_DIGITS: Final = 3
# Titles, colours and the like.
_ESCAPES: Final = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b\[[0-?]*[ -/]*[@-~]|\x1b.")


class Sink(Protocol):
    """What takes the bytes of a stream."""

    def feed(self, data: bytes) -> None: ...


class Mark:
    """The random words that one command prints on each stream before and after it.

    They stand in its command line in two halves, so that neither an echo of that line nor a list of processes holds
    one.
    """

    def __init__(self) -> None:
        self._halves = secrets.token_hex(8), secrets.token_hex(8)

    def word(self, stream: int) -> bytes:
        """What begins the marks of stdout (1) or stderr (2)."""
        return f"{''.join(self._halves)}{stream}".encode()

    @property
    def begin(self) -> str:
        """Shell that prints both first marks. Where the streams are one, the mark of stdout is the one that counts."""
        return f"{self.begin_of(2)} >&2; {self.begin_of(1)}"

    @property
    def end(self) -> str:
        """Shell that prints both last marks, with the status that is in `$1`."""
        return f"{self.end_of(1)}; {self.end_of(2)} >&2"

    def begin_of(self, stream: int) -> str:
        """Shell that prints the first mark of one stream, on stdout."""
        return f"printf %s%s{stream}+ {' '.join(self._halves)}"

    def end_of(self, stream: int) -> str:
        """As `begin_of`, for the last mark."""
        return f"printf %s%s{stream}-%s. {' '.join(self._halves)} $1"


class Marked:
    """Hands on what stands between the two marks of one stream; of what came before it keeps the beginning, and what
    comes after goes to `after`, where there is one.

    One thread feeds it, others may look.
    """

    def __init__(self, word: bytes, sink: Sink, after: Sink | None = None) -> None:
        self.has_begun = False
        self.fed = 0
        """Bytes so far, with what is not handed on."""
        self.status: int | None = None
        """What the command's shell told of its end."""
        self._first = word + b"+"
        self._last = re.compile(re.escape(word) + rb"-(\d{1,%d})\." % _STATUS_DIGITS)
        self._word = word + b"-"
        self._sink, self._after = sink, after
        self._said = bytearray()
        self._pending = b""

    @property
    def has_ended(self) -> bool:
        return self.status is not None

    @property
    def was_cut_off(self) -> bool:
        """For a stream that has ended: it began, and the command's shell never told its end."""
        return self.has_begun and not self.has_ended

    @property
    def said(self) -> builtins.bytes:
        """The beginning of what came before the first mark, or instead of it."""
        pending = b"" if self.has_begun else self._pending
        return builtins.bytes(self._said + pending)

    def feed(self, data: builtins.bytes) -> None:
        self.fed += len(data)
        if self.has_ended:
            self._end(data)
            return
        data, self._pending = self._pending + data, b""
        if not self.has_begun:
            noise, found, data = data.partition(self._first)
            if not found:
                self._pending = noise[-len(self._first) + 1 :]
                noise = noise[: -len(self._first) + 1]
            self._said += noise[: max(0, _MOST_SAID - len(self._said))]
            if not found:
                return
            self.has_begun = True
        if match := self._last.search(data):
            self._sink.feed(data[: match.start()])
            self.status = int(match[1])
            self._end(data[match.end() :])
            return
        length = self._unfinished(data)
        self._pending = data[len(data) - length :]
        if whole := data[: len(data) - length]:
            self._sink.feed(whole)

    def flush(self) -> None:
        """At the end of the stream: what looked like the beginning of the last mark was none."""
        if self.was_cut_off:
            rest, self._pending = self._pending, b""
            self._sink.feed(rest)

    def _end(self, data: builtins.bytes) -> None:
        if self._after is not None:
            self._after.feed(data)

    def _unfinished(self, data: builtins.bytes) -> int:
        """How many bytes at the end may be the beginning of the last mark."""
        most = min(len(data), len(self._word) + _STATUS_DIGITS)
        return next((length for length in range(most, 0, -1) if self._may_begin(data[-length:])), 0)

    def _may_begin(self, tail: builtins.bytes) -> bool:
        digits = tail[len(self._word) :]
        return self._word.startswith(tail) or (tail.startswith(self._word) and (not digits or digits.isdigit()))


class Streams:
    """What a command writes on both its streams, without what is printed around it."""

    def __init__(self, mark: Mark, stdout: Sink, stderr: Sink) -> None:
        self.stdout = Marked(mark.word(1), stdout)
        self.stderr = Marked(mark.word(2), stderr)

    @property
    def status(self) -> int | None:
        """What the command's own shell told of its end."""
        return self.stderr.status if self.stdout.status is None else self.stdout.status

    def flush(self) -> None:
        """At the end of both."""
        self.stdout.flush()
        self.stderr.flush()

    def refused(self, who: str) -> CommandFailed:
        """The error for an end without a beginning."""
        return CommandFailed(
            f"{who} did not run a command of ours: {self._said}; its account needs a login shell that can start `sh`, "
            "and no forced command."
        )

    def cut_off(self, who: str, status: int | None) -> CommandFailed:
        """The error for a beginning without an end. `status` is the server's, which says nothing of what is missing."""
        status_words = "" if status is None else f", and its server says status {status}"
        return CommandFailed(
            f"{who}: the output of a command was cut off{status_words}; try again, and see whether a file "
            "of its login shell passes output on through another program (`exec > >(tee ...)`)."
        )

    def late(self, who: str) -> CommandTimeout:
        """The error for a beginning that does not come."""
        return CommandTimeout(
            f"{who} has not begun a command in time: {self._said}; a file of its login shell may wait for input."
        )

    @property
    def _said(self) -> str:
        return quoted(self.stdout.said, self.stderr.said)


def quoted(*streams: bytes) -> str:
    """What was said, for a sentence: short, on one line, and without what a terminal would act on."""
    words = " ".join(" ".join(_plain(text.decode("utf-8", "replace")).split()) for text in streams).strip()
    if not words:
        return "it said nothing"
    short = words if len(words) <= _LONGEST_QUOTE else f"{words[:_LONGEST_QUOTE]}..."
    return f'it said "{short}"'


def _plain(text: str) -> str:
    return "".join(each if each.isprintable() or each.isspace() else "?" for each in _ESCAPES.sub("", text))
