"""The validator's messages about a suite file, in the words of the file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from .tables import KERNEL_TABLES, EngineTable, ModelTable, Suite, VerdictTable

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>[^`]*)`(?: - at `\$(?P<place>.*)`)?")
_AT = re.compile(r"(?P<what>.*?) - at `(?:key in )?\$(?P<place>.*)`", re.DOTALL)
_KINDS = {"`object`": "a table", "`array`": "a list", "`str`": "text", "`int`": "a whole number", "`float`": "a number"}


def closest(wrong: str, right: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the nearest of `right`, or nothing."""
    by_lower = {word.lower(): word for word in right}
    near = difflib.get_close_matches(wrong.lower(), by_lower, n=1)
    return f" (did you mean {by_lower[near[0]]!r}?)" if near else ""


def reworded(message: str, document: dict[str, object]) -> str:
    """The message with the place in TOML's words and, for an unknown key, the right one."""
    if unknown := _UNKNOWN.fullmatch(message):
        place = unknown["place"] or ""
        return f"unknown key {unknown['key']!r}{_place(place)}{closest(unknown['key'], _keys_at(place, document))}"
    for kind, word in _KINDS.items():
        message = message.replace(kind, word)
    if at := _AT.fullmatch(message):
        hint = f"; the ops are {', '.join(KERNEL_TABLES)}" if at["place"].endswith(".op") else ""
        return f"{_plain(at['what'])}{_place(at['place'])}{hint}"
    return _plain(message)


def _plain(text: str) -> str:
    return text[0].lower() + text[1:].replace("`", "'")


def _place(path: str) -> str:
    """`.kernel[0].stride[...]` as ` in kernel 1.stride`."""
    words = path.strip(".").replace("[...]", "")
    numbered = re.sub(r"\[(\d+)\]", lambda match: f" {int(match[1]) + 1}", words)
    return f" in {numbered}" if words else ""


def _keys_at(place: str, document: dict[str, object]) -> Iterable[str]:
    if match := re.fullmatch(r"\.kernel\[(\d+)\]", place):
        tables = document["kernel"]
        op = tables[int(match[1])].get("op") if isinstance(tables, list) else None
        return KERNEL_TABLES[op].__struct_fields__ if op in KERNEL_TABLES else ()
    for start, table in {".model": ModelTable, ".engine": EngineTable, ".verdict": VerdictTable}.items():
        if place.startswith(start):
            return table.__struct_fields__
    return Suite.__struct_fields__
