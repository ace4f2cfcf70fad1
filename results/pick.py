"""Which model to take under budgets: the most accurate one that fits, then the fastest, then the smallest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from bnnbench.results.metrics import OBJECTIVES, USUAL

ORDER = (*reversed(USUAL), *(key for key in OBJECTIVES if key not in USUAL))
"""What decides, first things first; where a figure is missing, the choice comes after all that have it."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What one budget alone would have to become for a better choice, or for one at all."""

    objective: str
    budget: float
    choice: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pick:
    """`best` and `next_best` are rows of the frame, None when nothing fits; `moved` has a line for each budget that a
    better choice lies beyond, `unknown` counts choices without a figure that a budget asks for."""

    best: dict[str, Any] | None
    next_best: dict[str, Any] | None
    fitting: int
    considered: int
    unknown: int
    budgets: Mapping[str, float] = field(default_factory=dict)
    moved: tuple[Moved, ...] = ()


def pick(frame: pd.DataFrame, **bounds: float | None) -> Pick:
    """The best choice of a frame with a row per choice (see `models.choices`) under budgets, which are inclusive:
    `max_latency_ns`, `max_size_bytes`, `min_accuracy` (`Metric.budget`); None is not a budget.

    Accuracies are only compared on one dataset: pass a frame with one. Raises KeyError for any other budget.
    """
    names = {metric.budget: key for key, metric in OBJECTIVES.items()}
    budgets = {names[budget]: float(value) for budget, value in bounds.items() if value is not None}
    rows: list[dict[str, Any]] = [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
    ordered = sorted(rows, key=_rank)
    fitting = [row for row in ordered if all(fits(row, name, budget) for name, budget in budgets.items())]
    unknown = sum(any(figure(row, name) is None for name in budgets) for row in rows)
    best = fitting[0] if fitting else None
    moved = [_moved(ordered, budgets, name, best) for name in budgets]
    return Pick(
        best=best,
        next_best=fitting[1] if len(fitting) > 1 else None,
        fitting=len(fitting),
        considered=len(rows),
        unknown=unknown,
        budgets=budgets,
        moved=tuple(item for item in moved if item is not None),
    )


def figure(row: Mapping[str, Any], objective: str) -> float | None:
    """A row's figure for an objective; None when it was not measured."""
    value = row[OBJECTIVES[objective].column]
    return None if pd.isna(value) else float(value)


def fits(row: Mapping[str, Any], objective: str, budget: float) -> bool:
    """Whether a row is known to keep a budget."""
    value = figure(row, objective)
    if value is None:
        return False
    return value <= budget if OBJECTIVES[objective].smaller_is_better else value >= budget


def _rank(row: Mapping[str, Any]) -> tuple[tuple[bool, float], ...]:
    ranks = []
    for name in ORDER:
        value = figure(row, name)
        sign = OBJECTIVES[name].sign
        ranks.append((value is None, 0.0 if value is None else sign * value))
    return tuple(ranks)


def _moved(
    ordered: list[dict[str, Any]], budgets: Mapping[str, float], name: str, best: dict[str, Any] | None
) -> Moved | None:
    """The better choice that asks for the least of one budget when the others stay."""
    others = {other: budget for other, budget in budgets.items() if other != name}
    better = [
        row
        for row in ordered
        if (best is None or _rank(row) < _rank(best))
        and figure(row, name) is not None
        and not fits(row, name, budgets[name])
        and all(fits(row, other, budget) for other, budget in others.items())
    ]
    if not better:
        return None
    sign = OBJECTIVES[name].sign
    nearest = min(better, key=lambda row: (sign * (figure(row, name) or 0.0), _rank(row)))
    return Moved(name, figure(nearest, name) or 0.0, nearest)
