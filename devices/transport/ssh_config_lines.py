"""The lines of a file like ~/.ssh/config, and the words in them, parted as OpenSSH parts them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Final

from bnnbench.devices.errors import InventoryError

_SPACE: Final = " \t\r\f"
_MATCH_WORD: Final = re.compile(r"[^#='\"\\]+(?:=[^#='\"\\]+)?")


@dataclass(slots=True)
class Line:
    """A line: where it stands, its keyword in lower case, and the text behind that."""

    where: str
    keyword: str
    rest: str

    def words(self) -> list[str]:
        """The arguments, unquoted, up to a comment. Raises InventoryError."""
        found = []
        rest = self.rest.lstrip(" \t")
        while rest and not rest.startswith("#"):
            word, rest = self._word(rest)
            found.append(word)
            rest = rest.lstrip(" \t")
        return found

    def refused(self, why: str) -> InventoryError:
        """The error that names this line."""
        return InventoryError(f"{self.where}: {why}; install the OpenSSH client, or leave that line out for this host.")

    def _word(self, text: str) -> tuple[str, str]:
        word, quote, at = "", "", 0
        while at < len(text) and (quote or text[at] not in " \t"):
            one, following = text[at], text[at + 1 : at + 2]
            if one == "\\" and following and (following in "'\"\\" or (following == " " and not quote)):
                word, at = word + following, at + 1
            elif (not quote and one in "'\"") or (quote and one == quote):
                quote = "" if quote else one
            else:
                word += one
            at += 1
        if quote:
            raise self.refused("a quote is not closed")
        return word, text[at:]


def config_lines(path: Path) -> Iterator[Line]:
    """A file's lines but for comments; none where there is no file. Raises InventoryError."""
    try:
        text = path.read_bytes().decode(errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise InventoryError(f"{path} cannot be read: {error.strerror}.") from error
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip(_SPACE)
        if not line or line.startswith("#"):
            continue
        keyword = re.split(r"[ \t\r\n\f=\"]", line, maxsplit=1)[0]
        rest = re.sub(r"^[ \t]*=?", "", line[len(keyword) :])
        yield Line(f"{path} line {number}", keyword.lower(), rest)


def criteria(line: Line) -> Iterator[tuple[str, bool, str]]:
    """Each criterion of a Match line: its name, whether it is negated, and its value."""
    # ssh parts these words by rules of their own, which differ between versions where there is more than this.
    words = list(takewhile(lambda word: not word.startswith("#"), line.rest.split()))
    if not words or not all(map(_MATCH_WORD.fullmatch, words)):
        raise line.refused(
            "a Match with quotes, backslashes or an = with spaces around it, or without criteria, is not understood"
        )
    rest = iter([part for word in words for part in word.split("=")])
    for word in rest:
        name = word.removeprefix("!").lower()
        value = "" if name in ("all", "canonical", "final") else next(rest, None)
        if value is None:
            raise line.refused(f"Match {name} lacks its value")
        yield name, word.startswith("!"), value
        if name == "all" and (word.startswith("!") or next(rest, None) is not None):
            raise line.refused("Match all takes no other criteria")


def some(line: Line, what: str) -> list[str]:
    """Its words, of which there is one at least and none is empty. Raises InventoryError."""
    words = line.words()
    if not words or not all(words):
        raise line.refused(f"{line.keyword!r} takes {what}")
    return words


def exactly_one(line: Line) -> list[str]:
    """Its only word. Raises InventoryError."""
    words = line.words()
    if len(words) != 1 or not words[0]:
        raise line.refused(f"{line.keyword!r} takes one value")
    return words
