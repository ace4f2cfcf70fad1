"""What a fact may be: a device may say anything, and a run keeps what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from bnnbench.devices.facts import Fact
from bnnbench.devices.probe_script import Sections

_MOST: Final = 2**53
_LONGEST_TEXT: Final = 4_096
_MOST_ENTRIES: Final = 4_096
_DEEPEST: Final = 4


def bounded(find: Callable[[Sections], Fact], sections: Sections) -> Fact:
    """The fact that `find` reads; an absent one where what the device said is too large or cannot be read."""
    try:
        fact = find(sections)
    except (ValueError, ArithmeticError, LookupError, TypeError) as error:
        return Fact(None, f"the device's answer cannot be read: {str(error)[:200]}")
    if not _fits(fact.value, _DEEPEST):
        return Fact(None, f"{fact.source[:200]} has a value that is too large")
    return Fact(fact.value, fact.source[:_LONGEST_TEXT])


def _fits(value: Any, depth: int) -> bool:
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, int | float):
        return abs(value) <= _MOST  # False for NaN
    if isinstance(value, str):
        return len(value) <= _LONGEST_TEXT
    if isinstance(value, Mapping):
        value = [each for pair in value.items() for each in pair]
    return depth > 0 and len(value) <= _MOST_ENTRIES and all(_fits(each, depth - 1) for each in value)
