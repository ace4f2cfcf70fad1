"""The chip that a board is made with."""

from __future__ import annotations

from bnnbench.devices.facts import Fact
from bnnbench.devices.probe_script import Sections


def soc(sections: Sections) -> Fact:
    """The last name that the device tree is compatible with, without the maker (`brcm,bcm2712` is `bcm2712`), or what
    Android calls it. PCs tell none."""
    tree, phone = sections["compatible"], sections["prop.ro.soc.model"]
    name = tree.said.splitlines()[-1].rpartition(",")[2].strip() if tree.said else ""
    if name:
        return Fact(name, tree.source)
    return Fact(phone.said, phone.source) if phone.said else Fact(None, f"tried {tree.source}, {phone.source}")
