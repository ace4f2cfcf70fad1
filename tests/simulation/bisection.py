"""Histories with known culprits, bisected by the product's own search on the product's own simulated comparisons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bnnbench.results.statistics.between import Between
from bnnbench.results.statistics.bisect_search import Guilty, Limits, Measured, following, found
from bnnbench.results.statistics.pair_noise import PairNoise, pair_noise
from bnnbench.results.statistics.sequential import Rules
from bnnbench.results.verdict.paired import difference
from tests.simulation.comparison import compare
from tests.simulation.noise import Noise
from tests.simulation.scenarios import BASE, BIMODAL, CALM, SHARED, WILD, scaled

COMMITS = 64
NOISES: tuple[Noise, ...] = (scaled(BASE, 0.5), BASE, scaled(BASE, 1.5), scaled(BASE, 3), BIMODAL, SHARED, CALM, WILD)
_MOST_STEPS = 400


@dataclass(frozen=True)
class History:
    """`effects` are shares by commit (1 .. 64); `broken` do not build."""

    effects: dict[int, float]
    broken: frozenset[int]

    def level(self, commit: int) -> float:
        return sum(math.log1p(effect) for at, effect in self.effects.items() if at <= commit)

    def measurable(self, commit: int) -> tuple[int, int]:
        """The commits that cannot be told from this one: it, and the broken ones before the next that builds."""
        last = commit
        while last in self.broken:
            last += 1
        first = last
        while first - 1 in self.broken:
            first -= 1
        return first, last


@dataclass
class Searched:
    """How a search ended, and what it took. `stages`: probability stated of the likeliest set at a random moment, and
    whether it was right."""

    history: History
    guilty: list[Guilty]
    worse: float
    pairs: int
    comparisons: int
    builds: int
    stages: list[tuple[float, bool]] = field(default_factory=list)


def history(rng: np.random.Generator, culprits: int | None = None) -> History:
    """One to three culprits of 1 to 10 %, log-uniform; each commit but the last does not build with 8 %."""
    count = culprits or int(rng.integers(1, 4))
    at = rng.choice(np.arange(1, COMMITS + 1), count, replace=False)
    effects = {int(commit): float(0.01 * 10 ** rng.random()) for commit in at}
    broken = frozenset(int(commit) for commit in range(1, COMMITS) if rng.random() < 0.08)
    return History(effects, broken)


def search(
    made: History, noise: Noise, rng: np.random.Generator, known: PairNoise | None = None, floor: float = 0.0075
) -> Searched:
    """As `bnnbench bisect` does it; a commit is found out to be broken when it is asked for."""
    pairs: dict[int, list[float]] = {}
    direct: dict[tuple[int, int], list[float]] = {}
    roles: set[tuple[int, int, bool]] = set()
    broken: set[int] = set()
    total = comparisons = 0
    stages: list[tuple[float, bool]] = []
    for _ in range(_MOST_STEPS):
        seen = Measured(COMMITS, pairs, direct, frozenset(roles), frozenset(broken), known=known, floor=floor)
        stage = following(seen, Limits())
        question = stage.question
        if question is None:
            break
        if question.commit in made.broken:
            broken.add(question.commit)
            continue
        if stage.posterior is not None and comparisons and rng.random() < 0.5:
            stages += [(one.probability, _holds(made, one)) for one in found(seen, stage.posterior)]
        step = made.level(question.commit) - made.level(question.base)
        rules = Rules(between=question.test)
        done = compare(noise, math.expm1(-step if question.swapped else step), rules, rng)
        d = [difference(pair) for pair in done.pairs if pair.dropped is None]
        total += len(d)
        comparisons += 1
        if question.is_direct:
            key = (question.base, question.commit)
            direct.setdefault(key, []).extend([-one for one in d] if question.swapped else d)
            roles.add((*key, question.swapped))
        else:
            pairs.setdefault(question.commit, []).extend(d)
    guilty = found(seen, stage.posterior) if stage.posterior and (stage.worse or 0) >= 0.95 else []
    return Searched(made, guilty, stage.worse or 0.0, total, comparisons, len(pairs) + len(broken), stages)


def oracle(made: History, noise: Noise, rng: np.random.Generator, known: PairNoise) -> tuple[int, bool]:
    """Plain bisection by Wald's test for one who knows that there is one culprit, its size, and the noise: its pairs,
    and whether it was right (or as near as commits that do not build allow)."""
    ((culprit, effect),) = made.effects.items()
    good, bad, total = 0, COMMITS, 0
    test = Between(low=0.0, high=math.log1p(effect), scale=known.scale, tail=known.tail, sure=0.999, least=2, most=180)
    while inside := [commit for commit in range(good + 1, bad) if commit not in made.broken]:
        middle = inside[len(inside) // 2]
        done = compare(noise, effect if middle >= culprit else 0.0, Rules(between=test), rng)
        d = [difference(pair) for pair in done.pairs if pair.dropped is None]
        total += len(d)
        values = np.asarray(d, float)
        ratio = known.log_density(values - test.high) - known.log_density(values - test.low)
        if ratio.sum() > 0:
            bad = middle
        else:
            good = middle
    return total, good < culprit <= bad


def known_noise(noise: Noise) -> PairNoise:
    """Fitted to so many pairs that it is known."""
    rng = np.random.default_rng(77)
    rules = Rules(looks=(180,), screen_alpha=0.0, equivalence_alpha=0.0)
    groups = [compare(noise, 0.0, rules, rng).pairs for _ in range(20)]
    return pair_noise([[difference(pair) for pair in pairs if pair.dropped is None] for pairs in groups])


def found_by(done: Searched, commit: int) -> Guilty | None:
    """The stated range that holds a culprit."""
    return next((one for one in done.guilty if one.first <= commit <= one.last), None)


def is_exact(done: Searched, commit: int) -> bool:
    """Whether it was found as exactly as it can be: alone, or with the broken commits beside it."""
    one = found_by(done, commit)
    return one is not None and (one.first, one.last) == done.history.measurable(commit)


def _holds(made: History, one: Guilty) -> bool:
    return any(one.first <= commit <= one.last for commit in made.effects)


@dataclass(frozen=True)
class Summary:
    """Of the searches of one noise model; shares, and medians of pairs."""

    noise: str
    histories: int
    large: int
    large_exact: float
    small: int
    small_width: float | None
    small_exact: float
    stated: float
    right: float
    statements: int
    stage_stated: float
    stage_right: float
    stage_count: int
    effect_in: float
    pairs: float
    pairs_known: float
    exact_known: float
    comparisons: float
    builds: float


def summarize(noise: str, done: Sequence[Searched], known: Sequence[Searched]) -> Summary:
    """Large culprits are of 2 % and more. A small one that no range holds counts as 64 wide."""
    of = [(one, commit, effect) for one in done for commit, effect in one.history.effects.items()]
    large = [is_exact(one, commit) for one, commit, effect in of if effect >= 0.02]
    small = [(one, commit) for one, commit, effect in of if effect < 0.02]
    widths = [COMMITS if (g := found_by(one, commit)) is None else g.last - g.first + 1 for one, commit in small]
    claims = [(g.probability, _holds(one.history, g)) for one in done for g in one.guilty]
    stages = [item for one in done for item in one.stages]
    near = [item for item in stages if item[0] < 0.99]
    intervals = [
        math.log1p(effect) >= g.low and math.log1p(effect) <= g.high
        for one, commit, effect in of
        if (g := found_by(one, commit)) and g.first == g.last == commit
    ]
    of_known = [
        is_exact(one, commit) for one in known for commit, effect in one.history.effects.items() if effect >= 0.02
    ]
    mean = lambda values: float(np.mean(values)) if len(values) else math.nan  # noqa: E731
    return Summary(
        noise=noise,
        histories=len(done),
        large=len(large),
        large_exact=mean(large),
        small=len(small),
        small_width=float(np.median(widths)) if widths else None,
        small_exact=mean([is_exact(one, commit) for one, commit in small]),
        stated=mean([item[0] for item in claims]),
        right=mean([item[1] for item in claims]),
        statements=len(claims),
        stage_stated=mean([item[0] for item in near]),
        stage_right=mean([item[1] for item in near]),
        stage_count=len(near),
        effect_in=mean(intervals),
        pairs=float(np.median([one.pairs for one in done])),
        pairs_known=float(np.median([one.pairs for one in known])),
        exact_known=mean(of_known),
        comparisons=float(np.median([one.comparisons for one in done])),
        builds=float(np.median([one.builds for one in done])),
    )


def unchanged(noise: Noise, histories: int, seed: int = 1) -> list[Searched]:
    """Searches of histories in which no commit changes anything."""
    made = History({}, frozenset())
    name = sum(map(ord, noise.name))
    return [search(made, noise, np.random.default_rng([seed, name, number, 3])) for number in range(histories)]


def simulate(noise: Noise, histories: int, seed: int = 1) -> tuple[list[Searched], list[Searched]]:
    """Seeded: the same histories, searched by the product, and by a search that is told the noise."""
    told = known_noise(noise)
    done, known = [], []
    for number in range(histories):
        key = [seed, sum(map(ord, noise.name)), number]
        made = history(np.random.default_rng(key))
        done.append(search(made, noise, np.random.default_rng([*key, 1])))
        known.append(search(made, noise, np.random.default_rng([*key, 2]), told))
    return done, known
