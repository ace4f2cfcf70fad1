"""The fall of speed: shapes whose truth is known, and the coverage of the intervals in short."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bnnbench.results.columns import CASE_COLUMNS, build
from bnnbench.results.models import having_figures
from bnnbench.results.pareto import pareto
from bnnbench.results.pick import pick
from bnnbench.results.records import CaseRecord, Window
from bnnbench.results.statistics.thermal import LEAST, Estimate, Thermal, thermal
from bnnbench.results.sustained import Sustained, minutes, order
from tests.simulation import sustained


@pytest.mark.parametrize("setting", [sustained.SETTINGS[1], sustained.SETTINGS[3]])
def test_intervals_hold_the_truth(setting: sustained.Setting) -> None:
    done = sustained.simulate(setting, 25)
    assert done.knees == 1
    assert min(done.held.values()) >= 0.84  # of 25; stated are 95 %
    assert done.widths["knee"] < 40
    assert done.widths["loss"] < 0.03


@pytest.mark.parametrize("setting", [sustained.SETTINGS[7], sustained.SETTINGS[9]])
def test_where_nothing_falls_no_knee_is_found(setting: sustained.Setting) -> None:
    done = sustained.simulate(setting, 25)
    assert done.knees <= 0.08


def test_a_step_is_a_knee() -> None:
    ends = np.arange(1, 121) * 1.0
    latencies = np.where(ends <= 50, 1e6, 1.3e6) * np.exp(np.random.default_rng(1).normal(0, 0.005, 120))
    found = thermal(ends.tolist(), latencies.tolist(), 10.0)
    assert found is not None
    assert found.knee is not None
    assert found.knee.low <= 50 <= found.knee.high
    assert found.loss.low <= 0.3 <= found.loss.high
    assert found.is_settled


def test_what_still_falls_is_not_settled() -> None:
    ends = np.arange(1, 121) * 1.0
    speed = 1 - 0.5 * -np.expm1(-np.maximum(ends - 30, 0) / 200)
    found = thermal(ends.tolist(), (1e6 / speed).tolist(), 10.0)
    assert found is not None
    assert not found.is_settled


def test_a_rise_of_speed_is_no_knee() -> None:
    ends = np.arange(1, 121) * 1.0
    latencies = np.where(ends <= 50, 1.3e6, 1e6) * np.exp(np.random.default_rng(1).normal(0, 0.005, 120))
    found = thermal(ends.tolist(), latencies.tolist(), 10.0)
    assert found is not None
    assert found.knee is None


def test_two_levels_are_not_taken_for_one() -> None:
    """As on a shared machine: a third of the windows have the machine for themselves."""
    rng = np.random.default_rng(4)
    for stay in (0.3, 0.6):
        fast = rng.random(180) < 0.35
        for place in range(1, 180):
            fast[place] = fast[place - 1] if rng.random() < stay else fast[place]
        latencies = np.where(fast, 11e3, 16e3) * np.exp(rng.normal(0, 0.02, 180))
        found = thermal((np.arange(1, 181) * 3.3).tolist(), latencies.tolist(), 60.0)
        assert found is not None
        middle = 1 / np.mean(1 / latencies)
        assert not found.is_reliable or found.equilibrium.low <= middle <= found.equilibrium.high


def test_bad_series() -> None:
    assert thermal([1.0] * (LEAST - 1), [1.0] * (LEAST - 1), 1.0) is None
    with pytest.raises(ValueError, match="not positive"):
        thermal(list(range(1, 41)), [0.0] * 40, 1.0)


def case(first: float, last: float, wide: float = 0.01) -> Sustained:
    ends = [Estimate(value, value * (1 - wide), value * (1 + wide)) for value in (first, last)]
    fall = Thermal(ends[0], ends[1], Estimate(0, 0, 0), None, None, True, 0.0, 1.0)
    record = CaseRecord(id="c", workload="w", kind="model", engine="native", device="d", threads=1)
    return Sustained(record, [], 1, True, None, fall)


def test_the_order_of_models() -> None:
    assert order([case(1, 1.5), case(2, 2.5)]) == "holds"
    assert order([case(1, 3), case(2, 2.5)]) == "changes"
    assert order([case(1, 2.49), case(2, 2.5)]) == "cannot be told"
    assert order([case(1, 2)]) is None


def test_minutes_are_percentiles_of_all_samples() -> None:
    rng = np.random.default_rng(2)
    parts = [rng.lognormal(0, 0.3, 4000) * 1e6 * (1 + number / 10) for number in range(12)]
    windows = [
        Window(
            case_id="c", start=0, index=number, order=0, status="ok", begin_s=number * 5.0, end_s=number * 5.0 + 5,
            samples=len(part), median_ns=float(np.median(part)),
            quantiles_ns=[float(value) for value in np.quantile(part, np.arange(101) / 100)],
        )
        for number, part in enumerate(parts)
    ]  # fmt: skip
    (found,) = minutes(windows)
    every = np.concatenate(parts)
    assert found.p90_ns == pytest.approx(np.quantile(every, 0.9), rel=0.02)
    assert found.p99_ns == pytest.approx(np.quantile(every, 0.99), rel=0.05)


def test_a_disturbed_run_tells_its_first_and_last_minute() -> None:
    """Medians alone: short bursts of other programs leave them as they are."""
    fall = Thermal(*([Estimate(1, 1, 1)] * 3), None, None, True, 0.0, 1.0, disturbed=0.17)
    windows = [
        Window(
            case_id="c", start=0, index=number, order=0, status="ok", begin_s=number * 5.0, end_s=number * 5.0 + 5,
            samples=9, median_ns=9e6 if number in (3, 30) else 2e6 if number < 24 else 3e6,
        )
        for number in range(36)
    ]  # fmt: skip
    told = replace(case(1, 2), windows=windows, fall=fall)
    assert told.level is None
    assert told.why_unknown == (
        "17 % of the time was disturbed, as by other programs: the median was 2.00 ms in the first minute and 3.00 ms "
        "in the last minute, without an interval; measure on a quiet device"
    )


def frame(*lasting: float | None) -> pd.DataFrame:
    known = {"kind": "model", "status": "ok", "engine": "native", "threads": 1, "device": "d", "dataset_sha256": "x"}
    rows = [
        {
            **known,
            "workload": f"m{n}",
            "latency_ns": 1e6 + n,
            "size_bytes": 9,
            "accuracy": 0.9,
            "sustained_latency_ns": ns,
        }
        for n, ns in enumerate(lasting)
    ]
    return build(rows, CASE_COLUMNS)


def test_models_are_chosen_by_what_lasts() -> None:
    both = frame(3e6, 2e6)
    assert having_figures(both) == ["size", "latency", "accuracy", "sustained_latency"]
    assert pareto(both, having_figures(both))["on_front"].tolist() == [True, True]
    assert pareto(both)["on_front"].tolist() == [True, False]
    best = pick(both, max_sustained_latency_ns=2.5e6).best
    assert best is not None
    assert best["workload"] == "m1"


def test_it_takes_no_part_where_few_models_have_it() -> None:
    assert having_figures(frame(3e6, None)) == ["size", "latency", "accuracy"]
    assert having_figures(frame(None, None)) == ["size", "latency", "accuracy"]
    best = pick(frame(None, None)).best
    assert best is not None
    assert best["workload"] == "m0"
