"""How much a bisection is, told before it starts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from bnnbench.results.metrics import METRICS

from ...suite.load import load_suites
from .state import BisectPlan

_PAIRS_EACH = 14
"""Of a comparison, about: the median of the simulations in docs/statistics.md is 9 to 40, by the noise."""
_AROUND_S = 3.0
"""Of a comparison, for connecting and verifying."""
_PROCESS_S = 0.06


def forecast(plan: BisectPlan, builds_s: Sequence[float] | None) -> str:
    """`builds_s`: how long builds took; None before the first."""
    count, is_paired = len(plan.commits), METRICS[plan.metric].is_paired
    builds, comparisons = expected(plan)
    each_s = _AROUND_S + (_PAIRS_EACH * _pair_s(plan) if is_paired else 0)
    what = f"{count} commit{'s' * (count > 1)}: about {builds} builds and {comparisons} comparisons of each case"
    if builds_s is None:
        return f"{what}; measuring takes about {_words(comparisons * each_s)}, building is not known yet"
    total = comparisons * each_s + max(builds - len(builds_s), 0) * mean(builds_s or [0.0])
    return f"a build takes about {_words(mean(builds_s or [0.0]))}, so all of it about {_words(total)} for one case"


def expected(plan: BisectPlan) -> tuple[int, int]:
    """How many builds, and comparisons of a case, about, where one commit is guilty."""
    count = len(plan.commits)
    halvings = math.ceil(math.log2(count)) if count > 1 else 0
    comparisons = 2 * halvings + 4 if METRICS[plan.metric].is_paired else halvings + 1
    return min(halvings + 3, count + 1), comparisons


def _pair_s(plan: BisectPlan) -> float:
    suite = load_suites([Path(file) for file in plan.files])
    return 2 * (suite.warmup_ms / 1e3 + (suite.samples + 1) * suite.min_sample_ms / 1e3 + _PROCESS_S)


def _words(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
