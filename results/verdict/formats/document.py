"""Verdicts as `ab --json` and `check --format json` write them: docs/verdicts.md has the keys."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bnnbench.results.environment import DifferenceEntry

SCHEMA = 1

Figure = Annotated[float, Meta(description="In `unit`.")]
Effect = Annotated[float, Meta(description="A ratio minus 1, or a difference of accuracies: see `effect_unit`.")]
Unit = Annotated[str, Meta(description="ns, bytes, share, mJ or another unit of the metric.")]


class NotMeasured(msgspec.Struct, frozen=True, kw_only=True):
    """What was not measured, and why."""

    what: str
    reason: str


class Since(DifferenceEntry, frozen=True, kw_only=True):
    """A difference since a baseline was measured."""

    baseline: str


class BudgetEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A budget of a case, in the unit of its metric; what was not measured is null."""

    workload: str
    device: str
    threads: int
    engine: str
    metric: str
    unit: Unit
    budget: Annotated[str, Meta(description="As the suite has it.")]
    limit: Figure
    outcome: str
    value: Figure | None
    low: Figure | None
    high: Figure | None
    reason: str | None


class VerdictEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict on one metric of a case; what was not measured is null."""

    workload: str
    device: str
    threads: int
    metric: str
    unit: Unit
    base: Annotated[str, Meta(description="Name of the side, as given in the call.")]
    head: Annotated[str, Meta(description="Name of the side, as given in the call.")]
    status: Annotated[str, Meta(description="Only ok has a verdict.")]
    verdict: str | None
    effect_unit: Literal["ratio", "difference"]
    effect: Effect | None
    low: Effect | None
    high: Effect | None
    level: Annotated[float, Meta(description="Of the interval; 1 for exact figures.")] | None
    mde: Annotated[float, Meta(description="Minimum detectable effect; for exact figures the floor.")] | None
    sigma: Annotated[float, Meta(description="Robust standard deviation of the pairs.")] | None
    base_value: Figure | None
    head_value: Figure | None
    base_ns: Annotated[float, Meta(description="base_value of latency.")] | None
    head_ns: Annotated[float, Meta(description="head_value of latency.")] | None
    pairs: int | None
    dropped_base: int | None
    dropped_head: int | None
    confirmed: Annotated[bool, Meta(description="Whether a second measurement confirmed the difference.")] | None
    reason: str | None
    why: Annotated[str, Meta(description="What the recorded figures say about the cause.")] | None
    extra_ppm: Annotated[int, Meta(description="Deliberate slow-down of the head, in millionths.")]
    gated: Annotated[bool, Meta(description="Whether the metric is a gate.")]
    allowed: Annotated[bool, Meta(description="Whether the suite allows the change.")]
    fails: Annotated[bool, Meta(description="Whether the check fails because of it.")]


class VerdictDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The verdicts of one call; `run_id` has several ids between commas where several baselines were checked."""

    schema: int = SCHEMA
    run_id: str
    sides: Annotated[dict[str, list[str]], Meta(description="base and head: the names of what was compared.")]
    not_measured: list[NotMeasured]
    notes: list[str]
    environment: list[Since]
    budgets: list[BudgetEntry]
    verdicts: list[VerdictEntry]
