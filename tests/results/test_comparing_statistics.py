"""The statistics of comparisons against published tables, scipy, and what they promise."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import binomtest

from bnnbench.results.statistics.bootstrap import bootstrap_interval
from bnnbench.results.statistics.change_point import Cut, change_points
from bnnbench.results.statistics.detectable import pairs_needed, passes
from bnnbench.results.statistics.detectable_effect import detectable_effect
from bnnbench.results.statistics.equivalence import equivalence_p
from bnnbench.results.statistics.hodges_lehmann import hodges_lehmann
from bnnbench.results.statistics.imbalance import imbalance_p
from bnnbench.results.statistics.power_curve import Point, interpolated
from bnnbench.results.statistics.robust_sigma import effective_sigma, robust_sigma
from bnnbench.results.statistics.sequential import (
    Differences,
    Judgement,
    Need,
    Rules,
    confirming_pairs,
    judge,
    minimum_detectable_effect,
)
from bnnbench.results.statistics.signed_rank import null_counts, p_value, two_sided_p
from bnnbench.results.statistics.steady_state import drift, growth, settled

DARWIN = [6.125, -8.375, 1.0, 2.0, 0.75, 2.875, 3.5, 5.125, 1.75, 3.625, 7.0, 3.0, 9.375, 7.5, -6.0]
"""Darwin's maize: crossed less self-fertilised plants, inches (R. A. Fisher, The Design of Experiments, 1935)."""


class TestSignedRank:
    @pytest.mark.parametrize(
        ("n", "critical"), [(6, 0), (7, 2), (8, 3), (9, 5), (10, 8), (11, 10), (12, 13), (15, 25), (20, 52), (25, 89)]
    )
    def test_published_table(self, n: int, critical: int) -> None:
        """Largest rank sums of the rarer sign that are significant at 5 %, two-sided (Wilcoxon's table)."""
        below = np.cumsum(null_counts(n)) / 2**n
        assert 2 * below[critical] <= 0.05 < 2 * below[critical + 1]

    def test_darwin(self) -> None:
        """W+ = 96 of 120, two-sided p 0.04 (0.0413 exactly): as R's wilcox.test."""
        assert two_sided_p(DARWIN) == pytest.approx(stats.wilcoxon(DARWIN, method="exact").pvalue, rel=1e-9)
        assert two_sided_p(DARWIN) == pytest.approx(0.0413, abs=2e-4)

    @given(st.lists(st.floats(-1, 1), min_size=3, max_size=25, unique_by=abs).filter(lambda d: 0.0 not in d))
    @settings(max_examples=60, deadline=None)
    def test_scipy(self, d: list[float]) -> None:
        theirs = stats.wilcoxon(d, alternative="greater", method="exact").pvalue
        assert p_value(d) == pytest.approx(theirs, rel=1e-9)

    @given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
    def test_ties_and_zeros_counted_out(self, d: list[int]) -> None:
        """Every assignment of signs to the ranks is equally likely; zeros never help."""
        ranks = stats.rankdata(np.abs(d))
        observed = ranks[np.array(d) > 0].sum()
        sums = [sum(r for r, keep in zip(ranks, signs, strict=True) if keep) for signs in _signs(len(d))]
        assert p_value(d) == pytest.approx(np.mean([s >= observed - 1e-9 for s in sums]))

    def test_equal_figures_prove_nothing(self) -> None:
        assert two_sided_p([0.0] * 30) == 1.0
        assert p_value([]) == 1.0
        with pytest.raises(ValueError, match="finite"):
            p_value([math.nan])


def _signs(n: int) -> itertools.product:  # type: ignore[type-arg]
    return itertools.product((False, True), repeat=n)


class TestHodgesLehmann:
    def test_darwin(self) -> None:
        """Estimate 3.125, 95 % interval 0.5 to 5.1875: as R's wilcox.test(conf.int = TRUE)."""
        shift = hodges_lehmann(DARWIN, 0.95)
        assert shift.value == pytest.approx(3.125)
        assert (shift.low, shift.high) == pytest.approx((0.5, 5.1875))
        assert 0.95 <= shift.level < 0.96

    @pytest.mark.parametrize("n", [6, 10, 17, 30])
    def test_the_interval_is_that_of_the_test(self, n: int) -> None:
        """What lies outside, the test refuses at the interval's level; what lies inside, it does not."""
        for seed in range(20):
            d = np.random.default_rng([seed, n]).normal(0, 1, n)
            shift = hodges_lehmann(d, 0.95)
            assert shift.low <= shift.value <= shift.high
            alpha = (1 - shift.level) / 2 + 1e-9
            assert p_value(d, shift.low - 1e-9) <= alpha < p_value(d, shift.low + 1e-9)
            assert p_value(-d, -shift.high - 1e-9) <= alpha < p_value(-d, -shift.high + 1e-9)

    def test_coverage(self) -> None:
        rng = np.random.default_rng(5)
        hits = 0
        for _ in range(2000):
            shift = hodges_lehmann(rng.standard_t(3, 14) + 1.0, 0.95)
            hits += shift.low <= 1.0 <= shift.high
        assert 0.945 < hits / 2000 < 0.975

    def test_nothing_to_estimate(self) -> None:
        with pytest.raises(ValueError, match="finite"):
            hodges_lehmann([])


class TestEquivalence:
    def test_edge_of_the_margin(self) -> None:
        """At exactly the margin it is called at most alpha of the time."""
        rng = np.random.default_rng(6)
        called = sum(equivalence_p(rng.normal(0.02, 0.012, 12), -0.02, 0.02) < 0.05 for _ in range(2000))
        assert 0.03 < called / 2000 < 0.06

    def test_tight_ones_are_equivalent(self) -> None:
        assert equivalence_p(np.linspace(-0.002, 0.002, 12), -0.02, 0.02) < 0.001
        assert equivalence_p(np.linspace(0.018, 0.03, 12), -0.02, 0.02) > 0.9


class TestSigmaAndPlanning:
    def test_robust_sigma(self) -> None:
        rng = np.random.default_rng(8)
        for n in (10, 30, 100):
            sigmas = [robust_sigma(rng.normal(0, 1, n)) for _ in range(2000)]
            assert np.mean(sigmas) == pytest.approx(1.0, abs=0.06)
        spoilt = [*rng.normal(0, 1, 30), *[50.0] * 5]
        assert robust_sigma(spoilt) < 2
        assert robust_sigma([3.0]) == 0

    def test_effective_sigma_is_sigma_for_normal_differences_and_more_with_far_ones(self) -> None:
        rng = np.random.default_rng(8)
        for n in (10, 16, 30, 40):
            sigmas = [effective_sigma(rng.normal(0, 1, n)) for _ in range(800)]
            assert np.mean(sigmas) == pytest.approx(1.0, abs=0.12), n
        d = rng.normal(0, 1, 40)
        d[:8] += rng.choice([-10, 10], 8)
        assert effective_sigma(d) > 1.2 * robust_sigma(d)
        assert effective_sigma([1.0]) == 0

    def test_planned_pairs_have_the_power(self) -> None:
        rng = np.random.default_rng(9)
        for sigma in (0.01, 0.03):
            n = pairs_needed(0.02, sigma, alpha=0.01, power=0.9)
            found = np.mean([two_sided_p(rng.normal(0.02, sigma, n)) < 0.01 for _ in range(600)])
            assert 0.86 < found <= 1.0, (sigma, n)

    @given(st.floats(0.001, 0.3), st.floats(0.001, 0.3))
    def test_more_pairs_see_more(self, shift: float, sigma: float) -> None:
        assert passes(shift, sigma, 30, 0.01) >= passes(shift, sigma, 10, 0.01)
        assert pairs_needed(shift, sigma, 0.01, 0.9) <= pairs_needed(shift, sigma, 0.001, 0.9)


class TestImbalanceAndBootstrap:
    @pytest.mark.parametrize(("base", "head", "p"), [(0, 0, 1.0), (0, 5, 0.0625), (0, 6, 0.03125), (5, 5, 1.0)])
    def test_imbalance(self, base: int, head: int, p: float) -> None:
        assert imbalance_p(base, head) == pytest.approx(p)

    @given(st.integers(0, 200), st.integers(0, 200))
    def test_imbalance_as_scipy_says(self, base: int, head: int) -> None:
        judge = binomtest(head, base + head).pvalue if base + head else 1.0
        assert imbalance_p(base, head) == pytest.approx(judge, rel=1e-9)

    def test_bootstrap_covers_the_median(self) -> None:
        rng = np.random.default_rng(10)
        hits = 0
        for number in range(120):
            low, high = bootstrap_interval(rng.lognormal(0, 0.3, 25), 0.9, seed=number)
            hits += low <= 1.0 <= high
        assert 0.8 < hits / 120 < 0.98
        assert bootstrap_interval([2.0, 2.0, 2.0]) == (2.0, 2.0)
        assert bootstrap_interval([4.0]) == (4.0, 4.0)


class TestChangePoints:
    def test_a_step_is_found_where_it_is(self) -> None:
        rng = np.random.default_rng(11)
        (found,) = change_points([*rng.normal(100, 0.5, 15), *rng.normal(102, 0.5, 15)])
        assert abs(found.at - 15) <= 1
        assert found.after / found.before == pytest.approx(1.02, abs=0.005)
        assert found.confidence > 0.99

    def test_two_steps(self) -> None:
        rng = np.random.default_rng(12)
        series = [*rng.normal(100, 1, 12), *rng.normal(110, 1, 12), *rng.normal(95, 1, 12)]
        assert [round(point.at / 12) for point in change_points(series)] == [1, 2]

    @pytest.mark.parametrize("height", [1.1, 10.0, 1000.0])
    def test_a_single_spike_is_no_change(self, height: float) -> None:
        rng = np.random.default_rng(13)
        for place in range(4, 26):
            series = rng.normal(100, 1, 30)
            series[place] *= height
            assert not change_points(list(series), seed=place), place

    def test_false_alarms(self) -> None:
        rng = np.random.default_rng(14)
        found = sum(bool(change_points(list(rng.normal(0, 1, 30)), seed=i)) for i in range(300))
        assert found / 300 <= 0.03

    def test_too_short(self) -> None:
        assert change_points([1.0, 2.0, 3.0, 40.0, 50.0]) == []

    @given(st.lists(st.sampled_from((100.0, 100.1, 103.0, 107.0)), min_size=8, max_size=60), st.integers(0, 59))
    @settings(max_examples=40)
    def test_what_is_known_of_a_series_changes_nothing(self, figures: list[float], before: int) -> None:
        known: dict[str, Cut | None] = {}
        change_points(figures[:before], looked_at=known)
        assert change_points(figures, known=known) == change_points(figures)

    def test_a_series_that_has_grown_is_looked_at_where_it_changed(self) -> None:
        rng = np.random.default_rng(5)
        figures = [float(one) for level in (100, 110, 120, 130) for one in rng.normal(level, 0.5, 20)]
        known: dict[str, Cut | None] = {}
        looked_at: dict[str, Cut | None] = {}
        assert len(change_points(figures, looked_at=known)) == 3
        change_points([*figures, 130.0], known=known, looked_at=looked_at)
        assert 3 <= len(known.keys() & looked_at.keys()) < len(looked_at)
        wrong = dict.fromkeys(known)
        assert change_points(figures, known=wrong) == []  # it is not looked at again
        assert change_points([]) == []


class TestSteadyState:
    def test_drift(self) -> None:
        rng = np.random.default_rng(15)
        rising = [growth(list((1 + 0.004 * np.arange(10)) * (1 + rng.normal(0, 0.01, 10)))) for _ in range(20)]
        still = [growth(list(1 + rng.normal(0, 0.01, 10))) for _ in range(20)]
        assert drift([one for one in rising if one is not None]) == pytest.approx(0.028, abs=0.006)
        assert drift([one for one in still if one is not None]) is None
        assert growth([1.0, 2.0]) is None
        assert drift([]) is None

    def test_empty_series_say_nothing(self) -> None:
        assert settled([100.0] * 10, [])
        assert not settled([100.0] * 9)


class TestPowerCurve:
    def test_interpolation(self) -> None:
        points = [Point(x, round(200 * stats.norm.cdf((x - 0.6) / 0.3)), 200) for x in (0.5, 1.5, 3.0)]
        rate = interpolated(points, 1.0)
        assert rate.value == pytest.approx(stats.norm.cdf(4 / 3), abs=0.04)
        assert rate.low < stats.norm.cdf(4 / 3) < rate.high

    def test_needs_two_sizes(self) -> None:
        with pytest.raises(ValueError, match="two sizes"):
            interpolated([Point(1.0, 3, 5)], 1.0)


class TestJudge:
    RULES = Rules()

    def test_asks_for_one_look_after_the_other(self) -> None:
        rng = np.random.default_rng(16)
        noisy = list(rng.normal(0, 0.1, 30))
        assert judge(self.RULES, Differences()) == Need("screen", 10)
        assert judge(self.RULES, Differences(noisy[:10])) == Need("screen", 16)
        assert judge(self.RULES, Differences(noisy[:29])) == Need("screen", 30)
        done = judge(self.RULES, Differences(noisy))
        assert isinstance(done, Judgement)
        assert done.verdict == "inconclusive"
        assert done.sigma == pytest.approx(0.1, abs=0.03)

    def test_a_flag_needs_fresh_pairs(self) -> None:
        slower = list(np.random.default_rng(17).normal(0.02, 0.003, 10))
        assert judge(self.RULES, Differences(slower)) == Need("confirm", 12)
        assert judge(self.RULES, Differences(slower, slower + slower[:2])) == Need("confirm", 20)
        confirmed = judge(self.RULES, Differences(slower, slower * 2))
        assert isinstance(confirmed, Judgement)
        assert (confirmed.verdict, confirmed.confirmed) == ("regression", True)
        opposite = judge(self.RULES, Differences(slower, [-d for d in slower * 2]))
        assert isinstance(opposite, Judgement)
        assert opposite.verdict == "inconclusive"

    @pytest.mark.parametrize("effect", [-0.86, -0.5, -0.1, 0.1, 1.0, 50.0])
    @pytest.mark.parametrize("sigma", [0.001, 0.01])
    def test_a_clear_effect_stops_early(self, effect: float, sigma: float) -> None:
        """22 pairs in all, whatever the noise would have asked for, and its interval still holds the effect."""
        rng, shift = np.random.default_rng(23), math.log1p(effect)
        screen, confirm = (list(rng.normal(shift, sigma, n)) for n in (10, 12))
        assert judge(self.RULES, Differences(screen)) == Need("confirm", 12)
        done = judge(self.RULES, Differences(screen, confirm))
        assert isinstance(done, Judgement)
        assert (done.verdict, done.confirmed, done.shift.n) == ("regression" if shift > 0 else "improvement", True, 12)
        assert done.shift.level >= 1 - self.RULES.clear_alpha
        assert done.shift.low <= shift <= done.shift.high

    @pytest.mark.parametrize("spoilt", [0.0, 0.015, -0.5])
    def test_one_pair_that_is_not_clear_asks_for_more(self, spoilt: float) -> None:
        screen = list(np.random.default_rng(24).normal(0.5, 0.1, 10))
        more = judge(self.RULES, Differences(screen, [*(screen * 2)[:11], spoilt]))
        assert isinstance(more, Need)
        assert more.stage == "confirm"
        assert more.pairs >= 20

    def test_a_clear_effect_is_beyond_floor_and_margin(self) -> None:
        """A floor above the margin is a floor here too."""
        screen = list(np.random.default_rng(25).normal(0.05, 0.001, 10))
        assert isinstance(judge(Rules(floor=0.1), Differences(screen, (screen * 2)[:12])), Need)
        assert isinstance(judge(Rules(margin=0.1), Differences(screen, (screen * 2)[:12])), Need)

    def test_both_looks_of_the_confirmation_together_keep_its_level(self) -> None:
        """Where nothing changed, and with no margin at all, which is the worst case for the first look."""
        rules, rng, wrong, tries = Rules(margin=0.0), np.random.default_rng(26), 0, 5000
        for _ in range(tries):
            d = rng.standard_t(3, 20)
            wrong += 2 * p_value(d[:12], rules.within()[1]) < rules.clear_alpha or 2 * p_value(d) < rules.last_alpha
        bound = rules.confirm_alpha / 2
        assert wrong / tries <= bound + 3 * math.sqrt(bound / tries)
        assert rules.clear_alpha + rules.last_alpha == pytest.approx(rules.confirm_alpha)

    def test_below_the_floor_is_no_regression(self) -> None:
        small = list(np.random.default_rng(18).normal(0.005, 0.001, 30))
        done = judge(self.RULES, Differences(small, small))
        assert isinstance(done, Judgement)
        assert done.verdict == "equivalent"

    def test_dropped_pairs_count_against_equivalence(self) -> None:
        """Leaving a side's throttled pairs out does not make it as fast."""
        steady = list(np.random.default_rng(19).normal(0, 0.004, 10))
        assert isinstance(judge(self.RULES, Differences(steady)), Judgement)
        assert judge(self.RULES, Differences(steady, dropped=[0.1, 0.12])) == Need("screen", 16)

    def test_a_tail_that_ranks_do_not_weigh(self) -> None:
        tail = [*np.random.default_rng(20).normal(0, 0.001, 27), 0.9, 0.9, 0.9]
        done = judge(Rules(looks=(30,)), Differences(tail))
        assert isinstance(done, Judgement)
        assert done.verdict == "inconclusive"

    @given(st.lists(st.floats(-0.1, 0.1), max_size=60), st.lists(st.floats(-0.1, 0.1), max_size=60))
    @settings(max_examples=80, deadline=None)
    def test_swapping_the_sides_turns_the_verdict_round(self, screen: list[float], confirm: list[float]) -> None:
        one = judge(self.RULES, Differences(screen, confirm))
        other = judge(self.RULES, Differences([-d for d in screen], [-d for d in confirm]))
        turned = {"regression": "improvement", "improvement": "regression"}
        if isinstance(one, Need):
            assert one == other
        else:
            assert isinstance(other, Judgement)
            assert turned.get(one.verdict, one.verdict) == other.verdict
            assert one.shift.value == pytest.approx(-other.shift.value, abs=1e-12)

    @given(st.floats(0, 0.5))
    def test_confirming_pairs_are_bounded_and_even(self, sigma: float) -> None:
        count = confirming_pairs(self.RULES, sigma)
        assert 20 <= count <= 40
        assert count % 2 == 0

    def test_drawn_and_calculated_mde_agree_for_normal_differences(self) -> None:
        for sigma in (0.004, 0.012, 0.05):
            d = np.random.default_rng(21).normal(0, sigma, 200)
            drawn = detectable_effect(self.RULES, d)
            assert drawn == pytest.approx(minimum_detectable_effect(self.RULES, sigma), rel=0.2), sigma
        assert detectable_effect(self.RULES, [0.1, 0.2]) is None
        assert detectable_effect(self.RULES, [0.0] * 10) == pytest.approx(self.RULES.floor, rel=0.01)

    def test_far_pairs_raise_the_mde(self) -> None:
        d = np.random.default_rng(22).normal(0, 0.01, 30)
        clean = detectable_effect(self.RULES, d)
        d[::5] += np.array([0.3, -0.3] * 3)
        spoilt = detectable_effect(self.RULES, d)
        assert clean is not None
        assert spoilt is not None
        assert spoilt > 2 * clean

    def test_mde_grows_with_noise_and_shrinks_with_pairs(self) -> None:
        effects = [minimum_detectable_effect(self.RULES, sigma) for sigma in (0.001, 0.01, 0.03, 0.1)]
        assert effects == sorted(effects)
        assert effects[0] >= self.RULES.floor
        more = Rules(looks=(10, 16, 22, 30, 60, 100))
        assert minimum_detectable_effect(more, 0.1) < effects[-1]
