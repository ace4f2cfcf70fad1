"""Which commits change a figure that repeats to the digit: plain bisection, of every stretch whose ends differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class ExactValues:
    """`values` by commit, 0 .. `commits`, of which 0 is the good one; `broken` have none. `floor` is the least step
    that counts, a share of the value, or with `in_points` a difference; `sign` 1: higher is worse."""

    commits: int
    values: Mapping[int, float]
    broken: frozenset[int] = frozenset()
    floor: float = 0.0
    sign: int = 1
    in_points: bool = False

    def step(self, before: int, after: int) -> float:
        """Of the figure, for the worse positive: a ratio minus 1, or a difference."""
        old, new = self.values[before], self.values[after]
        change = new - old if self.in_points else (new / old - 1 if old else float(new != old))
        return self.sign * change

    def is_step(self, before: int, after: int) -> bool:
        """Whether the figure gets worse by at least the floor."""
        step = self.step(before, after)
        return step > 0 and step >= self.floor - 1e-12


def exact_question(seen: ExactValues) -> int | None:
    """The commit to measure next, in the stretch with the largest step to the worse; None where each is as short as it
    can be."""
    if seen.commits not in seen.values:
        return seen.commits
    best: tuple[float, int] | None = None
    for before, after in _stretches(seen):
        inside = [commit for commit in range(before + 1, after) if commit not in seen.broken]
        if inside and seen.is_step(before, after) and (best is None or seen.step(before, after) > best[0]):
            best = seen.step(before, after), min(inside, key=lambda one: (abs(2 * one - before - after), one))
    return best[1] if best else None


def exact_steps(seen: ExactValues) -> list[tuple[int, int]]:
    """The stretches (before, after) that hold a step to the worse, when nothing is left to measure."""
    return [(before, after) for before, after in _stretches(seen) if seen.is_step(before, after)]


def _stretches(seen: ExactValues) -> list[tuple[int, int]]:
    return list(pairwise(sorted(seen.values)))
