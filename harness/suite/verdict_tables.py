"""`[verdict]` of a suite: what its figures are judged by, and the checks that types alone do not make."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

import msgspec

from bnnbench.devices.closest import there_is_no
from bnnbench.results.metrics import METRICS
from bnnbench.results.records.policy import Direction
from bnnbench.results.verdict.budget import BudgetError, budget

Difference = Annotated[float, msgspec.Meta(gt=0, lt=1)]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
_ONE_OR_MORE = ("metric", "device", "budget")


class VerdictError(ValueError):
    """The sentence about a rule that cannot be followed, without a full stop."""


class MetricTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[verdict.METRIC]`: from which effect on a difference counts, within which two are equivalent, and whether
    changes for the better fail too (`direction = "both"`)."""

    floor: Difference | None = None
    margin: Difference | None = None
    direction: Direction | None = None


class RuleTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[[verdict.rule]]`: the same, and budgets, of workloads that match a regular expression, of devices and metrics;
    what it leaves out is of all."""

    workload: str = ""
    device: list[str] = []
    metric: list[str] = []
    floor: Difference | None = None
    margin: Difference | None = None
    direction: Direction | None = None
    budget: list[str] = []


class AllowTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[[verdict.allow]]`: a known change of a metric, why, and the last day on which it is let pass."""

    metric: str
    reason: Reason
    until: date
    workload: str = ""
    device: list[str] = []
    up_to: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """The largest change that is let pass, as a ratio minus 1, of shares as a difference; default: any."""


class VerdictTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[verdict]`: `floor` and `margin` are those of latency."""

    floor: Difference = METRICS["latency"].floor
    margin: Difference = METRICS["latency"].margin
    metric: dict[str, MetricTable] = {}
    """In the file: `[verdict.METRIC]`."""
    budget: list[str] = []
    rule: list[RuleTable] = []
    allow: list[AllowTable] = []


_KEYS = frozenset(field.name for field in msgspec.structs.fields(VerdictTable))


def with_verdict(document: dict[str, Any]) -> dict[str, Any]:
    """A suite's document with the tables of metrics in one place, and lists where one text was given."""
    table = document.get("verdict")
    if not isinstance(table, dict):
        return document
    metrics = {key: value for key, value in table.items() if isinstance(value, dict) and key not in _KEYS}
    rest = {key: value for key, value in _listed(table).items() if key not in metrics}
    for key in ("rule", "allow"):
        if isinstance(rest.get(key), list):
            rest[key] = [_listed(item, () if key == "rule" else ("metric",)) for item in rest[key]]
    if metrics:
        given = rest.get("metric", {})
        rest["metric"] = {**(given if isinstance(given, dict) else {}), **metrics}
    return {**document, "verdict": rest}


def _listed(table: Any, single: Sequence[str] = ()) -> Any:
    """A table with a list wherever one or several texts may stand; `single` are keys that hold one."""
    if not isinstance(table, dict):
        return table
    return {
        key: [value] if key in _ONE_OR_MORE and key not in single and isinstance(value, str) else value
        for key, value in table.items()
    }


def require_sense(gate: Sequence[str] | None, table: VerdictTable) -> None:
    """Raises VerdictError for a metric, a pattern or a budget that there is not."""
    for name in [*(gate or ()), *table.metric, *(name for rule in table.rule for name in rule.metric)]:
        _require_metric(name)
    for texts in (table.budget, *(rule.budget for rule in table.rule)):
        for text in texts:
            try:
                budget(text)
            except BudgetError as error:
                raise VerdictError(str(error)) from None
    for number, rule in enumerate(table.rule, 1):
        _require_pattern(rule.workload, f"verdict.rule {number}")
        if rule == msgspec.structs.replace(rule, floor=None, margin=None, direction=None, budget=[]):
            raise VerdictError(f"verdict.rule {number} asks for nothing; give it a floor, margin, direction or budget")
    for number, allow in enumerate(table.allow, 1):
        _require_metric(allow.metric)
        _require_pattern(allow.workload, f"verdict.allow {number}")


def _require_metric(name: str) -> None:
    if name not in METRICS:
        raise VerdictError(there_is_no("metric", name, METRICS))


def _require_pattern(text: str, where: str) -> None:
    try:
        re.compile(text)
    except re.error as error:
        raise VerdictError(f"{where}: workload {text!r} is not a regular expression ({error})") from None
