"""Which devices are the same machine: those that share a boot id take turns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bnnbench.devices.spec import DeviceSpec


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine and the ways to reach it, as given. At most one of them benchmarks at a time."""

    boot_id: str | None
    devices: tuple[DeviceSpec, ...]


def machines(devices: Iterable[tuple[DeviceSpec, str | None]]) -> tuple[Machine, ...]:
    """Group (device, boot id) pairs, machines in order of their first device.

    Without a boot id, only devices with one and the same address are known to be one machine.
    """
    groups: dict[tuple[str, ...], tuple[str | None, list[DeviceSpec]]] = {}
    for spec, boot_id in devices:
        key = ("boot", boot_id) if boot_id else ("address", spec.transport, spec.host or "", str(spec.port or ""))
        groups.setdefault(key, (boot_id, []))[1].append(spec)
    return tuple(Machine(boot_id, tuple(specs)) for boot_id, specs in groups.values())
