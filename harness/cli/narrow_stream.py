"""Printing to a stream whose encoding lacks a character, as under LC_ALL=C: never an error, and readable.

It works as the streams' error handler, so it holds for all that is printed, whoever prints it.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from bnnbench.results.printable import in_ascii

_NAME = "bnnbench.narrow"


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
    return in_ascii(error.object[error.start : error.end]), error.end
