"""The throttle gate on recorded-like telemetry, the budget, and the reasons for a difference."""

from __future__ import annotations

from typing import ClassVar

import pytest

from bnnbench.harness.session.budget import outlook, rules_for
from bnnbench.harness.session.throttle import throttled
from bnnbench.harness.session.why import explain_steps
from bnnbench.results.metrics import METRICS
from bnnbench.results.records import Accuracy, CaseRecord, Invocation
from bnnbench.results.statistics.sequential import Rules
from bnnbench.results.verdict.other_metrics import Measured, other_verdicts, repeated_verdict

WORD = "/sys/devices/platform/soc/soc:firmware/get_throttled"


def ran(clock: float = 2e9, before: str = "0", after: str = "0", path: str = WORD, **more: object) -> Invocation:
    return Invocation(
        case_id="c",
        index=0,
        order=0,
        status="ok",
        samples_ns=[1.0],
        clock_hz=[clock],
        watch={path: [before, after]},
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("base", "head", "side"),
    [
        (ran(), ran(), None),
        (ran(2.0e9), ran(1.985e9), None),
        (ran(2.0e9), ran(1.97e9), "head"),
        (ran(1.97e9), ran(2.0e9), "base"),
        (ran(after="50005"), ran(), "base"),
        (ran(), ran(before="0x0", after="0x50005"), "head"),
        (ran(after="0x4"), ran(after="0x4"), "both"),
        # Sticky bits that were there before say nothing, nor do bits that fall.
        (ran(before="0x50000", after="0x50000"), ran(before="0x50005", after="0x50000"), None),
        (ran(before="throttled=0x0", after="throttled=0x2"), ran(), "base"),
        (ran(before="", after=""), ran(before="?", after="busy"), None),
        # A control group that was stopped for having used its share, in both forms of the file.
        (
            ran(before="nr_throttled 7", after="nr_periods 9\nnr_throttled 9", path="/sys/fs/cgroup/a/cpu.stat"),
            ran(),
            "base",
        ),
        (ran(), ran(before="nr_throttled 7", after="nr_throttled 8", path="/sys/fs/cgroup/cpu/cpu.stat"), "head"),
        (ran(before="nr_throttled 7", after="nr_throttled 7", path="/sys/fs/cgroup/cpu.stat"), ran(), None),
        (ran(before="nr_throttled 7", after="", path="/sys/fs/cgroup/cpu.stat"), ran(), None),
        # A frequency that differs is not a flag.
        (ran(before="1800000", after="600000", path="/sys/cpufreq/scaling_cur_freq"), ran(), None),
    ],
)
def test_pairs_are_dropped_by_signs_alone(base: Invocation, head: Invocation, side: str | None) -> None:
    found = throttled(base, head)
    assert (found.side if found else None) == side
    if found:
        assert found.reason


def test_without_a_sign_nothing_is_dropped() -> None:
    slow = Invocation(case_id="c", index=0, order=0, status="ok", samples_ns=[9.0])
    fast = Invocation(case_id="c", index=0, order=0, status="ok", samples_ns=[1.0])
    assert throttled(slow, fast) is None


class TestBudget:
    def test_more_time_is_more_looks(self) -> None:
        short, usual, long = (rules_for(Rules(), seconds, [1e9] * 4) for seconds in (40, 160, 3000))
        assert short.looks == (10,)
        assert usual.looks == (10, 16, 22, 30)
        assert long.looks[:4] == usual.looks
        assert 100 <= long.looks[-1] <= 120
        assert long.equivalence_alpha == usual.equivalence_alpha

    def test_it_says_what_it_can_see_before_it_starts(self) -> None:
        rules = rules_for(Rules(), 160, [1e9] * 4)
        assert "too short for 4 comparisons: their first look takes 40 s" in outlook(rules, 30, [1e9] * 4, 0.01)
        assert "unknown until bnnbench devices calibrate" in outlook(rules, 160, [1e9] * 4, None)
        assert "effects of at least 1.5 % are detected 9 times in 10" in outlook(rules, 160, [1e9] * 4, 0.012)


class TestWhy:
    BASE: ClassVar = {(0, "conv a"): 100.0, (1, "bconv2d b"): 200.0, (2, "dense c"): 50.0}

    def test_one_step(self) -> None:
        head = {**self.BASE, (1, "bconv2d b"): 240.0}
        assert explain_steps(self.BASE, head) == "all of it is in step 1, bconv2d b"

    def test_two_steps(self) -> None:
        head = {(0, "conv a"): 140.0, (1, "bconv2d b"): 240.0, (2, "dense c"): 50.0}
        told = explain_steps(self.BASE, head)
        assert told is not None
        assert told.startswith("all of it is in step")
        assert "step 0, conv a" in told
        assert "step 1, bconv2d b" in told

    def test_spread(self) -> None:
        base = {(number, "x"): 100.0 for number in range(20)}
        told = explain_steps(base, {step: ns * 1.1 for step, ns in base.items()})
        assert told is not None
        assert told.startswith("it is spread over many steps")

    def test_other_steps(self) -> None:
        assert explain_steps(self.BASE, {(0, "conv a"): 1.0}) == "the head has other steps: 1 where the base has 3"


def measured(size: int, correct: int | None, rss: list[int], sha: str = "d") -> Measured:
    case = CaseRecord(
        id="c", workload="m", kind="model", engine="native", device="a", threads=1, size_bytes=size, plan_sha256="p"
    )
    accuracy = None
    if correct is not None:
        accuracy = Accuracy(
            case_id="c", status="ok", dataset="d", dataset_sha256=sha, images=100, of_images=100, correct=correct
        )
    return Measured(case, accuracy, {"peak_rss": rss})


def test_other_metrics_have_verdicts_of_their_own() -> None:
    """Two engines on one model: its accuracies are exact."""
    found = {
        one.metric: one.verdict
        for one in other_verdicts("c", measured(100, 90, [10_000] * 6), measured(90, 89, [20_000] * 6), "now")
    }
    assert found == {"size": "improvement", "accuracy": "regression", "peak_rss": "regression"}


def test_unlike_images_are_not_compared_and_memory_of_two_processes_says_nothing() -> None:
    found = {
        one.metric: one.verdict
        for one in other_verdicts("c", measured(100, 90, [1000, 1200]), measured(100, 80, [1100, 1300], "other"), "now")
    }
    assert found == {"size": "equivalent", "peak_rss": "inconclusive"}


@pytest.mark.parametrize(
    ("base", "head", "verdict"),
    [
        ([1e6, 1e6], [1.005e6, 1.005e6], "regression"),
        ([1e6, 1e6], [1e6, 1e6], "equivalent"),
        ([1e6, 1e6], [1.003e6, 1.01e6], "inconclusive"),
        ([1.02e6, 1e6], [1e6, 1e6], "inconclusive"),
    ],
)
def test_counts_that_do_not_repeat_are_not_exact(base: list[float], head: list[float], verdict: str) -> None:
    found = repeated_verdict("c", METRICS["instructions"], base, head, "now")
    assert found.verdict == verdict
    assert ("do not repeat" in (found.reason or "")) == (verdict == "inconclusive")
