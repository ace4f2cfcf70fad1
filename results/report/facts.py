"""Device facts as people read them: `max_clock_hz = 1800000000` becomes `max clock` and `1.80 GHz`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bnnbench.results.fact_text import text_of, unit_of


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
    unit = unit_of(name)
    words = name.removesuffix(unit).replace("_", " ")
    if value is None or value == []:
        return Fact(words, None, None if source is None else str(source))
    return Fact(words, text_of(value, unit), None if source is None else str(source))
