"""Bencher Metric Format: {benchmark: {measure: {value, lower_value, upper_value}}}. Times in ns, sizes in bytes."""

import json

from bnnbench.results.case_result import CaseResult
from bnnbench.results.export.timed import timed_cases
from bnnbench.results.metrics import METRICS
from bnnbench.results.store.stored_run import StoredRun


def render(run: StoredRun) -> str:
    """The document."""
    return json.dumps({case.name: _measures(case.result) for case in timed_cases(run)}, indent=1)


def _measures(result: CaseResult) -> dict[str, dict[str, float]]:
    """A measure for each metric that the case has a figure of."""
    figures = {metric.slug: result.figure(metric) for metric in METRICS.values()}
    measures = {slug: {"value": float(figure)} for slug, figure in figures.items() if figure is not None}
    assert result.latency is not None
    measures[METRICS["latency"].slug] |= {"lower_value": result.latency.low, "upper_value": result.latency.high}
    return measures
