"""The rows of metrics: whole, and read wherever a metric is shown or compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from bnnbench.results.columns import CASE_COLUMNS
from bnnbench.results.export import EXPORTS
from bnnbench.results.frames import load
from bnnbench.results.metric import Metric
from bnnbench.results.metrics import METRICS, OBJECTIVES
from bnnbench.results.records import CaseRecord, Entry, Invocation, Pair
from bnnbench.results.report.page import page
from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.verdict.other_metrics import Measured, other_verdicts
from bnnbench.results.verdict.unpaired import LEAST_PROCESSES, unpaired_verdict

BY_PROCESS = [metric for metric in METRICS.values() if metric.compared == "unpaired" and metric.of_invocation]
DOCS = Path(__file__).parents[2] / "docs"


def test_rows_are_whole() -> None:
    assert len({metric.slug for metric in METRICS.values()}) == len(METRICS)
    assert len({metric.column for metric in METRICS.values()}) == len(METRICS)
    for key, metric in METRICS.items():
        assert metric.key == key
        assert 0 < metric.floor <= metric.margin
        columns = [metric.column, metric.low, metric.high, metric.trials]
        assert {name for name in columns if name} <= set(CASE_COLUMNS)
        assert (metric.low is None) == (metric.high is None)
        assert metric.label
        assert metric.title


def test_what_models_are_chosen_by() -> None:
    assert list(OBJECTIVES) == ["size", "latency", "accuracy", "sustained_latency"]
    assert [metric.budget for metric in OBJECTIVES.values()] == [
        "max_size_bytes",
        "max_latency_ns",
        "min_accuracy",
        "max_sustained_latency_ns",
    ]


def test_the_documentation_has_every_metric_that_is_compared() -> None:
    text = (DOCS / "verdicts.md").read_text(encoding="utf-8")
    for metric in METRICS.values():
        assert f"`{metric.key}`" in text, metric.key


@pytest.fixture(scope="session")
def measured(synthetic: StoredRun) -> StoredRun:
    """The synthetic run with all that a suite may ask for, and a power source."""

    def whole(entry: Entry) -> Entry:
        if not isinstance(entry, Invocation) or not entry.samples_ns:
            return entry
        return msgspec.structs.replace(
            entry,
            each_ns=[entry.samples_ns[0] * (1 + number % 7 / 100) for number in range(3000)],
            deadline_ns=entry.samples_ns[0] * 1.05,
            start_warm_ns=2e6,
            start_dropped_ns=3e6,
            telemetry={**entry.telemetry, "energy_mj": 3.0, "power_source": "ina260"},
        )

    return replace(synthetic, entries=[whole(entry) for entry in synthetic.entries])


@pytest.mark.parametrize("metric", BY_PROCESS, ids=lambda metric: metric.key)
class TestByProcess:
    def test_its_exports(self, measured: StoredRun, metric: Metric) -> None:
        known = load(measured)[metric.column].dropna()
        assert len(known) > 40
        measures = json.loads(EXPORTS["bmf"](measured)).values()
        assert [one[metric.slug]["value"] for one in measures] == known.tolist()
        benchmarks = json.loads(EXPORTS["pytest-benchmark"](measured))["benchmarks"]
        assert [one["extra_info"][metric.column] for one in benchmarks] == known.tolist()
        rounds = json.loads(EXPORTS["google-benchmark"](measured))["benchmarks"]
        assert all(metric.column in one for one in rounds if one["run_type"] == "iteration")

    def test_its_column_of_the_page(self, measured: StoredRun, metric: Metric) -> None:
        names = [column.name for column in page([measured]).table.columns]
        assert (metric.word.capitalize() in names) == metric.in_tables

    def test_its_verdict(self, metric: Metric) -> None:
        base = [1e6 + 10 * index for index in range(12)]
        for factor, word in ((1.0, "equivalent"), (1 + 2 * metric.floor, "regression"), (0.5, "improvement")):
            found = unpaired_verdict("c", metric, base, [figure * factor for figure in base])
            assert found is not None
            assert (found.metric, found.unit, found.verdict) == (metric.key, metric.unit, word)
        more_is_better = replace(metric, smaller_is_better=False)
        found = unpaired_verdict("c", more_is_better, base, [figure * 2 for figure in base])
        assert found is not None
        assert found.verdict == "improvement"
        few = unpaired_verdict("c", metric, base[:2], base[:2])
        assert few is not None
        assert few.reason == f"{metric.label} is known of 2 processes a side, and {LEAST_PROCESSES} are needed"

    def test_a_session_compares_it(self, metric: Metric) -> None:
        """By the processes of both sides; times of dropped pairs and of failed processes are left out."""
        case = CaseRecord(id="c", workload="w", kind="kernel", engine="native", device="d", threads=1)
        alike = [invocation(pair, 1_000_000 + pair) for pair in range(10)]
        odd = [
            invocation(10, 9_000_000),
            msgspec.structs.replace(invocation(11, 9_000_000), status="failed"),
            *(invocation(pair, 1_000_000 + pair) for pair in range(10)),
        ]
        pairs = [
            Pair(
                comparison_id="x",
                stage="screen",
                number=number,
                first="base",
                base_ns=1,
                head_ns=1,
                dropped="head" if number == 10 else None,
            )
            for number in range(12)
        ]
        base, head = Measured.of(case, None, alike, pairs), Measured.of(case, None, odd, pairs)
        assert len(base.figures[metric.key]) == 10
        assert len(head.figures[metric.key]) == (10 if metric.is_time else 11)
        found = {one.metric: one.verdict for one in other_verdicts("x", base, head, "now")}
        assert found[metric.key] == "equivalent"


def invocation(pair: int, figure: int) -> Invocation:
    return Invocation(
        case_id="c",
        index=pair,
        order=pair,
        status="ok",
        pair=pair,
        peak_rss_bytes=figure,
        load_ns=figure,
        first_ns=figure,
        each_ns=[float(figure)] * 3000,
        deadline_ns=1.0,
        start_warm_ns=figure,
        start_dropped_ns=figure,
        telemetry={"energy_mj": float(figure), "power_source": "ina260"},
    )
