"""What a suite asks of its figures, as a run keeps it: floors and margins, budgets, and changes that are allowed."""

from datetime import date
from typing import Literal

import msgspec

from bnnbench.results.records.bounds import Real

Direction = Literal["worse", "both"]
"""Which changes fail: those for the worse, or any."""


class MetricRules(msgspec.Struct, frozen=True, kw_only=True):
    """`floor` and `margin` as in `bnnbench.results.metric.Metric`; None where the metric's own stand."""

    floor: Real | None = None
    margin: Real | None = None
    direction: Direction | None = None


class ScopedRules(MetricRules, frozen=True, kw_only=True):
    """`[[verdict.rule]]`: of some workloads (a regular expression), devices and metrics; empty: of all. `budget` are
    bounds such as `latency_ms <= 12`."""

    workload: str = ""
    device: list[str] = []
    metric: list[str] = []
    budget: list[str] = []


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """`[[verdict.allow]]`: a known change of a metric, with its reason, until the end of a day. It is at most `up_to`
    (ratio minus 1, of shares a difference), of any size where this is None."""

    metric: str
    reason: str
    until: date
    workload: str = ""
    device: list[str] = []
    up_to: Real | None = None


class VerdictRules(msgspec.Struct, frozen=True, kw_only=True):
    """`[verdict]` of a suite. `floor` and `margin` are those of latency, None where it says nothing; `metric` is by the
    key of a metric."""

    floor: Real | None = None
    margin: Real | None = None
    metric: dict[str, MetricRules] = {}
    budget: list[str] = []
    rule: list[ScopedRules] = []
    allow: list[Allowance] = []


class SuiteRules(msgspec.Struct, frozen=True, kw_only=True):
    """What stored runs are judged by, of their suite. `gate` are the metrics that decide whether a check passes; none:
    all. It is None in runs of before."""

    verdict: VerdictRules = VerdictRules()
    gate: list[str] | None = None
