"""Which commits of a history changed a figure, and by how much: a hidden Markov model of its level.

The level of a commit is the logarithm of its figure over that of the good commit, where it is 0. From one commit to the
next it stays, or steps: with a probability of `STEPS` / commits at each, by at least the `floor`, sizes having a
density of 1 / size, four fifths of them in the direction that is looked for. Any number of steps is possible. Pairs of
a commit with the good one have Student's t about its level (`pair_noise.py`), pairs of a commit with its parent about
its step. Levels are on a grid, so the posterior is exact but for its width, by the forward-backward algorithm:
L. R. Rabiner, "A tutorial on hidden Markov models", Proceedings of the IEEE 77 (1989), 257-286. Binary search with
noisy answers by its posterior: M. Horstein, "Sequential transmission using noiseless feedback", IEEE Transactions on
Information Theory 9 (1963), 136-143.

A `unit` is a commit that was or can be built, together with the ones before it that cannot: which of those is guilty
cannot be told, so its probability is that of all of them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bnnbench.results.statistics.pair_noise import PairNoise, level_of, pair_noise

STEPS = 2.0
"""Steps in a history, on average, before anything is measured."""
_IN_DIRECTION = 0.8
_CELLS = 480
_FINEST = 0.001
_PAD = 0.02
_BLUR = (0.25, 0.5, 0.25)
"""Of the likelihood over neighbouring levels: what sessions differ by, and the width of a cell."""

Array = NDArray[np.float64]
Pairs = Sequence[float]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was measured of a history of units 1 .. `len(commits)`: `commits` is how many each consists of. `pairs` are
    differences to the good commit by unit, `direct` those of a unit to the unit before it; `same` are units with the
    very binary of the unit before. `sign` is 1 where a higher figure is worse; `known` is the noise if it need not be
    estimated."""

    commits: Sequence[int]
    pairs: Mapping[int, Pairs]
    direct: Mapping[int, Pairs] = field(default_factory=dict)
    same: frozenset[int] = frozenset()
    floor: float = 0.0075
    sign: int = 1
    known: PairNoise | None = None

    @property
    def noise(self) -> PairNoise:
        """What is known, else that of all pairs. Raises ValueError where there are none."""
        return self.known or pair_noise([*self.pairs.values(), *self.direct.values()])


@dataclass(frozen=True, slots=True)
class Ways:
    """What may have happened between two commits about one in the middle: the probabilities that the level steps before
    it (or at it), and after it, and the middle's level in each case; keys are (before, after)."""

    chance: Mapping[tuple[bool, bool], float]
    level: Mapping[tuple[bool, bool], float]

    @property
    def is_open(self) -> float:
        """Probability that the likeliest way is not what happened."""
        return 1 - max(self.chance.values())

    @property
    def rivals(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Probability and level of the two likeliest ways."""
        first, second = sorted(self.chance, key=lambda way: -self.chance[way])[:2]
        return (self.chance[first], self.level[first]), (self.chance[second], self.level[second])


class Posterior:
    """What evidence says. Units are 0, the good commit, to the last; arrays over levels are of the grid `levels`."""

    def __init__(self, evidence: Evidence) -> None:
        """Raises ValueError where nothing was measured."""
        self.evidence, self.noise = evidence, evidence.noise
        self.levels = _grid(evidence, self.noise)
        self._cell = float(self.levels[1] - self.levels[0])
        self._zero = int(np.argmin(np.abs(self.levels)))
        count = len(evidence.commits)
        share = min(STEPS / max(sum(evidence.commits), 1), 0.5)
        self._steps = [0.0] + [
            0.0 if unit in evidence.same else min(share * evidence.commits[unit - 1], 0.5)
            for unit in range(1, count + 1)
        ]
        self._sizes = _sizes(len(self.levels), self._cell, evidence)
        self._seen = [np.ones(len(self.levels))] + [self._likelihood(unit) for unit in range(1, count + 1)]
        self._moves = {unit: self._step_likelihood(d) for unit, d in evidence.direct.items() if d}
        n = len(self.levels)
        index = np.arange(n)[None, :] - np.arange(n)[:, None] + n - 1
        self._index = index
        self._plain: Array = self._sizes[index]
        self._forward = [np.zeros(n)]
        self._forward[0][self._zero] = 1.0
        for unit in range(1, count + 1):
            stay, move = self._split(self._forward[-1], unit)
            self._forward.append(_normal((stay + move) * self._seen[unit]))
        backward = [np.ones(n)]
        for unit in range(count, 0, -1):
            stay, move = self._split_back(backward[-1] * self._seen[unit], unit)
            backward.append(_normal(stay + move))
        self._backward = backward[::-1]

    def level(self, unit: int) -> tuple[float, float]:
        """Mean and standard deviation of a commit's level."""
        weights = self._forward[unit] * self._backward[unit]
        weights = weights / weights.sum()
        mean = float(weights @ self.levels)
        return mean, math.sqrt(float(weights @ (self.levels - mean) ** 2))

    def worse(self) -> float:
        """Probability that the last commit's level is at least the floor on the worse side."""
        weights = self._forward[-1] / self._forward[-1].sum()
        return float(weights[self.levels * self.evidence.sign >= self.evidence.floor - self._cell / 2].sum())

    def culprit(self, unit: int) -> float:
        """Probability that the level steps to the worse at this unit."""
        return self._joint(unit)[0]

    def candidates(self, share: float) -> int:
        """How few commits have this share of what there is of probabilities of being guilty."""
        commits = self.evidence.commits
        chances = sorted(((self.culprit(unit), commits[unit - 1]) for unit in range(1, len(commits) + 1)), reverse=True)
        wanted, held, count = share * sum(chance for chance, _ in chances), 0.0, 0
        for chance, size in chances:
            if held >= wanted:
                break
            held, count = held + chance, count + size
        return count

    def effect(self, unit: int, miss: float = 0.05) -> tuple[float, float, float]:
        """Mean, low and high of a step to the worse at this unit, given that there is one; logarithms."""
        by_size = self._joint(unit)[1]
        sizes = (np.arange(len(by_size)) - (len(self.levels) - 1)) * self._cell
        if not by_size.sum():
            return 0.0, 0.0, 0.0
        weights = by_size / by_size.sum()
        grown = np.cumsum(weights)
        low, high = (sizes[min(int(np.searchsorted(grown, at)), len(sizes) - 1)] for at in (miss / 2, 1 - miss / 2))
        return float(weights @ sizes), float(low) - self._cell / 2, float(high) + self._cell / 2

    def any_step(self, after: int, upto: int, worse_only: bool = False) -> float:
        """Probability that the level steps somewhere after unit `after` and not after unit `upto`."""
        weights = self._forward[after]
        whole = weights
        for unit in range(after + 1, upto + 1):
            stay, _ = self._split(weights, unit)
            if worse_only:
                stay = stay + self._split(weights, unit, better=True)[1]
            both = self._split(whole, unit)
            weights, whole = stay * self._seen[unit], (both[0] + both[1]) * self._seen[unit]
            scale = whole.sum()
            weights, whole = weights / scale, whole / scale
        end = self._backward[upto]
        return max(0.0, 1 - float(weights @ end) / float(whole @ end))

    def ways(self, after: int, middle: int, upto: int) -> Ways:
        """See `Ways`: before is (`after`, `middle`], after is (`middle`, `upto`]."""
        none, some = self._forward[after], self._forward[after]
        for unit in range(after + 1, middle + 1):
            none = self._split(none, unit)[0] * self._seen[unit]
            stay, move = self._split(some, unit)
            some = (stay + move) * self._seen[unit]
            scale = some.sum()
            none, some = none / scale, some / scale
        rest_none, rest = self._backward[upto], self._backward[upto]
        for unit in range(upto, middle, -1):
            rest_none = self._split_back(rest_none * self._seen[unit], unit)[0]
            stay, move = self._split_back(rest * self._seen[unit], unit)
            rest = stay + move
            scale = rest.sum()
            rest_none, rest = rest_none / scale, rest / scale
        before = {False: none, True: np.maximum(some - none, 0)}
        later = {False: rest_none, True: np.maximum(rest - rest_none, 0)}
        joint = {(one, two): before[one] * later[two] for one in before for two in later}
        total = sum(float(weights.sum()) for weights in joint.values())
        return Ways(
            {way: float(weights.sum()) / total for way, weights in joint.items()},
            {way: float(weights @ self.levels) / max(float(weights.sum()), 1e-300) for way, weights in joint.items()},
        )

    def _joint(self, unit: int) -> tuple[float, Array]:
        """Probability of a step to the worse at a unit, and the weights of its sizes."""
        before, after = self._forward[unit - 1], self._seen[unit] * self._backward[unit]
        stay, move = self._split(before, unit)
        total = float((stay + move) @ after)
        sizes = np.correlate(after, before, "full") * self._sizes * self._steps[unit]
        if unit in self._moves:
            sizes = sizes * self._moves[unit]
        middle = len(self.levels) - 1
        sizes[: middle + 1 if self.evidence.sign > 0 else 0] = 0
        if self.evidence.sign < 0:
            sizes[middle:] = 0
        return float(sizes.sum()) / total if total else 0.0, sizes

    def _split(self, weights: Array, unit: int, better: bool = False) -> tuple[Array, Array]:
        """Weights of levels after the unit without and with a step; with `better` only steps to the better."""
        share = self._steps[unit]
        stay = weights * (1 - share) * self._stays(unit)
        moved: Array = weights @ self._matrix(unit, better) * share if share else np.zeros_like(weights)
        return stay, moved

    def _split_back(self, weights: Array, unit: int) -> tuple[Array, Array]:
        share = self._steps[unit]
        stay = weights * (1 - share) * self._stays(unit)
        moved: Array = self._matrix(unit) @ weights * share if share else np.zeros_like(weights)
        return stay, moved

    def _stays(self, unit: int) -> float:
        return float(self._moves[unit][len(self.levels) - 1]) if unit in self._moves else 1.0

    def _matrix(self, unit: int, better: bool = False) -> Array:
        if unit not in self._moves and not better:
            return self._plain
        sizes: Array = self._sizes * self._moves[unit] if unit in self._moves else self._sizes.copy()
        if better:
            middle = len(self.levels) - 1
            sizes[middle:] = 0 if self.evidence.sign > 0 else sizes[middle:]
            sizes[:middle] = 0 if self.evidence.sign < 0 else sizes[:middle]
        matrix: Array = sizes[self._index]
        return matrix

    def _likelihood(self, unit: int) -> Array:
        d = self.evidence.pairs.get(unit, ())
        if not len(d):
            return np.ones(len(self.levels))
        return self._blurred(np.asarray(d, float), self.levels)

    def _step_likelihood(self, d: Pairs) -> Array:
        n = len(self.levels)
        return self._blurred(np.asarray(d, float), np.asarray(np.arange(1 - n, n) * self._cell, float))

    def _blurred(self, d: Array, at: Array) -> Array:
        """Likelihood of differences at each level, the greatest being about 1."""
        logs = self.noise.log_density(d[:, None] - at[None, :]).sum(axis=0)
        likelihood = np.exp(logs - logs.max())
        return np.asarray(np.convolve(likelihood, _BLUR, "same")) + 1e-200


def _grid(evidence: Evidence, noise: PairNoise) -> Array:
    """Levels that any commit may have, 0 among them."""
    found = [0.0] + [level_of(noise, d) for d in evidence.pairs.values() if len(d)]
    pad = max(_PAD, 4 * noise.scale / math.sqrt(max(map(len, evidence.pairs.values()), default=1)))
    low, high = min(found) - pad, max(found) + pad
    cell = max(_FINEST, (high - low) / _CELLS)
    return np.asarray(np.arange(math.floor(low / cell), math.ceil(high / cell) + 1) * cell, float)


def _sizes(n: int, cell: float, evidence: Evidence) -> Array:
    """Probability of each size of a step, from -(n - 1) to n - 1 cells."""
    sizes = np.arange(1 - n, n) * cell
    density = np.where(np.abs(sizes) >= evidence.floor - cell / 2, 1 / np.maximum(np.abs(sizes), cell), 0.0)
    worse = sizes * evidence.sign > 0
    density = density * np.where(worse, _IN_DIRECTION, 1 - _IN_DIRECTION)
    return np.asarray(density / density.sum())


def _normal(weights: Array) -> Array:
    return np.asarray(weights / weights.sum())
