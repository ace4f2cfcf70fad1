"""Damaged and hostile stores: bytes that went wrong on a disk, and values that nobody would have written."""

from __future__ import annotations

import json
import random
from typing import Any

from bnnbench.results.store.seal import seal_document, seal_line

_DEEP = "@deep@"
_HUGE = "@huge@"
_SURROGATE = "@surrogate@"
_RAW = {_DEEP: "[" * 3000 + "]" * 3000, _HUGE: "1e400", _SURROGATE: '"\\ud800"'}
HOSTILE: tuple[Any, ...] = (
    None, True, 0, -1, 0.0, 1, 2**63 - 1, 2**63, -(2**63), 10**30, 10**400, 1e308, -1e308, 5e-324, "", "\0", " ",
    "\x1b]52;c;aGk=\x07", "<script>alert(1)</script>", "![x](http://h/x)", "=cmd()", "$x^", "a\nb", "\u202e",
    "x" * 20_000, "nan", "2026-99-99", [], {}, [[]], [None], {"value": None}, {"": 0}, _DEEP, _HUGE, _SURROGATE,
)  # fmt: skip


def damaged(data: bytes, seed: int) -> bytes:
    """One thing gone wrong with the bytes: in a line, or with whole lines."""
    dice = random.Random(seed)  # noqa: S311
    lines = data.splitlines(keepends=True)
    at, line = dice.randrange(len(data)), dice.randrange(len(lines))
    other = dice.randrange(len(lines))
    length = dice.choice((1, 2, 8, 64, 700, 4096))
    breaks = [place for place, byte in enumerate(data) if byte == 10]
    match dice.randrange(14):
        case 0 | 1 | 2:
            return _with(data, at, bytes([data[at] ^ 1 << dice.randrange(8)]))
        case 3:
            return _with(data, at, bytes([dice.randrange(256)]))
        case 4:
            at = dice.choice(breaks)
            return _with(data, at, bytes([data[at] ^ 1 << dice.randrange(8)]))
        case 5:
            return _with(data, at, b"\n")
        case 6:
            return data[:at]
        case 7:
            return b"".join(lines[:line])
        case 8:
            return data[:at] + bytes(len(data[at : at + length])) + data[at + length :]
        case 9:
            return data[:at] + data[at + length :]
        case 10:
            return b"".join(lines[:line] + lines[line + 1 :])
        case 11:
            return b"".join([*lines[: line + 1], *lines[line:]])
        case 12:
            lines[line], lines[other] = lines[other], lines[line]
            return b"".join(lines)
        case _:
            return data[:at] + dice.randbytes(length) + data[at:]


def _with(data: bytes, at: int, byte: bytes) -> bytes:
    return data[:at] + byte + data[at + 1 :]


def hostile_line(line: bytes, number: int, dice: random.Random, sealed: bool) -> bytes:
    """A record of a journal with one value in the place of another, as an attacker writes it."""
    document = json.loads(line)
    document.pop("seq", None)
    document.pop("sum", None)
    text = _text(_mutated(document, dice)).encode("utf-8", "surrogatepass")
    return seal_line(text, number) if sealed else text


def hostile_document(data: bytes, dice: random.Random, sealed: bool) -> bytes:
    """`run.json` with one value in the place of another."""
    document = json.loads(data)
    document.pop("sealed", None)
    document.pop("sum", None)
    text = _text(_mutated(document, dice), indent=1).encode("utf-8", "surrogatepass") + b"\n"
    return seal_document(text) if sealed else text


def _text(document: Any, indent: int | None = None) -> str:
    text = json.dumps(document, ensure_ascii=False, indent=indent, separators=None if indent else (",", ":"))
    for mark, raw in _RAW.items():
        text = text.replace(f'"{mark}"', raw)
    return text


def _mutated(document: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """In place: the value at a random path becomes a hostile one."""
    place: Any = document
    while True:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = dice.choice(list(keys))
        inner = place[key]
        if isinstance(inner, dict | list) and inner and dice.random() < 0.85:
            place = inner
            continue
        place[key] = dice.choice(HOSTILE)
        return document
