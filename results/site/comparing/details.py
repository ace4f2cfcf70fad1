"""What a row of a compare page opens into: samples, clocks and temperatures of both sides, as recorded."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from bnnbench.results import quantity
from bnnbench.results.records import Invocation
from bnnbench.results.site.cases import CaseSummary
from bnnbench.results.site.comparing.ab_command import AbCommand

_STEPS = 40
"""Points of a line of samples at most."""
_SIDES = ("base", "head")


@dataclass(frozen=True, slots=True)
class Step:
    """A point of a distribution: the share (0 to 1) of a side's samples that took at most `ns`."""

    side: str
    ns: float
    share: float


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a side was measured, in words; empty where nothing was recorded. `samples` counts them all."""

    invocations: int
    samples: int
    clock: str
    temperature: str


@dataclass(frozen=True, slots=True)
class Details:
    """`environment` has lines about what differs; `why` is what a verdict says about the cause."""

    base: Conditions
    head: Conditions
    steps: Sequence[Step]
    ab: AbCommand
    environment: Sequence[str] = ()
    why: str = ""
    reason: str = ""
    histories: Sequence[CaseSummary] = field(default_factory=list)
    """The cases over all runs, which have pages of their own."""


def conditions(invocations: Sequence[Invocation], *, has_times: bool = True) -> Conditions:
    """Of the invocations of a case. `has_times`: False on an emulated device, whose clock and samples mean nothing."""
    clocks = [clock for one in invocations for clock in one.clock_hz if clock > 0] if has_times else []
    return Conditions(
        invocations=len(invocations),
        samples=sum(len(one.samples_ns) for one in invocations) if has_times else 0,
        clock=_between([quantity.clock(value) for value in _range(clocks)]),
        temperature=_between([f"{value:.0f} °C" for value in _range(_degrees(invocations))]),
    )


def steps(base: Sequence[Invocation], head: Sequence[Invocation]) -> list[Step]:
    """The empirical distribution of both sides' samples, in `_STEPS` points each; of a side without samples none."""
    found = []
    for side, invocations in zip(_SIDES, (base, head), strict=True):
        samples = sorted(ns for one in invocations for ns in one.samples_ns if ns > 0 and math.isfinite(ns))
        count = len(samples)
        places = sorted({round(step * (count - 1) / _STEPS) for step in range(_STEPS + 1)}) if count else []
        found += [Step(side, samples[place], (place + 1) / count) for place in places]
    return found


@dataclass(frozen=True, slots=True)
class Share:
    """A line of the samples as a table: `share` of them took at most so many ns; None of a side without samples."""

    share: float
    base_ns: float | None
    head_ns: float | None


def table(found: Sequence[Step]) -> list[Share]:
    """The distributions at some shares."""
    sides = {side: [step for step in found if step.side == side] for side in _SIDES}
    return [
        Share(share, *(next((step.ns for step in sides[side] if step.share >= share), None) for side in _SIDES))
        for share in _SHARES
        if found
    ]


_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


def _degrees(invocations: Sequence[Invocation]) -> list[float]:
    """Before and after each; one number in older journals."""
    found: list[float] = []
    for one in invocations:
        celsius = one.telemetry.get("temperature_celsius", [])
        values = celsius if isinstance(celsius, list) else [celsius]
        found += [
            float(value)
            for value in values
            if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e4
        ]
    return found


def _range(values: Sequence[float]) -> list[float]:
    return [min(values), max(values)] if values else []


def _between(texts: Sequence[str]) -> str:
    """`51 to 53 °C`; one text where both are alike."""
    if not texts or len(set(texts)) == 1:
        return texts[0] if texts else ""
    first, _, unit = texts[0].rpartition(" ")
    return f"{first} to {texts[1]}" if texts[1].endswith(f" {unit}") else f"{texts[0]} to {texts[1]}"
