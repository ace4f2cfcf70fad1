"""Accuracy, size and memory: what is random is not taken for exact, and what is exact has a floor."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray
from scipy import optimize, stats

from bnnbench.results.image_flags import packed, unpacked
from bnnbench.results.metrics import METRICS
from bnnbench.results.records import Accuracy, CaseRecord, Verdict
from bnnbench.results.statistics.mcnemar import detectable_difference, p_value, power
from bnnbench.results.statistics.paired_difference import paired_difference_interval
from bnnbench.results.verdict.accuracy import LEVEL, Answers, accuracy_verdict, of_two_models
from bnnbench.results.verdict.exact import exact_verdict
from bnnbench.results.verdict.unpaired import LEAST_PROCESSES, unpaired_verdict
from tests.simulation.accuracy import Setting, simulate

FLOOR, MARGIN, ALPHA = METRICS["accuracy"].floor, METRICS["accuracy"].margin, METRICS["accuracy"].alpha
counts = st.integers(1, 60).flatmap(
    lambda n: st.integers(0, n).flatmap(lambda b: st.tuples(st.just(b), st.integers(0, n - b), st.just(n)))
)


class TestMcNemar:
    @given(st.integers(0, 200), st.integers(0, 200))
    def test_is_scipy_s_binomial_test(self, base: int, head: int) -> None:
        wanted = stats.binomtest(base, base + head, 0.5).pvalue if base + head else 1.0
        assert p_value(base, head) == pytest.approx(wanted)

    def test_holds_its_level_for_every_count(self) -> None:
        """Over all splits of m images that differ, at most alpha of the probability is called."""
        for m in (0, 1, 7, 8, 9, 20, 51, 80):
            called = sum(stats.binom.pmf(k, m, 0.5) for k in range(m + 1) if p_value(k, m - k) < ALPHA)
            assert called < ALPHA

    @pytest.mark.parametrize("n", [1, 4, 7])
    def test_power_is_that_of_all_outcomes(self, n: int) -> None:
        """Every way in which n images can be right on both, on one or on no side, with its probability."""
        discordant, difference, alpha = 0.7, 0.5, 0.2
        chances = {"same": 1 - discordant, "base": (discordant + difference) / 2, "head": (discordant - difference) / 2}
        called = 0.0
        for outcome in itertools.product(chances, repeat=n):
            base, head = outcome.count("base"), outcome.count("head")
            if base > head and p_value(base, head) < alpha and base - head >= 0.3 * n:
                called += float(np.prod([chances[one] for one in outcome]))
        assert power(n, discordant, difference, alpha, 0.3) == pytest.approx(called)

    def test_the_least_difference_is_called_nine_times_in_ten(self) -> None:
        for n, discordant in ((60, 4), (60, 0), (1000, 74), (10_000, 449)):
            least = detectable_difference(n, discordant, ALPHA, FLOOR)
            assert least is not None
            assert power(n, max(discordant / n, least), least, ALPHA, FLOOR) == pytest.approx(0.9, abs=0.002)
        assert detectable_difference(7, 0, ALPHA) is None  # 2 / 2^7 is above 1 %
        assert detectable_difference(0, 0, ALPHA) is None

    def test_what_cannot_be(self) -> None:
        with pytest.raises(ValueError, match="not negative"):
            p_value(-1, 2)
        with pytest.raises(ValueError, match="at least as many"):
            power(10, 0.1, 0.2, ALPHA)


class TestPairedDifference:
    def test_the_published_example(self) -> None:
        """M. W. Fagerland, S. Lydersen and P. Laake, Statistics in Medicine 33 (2014), 2850-2875: airway
        hyper-responsiveness of 21 children before and after stem cell transplantation; 1 and 7 of them changed."""
        low, high = paired_difference_interval(7, 1, 21, 0.95)
        assert (low, high) == pytest.approx((-0.517, -0.026), abs=5e-4)

    @given(counts)
    def test_its_ends_are_where_the_likeliest_model_is_refused(self, case: tuple[int, int, int]) -> None:
        """The likeliest probabilities under a difference, found by search and not by formula."""
        base, head, n = case
        low, high = paired_difference_interval(base, head, n, 0.95)
        assert -1 <= low <= (head - base) / n <= high <= 1
        for d in (low, high):
            if abs(d) < 0.999:
                assert abs(_score(base, head, n, d)) == pytest.approx(stats.norm.isf(0.025), abs=2e-3)

    @given(counts)
    def test_turned_round_it_is_mirrored(self, case: tuple[int, int, int]) -> None:
        base, head, n = case
        low, high = paired_difference_interval(base, head, n, 0.99)
        assert paired_difference_interval(head, base, n, 0.99) == pytest.approx((-high, -low), abs=1e-8)

    @given(counts)
    def test_what_the_test_calls_it_does_not_hold(self, case: tuple[int, int, int]) -> None:
        base, head, n = case
        low, high = paired_difference_interval(base, head, n, LEVEL)
        if p_value(base, head) < ALPHA:
            assert low > 0 or high < 0

    def test_no_image_that_differs_is_no_certainty(self) -> None:
        """As Wilson's interval of 0 of n."""
        wilson = stats.binomtest(0, 60).proportion_ci(0.95, method="wilson").high
        assert paired_difference_interval(0, 0, 60, 0.95) == pytest.approx((-wilson, wilson))

    @pytest.mark.parametrize("case", [(1, 1, 1), (-1, 0, 5), (0, 0, 0)])
    def test_what_cannot_be(self, case: tuple[int, int, int]) -> None:
        with pytest.raises(ValueError, match="cannot be right on only one side"):
            paired_difference_interval(*case, 0.95)


def _score(base: int, head: int, n: int, d: float) -> float:
    def unlikely(q: float) -> float:
        """Negative log-likelihood when q is right on the base alone, q + d on the head alone."""
        cells = ((base, q), (head, q + d), (n - base - head, 1 - 2 * q - d))
        return -sum(count * np.log(max(chance, 1e-300)) for count, chance in cells if count)

    least, most = max(0.0, -d), (1 - d) / 2
    q = optimize.minimize_scalar(unlikely, bounds=(least, most), method="bounded", options={"xatol": 1e-12}).x
    ends = [end for end in (least, most) if unlikely(end) <= unlikely(q)]
    q = ends[0] if ends else q
    return float((head - base - n * d) / np.sqrt(n * (2 * q + d - d * d)))


class TestFlags:
    @given(st.lists(st.booleans(), max_size=70))
    def test_there_and_back(self, flags: list[bool]) -> None:
        text = packed(np.array(flags, bool))
        back = unpacked(text, len(flags))
        assert back is not None
        assert back.tolist() == flags

    @pytest.mark.parametrize(("text", "images"), [(None, 3), ("", 3), ("AAAA", 3), ("!", 8), ("é", 8), ("AA==", -1)])
    def test_what_is_not_that_of_so_many_is_none(self, text: str | None, images: int) -> None:
        assert unpacked(text, images) is None


def answers(flags: NDArray[np.bool_], plan: str | None = "p", **changes: object) -> Answers:
    case = CaseRecord(id="c", workload="m", kind="model", engine="e", device="d", threads=1, plan_sha256=plan)
    fields: dict[str, object] = {
        "case_id": "c",
        "status": "ok",
        "dataset": "f",
        "dataset_sha256": "s",
        "images": len(flags),
        "of_images": len(flags),
        "correct": int(flags.sum()),
        "right": packed(flags),
        "predictions_sha256": str(flags.sum()),
    }
    return Answers(case, Accuracy(**{**fields, **changes}))  # type: ignore[arg-type]


def images(n: int, both: int, base_only: int, head_only: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    base, head = np.zeros(n, bool), np.zeros(n, bool)
    base[: both + base_only] = True
    head[:both] = head[both + base_only : both + base_only + head_only] = True
    return base, head


def of_models(n: int, both: int, base_only: int, head_only: int) -> Verdict:
    base, head = images(n, both, base_only, head_only)
    found = accuracy_verdict("c", answers(base), answers(head, plan="another"))
    assert found is not None
    return found


class TestTwoModels:
    @pytest.mark.parametrize("case", [(60, 51, 3, 1), (1000, 877, 38, 36), (100, 89, 1, 0), (60, 54, 0, 0)])
    def test_what_chance_explains_is_no_regression(self, case: tuple[int, int, int, int]) -> None:
        """quicknet_l and quicknet_xl on 60 and on 1,000 images; one image of 100; none of 60."""
        found = of_models(*case)
        n, _, base_only, head_only = case
        assert found.verdict == "inconclusive"
        assert found.effect == pytest.approx((head_only - base_only) / n)
        assert found.low is not None
        assert found.high is not None
        assert found.low < found.effect <= found.high  # type: ignore[operator]
        assert found.level == LEVEL
        assert found.mde is not None
        assert found.mde > 0.03
        assert f"differences of at least {found.mde * 100:.1f} points" in (found.reason or "")

    def test_what_chance_does_not_explain_is_called(self) -> None:
        worse, better = of_models(1000, 850, 60, 20), of_models(1000, 850, 20, 60)
        assert (worse.verdict, better.verdict) == ("regression", "improvement")
        assert worse.effect == -0.04
        assert worse.high is not None
        assert worse.high < 0
        assert worse.reason == "of 1,000 images, 60 are right only on the base and 20 only on the head"

    def test_a_difference_below_the_floor_is_not_called(self) -> None:
        found = of_models(100_000, 90_000, 900, 600)
        assert found.confirmed
        assert found.verdict == "equivalent"
        wide = of_models(10_000, 9000, 47, 0)
        assert wide.verdict in ("equivalent", "inconclusive")

    def test_many_images_show_equivalence(self) -> None:
        found = of_models(10_000, 9000, 220, 225)
        assert found.verdict == "equivalent"
        assert found.low is not None
        assert found.low >= -MARGIN

    def test_too_few_images_say_so(self) -> None:
        found = of_models(5, 0, 5, 0)
        assert (found.verdict, found.mde) == ("inconclusive", None)
        assert "too few to show a difference" in (found.reason or "")

    def test_without_the_images_chance_is_not_ruled_out(self) -> None:
        base, head = images(1000, 800, 150, 0)
        old = answers(base, right=None), answers(head, "another", right=None)
        damaged = answers(base), answers(head, "another", correct=1)
        for pair in (old, damaged):
            found = accuracy_verdict("c", *pair)
            assert found is not None
            assert (found.verdict, found.low, found.level) == ("inconclusive", None, None)
            assert "compare them again" in (found.reason or "")


class TestOneModel:
    def test_equal_predictions_are_equal(self) -> None:
        base, _ = images(60, 50, 0, 0)
        found = accuracy_verdict("c", answers(base), answers(base))
        assert found is not None
        assert (found.verdict, found.effect, found.level, found.reason) == ("equivalent", 0.0, 1.0, None)

    def test_images_that_differ_are_named(self) -> None:
        base, head = images(1000, 900, 2, 1)
        found = accuracy_verdict("c", answers(base), answers(head))
        assert found is not None
        assert found.verdict == "equivalent"
        assert found.reason == "right only on the base: images 900, 901, only on the head: image 902"
        base, head = images(1000, 900, 20, 0)
        found = accuracy_verdict("c", answers(base), answers(head))
        assert found is not None
        assert (found.verdict, found.confirmed) == ("regression", True)
        assert (found.reason or "").endswith("906, 907 and 12 more")


@pytest.mark.parametrize("status", ["failed", "wrong_output"])
@pytest.mark.parametrize("side", ["base", "head"])
def test_predictions_that_are_wrong_are_no_accuracy(side: str, status: str) -> None:
    base, _ = images(60, 50, 0, 0)
    broken = {
        one: answers(base, **({"status": status, "reason": "it died"} if one == side else {}))
        for one in ("base", "head")
    }
    found = accuracy_verdict("c", broken["base"], broken["head"])
    assert found is not None
    assert (found.status, found.verdict, found.reason) == (status, None, f"{side}: it died")


def test_other_images_are_not_compared() -> None:
    base, head = images(60, 50, 3, 0)
    for change in ({"dataset_sha256": "other"}, {"seed": 1}):
        assert accuracy_verdict("c", answers(base), answers(head, **change)) is None


class TestSimulated:
    @pytest.mark.parametrize("n", [60, 1000, pytest.param(10_000, marks=pytest.mark.slow)])
    def test_the_level_holds_when_the_sides_are_swapped_at_random(self, n: int) -> None:
        done = simulate(Setting("nothing but chance", n, 0.0), 2000, stated_by=0)
        assert done.called <= 1 - LEVEL

    def test_effects_are_called_as_often_as_stated(self) -> None:
        for n, difference in ((1000, 0.05), (10_000, 0.01)):
            setting = Setting("head worse", n, difference)
            done = simulate(setting, 400, stated_by=0)
            low, high = done.called_interval
            assert low <= power(n, setting.discordant, difference, ALPHA, FLOOR) <= high

    def test_verdicts_are_those_of_the_stored_records(self) -> None:
        rng = np.random.default_rng(5)
        base, head = rng.random(1000) < 0.9, rng.random(1000) < 0.9
        one = Verdict(comparison_id="c", metric="accuracy", unit="share", status="ok")
        stored = accuracy_verdict("c", answers(base), answers(head, "another"))
        assert stored is not None
        assert replace(stored, base_value=None, head_value=None) == of_two_models(one, base, head)


class TestExactFigures:
    @pytest.mark.parametrize(
        ("metric", "base", "head", "verdict"),
        [
            ("size", 36_456, 36_460, "equivalent"),  # four bytes
            ("size", 36_456, 36_456, "equivalent"),
            ("size", 36_456, 36_900, "regression"),
            ("size", 36_456, 36_000, "improvement"),
            ("instructions", 1e6, 1e6, "equivalent"),
            ("instructions", 1e6, 1e6 + 900, "equivalent"),
            ("instructions", 1e6, 1.005e6, "regression"),
            ("instructions", 1e6, 0.995e6, "improvement"),
        ],
    )
    def test_only_the_floor_decides(self, metric: str, base: float, head: float, verdict: str) -> None:
        found = exact_verdict("c", METRICS[metric], base, head)
        assert found.verdict == verdict
        assert found.effect == pytest.approx(head / base - 1)
        assert found.mde == METRICS[metric].floor


class TestMemory:
    @pytest.mark.parametrize(
        ("base", "head", "verdict"),
        [
            ([10_000] * 6, [20_000] * 6, "regression"),
            ([20_000] * 6, [10_000] * 6, "improvement"),
            ([10_000] * 6, [10_050] * 6, "equivalent"),
            ([10_000] * 6, [10_004] * 6, "equivalent"),
            ([1000, 1200] * 5, [1100, 1300] * 5, "inconclusive"),
            ([1000, 1500] * 5, [1000, 1500] * 5, "inconclusive"),
        ],
    )
    def test_processes_of_both_sides(self, base: list[int], head: list[int], verdict: str) -> None:
        found = unpaired_verdict("c", METRICS["peak_rss"], base, head)
        assert found is not None
        assert found.verdict == verdict
        assert found.low is not None
        assert found.high is not None
        assert found.low <= (found.effect or 0.0) <= found.high
        assert (found.base_value, found.head_value) == (np.median(base), np.median(head))

    def test_two_of_each_that_lie_apart_by_chance_are_no_regression(self) -> None:
        found = unpaired_verdict("c", METRICS["peak_rss"], [1000, 1010], [1100, 1110])
        assert found is not None
        assert found.verdict == "inconclusive"
        assert "2 processes a side, and 5 are needed" in (found.reason or "")
        assert unpaired_verdict("c", METRICS["peak_rss"], [], [1]) is None

    def test_it_is_rarely_wrong(self) -> None:
        rng = np.random.default_rng(7)
        called = 0
        for _ in range(1000):
            base, head = (rng.normal(10_000, 500, LEAST_PROCESSES).astype(int).tolist() for _ in range(2))
            found = unpaired_verdict("c", METRICS["peak_rss"], base, head)
            called += found is not None and found.verdict != "inconclusive"
        assert called / 1000 <= 0.02
