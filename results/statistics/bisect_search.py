"""What a bisection measures next, and what it has found: decided from the evidence so far, so that it can be resumed.

1. The last commit against the good one, until it is sure whether it is worse at all.
2. A commit in the middle of every stretch in which the figure may step, until the stretches are single commits: the
   stretch that is likeliest to hold a step first. Each is measured until it is clear which of the two likeliest levels
   it has (`between.py`). Where the posterior leaves that open, it, or a neighbour with fewer pairs, gets more pairs.
3. Each commit that is likely to be guilty directly against the commit before it, once in each role.

What stays open after the most pairs becomes a range: the fewest neighbouring commits that hold a step with 95 %.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from bnnbench.results.statistics.between import Between
from bnnbench.results.statistics.bisection import Evidence, Pairs, Posterior
from bnnbench.results.statistics.pair_noise import PairNoise

SURE = 0.95
_FIRST_PAIRS = 12
_LEAST = 4
_LIKELY = 0.5
"""From which probability on a commit is measured against the one before it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`most` pairs of a commit with the good one; a question is open where another answer than the likeliest has more
    than `open`; `sure` is when a comparison stops."""

    most: int = 80
    open: float = 0.03
    sure: float = 0.98


@dataclass(frozen=True, slots=True)
class Measured:
    """Commits 1 .. `commits` after the good one, 0. `pairs` are the differences (logarithms) of a commit to the good
    one; `direct` those of a commit to an earlier one, by (earlier, commit), and `roles` which of them were measured
    with the earlier one as the base (False) and as the head (True); `broken` cannot be measured; `same` have the very
    binary of the commit before, and `settled` need no pairs, because a commit that has some has their binary."""

    commits: int
    pairs: Mapping[int, Pairs] = field(default_factory=dict)
    direct: Mapping[tuple[int, int], Pairs] = field(default_factory=dict)
    roles: frozenset[tuple[int, int, bool]] = frozenset()
    broken: frozenset[int] = frozenset()
    same: frozenset[int] = frozenset()
    settled: frozenset[int] = frozenset()
    floor: float = 0.0075
    sign: int = 1
    known: PairNoise | None = None

    @property
    def units(self) -> list[int]:
        """The good commit and those that can be measured, as far as is known."""
        return [commit for commit in range(self.commits + 1) if commit not in self.broken]

    def evidence(self) -> Evidence:
        """By units."""
        units = self.units
        number = {commit: unit for unit, commit in enumerate(units)}
        return Evidence(
            commits=[commit - before for before, commit in pairwise(units)],
            pairs={number[commit]: d for commit, d in self.pairs.items() if commit in number},
            direct={
                number[commit]: d
                for (before, commit), d in self.direct.items()
                if commit in number and number.get(before) == number[commit] - 1
            },
            same=frozenset(number[commit] for commit in self.same if commit in number),
            floor=self.floor,
            sign=self.sign,
            known=self.known,
        )


@dataclass(frozen=True, slots=True)
class Question:
    """Pairs of `commit` with `base`, which is the good one, or where `is_direct` the one before. With `swapped` the
    commit is the base of the comparison, and the levels of `test` are those of what is then the head."""

    commit: int
    base: int
    test: Between
    is_direct: bool = False
    swapped: bool = False


@dataclass(frozen=True, slots=True)
class Guilty:
    """A step to the worse in one of the commits `first` .. `last`, with its probability; the effect is a logarithm,
    with a 95 % interval. `confirmed`: measured against the commit before in both roles."""

    first: int
    last: int
    probability: float
    effect: float
    low: float
    high: float
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """What comes next, None where nothing does; and `worse`, the probability that the last commit is worse at all."""

    question: Question | None
    worse: float | None = None
    posterior: Posterior | None = None


def following(seen: Measured, limits: Limits = Limits()) -> Stage:
    """The next question."""
    last = seen.units[-1]
    if len(seen.pairs.get(last, ())) < 2:  # noise needs two
        count = _LEAST if seen.known else _FIRST_PAIRS
        first = Between(low=0.0, high=0.02, sure=1.0, least=count, most=count)
        return Stage(Question(last, 0, first))
    posterior = Posterior(seen.evidence())
    worse = posterior.worse()
    if limits.open < worse < 1 - limits.open and len(seen.pairs[last]) < limits.most:
        high = max(abs(posterior.level(len(seen.units) - 1)[0]), 2 * seen.floor) * seen.sign
        odds = worse / (1 - worse) if seen.sign > 0 else (1 - worse) / worse
        return Stage(Question(last, 0, _test(posterior, limits, (0.0, high), odds, len(seen.pairs[last]))), worse)
    if worse < SURE:
        return Stage(None, worse, posterior)
    question = _widen(seen, posterior, limits) or _halve(seen, posterior, limits) or _confirm(seen, posterior, limits)
    return Stage(question, worse, posterior)


def found(seen: Measured, posterior: Posterior) -> list[Guilty]:
    """Every step to the worse that is sure, as few commits each as are sure to hold it, in their order."""
    units = seen.units
    count = len(units) - 1
    chance = [0.0] + [posterior.culprit(unit) for unit in range(1, count + 1)]
    taken: list[tuple[int, int]] = []
    closed: set[int] = set()
    for peak in sorted(range(1, count + 1), key=lambda unit: -chance[unit]):
        if peak in closed or chance[peak] < 0.002:
            continue
        grown = _grown(posterior, chance, peak, {unit for one in taken for unit in range(one[0], one[1] + 1)})
        if grown is None:
            closed.add(peak)
            continue
        taken.append(grown)
        closed.update(range(grown[0], grown[1] + 1))
    return [_guilty(seen, posterior, first, last) for first, last in sorted(taken)]


def _widen(seen: Measured, posterior: Posterior, limits: Limits) -> Question | None:
    """More pairs where it is open on which side of a measured commit the figure steps."""
    units = seen.units
    tested = [0, *(unit for unit, commit in enumerate(units) if seen.pairs.get(commit))]
    best: tuple[float, Question] | None = None
    for before, middle, after in zip(tested, tested[1:], tested[2:], strict=False):
        ways = posterior.ways(before, middle, after)
        if ways.is_open <= limits.open:
            continue
        counts = {unit: len(seen.pairs[units[unit]]) for unit in (before, middle, after) if unit}
        poorest = min(counts, key=lambda unit: (counts[unit] + 4 * (unit != middle), unit))
        if counts[poorest] >= limits.most or (best and best[0] >= ways.is_open):
            continue
        (chance, level), (other, rival) = ways.rivals
        if poorest != middle:
            center, half = posterior.level(poorest)[0], max(abs(level - rival), seen.floor) / 2
            level, rival, chance, other = center - half, center + half, 0.5, 0.5
        pair, odds = ((level, rival), other / chance) if level < rival else ((rival, level), chance / other)
        test = _test(posterior, limits, _apart(pair, seen.floor), odds, counts[poorest])
        best = ways.is_open, Question(units[poorest], 0, test)
    return best[1] if best else None


def _halve(seen: Measured, posterior: Posterior, limits: Limits) -> Question | None:
    """The middle of the stretch that is likeliest to hold a step."""
    units = seen.units
    tested = [0, *(unit for unit, commit in enumerate(units) if seen.pairs.get(commit))]
    stretches = [(one, two) for one, two in pairwise(tested) if two - one > 1]
    known = posterior.evidence.same | {unit for unit, commit in enumerate(units) if commit in seen.settled}
    inside = {(one, two): [unit for unit in range(one + 1, two) if unit not in known] for one, two in stretches}
    chances = {stretch: posterior.any_step(*stretch) for stretch in stretches if inside[stretch]}
    chances = {stretch: chance for stretch, chance in chances.items() if chance > limits.open}
    if not chances:
        return None
    before, after = max(chances, key=lambda stretch: chances[stretch])
    among = inside[before, after]
    halfway = (units[among[0] - 1] + units[among[-1] + 1]) / 2
    middle = min(among, key=lambda unit: (abs(units[unit] - halfway), unit))
    ways = posterior.ways(before, middle, after)
    old, new = ways.level[True, False], ways.level[False, True]  # of the steps after it only: the level before
    low, high = sorted((old, new))
    test = _test(posterior, limits, _apart((low, high), seen.floor), 1.0, 0)
    return Question(units[middle], 0, test)


def _confirm(seen: Measured, posterior: Posterior, limits: Limits) -> Question | None:
    """What is likely to be guilty against the commit before it, the likeliest first, in the role that is missing."""
    units = seen.units
    known = {commit for commit, d in seen.pairs.items() if d} | seen.settled | seen.same | {0}
    chances = {unit: posterior.culprit(unit) for unit in range(1, len(units)) if units[unit] in known}
    for unit in sorted(chances, key=lambda unit: -chances[unit]):
        before, commit = units[unit - 1], units[unit]
        if chances[unit] < _LIKELY or before not in known:
            continue
        step = posterior.effect(unit)[0]
        for swapped in (False, True):
            if (before, commit, swapped) not in seen.roles:
                levels = sorted((0.0, -step if swapped else step))
                pair = _apart((levels[0], levels[1]), seen.floor)
                test = _test(posterior, limits, pair, 1.0, 0)
                return Question(commit, before, test, is_direct=True, swapped=swapped)
    return None


def _test(posterior: Posterior, limits: Limits, levels: tuple[float, float], odds: float, already: int) -> Between:
    noise = posterior.noise
    left = max(limits.most - already, _LEAST)
    return Between(
        low=levels[0],
        high=levels[1],
        scale=noise.scale,
        tail=noise.tail,
        odds=min(max(odds, 0.02), 50.0),
        sure=limits.sure,
        least=_LEAST,
        most=left + left % 2,
    )


def _apart(pair: tuple[float, float], floor: float) -> tuple[float, float]:
    """Two levels, at least the floor from each other."""
    missing = floor - (pair[1] - pair[0])
    return (pair[0] - missing / 2, pair[1] + missing / 2) if missing > 0 else pair


def _grown(posterior: Posterior, chance: list[float], peak: int, taken: set[int]) -> tuple[int, int] | None:
    """The stretch of commits about a peak that holds a step with `SURE`; None where the others leave too little."""
    first = last = peak
    while True:
        if sum(chance[first : last + 1]) >= SURE * 0.98:
            held = chance[peak] if first == last else posterior.any_step(first - 1, last, worse_only=True)
            if held >= SURE:
                return first, last
        sides = [unit for unit in (first - 1, last + 1) if 0 < unit < len(chance) and unit not in taken]
        if not sides:
            return None
        best = max(sides, key=lambda unit: chance[unit])
        first, last = min(first, best), max(last, best)


def _guilty(seen: Measured, posterior: Posterior, first: int, last: int) -> Guilty:
    units = seen.units
    commits = units[first - 1] + 1, units[last]
    if first == last:
        effect, low, high = posterior.effect(first)
        both = {(units[first - 1], units[first], swapped) for swapped in (False, True)} <= seen.roles
        return Guilty(*commits, posterior.culprit(first), effect, low, high, both)
    (before, loose), (after, loose_too) = posterior.level(first - 1), posterior.level(last)
    half = 1.96 * math.hypot(loose, loose_too)
    held = posterior.any_step(first - 1, last, worse_only=True)
    return Guilty(*commits, held, after - before, after - before - half, after - before + half)
