"""How evenly the native engine shares a step among threads, by its own division into parts."""

from __future__ import annotations

from itertools import pairwise

from .replies import DividedStep


def sizes(step: DividedStep) -> list[int]:
    """Units of each part, in the order in which threads take them."""
    places = [step.units * part // step.parts for part in range(step.parts + 1)]
    return [behind - before for before, behind in pairwise(places)]


def imbalance(step: DividedStep, threads: int) -> float:
    """Work of the busiest thread over the mean, from 1 (even) to `threads` (one does it all).

    Whoever is done takes the next part. All threads are equally fast here, and a unit always costs the same, so it is a
    bound: `threads` cannot make the step more than `threads / imbalance` times as fast. What fills a step's workspace
    is not in it.
    """
    if step.parts == 1:
        return float(threads)
    loads = [0] * threads
    for size in sizes(step):
        least = min(range(threads), key=loads.__getitem__)
        loads[least] += size
    return max(loads) * threads / sum(loads) if step.units else 1.0
