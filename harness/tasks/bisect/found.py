"""From the evidence of a case to what was found in it."""

from __future__ import annotations

import math

from bnnbench.results.statistics.bisect_search import SURE, Measured, Stage, found
from bnnbench.results.statistics.exact_search import ExactValues, exact_steps

from .outcome import CaseFound, Culprit, Level
from .state import BisectPlan

_TWO_SIDED = 1.96
_MOST_SURE = 0.9999
"""No model of noise is better than that."""


def unchanged_case(case: str) -> CaseFound:
    """Nothing differs at all."""
    return CaseFound(case=case, status="no_regression", worse=0.0)


def paired_case(plan: BisectPlan, case: str, seen: Measured, stage: Stage) -> CaseFound:
    """Of a search that has ended."""
    assert stage.posterior is not None
    worse = stage.worse or 0.0
    steps = found(seen, stage.posterior) if worse >= SURE else []
    culprits = [
        Culprit(
            commits=plan.commits[step.first - 1 : step.last],
            probability=min(step.probability, _MOST_SURE),
            effect=math.expm1(step.effect),
            low=math.expm1(step.low),
            high=math.expm1(step.high),
            confirmed=step.confirmed,
        )
        for step in steps
    ]
    units = seen.units
    levels = []
    for unit, commit in enumerate(units):
        if seen.pairs.get(commit):
            mean, error = stage.posterior.level(unit)
            low, high = mean - _TWO_SIDED * error, mean + _TWO_SIDED * error
            levels.append(
                Level(
                    commit=plan.commit(commit),
                    effect=math.expm1(mean),
                    low=math.expm1(low),
                    high=math.expm1(high),
                    pairs=len(seen.pairs[commit]),
                )
            )
    pairs = sum(map(len, seen.pairs.values())) + sum(map(len, seen.direct.values()))
    none = "no_regression" if worse < 1 - SURE else "undecided"
    status = none if worse < SURE else _status(culprits)
    return CaseFound(
        case=case, status=status, worse=min(worse, _MOST_SURE), culprits=culprits, levels=levels, pairs=pairs
    )


def exact_case(plan: BisectPlan, case: str, seen: ExactValues) -> CaseFound:
    """Of figures that repeat: every step is certain, and only commits that cannot be measured make a range."""
    culprits = []
    for before, after in exact_steps(seen):
        step = seen.sign * seen.step(before, after)
        commits = plan.commits[before:after]
        culprits.append(
            Culprit(commits=commits, probability=1.0, effect=step, low=step, high=step, confirmed=len(commits) == 1)
        )
    levels = []
    for number, value in sorted(seen.values.items()):
        if number:
            step = seen.sign * seen.step(0, number)
            levels.append(Level(commit=plan.commit(number), effect=step, low=step, high=step, value=value))
    is_worse = seen.is_step(0, seen.commits)
    return CaseFound(
        case=case,
        status=_status(culprits) if is_worse else "no_regression",
        worse=float(is_worse),
        culprits=culprits if is_worse else [],
        levels=levels,
    )


def _status(culprits: list[Culprit]) -> str:
    if not culprits:
        return "undecided"
    return "found" if all(len(culprit.commits) == 1 for culprit in culprits) else "range"
