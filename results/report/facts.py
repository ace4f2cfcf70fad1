"""Device facts as people read them: `max_clock_hz = 1800000000` becomes `max clock` and `1.80 GHz`."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bnnbench.results import quantity


def _celsius(value: float) -> str:
    return f"{value:g} °C"


_UNITS: dict[str, Callable[[float], str]] = {
    "_hz": quantity.clock,
    "_bytes": quantity.size,
    "_ns": quantity.duration,
    "_celsius": _celsius,
}


@dataclass(frozen=True, slots=True)
class Fact:
    """`text` is None when the device does not have it; `source` is where it was read, or what was tried."""

    name: str
    text: str | None
    source: str | None

    @property
    def long(self) -> bool:
        """Whether it is too long to be shown at once."""
        return self.text is not None and len(self.text) > 140


_IDENTITY = ("machine_id", "address")
"""Digests that tell two machines apart: of no use to a reader, and a short address can be guessed from its own."""


def facts(raw: Mapping[str, Any]) -> list[Fact]:
    """The facts of a device, or of the host: the known ones first, each group in its own order."""
    found = [_fact(name, value) for name, value in raw.items() if name not in _IDENTITY]
    return sorted(found, key=lambda fact: fact.text is None)


def _fact(name: str, raw: Any) -> Fact:
    value, source = raw, None
    if isinstance(raw, Mapping) and "value" in raw:
        value, source = raw["value"], raw.get("source")
    unit = next((ending for ending in _UNITS if name.endswith(ending)), "")
    words = name.removesuffix(unit).replace("_", " ")
    if value is None or value == []:
        return Fact(words, None, None if source is None else str(source))
    return Fact(words, _text(value, unit), None if source is None else str(source))


def _text(value: Any, unit: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if unit and isinstance(value, int | float):
        return _UNITS[unit](value)
    if isinstance(value, list):
        separator = " · " if any(isinstance(item, Mapping) for item in value) else ", "
        return separator.join(_text(item, unit) for item in value)
    if isinstance(value, Mapping):
        return "; ".join(_entry(str(key), item, unit) for key, item in value.items() if item is not None)
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _entry(key: str, value: Any, unit: str) -> str:
    """One entry of a fact that has several; its key may have a unit of its own."""
    own = next((ending for ending in _UNITS if key.endswith(ending)), "")
    words = key.removesuffix(own).replace("_", " ")
    return f"{words}{':' if key.isdigit() else ''} {_text(value, own or unit)}"
