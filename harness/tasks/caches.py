"""How large a device's caches are, as Linux says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bnnbench.devices.inventory import open_inventory
from bnnbench.devices.selecting import resolve
from bnnbench.devices.transport import Transport, connect

_FOLDER = "/sys/devices/system/cpu/cpu0/cache"
_UNITS = {"K": 1024, "M": 1024**2}
_USUAL_L1, _USUAL_L2 = 32 * 1024, 512 * 1024


@dataclass(frozen=True, slots=True)
class Caches:
    """The first and second cache of a device's first core, 32 and 512 KiB where it does not say, and the last one: the
    second itself where there is no third."""

    l2_bytes: int
    last_bytes: int
    l1_bytes: int = _USUAL_L1

    def level_of(self, moved: int) -> str:
        """The nearest level of memory, by the words of `peak`, that holds so many bytes."""
        sizes = {"l1": self.l1_bytes, "l2": self.l2_bytes, "llc": self.last_bytes}
        return next((level for level, size in sizes.items() if moved <= size), "dram")


def caches(device: str, inventory: Path | None) -> Caches:
    """Asks the device. Raises DeviceError, InventoryError."""
    with connect(resolve(device, open_inventory(inventory))) as transport:
        return caches_on(transport)


def caches_on(transport: Transport) -> Caches:
    """Asks a connected device. Raises DeviceError."""

    def sizes(*places: int) -> str:
        said = transport.run(["cat", *(f"{_FOLDER}/index{place}/size" for place in places)], timeout_s=20)
        return said.stdout.decode(errors="replace")

    return caches_of(sizes(2, 3), first=sizes(0))


def caches_of(text: str, first: str = "") -> Caches:
    """Of lines such as 512K, the second cache's first; others say nothing. `first` is the line of the first cache."""
    found, nearest = _sizes(text), _sizes(first)
    second = found[0] if found else _USUAL_L2
    return Caches(second, max(found[1:2] or [second]), nearest[0] if nearest else _USUAL_L1)


def _sizes(text: str) -> list[int]:
    return [int(n) * _UNITS[unit] for n, unit in re.findall(r"^([0-9]{1,9})([KM])$", text, re.ASCII | re.MULTILINE)]
