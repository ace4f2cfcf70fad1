"""The statistics of bisections: against scipy, against sums over all histories, and on simulated ones with known
culprits."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from bnnbench.results.statistics.between import Between, pairs_wanted
from bnnbench.results.statistics.bisect_search import Limits, Measured, following, found
from bnnbench.results.statistics.bisection import STEPS, Evidence, Posterior
from bnnbench.results.statistics.exact_search import ExactValues, exact_question, exact_steps
from bnnbench.results.statistics.pair_noise import PairNoise, level_of, pair_noise
from tests.simulation.bisection import History, history, is_exact, search, simulate, summarize
from tests.simulation.scenarios import BASE, CALM


@pytest.mark.parametrize(("tail", "scale"), [(2.0, 0.004), (5.0, 0.012)])
def test_scale_and_tail_are_those_of_scipy_s_fit(tail: float, scale: float) -> None:
    rng = np.random.default_rng(1)
    groups = [center + scale * rng.standard_t(tail, 60) for center in np.linspace(0, 0.1, 30)]
    fit = pair_noise([list(group) for group in groups])
    assert fit.tail == tail
    assert fit.scale == pytest.approx(scale, rel=0.06)
    one = list(scale * rng.standard_t(tail, 3000))
    _, center, width = stats.t.fit(one, fdf=tail)
    alone = pair_noise([one])
    assert alone.scale == pytest.approx(width, rel=0.03)
    assert level_of(PairNoise(width, tail), one) == pytest.approx(center, abs=scale / 100)


def test_the_density_is_student_s() -> None:
    at = np.linspace(-0.05, 0.05, 11)
    ours = PairNoise(0.012, 3.0).log_density(at)
    theirs = stats.t.logpdf(at, 3.0, scale=0.012)
    assert ours - ours[5] == pytest.approx(theirs - theirs[5])


def test_few_pairs_of_many_levels_do_not_make_noise_look_small() -> None:
    rng = np.random.default_rng(2)
    found_scales = [pair_noise([list(rng.normal(0, 0.01, 4)) for _ in range(12)]).scale for _ in range(60)]
    assert 0.008 <= np.median(found_scales) <= 0.0105


@pytest.mark.parametrize("at", [0.0, 0.02])
def test_the_test_between_two_levels_is_wrong_as_often_as_it_says(at: float) -> None:
    """Wald: at most 1 - sure, and in fewer pairs than a test of fixed length with these errors takes."""
    rng, wrong, counts = np.random.default_rng(3), 0, []
    test = Between(low=0.0, high=0.02, scale=0.012, tail=40.0, sure=0.98, most=400)
    for _ in range(1500):
        d: list[float] = []
        while (wanted := pairs_wanted(test, d)) is not None:
            d += list(at + 0.012 * rng.standard_t(40.0, wanted - len(d)))
        counts.append(len(d))
        wrong += (np.mean(d) > 0.01) != (at > 0.01)
    assert wrong / 1500 <= 0.025
    fixed = (2 * stats.norm.ppf(0.98) * 0.012 / 0.02) ** 2
    assert np.mean(counts) <= fixed + 1


def test_the_test_between_two_levels_ends() -> None:
    test = Between(low=0.0, high=0.02, scale=0.5, most=20)
    assert pairs_wanted(test, [0.01] * 19) == 20
    assert pairs_wanted(test, [0.01] * 20) is None
    assert pairs_wanted(Between(low=0.0, high=0.02), [0.01] * 4) == 8  # no scale is known: enough to estimate one


def summed(evidence: Evidence, posterior: Posterior) -> dict[str, float]:
    """The same posterior, by a sum over every history of three units: which of them step, and by how much."""
    levels, noise = posterior.levels, posterior.noise
    cell = levels[1] - levels[0]
    zero = int(np.argmin(np.abs(levels)))
    n = len(levels)

    def likelihood(d: list[float], at: np.ndarray) -> np.ndarray:
        logs = np.array([sum(stats.t.logpdf(one - level, noise.tail, scale=noise.scale) for one in d) for level in at])
        return np.convolve(np.exp(logs - logs.max()), (0.25, 0.5, 0.25), "same")

    sizes = np.arange(1 - n, n) * cell
    weight = np.where(np.abs(sizes) >= evidence.floor - cell / 2, 1 / np.maximum(np.abs(sizes), cell), 0)
    weight *= np.where(sizes > 0, 0.8, 0.2)
    weight /= weight.sum()
    share = STEPS / sum(evidence.commits)
    seen = {unit: likelihood(list(d), levels) for unit, d in evidence.pairs.items()}
    direct = {unit: likelihood(list(d), sizes) for unit, d in evidence.direct.items()}
    total, worse, first_only = 0.0, np.zeros(4), 0.0
    for steps in itertools.product((False, True), repeat=3):
        chances = [min(share * count, 0.5) for count in evidence.commits]
        prior = math.prod(chance if step else 1 - chance for chance, step in zip(chances, steps, strict=True))
        options = [range(1 - n, n) if step else (0,) for step in steps]
        for moves in itertools.product(*options):
            at = zero + np.cumsum(moves)
            if (at < 0).any() or (at >= n).any():
                continue
            p = prior
            for unit, (step, move) in enumerate(zip(steps, moves, strict=True), 1):
                p *= weight[move + n - 1] if step else 1.0
                if unit in seen:
                    p *= seen[unit][at[unit - 1]]
                if unit in direct:
                    p *= direct[unit][move + n - 1]
            total += p
            for unit, move in enumerate(moves, 1):
                worse[unit] += p * (move > 0)
            first_only += p * (steps[0] and not steps[1] and not steps[2])
    return {"1": worse[1] / total, "2": worse[2] / total, "3": worse[3] / total, "first only": first_only / total}


@pytest.mark.timeout(100)
def test_the_posterior_is_that_of_all_histories_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    from bnnbench.results.statistics import bisection

    monkeypatch.setattr(bisection, "_CELLS", 20)
    rng = np.random.default_rng(4)
    evidence = Evidence(
        commits=[1, 2, 1],
        pairs={1: rng.normal(0.004, 0.012, 6).tolist(), 3: rng.normal(0.02, 0.012, 6).tolist()},
        direct={2: rng.normal(0.012, 0.012, 4).tolist()},
    )
    posterior = Posterior(evidence)
    right = summed(evidence, posterior)
    assert 0.1 < right["2"] < 0.95
    for unit in (1, 2, 3):
        assert posterior.culprit(unit) == pytest.approx(right[str(unit)], abs=1e-6)
    ways = posterior.ways(0, 1, 3)
    assert ways.chance[True, False] == pytest.approx(right["first only"], abs=1e-6)
    assert sum(ways.chance.values()) == pytest.approx(1)
    assert posterior.any_step(0, 1, worse_only=True) == pytest.approx(right["1"], abs=1e-6)


def test_what_has_the_same_binary_is_not_guilty() -> None:
    pairs = {1: [0.0] * 6, 4: [0.05] * 6}
    free = Posterior(Evidence(commits=[1] * 4, pairs=pairs, known=PairNoise(0.01, 5)))
    bound = Posterior(Evidence(commits=[1] * 4, pairs=pairs, same=frozenset({2, 3}), known=PairNoise(0.01, 5)))
    assert free.culprit(2) == pytest.approx(free.culprit(4), rel=0.05)
    assert bound.culprit(2) == bound.culprit(3) == 0
    assert bound.culprit(4) > 0.97


@pytest.mark.parametrize("sign", [1, -1])
def test_a_figure_of_which_more_is_better(sign: int) -> None:
    """The mirror image of evidence has the mirror image's culprits."""
    pairs = {4: [sign * one for one in (0.0, 0.01, -0.01)] * 2, 8: [sign * one for one in (0.05, 0.06, 0.04)] * 2}
    pairs[5] = pairs[8]
    seen = Measured(8, pairs, sign=sign, known=PairNoise(0.01, 5))
    (one,) = found(seen, Posterior(seen.evidence()))
    assert (one.first, one.last) == (5, 5)
    assert one.effect * sign == pytest.approx(0.05, abs=0.01)
    assert one.low < one.effect < one.high


def test_a_culprit_beside_commits_that_do_not_build_is_a_range() -> None:
    made = History({30: 0.05}, frozenset({29, 30}))
    done = search(made, BASE, np.random.default_rng(5))
    assert [(one.first, one.last) for one in done.guilty] == [(29, 31)]
    assert is_exact(done, 30)


def test_nothing_slower_ends_at_once() -> None:
    ends = [search(History({}, frozenset()), BASE, np.random.default_rng(number)) for number in range(20)]
    assert not any(one.guilty for one in ends)
    assert sum(one.builds > 1 for one in ends) <= 1
    assert max(one.pairs for one in ends) < 120


def test_before_anything_is_halved_the_range_is_95_per_cent_of_the_commits() -> None:
    pairs = {64: np.random.default_rng(6).normal(0.03, 0.012, 16).tolist()}
    seen = Measured(64, pairs, known=PairNoise(0.012, 40))
    stage = following(seen)
    assert stage.posterior is not None
    assert stage.question is not None
    assert stage.question.commit == 32
    (one,) = found(seen, stage.posterior)
    # Not 61 of 64: where there are two steps, either may be outside.
    assert 0.9 * 64 <= one.last - one.first + 1 <= 61
    assert 0.95 <= one.probability < 0.98


def test_what_stays_open_after_the_most_pairs_is_a_range_that_holds_the_culprit() -> None:
    """A step of 2 % where pairs differ by 4 %, and no commit may have more than 12 of them."""
    rng = np.random.default_rng(8)
    pairs = {at: rng.normal(0.02 * (at >= 20), 0.04, 12).tolist() for at in (16, 18, 19, 20, 21, 24, 32, 64)}
    seen = Measured(64, pairs, known=PairNoise(0.04, 40))
    stage = following(seen, Limits(most=12))
    assert stage.posterior is not None
    (one,) = found(seen, stage.posterior)
    assert one.first <= 20 <= one.last
    assert one.last > one.first


@pytest.mark.timeout(100)
@pytest.mark.parametrize("noise", [BASE, CALM], ids=lambda noise: noise.name)
def test_simulated_culprits_are_found(noise: object) -> None:
    """`python -m tests.simulation.bisection_table` is the long form."""
    assert noise in (BASE, CALM)
    done, known = simulate(BASE if noise is BASE else CALM, 5, seed=2)
    rates = summarize("short", done, known)
    assert rates.large_exact >= 0.95
    assert rates.small_width is None or rates.small_width <= 4
    assert rates.right >= 0.95
    assert rates.pairs <= 1.5 * rates.pairs_known


def test_a_history_has_what_it_says() -> None:
    made = history(np.random.default_rng(7), culprits=3)
    assert len(made.effects) == 3
    assert all(0.01 <= effect <= 0.1 for effect in made.effects.values())
    assert made.level(64) == pytest.approx(sum(map(math.log1p, made.effects.values())))


@pytest.mark.parametrize("seed", range(20))
def test_exact_figures_are_bisected_to_every_step(seed: int) -> None:
    """Against a look at every commit; steps to the worse only, so that none hides another."""
    rng = np.random.default_rng(seed)
    at = set(rng.choice(np.arange(1, 65), 3, replace=False).tolist())
    broken = frozenset(int(one) for one in range(1, 64) if rng.random() < 0.2)
    level, figures = 1000.0, [1000.0]
    for commit in range(1, 65):
        level *= 1.03 if commit in at else 1.0
        figures.append(level)
    values, asked = {0: figures[0]}, 0
    tried: set[int] = set()
    while (number := exact_question(ExactValues(64, values, frozenset(tried), floor=0.01))) is not None:
        asked += 1
        if number in broken:
            tried.add(number)
        else:
            values[number] = figures[number]
    stretches = exact_steps(ExactValues(64, values, frozenset(tried), floor=0.01))
    assert {commit for commit in at if any(before < commit <= after for before, after in stretches)} == at
    for before, after in stretches:
        assert all(one in broken for one in range(before + 1, after))
    assert asked <= 40


def test_exact_figures_below_the_floor_and_to_the_better_are_none() -> None:
    values = {0: 1000.0, 64: 1009.0}
    assert exact_question(ExactValues(64, values, floor=0.01)) is None
    assert exact_question(ExactValues(64, {0: 1000.0, 64: 900.0}, floor=0.01)) is None
    assert exact_question(ExactValues(64, {0: 0.9, 64: 0.8}, floor=0.005, sign=-1, in_points=True)) == 32
