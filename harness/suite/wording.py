"""The validator's messages about a suite file, in the words of the file."""

from __future__ import annotations

import re
from typing import Any

from bnnbench.devices.closest import closest

from .place import Place, place, repeated_tables

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>[^`]*)`(?: - at `\$(?P<place>.*)`)?")
_MISSING = re.compile(r"Object missing required field `(?P<key>[^`]*)`")
_AT = re.compile(r"(?P<what>.*?) - at `(?:key in )?\$(?P<place>.*)`", re.DOTALL)
_WANTED = re.compile(r"`(\w+(?: \| \w+)*)`")
_KINDS = {"object": "a table", "array": "a list", "str": "text", "int": "a whole number", "float": "a number"}


def reworded(message: str, document: dict[str, Any]) -> str:
    """The message with the place in TOML's words, and what is right there: the key, the values, the brackets."""
    if unknown := _UNKNOWN.fullmatch(message):
        found = place(unknown["place"] or "", document)
        return f"unknown key {unknown['key']!r}{_in(found)}{closest(unknown['key'], found.keys)}"
    at = _AT.fullmatch(message)
    what, found = (at["what"], place(at["place"], document)) if at else (message, place("", document))
    if found.rewritten:
        return found.rewritten
    missing = _MISSING.match(what)
    return f"{_plain(what)}{_in(found)}{_choices(found.at(missing['key']) if missing else found)}"


def not_toml(message: str, text: str) -> str:
    """Why a text is not TOML, and what to write where a table that may be repeated was headed as one that may not."""
    single = next((name for name in repeated_tables() if re.search(rf"^\s*\[\s*{name}\s*\]", text, re.MULTILINE)), None)
    return f"{message}; write [[{single}]], not [{single}]" if single else message


def _plain(text: str) -> str:
    text = text.replace("Invalid enum value", "Invalid value")
    if text.startswith("Expected"):
        text = _WANTED.sub(lambda match: " or ".join(_KINDS.get(kind, kind) for kind in match[1].split(" | ")), text)
    return text[0].lower() + text[1:].replace("`", "'")


def _in(found: Place) -> str:
    return f" in {found.words}" if found.words else ""


def _choices(found: Place) -> str:
    """` (did you mean 'x'?); it is one of x, y`, where only some values are right."""
    if not found.choices:
        return ""
    names = [str(value) for value in found.choices]
    near = closest(found.value, names) if isinstance(found.value, str) and found.value not in names else ""
    return f"{near}; it is one of {', '.join(names)}"
