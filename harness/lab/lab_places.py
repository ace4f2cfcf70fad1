"""When a new run would have the devices of a lab, by what is asked for now."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .address import parse_address
from .lab_candidates import why_unusable
from .link import Link
from .queue import Waiting, kind_here, place
from .wire import Offer


@dataclass(frozen=True, slots=True)
class LabPlace:
    """`before`: runs that would have the device's machine before a new one, and `wait_s` until they have ended; None
    where nobody knows. `unusable`: why the device cannot be had, a sentence."""

    before: int
    wait_s: float | None
    unusable: str | None = None


@dataclass(frozen=True, slots=True)
class LabPlaces:
    """By device; `groups` are devices that take turns."""

    of_device: Mapping[str, LabPlace]
    groups: Sequence[Sequence[str]]


def places_at(address: str, devices: Sequence[str], certificates: Path | None = None) -> LabPlaces:
    """Of devices that the lab offers. Raises CallError, CannotMeasure."""
    link = Link(parse_address(address), certificates)
    try:
        return places_of(devices, link.offers(), link.queue(), kind_here())
    finally:
        link.close()


def places_of(
    devices: Sequence[str],
    offers: Mapping[str, Offer],
    waiting: Sequence[Waiting],
    kind: str,
    now_s: float | None = None,
) -> LabPlaces:
    """Of a run that somebody of this kind asks for now. A device whose host went away meanwhile has no place."""
    asked_s = time.time() if now_s is None else now_s
    there = [name for name in devices if name in offers]
    beside = {name: {name, *offers[name].beside} for name in there}
    found = {}
    for name in there:
        queue = [item for item in waiting if item.device in beside[name]]
        before, wait_s = place([*queue, Waiting("", name, "", kind, asked_s)], "")
        found[name] = LabPlace(before, wait_s, why_unusable(offers[name]))
    groups: list[list[str]] = []
    for name in devices:
        group = next((each for each in groups if name in beside.get(each[0], ())), None)
        if group is None:
            groups.append([name])
        else:
            group.append(name)
    return LabPlaces(found, groups)
