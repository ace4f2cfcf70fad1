"""What a time budget buys in a comparison: how many looks, and which effects these see."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from bnnbench.results.statistics.sequential import Rules, minimum_detectable_effect

_GROWTH = 1.4
MOST_PAIRS = 120
_CONFIRMING_SHARE = 0.75
"""Of the budget, for the looks; the rest is for confirming what they flag."""
_PER_INVOCATION_NS = 60_000_000
"""Starting, loading and checking a process, about."""


def invocation_ns(warmup_ns: float, samples: int, block_ns: float) -> float:
    """How long an invocation takes, about."""
    return warmup_ns + (samples + 1) * block_ns + _PER_INVOCATION_NS


def rules_for(rules: Rules, budget_s: float, pairs_ns: Sequence[float]) -> Rules:
    """The rules with as many looks as the budget allows; `pairs_ns` is how long a pair of each comparison takes.

    Looks grow by two fifths. With too little for the first look it is still tried: the comparison is then cut short.
    """
    affordable = int(_CONFIRMING_SHARE * budget_s * 1e9 / sum(pairs_ns)) if pairs_ns else 0
    looks = [rules.looks[0]]
    while len(looks) < len(rules.looks) and rules.looks[len(looks)] <= affordable:
        looks.append(rules.looks[len(looks)])
    while looks[-1] >= rules.looks[-1]:
        following = int(looks[-1] * _GROWTH) // 2 * 2
        if following > min(affordable, MOST_PAIRS):
            break
        looks.append(following)
    return dataclasses.replace(rules, looks=tuple(looks))


def budget_for(pairs: int, pairs_ns: Sequence[float]) -> float:
    """The seconds that allow so many pairs of each comparison, of which a pair takes `pairs_ns`."""
    return pairs * sum(pairs_ns) / 1e9 / _CONFIRMING_SHARE


def outlook(rules: Rules, budget_s: float, pairs_ns: Sequence[float], sigma: float | None) -> str:
    """What to expect, before it starts. `sigma` is that of a calibration of the device, None where there is none."""
    needed_s, count = sum(pairs_ns) * rules.looks[0] / 1e9, len(pairs_ns)
    budget = f"the budget of {budget_s:.0f} s"
    if needed_s > budget_s:
        return f"{budget} is too short for {count} comparisons: their first look takes {needed_s:.0f} s"
    text = f"{budget} allows up to {rules.looks[-1]} pairs for each of {count} comparisons"
    if sigma is None:
        return f"{text}; the MDE is unknown until bnnbench devices calibrate was run"
    mde = minimum_detectable_effect(rules, sigma)
    detected = f"effects of at least {mde * 100:.1f} % are detected 9 times in 10"
    return f"{text}: {detected}, at the noise of the last calibration"
