"""What is between the boards of a pool."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from bnnbench.results.columns import CASE_COLUMNS, build
from bnnbench.results.records import ComparisonRecord, RunRecord, Verdict
from bnnbench.results.spread import spreads, verdict_spreads
from bnnbench.results.verdict.rows import VerdictRow

POOL = "soc=bcm2711"


def record(**pools: list[str]) -> RunRecord:
    return RunRecord(
        run_id="1", created="2026-01-01T00:00:00Z", version="0", suite_name="s", seed=0, cases=[],
        invocations_per_case=1, samples_per_invocation=1, suite={"pools": {POOL: ["a", "b", "c"], **pools}},
    )  # fmt: skip


def case(device: str, ms: float | None, width_ms: float = 0.02, **changes: Any) -> dict[str, Any]:
    ns = None if ms is None else ms * 1e6
    ends = {} if ns is None else {"latency_low_ns": ns - width_ms * 5e5, "latency_high_ns": ns + width_ms * 5e5}
    row = {"run_id": "1", "device": device, "workload": "w", "engine": "native", "threads": 1, "status": "ok"}
    return row | {"latency_ns": ns, **ends} | changes


def frame(*rows: dict[str, Any]) -> pd.DataFrame:
    return build(iter(rows), CASE_COLUMNS)


def test_the_fastest_and_the_slowest_board() -> None:
    (found,) = spreads(record(), frame(case("a", 2.2), case("b", 2.0), case("c", 2.1), case("other", 9.0)))
    assert (found.boards, found.fastest, found.slowest, found.median_ns) == (3, "b", "a", 2.1e6)
    assert found.share == pytest.approx(0.1)
    assert found.sentence == (
        "w · native on 3 boards of 'soc=bcm2711': 2.10 ms, from 2.00 ms (b) to 2.20 ms (a): 10 % between boards"
    )


def test_a_difference_within_the_noise_is_called_so() -> None:
    (found,) = spreads(record(), frame(case("a", 2.2, 0.3), case("b", 2.0, 0.3)))
    assert found.sentence.endswith("10 % between boards, within the noise of each board")
    (unknown,) = spreads(record(), frame(case("a", 2.2, latency_high_ns=None, latency_low_ns=None), case("b", 2.0)))
    assert not unknown.is_clear


def test_cases_are_kept_apart() -> None:
    rows = [case(device, ms, **what) for what in ({}, {"threads": 4}, {"engine": "numba"}, {"workload": "v"})
            for device, ms in (("a", 1.0), ("b", 2.0))]  # fmt: skip
    assert [found.case for found in spreads(record(), frame(*rows))] == [
        "w · native", "w · native x4", "w · numba", "v · native",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [case("a", 1.0)],
        [case("a", 1.0), case("other", 2.0)],
        [case("a", 1.0), case("b", None, status="failed")],
        [case("a", 1.0), case("b", 2.0, workload="v")],
        [case("a", 1.0), case("b", 2.0, status="unstable")],
    ],
)
def test_one_board_has_no_spread(rows: list[dict[str, Any]]) -> None:
    assert spreads(record(), frame(*rows)) == []


def test_a_run_without_pools() -> None:
    plain = RunRecord(
        run_id="1", created="", version="0", suite_name="s", seed=0, cases=[], invocations_per_case=1,
        samples_per_invocation=1,
    )  # fmt: skip
    assert spreads(plain, frame(case("a", 1.0), case("b", 2.0))) == []
    assert verdict_spreads(plain, [verdict("a", 0.0), verdict("b", 0.0)]) == []


def verdict(device: str, effect: float | None, word: Any = "equivalent", metric: str = "latency") -> VerdictRow:
    about = ComparisonRecord(
        id=device, workload="w", device=device, threads=1, base_case="x", head_case="y", base="main", head="native"
    )
    unit = "ns" if metric == "latency" else "bytes"
    return VerdictRow(
        about, Verdict(comparison_id=device, metric=metric, unit=unit, status="ok", verdict=word, effect=effect)
    )


def test_verdicts_are_each_board_s_own() -> None:
    rows = [
        verdict("a", 0.001), verdict("b", 0.021, "regression"), verdict("c", -0.004),
        verdict("other", 0.5, "regression"), verdict("b", 0.9, "regression", "model_bytes"),
    ]  # fmt: skip
    (found,) = verdict_spreads(record(), rows)
    assert found.sentence == (
        "w, main -> native on 3 boards of 'soc=bcm2711': equivalent on 2, regression on 1; "
        "from -0.4 % (c) to +2.1 % (b)"
    )
    assert verdict_spreads(record(), rows[:1]) == []
    assert verdict_spreads(record(), [rows[0], verdict("b", None, None)]) == []
