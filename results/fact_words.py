"""The facts of devices as two runs are compared by them: what each is called, and what of it counts as a difference.

A fact that differs by itself all the time, such as the free memory, has a row that says how it is treated. A fact that
has no row, of a newer version, is compared as it is and called by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bnnbench.results import quantity
from bnnbench.results.fact_text import ranges, text_of

Kind = Literal["changed", "members", "rebooted", "another_machine"]
Sides = tuple[str, str]
Compare = Callable[[Any, Any], Sides | None]
"""Values of base and head -> both in words; None where they do not differ."""

UNKNOWN = "unknown"
_WARMER_CELSIUS = 10.0
_BUSIER = 1.0
_THROTTLE_BITS = {
    0: "undervoltage",
    1: "clock capped",
    2: "throttled",
    3: "temperature limit",
    16: "undervoltage since boot",
    17: "clock capped since boot",
    18: "throttled since boot",
    19: "temperature limit since boot",
}


@dataclass(frozen=True, slots=True)
class FactRow:
    """`words` is what the fact is called; `compare` finds what differs, `kind` says what a difference is."""

    words: str
    compare: Compare
    kind: Kind = "changed"


def _by(text: Callable[[Any], str]) -> Compare:
    """Compares what is shown of the two values; a value of an unexpected form is shown as it is."""

    def compare(base: Any, head: Any) -> Sides | None:
        sides = _shown(base, text), _shown(head, text)
        return sides if sides[0] != sides[1] else None

    return compare


def _shown(value: Any, text: Callable[[Any], str]) -> str:
    if value is None:
        return UNKNOWN
    try:
        return text(value) or "none"
    except (TypeError, ValueError, AttributeError, KeyError, IndexError, OverflowError):
        return text_of(value)


def _by_at_least(step: float, number: Callable[[Any], float], text: Callable[[float], str]) -> Compare:
    """Differs where both are known and at least so far apart."""

    def compare(base: Any, head: Any) -> Sides | None:
        try:
            old, new = float(number(base)), float(number(head))
        except (TypeError, ValueError, AttributeError, KeyError, IndexError, OverflowError):
            return None
        return (text(old), text(new)) if abs(old - new) >= step else None

    return compare


def _members(base: Any, head: Any) -> Sides | None:
    """What only one of two lists has; nothing where one is unknown."""
    if not isinstance(base, list) or not isinstance(head, list):
        return None
    old, new = set(map(text_of, base)), set(map(text_of, head))
    return (", ".join(sorted(old - new)), ", ".join(sorted(new - old))) if old != new else None


def _other_boot(base: Any, head: Any) -> Sides | None:
    return ("", "") if base is not None and head is not None and base != head else None


def _never(base: Any, head: Any) -> Sides | None:
    """It always differs, and says nothing, or another row says it."""
    return None


def _cpus(value: Any) -> str:
    return f"{value['count']} ({ranges(value['allowed'])} allowed)"


def _clusters(value: Any) -> str:
    return " + ".join(
        f"{len(one['cpus'])} x {one['name']}" + (f" {quantity.clock(one['max_hz'])}" if one.get("max_hz") else "")
        for one in value
    )


def _clock_limits(value: Any) -> str:
    limits = [tuple(one.get(end) for end in ("min", "max")) for one in value.values()]
    words = ["-".join(quantity.clock(end) for end in ends if end is not None) for ends in limits]
    return ", ".join(dict.fromkeys(word for word in words if word)) or "no limits"


def _hottest(value: Any) -> float:
    return max(map(float, value.values())) if isinstance(value, Mapping) else float(value)


def _flags(value: Any) -> str:
    return ", ".join(words for bit, words in _THROTTLE_BITS.items() if value >> bit & 1) or "none"


def _quota(value: Any) -> str:
    return f"{value[0]['cpus']:g} CPUs" if value else "none"


def _battery(value: Any) -> str:
    """Without its level, which changes all the time."""
    return text_of({name: item for name, item in value.items() if name != "level"})


def _not_at_rest(value: Any) -> str:
    return ", ".join(sorted(name for name, state in value.items() if state)) or "all at rest"


_text = _by(text_of)
_size = _by(quantity.size)

FACTS: dict[str, FactRow] = {
    "model": FactRow("model", _text),
    "revision": FactRow("board revision", _text),
    "machine": FactRow("architecture", _text),
    "soc": FactRow("chip", _text),
    "cpu_model": FactRow("CPU", _text),
    "cpus": FactRow("CPUs", _by(_cpus)),
    "clusters": FactRow("core clusters", _by(_clusters)),
    "smt_siblings": FactRow("CPUs that share a core", _text),
    "isa_features": FactRow("CPU features", _members, "members"),
    "memory_bytes": FactRow("memory", _size),
    "page_size_bytes": FactRow("page size", _size),
    "boot_id": FactRow("", _other_boot, "rebooted"),
    "kernel": FactRow("kernel", _text),
    "firmware": FactRow("firmware", _text),
    "os_release": FactRow("system", _text),
    "elf_class": FactRow("userland bits", _text),
    "triple": FactRow("userland", _text),
    "governor": FactRow("governor", _text),
    "clock_hz": FactRow("clock limits", _by(_clock_limits)),
    "throttled": FactRow("throttle flags", _by(_flags)),
    "thermal_status": FactRow("thermal status", _text),
    "temperature_celsius": FactRow("temperature", _by_at_least(_WARMER_CELSIUS, _hottest, "{:.0f} °C".format)),
    "cooling": FactRow("cooling at work", _by(_not_at_rest)),
    "load_average": FactRow("load", _by_at_least(_BUSIER, lambda value: value[0], "{:.2f}".format)),
    "cpu_quota": FactRow("CPU limit", _by(_quota)),
    "battery": FactRow("battery", _by(_battery)),
    "wake_lock": FactRow("wake lock", _text),
    "power_sources": FactRow("power sources", _text),
    "perf_event_paranoid": FactRow("perf_event_paranoid", _text),
    "hypervisor": FactRow("hypervisor", _text),
    "emulated": FactRow("emulated", _text),
    "container": FactRow("in a container", _text),
    "python3": FactRow("device's Python", _by(lambda value: value.removeprefix("Python "))),
    "tools": FactRow("tools", _members, "members"),
    "machine_id": FactRow("machine id", _never),
    "address": FactRow("address", _never),
    "memory_available_bytes": FactRow("free memory", _never),
    "firmware_clock_hz": FactRow("clock at the moment", _never),
    "temperature_files": FactRow("temperature files", _never),
    "temperature_left_out": FactRow("sensors left out", _never),
    "cpu_quota_files": FactRow("CPU limit files", _never),
}
"""In the order in which differences are listed: the machine, its system, its state."""


def fact_row(name: str) -> FactRow:
    """The row of a fact; of one without a row, its name and its plain value."""
    return FACTS.get(name) or FactRow(name.replace("_", " "), _text)
