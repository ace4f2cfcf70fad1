"""Values of facts as people read them: `1800000000` with the unit `_hz` becomes `1.80 GHz`."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bnnbench.results import quantity

_DEEPEST = 20


def _celsius(value: float) -> str:
    return f"{value:g} °C"


UNITS: dict[str, Callable[[float], str]] = {
    "_hz": quantity.clock,
    "_bytes": quantity.size,
    "_ns": quantity.duration,
    "_celsius": _celsius,
}
"""Ends of names -> how such values are written."""


def unit_of(name: str) -> str:
    """The end of a fact's name that says its unit; empty where there is none."""
    return next((ending for ending in UNITS if name.endswith(ending)), "")


def text_of(value: Any, unit: str = "", depth: int = _DEEPEST) -> str:
    """Any JSON value in words; `unit` is a key of `UNITS`, or empty. What is nested deeper than `depth` is `…`."""
    if not depth:
        return "…"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if unit and isinstance(value, int | float):
        return UNITS[unit](_as_float(value))
    if isinstance(value, list):
        separator = " · " if any(isinstance(item, Mapping) for item in value) else ", "
        return separator.join(text_of(item, unit, depth - 1) for item in value)
    if isinstance(value, Mapping):
        return "; ".join(_entry(str(key), item, unit, depth - 1) for key, item in value.items() if item is not None)
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _entry(key: str, value: Any, unit: str, depth: int) -> str:
    """One entry of a fact that has several; its key may have a unit of its own."""
    own = unit_of(key)
    words = key.removesuffix(own).replace("_", " ")
    return f"{words}{':' if key.isdigit() else ''} {text_of(value, own or unit, depth)}"


def ranges(numbers: Sequence[int]) -> str:
    """CPU numbers as the kernel writes them: `0-3,6`."""
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def _as_float(value: float) -> float:
    """A whole number of a file may be too large for one."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
