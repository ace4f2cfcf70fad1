"""Which hosts a run's devices are at, and what there is to choose from: this host's, or a lab's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from bnnbench.devices.inventory import open_inventory

from ..bench.candidates import Candidates, InventoryCandidates
from ..errors import CallError
from ..plan.config import RunConfig
from ..run.hosts import Hosts, ThisHost


def hosts_of(config: RunConfig) -> Hosts:
    """This host's, or a lab's. Raises CallError where the extra is missing."""
    if config.lab is None:
        return ThisHost(config.health)
    require_extra()
    from .lab_hosts import LabHosts

    return LabHosts(config.lab)


def candidates_at(lab: str | None, inventory: Path | None) -> Candidates:
    """Those of an inventory, None: the one that is found; with `lab` what its hosts offer now. Raises InventoryError,
    and for a lab CallError, CannotMeasure."""
    if lab is None:
        return InventoryCandidates(open_inventory(inventory))
    if inventory is not None:
        raise CallError("--inventory names devices of this machine, and --lab has those of its hosts: leave one out.")
    require_extra()
    from .address import parse_address
    from .lab_candidates import LabCandidates
    from .link import Link
    from .queue import Choice

    link = Link(parse_address(lab))
    try:
        offers = link.offers()
    finally:
        link.close()

    def take(choice: Choice) -> list[str]:
        again = Link(parse_address(lab))
        try:
            return again.take(choice)
        finally:
            again.close()

    return LabCandidates(lab, offers, take)


def hosts_at(lab: str | None) -> Callable[[RunConfig], Hosts]:
    """As `hosts_of`, for a run whose lab may have another address by now; None: that of before."""
    return lambda config: hosts_of(config if lab is None else msgspec.structs.replace(config, lab=lab))


def require_extra() -> None:
    """Raises CallError."""
    from importlib.util import find_spec

    if find_spec("distributed") is None or find_spec("cryptography") is None:
        raise CallError("a lab needs Dask distributed; run pip install 'bnnbench[lab]'.")
