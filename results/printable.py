"""Strings of devices, engines and files, made harmless for a terminal, a chart or a spreadsheet."""

import re
import unicodedata

MOST = 4000
"""Characters of a text that are shown or kept: an error's reason may be megabytes long."""

# Control characters of both sets, marks that turn the direction of writing, and lone surrogates.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_LIKE = str.maketrans(
    {"µ": "u", "μ": "u", "×": "x", "±": "+-", "°": "", "–": "-", "—": "-", "−": "-", "…": "...", "·": "-", "→": "->"}
    | {"≤": "<=", "≥": ">=", "‘": "'", "’": "'", "“": '"', "”": '"', "\N{NO-BREAK SPACE}": " ", "─": "-"}
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def harmless(text: str) -> str:
    """`text` with a question mark for what steers a terminal; tabs and line ends stay."""
    return _STEERING.sub("?", text)


def printable(text: str, plain: bool = False) -> str:
    """`text` without anything that steers a terminal or that XML forbids; with `plain`, in ASCII."""
    kept = "".join(character if character.isprintable() else "?" for character in text.replace("\n", " "))
    return in_ascii(kept) if plain else kept


def in_ascii(text: str) -> str:
    """`text` in characters that every stream can hold: letters as JSON escapes them, so that names stay apart and JSON
    stays right, other signs as those that are like them, or a question mark."""
    return "".join(item if item.isascii() else _escaped(item) for item in text.translate(_LIKE))


def _escaped(character: str) -> str:
    if unicodedata.category(character)[0] not in "LMN":
        return "?"
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def shorten(text: str, most: int) -> str:
    """Printable `text` with its middle left out when it is longer than `most`: both ends tell names apart."""
    tail = (most - 1) * 3 // 5
    if len(text) <= most:
        return printable(text)
    return printable(text[: most - 1 - tail]) + "…" + printable(text[len(text) - tail :])


def cell(text: str) -> str:
    """`text` for a cell of a spreadsheet, which would compute what looks like a formula."""
    return "'" + text if text.startswith(_FORMULA) else text
