"""Gates, floors, budgets and allowances of a suite, against right answers that are written down here."""

from __future__ import annotations

import itertools
import math
from datetime import date
from typing import Any, Literal

import numpy as np
import pytest
from msgspec.structs import replace
from scipy import stats

from bnnbench.results.metric import Metric
from bnnbench.results.metrics import METRICS
from bnnbench.results.records import Accuracy, CaseRecord, Invocation, Verdict
from bnnbench.results.records.policy import Allowance, MetricRules, ScopedRules, SuiteRules, VerdictRules
from bnnbench.results.verdict.budget import (
    SUITE_ALPHA,
    BudgetError,
    budget,
    interval,
    of_exact,
    of_processes,
    of_share,
)
from bnnbench.results.verdict.exact import exact_verdict
from bnnbench.results.verdict.other_metrics import Measured, other_verdicts
from bnnbench.results.verdict.policy import Policy
from bnnbench.results.verdict.standing import Standing

DAY = "2026-11-30"
ALL = list(METRICS)


def verdict(metric: Metric, word: Literal["regression", "improvement", "equivalent"], effect: float) -> Verdict:
    return Verdict(
        comparison_id="c", metric=metric.key, unit=metric.unit, status="ok", verdict=word, effect=effect, level=0.99
    )


def rules(gate: list[str] | None = None, **verdicts: Any) -> Policy:
    return Policy(SuiteRules(verdict=VerdictRules(**verdicts), gate=gate if gate is not None else []), DAY)


ALLOWANCES: dict[str, tuple[dict[str, Any] | None, bool]] = {
    "none": (None, False),
    "holds": ({"until": date(2026, 12, 1)}, True),
    "last day": ({"until": date(2026, 11, 30)}, True),
    "expired": ({"until": date(2026, 11, 29)}, False),
    "too small": ({"until": date(2026, 12, 1), "up_to": 0.04}, False),
    "large enough": ({"until": date(2026, 12, 1), "up_to": 0.05}, True),
    "of another device": ({"until": date(2026, 12, 1), "device": ["pi5"]}, False),
    "of another workload": ({"until": date(2026, 12, 1), "workload": "^mobilenet"}, False),
    "of this one": ({"until": date(2026, 12, 1), "workload": "net_s$", "device": ["pi5", "pi4"]}, True),
}
"""What it covers a change of 5 % of quicknet_s on pi4 by, and whether it does."""


@pytest.mark.parametrize("key", ALL)
@pytest.mark.parametrize("direction", ["worse", "both"])
@pytest.mark.parametrize("gate", ["all", "named", "others"])
@pytest.mark.parametrize("name", list(ALLOWANCES))
def test_whether_a_change_fails(key: str, direction: Any, gate: str, name: str) -> None:
    metric, (given, covers) = METRICS[key], ALLOWANCES[name]
    other = next(item for item in ALL if item != key)
    policy = rules(
        gate={"all": [], "named": [key, other], "others": [other]}[gate],
        metric={key: MetricRules(direction=direction)},
        allow=[Allowance(metric=key, reason="known", **given)] if given else [],
    )
    worse = 0.05 * metric.sign
    for word, effect in (("regression", worse), ("improvement", -worse), ("equivalent", 0.0)):
        found = verdict(metric, word, effect)  # type: ignore[arg-type]
        standing = Standing.of(policy, found, "quicknet_s", "pi4")
        is_change = word == "regression" or (word == "improvement" and direction == "both")
        assert standing.fails(found) == (is_change and gate != "others" and not covers)
        assert standing.is_allowed == (is_change and covers)
        text = standing.text(found) or ""
        if is_change and name == "expired":
            assert text == "allowed until 2026-11-29, which has passed (known)"
        elif is_change and covers:
            assert text.startswith("allowed until 2026-1")
            assert text.endswith(": known")
        elif is_change and gate == "others":
            assert text == "its metric is no gate of the suite"


def test_one_that_holds_comes_before_one_that_has_expired() -> None:
    metric = METRICS["size"]
    old = Allowance(metric="size", reason="old", until=date(2026, 1, 1))
    policy = rules(allow=[old, Allowance(metric="size", reason="new", until=date(2027, 1, 1))])
    standing = Standing.of(policy, verdict(metric, "regression", 0.3), "w", "d")
    assert standing.is_allowed
    assert standing.allowance is not None
    assert standing.allowance.reason == "new"


FLOORS: list[tuple[dict[str, Any], str, float, float]] = [
    ({}, "latency", 0.01, 0.02),
    ({"floor": 0.03, "margin": 0.05}, "latency", 0.03, 0.05),
    ({"floor": 0.03, "margin": 0.05}, "size", 0.01, 0.01),
    ({"metric": {"size": MetricRules(floor=0.2)}}, "size", 0.2, 0.2),
    ({"metric": {"size": MetricRules(floor=0.2, margin=0.3)}}, "size", 0.2, 0.3),
    ({"metric": {"size": MetricRules(margin=0.3)}}, "size", 0.01, 0.3),
    ({"floor": 0.03, "margin": 0.05, "metric": {"latency": MetricRules(floor=0.04)}}, "latency", 0.04, 0.05),
    ({"rule": [ScopedRules(floor=0.07)]}, "accuracy", 0.07, 0.07),
    ({"rule": [ScopedRules(floor=0.07, metric=["load"])]}, "load", 0.07, 0.5),
    ({"rule": [ScopedRules(floor=0.07, metric=["load"])]}, "first", 0.3, 0.5),
    ({"rule": [ScopedRules(floor=0.07, device=["pi5"])]}, "latency", 0.01, 0.02),
    ({"rule": [ScopedRules(floor=0.07, workload="mobile")]}, "latency", 0.01, 0.02),
    ({"rule": [ScopedRules(floor=0.07, workload="quick"), ScopedRules(floor=0.05)]}, "latency", 0.05, 0.07),
    ({"metric": {"latency": MetricRules(floor=0.04)}, "rule": [ScopedRules(floor=0.015)]}, "latency", 0.015, 0.04),
]


@pytest.mark.parametrize(("given", "key", "floor", "margin"), FLOORS)
def test_floors_and_margins(given: dict[str, Any], key: str, floor: float, margin: float) -> None:
    found = rules(**given).tuned(METRICS[key], "quicknet_s", "pi4")
    assert (found.floor, found.margin) == (floor, margin)


@pytest.mark.parametrize("factor", [0.5, 0.98, 1.0, 1.02, 1.5])
def test_a_floor_decides_about_an_exact_change(factor: float) -> None:
    tuned = rules(metric={"size": MetricRules(floor=0.1)}).tuned(METRICS["size"], "w", "d")
    base = 1_000_000
    for share in (0.05, 0.1, 0.2):
        found = exact_verdict("c", tuned, base, base * (1 + share * factor))
        assert found.verdict == ("regression" if share * factor >= 0.1 - 1e-12 else "equivalent")


class TestBudgets:
    @pytest.mark.parametrize(
        ("text", "key", "limit"),
        [
            ("latency_ms <= 12", "latency", 12e6),
            ("latency <= 12 ms", "latency", 12e6),
            (" latency_ns<=1e6 ", "latency", 1e6),
            ("latency_us <= 2.5", "latency", 2500),
            ("latency <= 0.5s", "latency", 5e8),
            ("size_bytes <= 3000000", "size", 3e6),
            ("size_bytes <= 3_000_000", "size", 3e6),
            ("size <= 3 MB", "size", 3e6),
            ("size <= 2 MiB", "size", 2**21),
            ("peak_rss_mb <= 64", "peak_rss", 64e6),
            ("peak_rss_bytes <= 64", "peak_rss", 64),
            ("accuracy >= 0.9", "accuracy", 0.9),
            ("accuracy >= 90 %", "accuracy", 0.9),
            ("accuracy_percent >= 90", "accuracy", 0.9),
            ("instructions <= 1e9", "instructions", 1e9),
            ("energy_mj <= 3", "energy", 3),
            ("energy <= 3 J", "energy", 3000),
            ("load_ms <= 1", "load", 1e6),
            ("first_ms <= 1", "first", 1e6),
        ],
    )
    def test_forms(self, text: str, key: str, limit: float) -> None:
        found = budget(text)
        assert (found.metric.key, found.text) == (key, text)
        assert found.limit == pytest.approx(limit, rel=1e-12)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("latency_ms", "is not a budget; write it as 'latency_ms <= 12'"),
            ("latency_ms < 12", "is not a budget"),
            ("latency_ms <= twelve", "is not a budget"),
            ("latency_ms <= 12 12", "is not a budget"),
            ("latency <= 12", "has no unit; that of latency is one of ns, us, µs, ms, s"),
            ("latency_mb <= 12", "has the unit mb; that of latency is one of"),
            ("latency_ms <= 12 ms", "has two units, ms and ms"),
            ("latenci_ms <= 12", "there is no metric 'latenci_ms'; there are size, latency"),
            ("latency_ms >= 12", "latency is better when smaller; write <="),
            ("accuracy <= 0.9", "accuracy is better when larger; write >="),
            ("accuracy >= 90", "a share is at most 1"),
            ("latency_ms <= 0", "must be a number above 0"),
            ("latency_ms <= 1e999", "must be a number above 0"),
            ("latency_ms <= 1e", "'1e' is not a number"),
            ("latency_ms <= 1.2.3", "is not a number"),
            ("size <= 3 lightyears", "has the unit lightyears"),
        ],
    )
    def test_wrong_ones_are_one_sentence(self, text: str, said: str) -> None:
        with pytest.raises(BudgetError) as error:
            budget(text)
        assert said in str(error.value)
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize("key", ALL)
    @pytest.mark.parametrize(("by", "outcome"), [(0.5, "pass"), (1.0, "pass"), (1.001, "fail"), (2.0, "fail")])
    def test_exact_figures(self, key: str, by: float, outcome: str) -> None:
        metric = METRICS[key]
        sign, unit = ("<=", "") if metric.smaller_is_better else (">=", "")
        unit = {"ns": "ns", "bytes": "bytes", "mJ": "mJ"}.get(metric.unit, unit)
        figure = 0.4 * by**metric.sign
        assert of_exact(budget(f"{key} {sign} 0.4 {unit}"), [figure]).outcome == outcome
        assert of_exact(budget(f"{key} {sign} 0.4 {unit}"), [figure, figure]).outcome == outcome

    def test_processes_on_both_sides_of_the_bound_are_undecided(self) -> None:
        asked = budget("latency_ns <= 100")
        near = [98, 99, 99.5, 100.5, 101, 100, 99.9]
        assert of_processes(asked, near, 1).outcome == "undecided"
        assert of_processes(asked, [figure * 0.9 for figure in near], 1).outcome == "pass"
        assert of_processes(asked, [figure * 1.1 for figure in near], 1).outcome == "fail"
        # All processes are above, and among a thousand budgets that happens by chance.
        assert of_processes(asked, [figure * 1.03 for figure in near], 1).outcome == "fail"
        assert of_processes(asked, [figure * 1.03 for figure in near], 1000).outcome == "undecided"
        few = of_processes(asked, [200.0] * 4, 1)
        assert (few.outcome, few.reason) == ("undecided", "latency is known of 4 processes, and 5 are needed")

    def test_the_interval_of_processes_is_that_of_scipy(self) -> None:
        figures = np.random.default_rng(1).lognormal(3, 0.2, 9)
        logs = np.log(figures)
        half = stats.sem(logs) * stats.t.ppf(1 - 0.001, 8)
        low, high = interval(figures.tolist(), 0.001)
        assert low == pytest.approx(min(figures.min(), math.exp(logs.mean() - half)))
        assert high == pytest.approx(max(figures.max(), math.exp(logs.mean() + half)))

    @pytest.mark.parametrize(
        ("right", "of", "outcome"),
        [(54, 60, "undecided"), (9100, 10_000, "pass"), (8890, 10_000, "fail"), (60, 60, "pass")],
    )
    def test_shares(self, right: int, of: int, outcome: str) -> None:
        found = of_share(budget("accuracy >= 0.9"), right, of, 1)
        assert found.outcome == outcome
        exact = stats.binomtest(right, of).proportion_ci(1 - 2 * SUITE_ALPHA, method="exact")
        assert (found.low, found.high) == pytest.approx((exact.low, exact.high))

    @pytest.mark.parametrize("spread", [0.005, 0.02, 0.1])
    def test_a_suite_of_20_fails_by_chance_in_one_of_100_at_most(self, spread: float) -> None:
        """All true levels lie on their bounds, which is the worst that passes."""
        rng, asked = np.random.default_rng(7), budget("latency_ns <= 100")
        wrong = sum(
            any(of_processes(asked, row.tolist(), 20).outcome == "fail" for row in suite)
            for suite in 100 * np.exp(rng.normal(0, spread, (300, 20, 7)))
        )
        assert wrong <= 6  # 1 % would be 3; 7 and more come by chance once in 30 times

    def test_rules_choose_budgets(self) -> None:
        policy = rules(
            budget=["latency_ms <= 12", "size <= 3 MB"],
            rule=[
                ScopedRules(workload="large", budget=["latency_ms <= 40"]),
                ScopedRules(device=["pi4"], budget=["load_ms <= 1"]),
            ],
        )
        texts = [
            [item.text for item in policy.budgets(workload, device)]
            for workload, device in itertools.product(("small", "large"), ("pi4", "pi5"))
        ]
        both = ["latency_ms <= 12", "size <= 3 MB"]
        assert texts == [
            [*both, "load_ms <= 1"],
            both,
            [*both, "latency_ms <= 40", "load_ms <= 1"],
            [*both, "latency_ms <= 40"],
        ]


CASE = CaseRecord(id="c", workload="w", kind="kernel", engine="native", device="d", threads=1)


def measured(millijoules: float, *sources: str) -> Measured:
    done = [
        Invocation(
            case_id="c",
            index=number,
            order=number,
            status="ok",
            pair=number,
            telemetry={"energy_mj": millijoules + number * 1e-4, "power_source": sources[number % len(sources)]},
        )
        for number in range(10)
    ]
    return Measured.of(CASE, None, done)


def test_energy_is_compared_only_of_one_source() -> None:
    def of(base: Measured, head: Measured) -> Verdict:
        (found,) = other_verdicts("x", base, head, "now")
        return found

    alike = of(measured(3, "ina260"), measured(4, "ina260"))
    assert (alike.metric, alike.verdict) == ("energy", "regression")
    other = of(measured(3, "ina260"), measured(4, "rapl"))
    assert (other.verdict, other.effect) == ("inconclusive", None)
    assert other.reason == "energy of the base was read from ina260, that of the head from rapl: they are not compared"
    mixed = of(measured(3, "ina260", "rapl"), measured(4, "ina260", "rapl"))
    assert mixed.verdict == "inconclusive"
    assert "ina260 and rapl" in (mixed.reason or "")


def test_many_models_share_the_error_rate_of_accuracy() -> None:
    """14 of 16 images that only one model is right on: called for one model, and not among a hundred."""
    right = np.zeros(1000, bool)
    right[:900] = True
    head = right.copy()
    head[:14], head[900:902] = False, True
    one = accuracies(right, head, 1)
    among = accuracies(right, head, 100)
    assert (one.verdict, among.verdict) == ("regression", "inconclusive")


def accuracies(base: Any, head: Any, workloads: int) -> Verdict:
    from bnnbench.results.image_flags import packed

    def side(right: Any, plan: str) -> Measured:
        found = Accuracy(
            case_id="c",
            status="ok",
            dataset="d",
            dataset_sha256="0",
            images=len(right),
            of_images=len(right),
            correct=int(right.sum()),
            right=packed(right),
        )
        return Measured(replace(CASE, plan_sha256=plan), found)

    policy = Policy(SuiteRules(gate=[]), DAY, workloads)
    tuned = lambda metric: policy.tuned(metric, "w", "d")  # noqa: E731
    return next(
        item
        for item in other_verdicts("x", side(base, "a"), side(head, "b"), "now", tuned)
        if item.metric == "accuracy"
    )
