"""Whether a device is still the machine that was measured before, by the facts that a machine keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Facts = Mapping[str, Mapping[str, Any]]
"""As stored: name -> `{"value": ..., "source": ...}`."""

_KEPT = {
    "model": "its model",
    "machine": "its architecture",
    "triple": "its userland",
    "cpu_model": "its CPU",
    "revision": "its board revision",
}
_MEMORY_SHARE = 0.2
"""By which the memory that a kernel tells may differ: firmware and balloons take their part."""


def difference(before: Facts, after: Facts) -> str | None:
    """What shows that these are two machines, as a part of a sentence; None where nothing does.

    Facts that one of them lacks show nothing. After a reboot a machine has another boot id, and nothing else.
    """
    for name, words in _KEPT.items():
        old, new = _value(before, name), _value(after, name)
        if old is not None and new is not None and old != new:
            return f"{words} is {new}, and was {old}"
    same_boot = _value(before, "boot_id") is not None and not rebooted(before, after)
    if _value(after, "emulated") is True or same_boot:
        return None  # what is emulated is the same anywhere; containers share a kernel and are one machine
    old, new = _value(before, "machine_id"), _value(after, "machine_id")
    if old is not None and new is not None and old != new:
        return "its serial number or machine id is another one"
    if (
        (old is None or new is None)
        and (at := _value(before, "address"))
        and _value(after, "address") not in (None, at)
    ):
        return "it answers at another address, and shows neither a serial number nor a machine id"
    old, new = _cpus(before), _cpus(after)
    if old and new and old != new:
        return f"it has {new} CPUs, and had {old}"
    old, new = _memory(before), _memory(after)
    if old and new and max(old, new) / min(old, new) - 1 > _MEMORY_SHARE:
        return f"it has {new / 2**30:.1f} GiB of memory, and had {old / 2**30:.1f}"
    return None


def rebooted(before: Facts, after: Facts) -> bool:
    """Whether it was booted anew in between, as far as it says."""
    old, new = _value(before, "boot_id"), _value(after, "boot_id")
    return old is not None and new is not None and old != new


def _value(facts: Facts, name: str) -> Any:
    fact = facts.get(name)
    return fact.get("value") if isinstance(fact, Mapping) else fact


def _cpus(facts: Facts) -> int | None:
    cpus = _value(facts, "cpus")
    return cpus.get("count") if isinstance(cpus, Mapping) else None


def _memory(facts: Facts) -> float | None:
    """In bytes; None where it is not told, or not as a positive number."""
    told = _value(facts, "memory_bytes")
    return told if isinstance(told, int | float) and told > 0 else None
