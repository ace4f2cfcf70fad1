"""Printing to a stream whose encoding lacks a character, as under LC_ALL=C: never an error, and readable.

It works as the streams' error handler, so it holds for all that is printed, whoever prints it.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_NAME = "bnnbench.narrow"
_LIKE = str.maketrans(
    {"µ": "u", "μ": "u", "×": "x", "±": "+-", "°": "", "–": "-", "—": "-", "−": "-", "…": "...", "·": "-", "→": "->"}
    | {"≤": "<=", "≥": ">=", "‘": "'", "’": "'", "“": '"', "”": '"', "\N{NO-BREAK SPACE}": " "}
)


@contextmanager
def narrowed(*streams: TextIO) -> Iterator[None]:
    """Within it, what a stream cannot hold is written in characters that it can."""
    codecs.register_error(_NAME, _substitute)
    before = [(stream, stream.errors) for stream in streams if hasattr(stream, "reconfigure")]
    for stream, _ in before:
        stream.reconfigure(errors=_NAME)
    try:
        yield
    finally:
        for stream, errors in before:
            if not stream.closed:
                stream.reconfigure(errors=errors)


def _substitute(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_LIKE)
    return "".join(one if one.isascii() else _written(one) for one in text), error.end


def _written(character: str) -> str:
    """Letters as JSON escapes them, so names stay apart and JSON stays right; other signs as a question mark."""
    if unicodedata.category(character)[0] not in "LMN":
        return "?"
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
