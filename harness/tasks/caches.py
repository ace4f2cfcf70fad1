"""How large a device's caches are, as Linux says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bnnbench.devices.inventory import open_inventory
from bnnbench.devices.selecting import resolve
from bnnbench.devices.transport import connect

_FOLDER = "/sys/devices/system/cpu/cpu0/cache"
_UNITS = {"K": 1024, "M": 1024**2}
_USUAL_L2 = 512 * 1024


@dataclass(frozen=True, slots=True)
class Caches:
    """The second cache of a device's first core, 512 KiB where it does not say, and the last one: the second itself
    where there is no third."""

    l2_bytes: int
    last_bytes: int


def caches(device: str, inventory: Path | None) -> Caches:
    """Asks the device. Raises DeviceError, InventoryError."""
    with connect(resolve(device, open_inventory(inventory))) as transport:
        said = transport.run(["cat", f"{_FOLDER}/index2/size", f"{_FOLDER}/index3/size"], timeout_s=20)
    return caches_of(said.stdout.decode(errors="replace"))


def caches_of(text: str) -> Caches:
    """Of lines such as 512K, the second cache's first; others say nothing."""
    found = [int(n) * _UNITS[unit] for n, unit in re.findall(r"^([0-9]{1,9})([KM])$", text, re.ASCII | re.MULTILINE)]
    second = found[0] if found else _USUAL_L2
    return Caches(second, max(found[1:2] or [second]))
