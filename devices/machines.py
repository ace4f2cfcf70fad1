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

    Without a boot id, devices of this machine are one, and others whose kind finds them at one place.
    """
    groups: dict[tuple[str, ...], tuple[str | None, list[DeviceSpec]]] = {}
    for spec, boot_id in devices:
        key = ("boot", boot_id) if boot_id else _place(spec)
        groups.setdefault(key, (boot_id, []))[1].append(spec)
    return tuple(Machine(boot_id, tuple(specs)) for boot_id, specs in groups.values())


def place_of(spec: DeviceSpec) -> str:
    """What a board is known by here whatever it is called, like `ssh:pi4.lab:22`. Devices of this machine are told
    apart by their names, for one of them may be an emulated CPU."""
    return ":".join((spec.transport, spec.name) if spec.kind.is_here else _place(spec))


def _place(spec: DeviceSpec) -> tuple[str, ...]:
    if spec.kind.is_here:
        return ("here",)
    return (spec.transport, *(str(spec.entry.get(key, "")) for key in spec.kind.machine))
