"""Tails: quantiles that are seen, misses, their verdicts, and the coverage of their intervals in short."""

from __future__ import annotations

import numpy as np
import pytest

from bnnbench.results.metrics import METRICS
from bnnbench.results.records import CaseRecord, Invocation, Verdict
from bnnbench.results.statistics.tail import late, least_executions, tail
from bnnbench.results.verdict.budget import budget, of_processes
from bnnbench.results.verdict.other_metrics import Measured, other_verdicts
from tests.simulation import tails

CASE = CaseRecord(id="c", workload="w", kind="kernel", engine="native", device="d", threads=1)


def test_how_many_executions_a_quantile_takes() -> None:
    for p, least in ((0.99, 299), (0.999, 2995)):
        assert least_executions(p) == least
        assert 1 - p**least >= 0.95 > 1 - p ** (least - 1)
        assert tail([1.0] * (least - 1), p) is None
        assert tail([1.0] * least, p) == 1.0


def test_a_quantile_is_numpy_s() -> None:
    each = np.random.default_rng(3).lognormal(0, 1, 4000)
    assert tail(each.tolist(), 0.99) == pytest.approx(np.quantile(each, 0.99))
    assert tail(each.tolist(), 0.999) == pytest.approx(np.quantile(each, 0.999))


def test_what_is_late() -> None:
    assert late([1, 2, 3, 4], 2) == 0.5
    assert late([1, 2], 2) == 0
    assert late([], 2) is None
    assert late([1], None) is None


def processes(factor: float, seed: int, spikes: float = 0.02) -> Measured:
    """12 processes of 3,000 executions around 1 ms; some take three times as long."""
    rng = np.random.default_rng(seed)
    done = []
    for number in range(12):
        each = 1e6 * factor * rng.lognormal(0, 0.01, 3000) * np.where(rng.random(3000) < spikes, 3, 1)
        done.append(
            Invocation(
                case_id="c",
                index=number,
                order=number,
                status="ok",
                pair=number,
                each_ns=each.tolist(),
                deadline_ns=2e6,
                start_warm_ns=3e6 * factor,
                start_dropped_ns=9e6 * factor,
            )
        )
    return Measured.of(CASE, None, done)


def verdicts(base: Measured, head: Measured) -> dict[str, Verdict]:
    return {one.metric: one for one in other_verdicts("x", base, head, "now")}


def test_verdicts() -> None:
    same = verdicts(processes(1, 1), processes(1, 2))
    assert {key: one.verdict for key, one in same.items()} == dict.fromkeys(
        ("p99", "p999", "misses", "startup", "cold_startup"), "equivalent"
    ) | {"misses": same["misses"].verdict}
    assert same["misses"].verdict in ("equivalent", "inconclusive")  # 2 % of 3,000 vary by 0.26 points
    slower = verdicts(processes(1, 1), processes(1.4, 2))
    assert {key: one.verdict for key, one in slower.items() if key != "misses"} == dict.fromkeys(
        ("p99", "p999", "startup", "cold_startup"), "regression"
    )
    late_ones = verdicts(processes(1, 1), processes(1, 2, spikes=0.05))["misses"]
    assert late_ones.verdict == "regression"
    assert late_ones.effect == pytest.approx(0.03, abs=0.005)
    none = verdicts(processes(1, 1, spikes=0), processes(1, 2, spikes=0))["misses"]
    assert (none.verdict, none.effect, none.base_value) == ("equivalent", 0.0, 0.0)


def test_budgets_of_misses() -> None:
    asked = budget("misses <= 1 %")
    assert asked.metric is METRICS["misses"]
    assert of_processes(asked, [0.0] * 7, 3).outcome == "pass"
    assert of_processes(asked, [0.02, 0.021, 0.019, 0.02, 0.022, 0.018, 0.02], 3).outcome == "fail"
    assert of_processes(asked, [0.0, 0.02, 0.0, 0.03, 0.0, 0.0, 0.011], 3).outcome == "undecided"
    assert of_processes(budget("misses <= 0"), [0.0] * 7, 1).outcome == "pass"
    assert of_processes(budget("p99_ms <= 2"), [1.5e6, 1.6e6, 1.55e6, 1.5e6, 1.52e6], 1).outcome == "pass"


@pytest.mark.parametrize("kind", tails.KINDS, ids=lambda kind: kind.name)
def test_intervals_cover_what_is_stated(kind: tails.Kind) -> None:
    """400 times; `make statistics` has 2,000."""
    done = tails.simulate(kind, 400)
    low, high = done.covered_interval
    assert low <= done.stated <= high + 0.01
