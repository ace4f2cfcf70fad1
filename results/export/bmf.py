"""Bencher Metric Format: {benchmark: {measure: {value, lower_value, upper_value}}}. Latency in ns, sizes in bytes."""

import json

from bnnbench.results.export.timed import timed_cases
from bnnbench.results.store.stored_run import StoredRun


def render(run: StoredRun) -> str:
    """The document."""
    document: dict[str, dict[str, dict[str, float]]] = {}
    for one in timed_cases(run):
        result = one.result
        assert result.latency is not None
        level = result.latency
        measures = {"latency": {"value": level.value, "lower_value": level.low, "upper_value": level.high}}
        if result.case.size_bytes:
            measures["file-size"] = {"value": float(result.case.size_bytes)}
        if result.peak_rss_bytes:
            measures["peak-memory"] = {"value": float(result.peak_rss_bytes)}
        accuracy = result.accuracy
        if accuracy is not None and accuracy.correct is not None:
            measures["accuracy"] = {"value": accuracy.correct / accuracy.images}
        document[one.name] = measures
    return json.dumps(document, indent=1)
