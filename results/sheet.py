"""Tables and sentences in a terminal: nothing is cut, and no number is parted from its digits or its unit.

A table as wide as its terminal lays itself out in this order: text columns fold at spaces; columns of less importance
are left out, and a line says which; and where even the most important ones do not fit, every row is a block of lines.
Where there is no terminal there is no width, and every row is one line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from bnnbench.results.printable import MOST, printable, shorten

THE_SAME = "the same command with | cat"
"""How to see what is left out of a table."""
_GAP = 2
_NARROW = 14
"""A text column is not folded to less than this, or than its longest word."""
_LONG = 24
"""Words longer than this also fold after an underscore, a slash or a hyphen."""
_NUMBER = re.compile(r"[(+±<>~=-]*\d[\d.,]*(?:e[+-]?\d+)?")
_WORDS = re.compile(r"\s*[^\s`]*`[^`]*`\S*\s*|\s*\S+\s*")
"""Words, and what stands between two `: a command that is copied must not have a line break in it."""
_UNIT = re.compile(
    r"(?:%|°C|[nµumk]?s|[kMGT]?i?B(?:/s)?|[kMG]?Hz|[kMGT]|GOPS|GFLOPS|points?|MACs|J|[mµu]J|W|instructions)(?:\W|$)"
)


@dataclass(frozen=True, slots=True)
class Column:
    """`rank` 0 is always shown, of the others the highest is left out first; one that `folds` may take several
    lines."""

    title: str
    rank: int = 0
    right: bool = False
    folds: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """Lines to print, and the titles of the columns that found no room."""

    lines: list[Text]
    left_out: list[str]


class Sheet:
    """A table. Columns in which every cell is empty are not shown."""

    def __init__(self, *columns: Column) -> None:
        self._columns = columns
        self._rows: list[list[Text]] = []

    def add(self, *cells: Text | str) -> None:
        """A row, with a cell for each column."""
        texts = [cell if isinstance(cell, Text) else Text(cell) for cell in cells]
        if len(texts) != len(self._columns):
            raise ValueError(f"{len(texts)} cells for {len(self._columns)} columns")
        for text in texts:
            text.plain = printable(text.plain)
        self._rows.append(texts)

    def print(self, console: Console, again: str = THE_SAME) -> list[str]:
        """All of it, or as much as its terminal is wide, and what is left out, with how to see it: `again`. What is
        left out is returned."""
        plain = is_plain(console)
        for text in (cell for row in self._rows for cell in row) if plain else ():
            text.plain = printable(text.plain, plain)
        done = self.layout(console.width)
        for line in done.lines:
            line.plain = printable(line.plain, plain)
            console.print(line, soft_wrap=True, highlight=False)
        if done.left_out:
            missing = ", ".join(done.left_out)
            say(console, f"left out at {console.width} columns: {missing}; to see them: {again}", "dim")
        return done.left_out

    def layout(self, width: int) -> Layout:
        """The table in so many columns of a terminal."""
        filled = [any(row[place].plain for row in self._rows) for place in range(len(self._columns))]
        shown = [place for place in range(len(self._columns)) if filled[place]]
        left_out: list[int] = []
        while (widths := self._widths(shown, width)) is None:
            last = max(shown, key=lambda place: self._columns[place].rank)
            if not self._columns[last].rank:
                return Layout(self._blocks(sorted([*shown, *left_out]), width), [])
            shown.remove(last)
            left_out.append(last)
        titles = [self._columns[place].title for place in sorted(left_out)]
        return Layout(self._grid(shown, widths), titles)

    def _widths(self, shown: Sequence[int], width: int) -> list[int] | None:
        """Of the columns shown, or None where they do not fit."""
        widest, least = [], []
        for place in shown:
            column, cells = self._columns[place], [row[place] for row in self._rows]
            widest.append(max(cell_len(column.title), *(cell_len(cell.plain) for cell in cells)))
            words = [cell_len(piece.rstrip()) for cell in cells for piece in _pieces(cell.plain)]
            folded = max(cell_len(column.title), min(widest[-1], _NARROW), *words)
            least.append(folded if column.folds else widest[-1])
        room = width - _GAP * (len(shown) - 1)
        if sum(least) > room:
            return None
        while sum(widest) > room:
            place = max((place for place in range(len(shown)) if widest[place] > least[place]), key=widest.__getitem__)
            widest[place] -= 1
        return widest

    def _grid(self, shown: Sequence[int], widths: Sequence[int]) -> list[Text]:
        lines = []
        if shown:
            heads = [Text(self._columns[place].title, "bold") for place in shown]
            lines.append(self._joined(shown, widths, heads))
            lines.append(Text("─" * (sum(widths) + _GAP * (len(widths) - 1)), "dim"))
        for row in self._rows:
            cells = [folded(row[place], width) for place, width in zip(shown, widths, strict=True)]
            for number in range(max(map(len, cells), default=0)):
                parts = [cell[number] if number < len(cell) else Text() for cell in cells]
                lines.append(self._joined(shown, widths, parts))
        return lines

    def _joined(self, shown: Sequence[int], widths: Sequence[int], parts: Sequence[Text]) -> Text:
        line = Text()
        for place, width, part in zip(shown, widths, parts, strict=True):
            space = " " * (width - cell_len(part.plain))
            before, after = (space, "") if self._columns[place].right else ("", space)
            line.append(" " * _GAP if line.plain else "").append(before).append_text(part).append(after)
        line.rstrip()
        return line

    def _blocks(self, shown: Sequence[int], width: int) -> list[Text]:
        """Every row as a heading, its first cell, and a line for each other one."""
        lines: list[Text] = []
        names = max((cell_len(self._columns[place].title) for place in shown[1:]), default=0)
        for row in self._rows:
            head = row[shown[0]].copy()
            head.stylize("bold")
            lines += folded(head, width)
            for place in shown[1:]:
                if not row[place].plain:
                    continue
                parts = folded(row[place], max(width - names - 2 * _GAP, 1))
                for number, part in enumerate(parts):
                    title = "" if number else self._columns[place].title
                    lines.append(Text(" " * _GAP + title.ljust(names + _GAP), "dim").append_text(_unstyled(part)))
        return lines


def say(console: Console, text: Text | str, style: str = "") -> None:
    """A sentence, folded at spaces where the terminal ends; what is not a letter, digit or sign is a question mark."""
    whole = text if isinstance(text, Text) else Text(shorten(text, MOST), style)
    whole.plain = printable(whole.plain, is_plain(console))
    for line in folded(whole, console.width):
        console.print(line, soft_wrap=True, highlight=False)


def is_plain(console: Console) -> bool:
    """Whether the terminal can show ASCII only."""
    return not console.encoding.lower().replace("-", "").startswith("utf")


def folded(text: Text, width: int) -> list[Text]:
    """`text` in lines of at most `width` columns, but for words that are longer; at least one."""
    ends, length, place = [], 0, 0
    for piece in _pieces(text.plain):
        if length and length + cell_len(piece.rstrip()) > width:
            ends.append(place)
            length = 0
        length += cell_len(piece)
        place += len(piece)
    lines = list(text.divide(ends))
    for line in lines:
        line.rstrip()
    return lines or [Text()]


def _pieces(text: str) -> list[str]:
    """What stays on one line: words with the spaces behind them, a number with its unit, an interval, a command."""
    pieces: list[str] = []
    for word in _WORDS.findall(text):
        bare, before = word.strip(), pieces[-1].split() if pieces else []
        is_unit = bool(before) and bool(_NUMBER.fullmatch(before[-1])) and bool(_UNIT.match(bare))
        if is_unit or bare == ".." or (before and before[-1] == ".."):
            pieces[-1] += word
        elif len(bare) > _LONG and "`" not in bare:
            pieces += re.findall(r"[^_/-]*[_/-]+|[^_/-]+", word)
        else:
            pieces.append(word)
    return pieces


def _unstyled(text: Text) -> Text:
    """So that the style of what it is appended to ends before it."""
    copy = text.copy()
    copy.style = copy.style or "not dim"
    return copy
