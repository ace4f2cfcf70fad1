"""Devices by what they are: `soc=bcm2712,kernel>=6.6`.

A query is conditions with `,` between them, all of which must hold. A condition is an attribute, an operator and a
value: `=` equal, `!=` unequal, `~` contains, `<`, `<=`, `>`, `>=`. Case does not matter. The last four compare versions
(6.10 is after 6.9), of a text the first one in it (`Linux 6.6.20+rpt` is 6.6.20), and sizes (`4GiB`). A value with a
comma, or one that begins with an operator, needs quotes. A fact that a device does not tell meets no condition, not
even `!=`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from bnnbench.devices.closest import closest
from bnnbench.devices.errors import InventoryError
from bnnbench.devices.spec import DeviceSpec

_BEGIN = re.compile(r"\s*\w+\s*(?:!=|[<>]=?|[=~])")
_CONDITION = re.compile(
    r"""\s*(?P<name>[\w.-]+)\s*(?P<operator>!=|<=|>=|=|<|>|~)\s*(?P<value>"[^"]*"|'[^']*'|[^,"']*)(?P<end>,|$)"""
)
_VERSION = re.compile(r"\d+(?:\.\d+)*")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT])i?B", re.IGNORECASE)
_POWERS: Final = {"k": 10, "m": 20, "g": 30, "t": 40}

FROM_ENTRY: Final = ("name", "transport", "host", "serial")
"""Attributes that the inventory tells; nothing has to be connected to for these."""
FROM_FACTS: Final = (
    *("model", "soc", "cpu_model", "machine", "cpus", "memory_bytes", "kernel", "os_release", "elf_class", "triple"),
    *("isa_features", "governor", "revision", "firmware", "hypervisor", "emulated", "container", "machine_id"),
    *("python3", "tools"),
)
"""Attributes that are facts of the device."""
ATTRIBUTES: Final = (*FROM_ENTRY, *FROM_FACTS)


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a query."""

    attribute: str
    operator: str
    value: str

    def holds(self, attributes: Mapping[str, Any]) -> bool:
        """Whether a device with these attributes meets it."""
        found = attributes.get(self.attribute)
        if found is None:
            return False
        items = found if isinstance(found, list | tuple) else [found]
        test = _OPERATORS[self.operator]
        if self.operator == "!=":
            return all(test(item, self.value) for item in items)
        return any(test(item, self.value) for item in items)


@dataclass(frozen=True, slots=True)
class Query:
    """What devices are asked for. `text` is as the user wrote it."""

    text: str
    conditions: tuple[Condition, ...]

    @property
    def needs_facts(self) -> bool:
        """Whether the inventory alone does not tell."""
        return any(condition.attribute in FROM_FACTS for condition in self.conditions)


def is_query(text: str) -> bool:
    """Whether a user means a query by a text, and not a name or an address."""
    return _BEGIN.match(text) is not None


def parse_query(text: str) -> Query:
    """The query that a text is. Raises InventoryError."""
    conditions, place = [], 0
    while True:
        match = _CONDITION.match(text, place)
        if match is None or not match["value"].strip(" \"'") or match["value"][0] in "=<>~!":
            raise InventoryError(
                f"{text!r} is not a query at {text[place:].strip()!r}; write it as 'model~Raspberry Pi 4,kernel>=6.6'."
            )
        name, value = match["name"].lower(), match["value"].strip()
        if name not in ATTRIBUTES:
            raise InventoryError(
                f"{text!r}: there is no attribute {match['name']!r}{closest(name, ATTRIBUTES)}; "
                f"there are {', '.join(ATTRIBUTES)}."
            )
        value = value[1:-1] if value[:1] in "\"'" else value
        if match["operator"] in _ORDERS and _version(value) is None:
            raise InventoryError(f"{text!r}: {value!r} is neither a version nor a number to compare with {name}.")
        conditions.append(Condition(name, match["operator"], value))
        place = match.end()
        if not match["end"]:
            return Query(text, tuple(conditions))


def matches(query: Query, attributes: Mapping[str, Any]) -> bool:
    """Whether a device with these attributes is asked for. Pure."""
    return all(condition.holds(attributes) for condition in query.conditions)


def could_match(query: Query, spec: DeviceSpec) -> bool:
    """Whether it is, as far as the inventory alone tells."""
    told = _of_entry(spec)
    return all(each.holds(told) for each in query.conditions if each.attribute in FROM_ENTRY)


def attributes_of(spec: DeviceSpec, facts: Mapping[str, Any]) -> dict[str, Any]:
    """By `ATTRIBUTES`; `facts` are values by name. Of `cpus` it is their number."""
    found = {name: facts.get(name) for name in FROM_FACTS}
    if isinstance(found["cpus"], Mapping):
        found["cpus"] = found["cpus"].get("count")
    return _of_entry(spec) | found


def _of_entry(spec: DeviceSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in FROM_ENTRY}


def _text(item: Any) -> str:
    return ("true" if item else "false") if isinstance(item, bool) else str(item)


def _is_equal(item: Any, value: str) -> bool:
    if isinstance(item, bool) or not isinstance(item, int | float):
        return _text(item).casefold() == value.casefold()
    return _version(_text(item)) == _version(value)


def _version(text: str) -> tuple[int, ...] | None:
    """The first version of a text, without zeros at its end; a size is one number of bytes."""
    if size := _SIZE.fullmatch(text.strip()):
        return (int(float(size[1]) * 2 ** _POWERS[size[2].lower()]),)
    match = _VERSION.search(text)
    if match is None:
        return None
    numbers = [int(part[:20]) for part in match[0].split(".")]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _order(item: Any, value: str) -> int | None:
    """-1, 0 or 1; None where one of them has no version."""
    left, right = _version(_text(item)), _version(value)
    if left is None or right is None:
        return None
    for one, other in zip_longest(left, right, fillvalue=0):
        if one != other:
            return -1 if one < other else 1
    return 0


_OPERATORS: Final[dict[str, Callable[[Any, str], bool]]] = {
    "=": _is_equal,
    "!=": lambda item, value: not _is_equal(item, value),
    "~": lambda item, value: value.casefold() in _text(item).casefold(),
    "<": lambda item, value: _order(item, value) == -1,
    "<=": lambda item, value: _order(item, value) in (-1, 0),
    ">": lambda item, value: _order(item, value) == 1,
    ">=": lambda item, value: _order(item, value) in (0, 1),
}
_ORDERS: Final = ("<", "<=", ">", ">=")
