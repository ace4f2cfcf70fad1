"""What the site shows of a lab: what its hosts offer and its scheduler has to do, at this moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bnnbench.devices.facts import DeviceFacts
from bnnbench.results.site.lab_state import LabDevice, LabRequest, LabState, State

from ..suite.load import HEALTH, shipped_suite
from .address import parse_address
from .link import Link
from .queue import Waiting, places
from .wire import Offer


def ask_lab(address: str, certificates: Path | None = None) -> LabState:
    """Connects. Raises CallError, CannotMeasure."""
    link = Link(parse_address(address), certificates)
    try:
        return state_of(link.offers(), link.queue())
    finally:
        link.close()


def state_of(offers: Mapping[str, Offer], waiting: Sequence[Waiting]) -> LabState:
    """Who asked is left out: pages may be read by others."""
    requests = [
        LabRequest(
            device=item.device,
            run=item.run,
            place=place,
            asker="CI" if item.kind == "ci" else "person",
            takes_s=item.expected_s,
            is_running=item.is_running,
        )
        for item, place in places(waiting)
    ]
    canaries = tuple(str(table.name) for table in shipped_suite(HEALTH).kernel)
    return LabState([_device(offer) for offer in offers.values()], requests, canaries)


def _device(offer: Offer) -> LabDevice:
    facts = DeviceFacts.from_dict(offer.facts)
    progress = offer.progress
    return LabDevice(
        name=offer.device,
        host=offer.host,
        state=_state(offer),
        why=" ".join(dict.fromkeys(_reasons(offer))),
        run=offer.session or "",
        progress="" if progress is None else f"{progress[1]} of {progress[2]}, {progress[0]}",
        facts={name: facts.value(name) for name in facts},
        accepted_since=offer.accepted_since,
    )


def _state(offer: Offer) -> State:
    if offer.quarantined:
        return "quarantined"
    if offer.unusable:
        return "away"
    return "measuring" if offer.session else "free"


def _reasons(offer: Offer) -> list[str]:
    """A quarantined device may be away, too."""
    found = [offer.unusable] if offer.unusable else []
    return [*found, f"{offer.quarantined}."] if offer.quarantined else found
