"""What a bisection found, as people read it and as JSON."""

from __future__ import annotations

import math

import msgspec

from bnnbench.results.metrics import METRICS

from .history import Commit

_SURE = 0.999


class Culprit(msgspec.Struct, frozen=True, kw_only=True):
    """A step to the worse. `commits` are those of which one makes it, the oldest first; `effect`, `low` and `high` are
    ratios minus 1 to the commit before (of accuracy differences of shares), the interval of 95 %. `confirmed`: measured
    directly against the commit before, once in each role, or exact."""

    commits: list[Commit]
    probability: float
    effect: float
    low: float
    high: float
    confirmed: bool


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a measured commit, against the good one; in the units of `Culprit`. `value`: the figure itself
    where it is exact."""

    commit: Commit
    effect: float
    low: float
    high: float
    pairs: int = 0
    value: float | None = None


class CaseFound(msgspec.Struct, frozen=True, kw_only=True):
    """Of a case. `status`: `found` (each step is in one commit), `range` (a step is in several), `no_regression`, or
    `undecided`. `worse`: the probability that the bad commit is worse than the good one."""

    case: str
    status: str
    worse: float
    culprits: list[Culprit] = []
    levels: list[Level] = []
    pairs: int = 0


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """A commit that could not be measured."""

    commit: Commit
    reason: str


class BisectResult(msgspec.Struct, frozen=True, kw_only=True):
    """What `bisect --json` prints. `runs` are in the store."""

    schema: int = 1
    id: str
    metric: str
    device: str
    good: Commit
    bad: Commit
    commits: int
    cases: list[CaseFound]
    skipped: list[Skipped] = []
    runs: list[str] = []
    builds: int = 0

    @property
    def is_found(self) -> bool:
        """Whether a step was found in some case, and each in a single commit."""
        regressed = [case for case in self.cases if case.status != "no_regression"]
        return bool(regressed) and all(case.status == "found" for case in regressed)


def sentences(result: BisectResult) -> list[str]:
    """A sentence for each step, or for a case without any."""
    return [text for case in result.cases for text in _of_case(result, case)]


def _of_case(result: BisectResult, case: CaseFound) -> list[str]:
    label = METRICS[result.metric].label
    if case.status == "no_regression":
        chance = "" if case.worse == 0 else f" (probability of a regression: {_percent(case.worse)})"
        return [f"{case.case}: no regression in {label} between {result.good.short} and {result.bad.short}{chance}"]
    if not case.culprits:
        return [f"{case.case}: undecided; the probability of a regression in {label} is {_percent(case.worse)}"]
    return [_of_culprit(result, case, one) for one in case.culprits]


def _of_culprit(result: BisectResult, case: CaseFound, one: Culprit) -> str:
    metric = METRICS[result.metric]
    who = f"commit {one.commits[-1].text}"
    if len(one.commits) > 1:
        who = f"one of {len(one.commits)} commits, {one.commits[0].short} .. {one.commits[-1].text},"
    what = f"made {case.case} {effect_text(one, metric.in_points)} {_worse(result.metric)}"
    sure = f"probability {_percent(one.probability)}" if metric.is_paired else "exact"
    return f"{who} {what}, {sure}"


def effect_text(one: Culprit | Level, in_points: bool, sign: bool = False) -> str:
    """`5.1 % (4.6 .. 5.6)`, of exact figures without interval."""
    unit = "points" if in_points else "%"
    low, high = sorted((one.low, one.high)) if sign else sorted((abs(one.low), abs(one.high)))
    if not sign and one.low * one.high < 0:
        low, high = one.low, one.high
    form = "+.1f" if sign else ".1f"
    middle = f"{(one.effect if sign else abs(one.effect)) * 100:{form}}"
    if one.low == one.high:
        return f"{middle} {unit}"
    return f"{middle} {unit} ({low * 100:{form}} .. {high * 100:{form}})"


def _worse(metric: str) -> str:
    return {"latency": "slower", "size": "larger", "accuracy": "less accurate"}.get(
        metric, f"worse in {METRICS[metric].label}"
    )


def _percent(probability: float) -> str:
    """Nothing that is measured is certain."""
    if probability > _SURE:
        return "> 99.9 %"
    return f"{math.floor(probability * 1000) / 10:g} %" if probability > 0.99 else f"{probability * 100:.0f} %"
