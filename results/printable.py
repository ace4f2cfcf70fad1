"""Strings of devices, engines and files, made harmless for a terminal, a chart or a spreadsheet."""

import re

MOST = 4000
"""Characters of a text that are shown or kept: an error's reason may be megabytes long."""

# Control characters of both sets, marks that turn the direction of writing, and lone surrogates.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_IN_ASCII = str.maketrans({"µ": "u", "×": "x", "±": "+-", "–": "-", "→": "->", "…": "...", "°": "", "─": "-"})
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def harmless(text: str) -> str:
    """`text` with a question mark for what steers a terminal; tabs and line ends stay."""
    return _STEERING.sub("?", text)


def printable(text: str, plain: bool = False) -> str:
    """`text` without anything that steers a terminal or that XML forbids; with `plain`, in ASCII."""
    kept = "".join(character if character.isprintable() else "?" for character in text.replace("\n", " "))
    return kept.translate(_IN_ASCII).encode("ascii", "replace").decode("ascii") if plain else kept


def shorten(text: str, most: int) -> str:
    """Printable `text` with its middle left out when it is longer than `most`: both ends tell names apart."""
    tail = (most - 1) * 3 // 5
    if len(text) <= most:
        return printable(text)
    return printable(text[: most - 1 - tail]) + "…" + printable(text[len(text) - tail :])


def cell(text: str) -> str:
    """`text` for a cell of a spreadsheet, which would compute what looks like a formula."""
    return "'" + text if text.startswith(_FORMULA) else text
