"""`bnnbench devices quarantine` and `release`: devices that runs do not use until a person has looked at them."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from .options import DebugOption, DeviceArgument, InventoryOption


def quarantine(
    device: DeviceArgument,
    reason: Annotated[str, Parameter(help="Why; runs repeat it.")],
    /,
    *,
    inventory: InventoryOption = None,
    debug: DebugOption = False,
) -> None:
    """Quarantine a device: runs refuse it, with the reason, until it is released."""
    from bnnbench.devices.inventory import open_inventory
    from bnnbench.devices.quarantine import quarantine as put
    from bnnbench.devices.selecting import resolve
    from bnnbench.results.printable import printable

    from ..errors import CallError

    if not reason.strip():
        raise CallError("the reason is empty; say in a few words why the device is not to be used.")
    spec = resolve(device, open_inventory(inventory))
    print(printable(f"{put(spec, 'user', reason).sentence}."))


def release(device: DeviceArgument, /, *, inventory: InventoryOption = None, debug: DebugOption = False) -> None:
    """End a device's quarantine, and forget its losses."""
    from bnnbench.devices.inventory import open_inventory
    from bnnbench.devices.quarantine import release as end
    from bnnbench.devices.selecting import resolve
    from bnnbench.results.printable import printable

    spec = resolve(device, open_inventory(inventory))
    ended = end(spec)
    if ended is None:
        print(f"device '{spec.name}' was not quarantined")
    else:
        print(printable(f"device '{spec.name}' is released; it was quarantined since {ended.since}: {ended.reason}"))
