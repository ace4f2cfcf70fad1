"""Of `estimate`: what a comparison will take and show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from .document import Document

if TYPE_CHECKING:
    from ...tasks.estimate import Estimate


class EstimatedCase(msgspec.Struct, frozen=True, kw_only=True):
    """A case of the estimate; what is not known is null.

    `power`: probability that the effect is called by a comparison without a budget; `pairs_*`: its mean number of pairs
    if nothing changed, and with the effect. `needed_looks`: the pairs of each look with which the effect is called with
    90 %. `seconds`: of a comparison in which nothing changed. `seen`: the effect that is called with 90 %, a ratio
    minus 1, where the noise is that of a calibration.
    """

    workload: str
    device: str
    threads: int
    engine: str
    noise: str | None
    power: float | None
    pairs_unchanged: float | None
    pairs_changed: float | None
    needed_looks: list[int] | None
    seen: float | None
    seconds: float | None
    fits: bool


class QueuePlace(msgspec.Struct, frozen=True, kw_only=True):
    """When a device of a lab can be had: `runs_before` a new one, and the seconds that they take, null where that is
    not known. `unusable`: why it cannot be had now."""

    runs_before: int
    seconds: float | None
    unusable: str | None


class EstimateDocument(Document, frozen=True, kw_only=True):
    """`seconds`: of all cases that are known and fit; devices of different machines work at the same time. `queue`: by
    device, with `--lab`; its seconds come before."""

    see: float
    seconds: float
    budget_seconds: float | None
    needed_budget_seconds: dict[str, float]
    cases: list[EstimatedCase]
    queue: dict[str, QueuePlace]


def document(done: Estimate) -> EstimateDocument:
    """What `--json` prints."""
    devices = dict.fromkeys(case.key.device for case in done.cases)
    needed = {name: budget for name in devices if (budget := done.needed_budget_s(name)) is not None}
    return EstimateDocument(
        see=done.see,
        seconds=done.seconds,
        budget_seconds=done.budget_s,
        needed_budget_seconds=needed,
        cases=[
            EstimatedCase(
                workload=case.key.workload,
                device=case.key.device,
                threads=case.key.threads,
                engine=case.key.engine,
                noise=case.noise,
                power=case.planned.power if case.planned else None,
                pairs_unchanged=case.planned.pairs_same if case.planned else None,
                pairs_changed=case.planned.pairs_changed if case.planned else None,
                needed_looks=list(case.needed.looks) if case.needed else None,
                seen=case.least,
                seconds=case.seconds,
                fits=case not in done.dropped,
            )
            for case in done.cases
        ],
        queue={
            name: QueuePlace(runs_before=place.before, seconds=place.wait_s, unusable=place.unusable)
            for name, place in done.places.items()
        },
    )
