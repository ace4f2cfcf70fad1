"""Connections to devices: `connect(spec)` picks the transport by the spec's kind (`devices/kinds.py`)."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, cast

from bnnbench.devices.errors import Unreachable, told_as

if TYPE_CHECKING:
    from bnnbench.devices.spec import DeviceSpec
    from bnnbench.devices.transport.protocol import Completed, RemoteProcess, Transport

__all__ = ["Completed", "RemoteProcess", "Transport", "connect"]


def connect(spec: DeviceSpec) -> Transport:
    """Connect to a device.

    Raises HostKeyError, AuthError, Unreachable or InventoryError, each a sentence that says what to do; whatever else a
    library raises about this device is Unreachable too.
    """
    module, _, name = spec.kind.transport.partition(":")
    build = cast("Callable[[DeviceSpec], Transport]", getattr(import_module(module), name))
    with told_as(Unreachable, f"device {spec.name!r} ({spec.address}) cannot be reached"):
        return build(spec)


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(import_module("bnnbench.devices.transport.protocol"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
