"""The one way to the terminal: text from devices, engines, models and stores cannot steer it.

`guarded` puts a filter before stdout and stderr, for all that is printed; `Console` filters what it renders and then
writes past that filter, because its own colours are escapes.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, TextIO

import rich.console
from rich.segment import Segment
from rich.text import Text

from bnnbench.results.errors import StoreNotice, StoreWarning
from bnnbench.results.printable import MOST, harmless, shorten

from .narrow_stream import narrowed

_NO_TERMINAL = 1_000_000
"""Columns where nobody said how many there are."""
_LINES = 25


class Console(rich.console.Console):
    """A console whose texts hold no escapes: what would steer a terminal is shown as a question mark.

    It is as wide as COLUMNS says, or as its terminal; what goes to a file or a pipe has no width, and is not folded.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if self._width is None and not self.file.isatty():
            self._width = _NO_TERMINAL
        if self._width is not None and self._height is None:
            self._height = _LINES  # without it, a terminal that calls itself dumb has 80 columns

    @property
    def file(self) -> IO[str]:
        """The stream behind every proxy: a live display puts one before the filter of `guarded`."""
        file = super().file
        while (inner := getattr(file, "rich_proxied_file", None)) is not None:
            file = inner
        return file

    @file.setter
    def file(self, new: IO[str]) -> None:
        self._file = new

    def render(self, *arguments: Any, **options: Any) -> Iterable[Segment]:
        for segment in super().render(*arguments, **options):
            yield segment if segment.control else segment._replace(text=harmless(segment.text))


def line(text: str, style: str = "") -> Text:
    """Text from outside on one line, with its middle left out where it is very long."""
    return Text(shorten(text, MOST), style=style)


@contextmanager
def guarded() -> Iterator[None]:
    """Within it, nothing that is printed steers the terminal or is refused by its encoding, and warnings about a store
    are lines on stderr."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Filter(before[0]), _Filter(before[1])
    printed: set[str] = set()

    def tell(message: Warning | str, category: type[Warning], *place: Any) -> None:
        sentence = shorten(str(message), MOST)
        if sentence not in printed:
            printed.add(sentence)
            print(sentence if category is StoreNotice else f"warning: {sentence}", file=sys.stderr)

    try:
        with narrowed(*before), warnings.catch_warnings():
            for kind in (StoreWarning, StoreNotice):
                warnings.simplefilter("always", kind)
            warnings.showwarning = tell  # type: ignore[assignment]
            yield
    finally:
        sys.stdout, sys.stderr = before


class _Filter:
    """A text stream that takes nothing but printable characters, tabs and line ends."""

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream

    def write(self, text: str) -> int:
        self.rich_proxied_file.write(harmless(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)
