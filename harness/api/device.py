"""The devices of the inventory: `bnnbench.devices`."""

from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any

from .error import raises_sentences
from .words import path_of

if TYPE_CHECKING:
    from bnnbench.devices.spec import DeviceSpec


@dataclass(frozen=True)
class Device:
    """A device of the inventory.

    Attributes:
        name: What it is called, for `device=` of the other functions.
        transport: How it is reached: `local`, `ssh`, `adb`, `qemu`.
        address: Where it is.
    """

    name: str
    transport: str
    address: str
    _spec: "DeviceSpec" = field(repr=False)

    @raises_sentences
    def facts(self) -> dict[str, Any]:
        """What is known of it, as `bnnbench devices probe` tells: connects, asks, and closes the connection.

        Returns:
            Fact by name, such as `model`, `triple`, `cpus`; None for one that cannot be told. docs/devices.md lists
            them.

        Raises:
            MeasureError: The device does not answer.
        """
        from bnnbench.devices.probe import probe
        from bnnbench.devices.transport import connect

        with connect(self._spec) as transport:
            facts = probe(transport)
        return {name: facts[name].value for name in facts}


@raises_sentences
def devices(path: str | PathLike[str] | None = None, /) -> list[Device]:
    """Lists the devices of the inventory; connects to none. `local` is always among them.

    Args:
        path: The device list; default `devices.toml` here or above, then the user's own.

    Returns:
        The devices, in the order of the file.

    Raises:
        CallError: The file is missing or wrong.

    Example:
        >>> import bnnbench as bnn
        >>> "local" in [device.name for device in bnn.devices()]
        True
    """
    from bnnbench.devices.inventory import open_inventory

    found = open_inventory(path_of(path))
    return [Device(name, spec.transport, spec.address, spec) for name, spec in found.devices.items()]
