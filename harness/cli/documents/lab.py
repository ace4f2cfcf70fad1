"""Of `lab status` and `lab queue`: the devices of a lab, and who has them or waits for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bnnbench.results.site.lab_state import State

from .document import Document

if TYPE_CHECKING:
    from ...lab.queue import Waiting
    from ...lab.wire import Offer


class LabProgress(msgspec.Struct, frozen=True, kw_only=True):
    """What a session does now, and how far it is."""

    text: str
    done: int
    total: int


class LabDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A device that a host offers. `why` says in sentences why it cannot be had; it is empty where it can."""

    device: str
    host: str
    state: State
    why: str
    run: Annotated[str | None, Meta(description="Id of the run whose session runs there.")]
    progress: LabProgress | None
    waiting: Annotated[int, Meta(description="Sessions that wait for it.")]
    facts: Annotated[dict[str, Any], Meta(description="Fact -> value, as `devices probe` finds them.")]


class LabRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A session that has a device or waits for it. `place` counts from 0, which is the next one or the one that runs;
    `expected_s` is null where nobody knows."""

    device: str
    run: str
    who: str
    kind: Literal["person", "ci"]
    is_running: bool
    place: int
    asked_s: Annotated[float, Meta(description="When it was asked for, seconds since 1970.")]
    running_s: float
    expected_s: float | None


class LabQueue(Document, frozen=True, kw_only=True):
    """What the devices of a lab have to do: device by device, the next first."""

    queue: list[LabRequest]


class LabStatus(LabQueue, frozen=True, kw_only=True):
    """Every device of a lab, and its queue."""

    devices: list[LabDevice]


def queue_document(waiting: Sequence[Waiting]) -> LabQueue:
    """What `lab queue --json` prints."""
    return LabQueue(queue=_requests(waiting))


def status_document(offers: Mapping[str, Offer], waiting: Sequence[Waiting]) -> LabStatus:
    """What `lab status --json` prints."""
    from ...lab.lab_state import state_of

    devices = [
        LabDevice(
            device=found.name,
            host=found.host,
            state=found.state,
            why=found.why,
            run=found.run or None,
            progress=_progress(offers[found.name]),
            waiting=sum(item.device == found.name and not item.is_running for item in waiting),
            facts=dict(found.facts),
        )
        for found in state_of(offers, waiting).devices
    ]
    return LabStatus(devices=devices, queue=_requests(waiting))


def _progress(offer: Offer) -> LabProgress | None:
    if offer.progress is None:
        return None
    text, done, total = offer.progress
    return LabProgress(text=text, done=done, total=total)


def _requests(waiting: Sequence[Waiting]) -> list[LabRequest]:
    from ...lab.queue import numbered

    return [
        LabRequest(
            device=item.device,
            run=item.run,
            who=item.who,
            kind="ci" if item.kind == "ci" else "person",
            is_running=item.is_running,
            place=place,
            asked_s=item.asked_s,
            running_s=item.running_s,
            expected_s=item.expected_s,
        )
        for item, place in numbered(waiting)
    ]
