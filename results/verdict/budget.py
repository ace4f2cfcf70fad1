"""Budgets: absolute bounds of figures, such as `latency_ms <= 12`, judged with the uncertainty of the figures.

A figure passes where its whole interval keeps the bound, and fails where none of it does; else it is undecided. The
interval of processes is the wider one of two: the order statistics of the median (`statistics/level.py`), which no
shape of the noise can deceive, and Student's t of the logarithms, which can be made as sure as many budgets need. Its
one-sided error is 0.5 % over the number of budgets that are judged together (Bonferroni), so that at most one suite in
two hundred fails a budget by chance even if all its figures lie exactly on their bounds. Shares, such as accuracies,
have the exact interval of Clopper and Pearson at the same level; exact figures have none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

from bnnbench.results.metric import Metric
from bnnbench.results.metrics import METRICS
from bnnbench.results.statistics.level import level
from bnnbench.results.statistics.proportion import exact_interval

Outcome = Literal["pass", "fail", "undecided"]
SUITE_ALPHA = 0.005
"""Probability that a suite fails any budget by chance, at most."""
LEAST_PROCESSES = 5
_TIME: Mapping[str, float] = {"ns": 1.0, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9}
_BYTES: Mapping[str, float] = {
    "bytes": 1.0,
    "b": 1.0,
    "kb": 1e3,
    "mb": 1e6,
    "gb": 1e9,
    "kib": 2.0**10,
    "mib": 2.0**20,
    "gib": 2.0**30,
}
_UNITS: Mapping[str, Mapping[str, float]] = {
    "ns": _TIME,
    "bytes": _BYTES,
    "share": {"": 1.0, "%": 0.01, "percent": 0.01},
    "instructions": {"": 1.0, "instructions": 1.0},
    "mJ": {"uj": 1e-3, "µj": 1e-3, "mj": 1.0, "j": 1e3},
}
"""Unit of a metric -> what may be written, and how much of the metric's unit it is."""
_FORM = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*(<=|>=)\s*([0-9][0-9_.eE+-]*)\s*([A-Za-zµ%]*)\s*")
_FORMS = "write it as 'latency_ms <= 12', 'size <= 3 MB' or 'accuracy >= 0.9'"


class BudgetError(ValueError):
    """The sentence about a budget that cannot be read, without a full stop."""


@dataclass(frozen=True, slots=True)
class Budget:
    """`limit` in the unit of the metric; `text` as the suite has it."""

    text: str
    metric: Metric
    limit: float

    def keeps(self, figure: float) -> bool:
        """Whether a figure in the metric's unit is within the bound."""
        return figure * self.metric.sign <= self.limit * self.metric.sign


def budget(text: str) -> Budget:
    """Raises BudgetError."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise BudgetError(f"{text!r} is not a budget; {_FORMS}")
    name, sign, number, unit = match.groups()
    metric, suffix = _metric_of(name, text)
    if suffix and unit:
        raise BudgetError(f"{text!r} has two units, {suffix} and {unit}; leave one out")
    units = _UNITS.get(metric.unit, {metric.unit: 1.0})
    factor = units.get((suffix or unit).lower())
    if factor is None:
        has = f"has the unit {suffix or unit}" if suffix or unit else "has no unit"
        known = ", ".join(name for name in units if name)
        raise BudgetError(f"{text!r} {has}; that of {metric.label} is one of {known}")
    if (sign == "<=") != metric.smaller_is_better:
        way, right = ("smaller", "<=") if metric.smaller_is_better else ("larger", ">=")
        raise BudgetError(f"{text!r}: {metric.label} is better when {way}; write {right}")
    try:
        limit = float(number) * factor
    except ValueError:
        raise BudgetError(f"{text!r}: {number!r} is not a number; {_FORMS}") from None
    if not math.isfinite(limit) or limit < 0 or (limit == 0 and not metric.in_points):
        raise BudgetError(f"{text!r}: the bound must be a number above 0")
    if metric.in_points and limit > 1:
        raise BudgetError(f"{text!r}: a share is at most 1; write 0.9 or 90 %")
    return Budget(text, metric, limit)


def _metric_of(name: str, text: str) -> tuple[Metric, str]:
    """The metric, and the unit that is part of its name: `latency_ms`."""
    if name in METRICS:
        return METRICS[name], ""
    key, _, suffix = name.rpartition("_")
    if key in METRICS:
        return METRICS[key], suffix
    from bnnbench.results.printable import printable

    raise BudgetError(f"{text!r}: there is no metric {printable(name)!r}; there are {', '.join(METRICS)}")


@dataclass(frozen=True, slots=True)
class Judged:
    """`value`, `low` and `high` in the metric's unit; the last two are None where nothing can be said of them."""

    outcome: Outcome
    value: float
    low: float | None
    high: float | None
    reason: str | None = None


def of_exact(asked: Budget, figures: Sequence[float]) -> Judged:
    """Of figures that repeat; where some differ, all have to keep the bound."""
    return _decided(asked, max(figures, key=lambda figure: figure * asked.metric.sign), min(figures), max(figures))


def of_share(asked: Budget, successes: int, n: int, among: int) -> Judged:
    """Of a share of `n` trials; `among`: how many budgets are judged together."""
    low, high = exact_interval(successes, n, SUITE_ALPHA / among)
    return _decided(asked, successes / n, low, high)


def of_processes(asked: Budget, figures: Sequence[float], among: int) -> Judged:
    """Of a figure for each process, all above 0; at least two."""
    value = asked.metric.combined(figures)
    if len(figures) < LEAST_PROCESSES:
        few = f"{asked.metric.label} is known of {len(figures)} processes, and {LEAST_PROCESSES} are needed"
        return Judged("undecided", value, None, None, few)
    low, high = interval(figures, SUITE_ALPHA / among, are_shares=asked.metric.in_points)
    return _decided(asked, value, min(low, value), max(high, value))


def interval(figures: Sequence[float], alpha: float, are_shares: bool = False) -> tuple[float, float]:
    """Of the level of processes; each end is wrong with a probability of at most `alpha`, if their logarithms (shares
    themselves) are normal, and of at most 2^-n whatever they are."""
    from scipy.special import stdtrit

    found = level(figures)
    if found.spread == 0:
        return found.low, found.high  # logarithms and back would not be the same figure
    scaled = [figure if are_shares else math.log(figure) for figure in figures]
    half = float(stdtrit(len(scaled) - 1, 1 - alpha)) * stdev(scaled) / math.sqrt(len(scaled))
    ends = fmean(scaled) - half, fmean(scaled) + half
    low, high = (max(0.0, ends[0]), min(1.0, ends[1])) if are_shares else map(math.exp, ends)
    return min(found.low, low), max(found.high, high)


def _decided(asked: Budget, value: float, low: float, high: float) -> Judged:
    kept = asked.keeps(low), asked.keeps(high)
    outcome: Outcome = "pass" if all(kept) else "undecided" if any(kept) else "fail"
    return Judged(outcome, value, low, high)
