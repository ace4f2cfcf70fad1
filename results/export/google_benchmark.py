"""The JSON of google-benchmark: a repetition for each invocation, and its aggregates, as `compare.py` reads them."""

import json
import statistics
from typing import Any

from bnnbench.results.export.timed import Timed, timed_cases
from bnnbench.results.metrics import METRICS
from bnnbench.results.records import Invocation
from bnnbench.results.store.stored_run import StoredRun


def render(run: StoredRun) -> str:
    """The document; times in ns."""
    record = run.record
    benchmarks: list[dict[str, Any]] = []
    for family, one in enumerate(timed_cases(run)):
        benchmarks += _entries(one, family)
    context = {
        "date": record.created,
        "host_name": ", ".join(record.devices),
        "executable": f"bnnbench {record.version}",
        "num_cpus": 0,
        "mhz_per_cpu": 0,
        "cpu_scaling_enabled": False,
        "caches": [],
        "load_avg": [],
        "library_build_type": "release",
        "run_id": record.run_id,
    }
    return json.dumps({"context": context, "benchmarks": benchmarks}, indent=1)


def _counters(invocation: Invocation) -> dict[str, float]:
    """The figures that every invocation has beside its time, as user counters."""
    found = {metric.column: metric.of_invocation(invocation) for metric in METRICS.values() if metric.of_invocation}
    return {column: figure for column, figure in found.items() if figure is not None}


def _entries(timed: Timed, family: int) -> list[dict[str, Any]]:
    medians = timed.medians_ns
    common = {
        "family_index": family,
        "per_family_instance_index": 0,
        "run_name": timed.name,
        "threads": timed.result.case.threads,
        "time_unit": "ns",
        "repetitions": len(medians),
    }
    rounds = [
        {
            "name": timed.name,
            **common,
            "run_type": "iteration",
            "repetition_index": index,
            "iterations": (invocation.iterations or 1) * len(invocation.samples_ns),
            "real_time": ns,
            "cpu_time": ns,
            **_counters(invocation),
        }
        for index, (invocation, ns) in enumerate(zip(timed.invocations, medians, strict=True))
    ]
    aggregates = {
        "mean": statistics.fmean(medians),
        "median": statistics.median(medians),
        "stddev": statistics.stdev(medians) if len(medians) > 1 else 0.0,
    }
    return rounds + [
        {
            "name": f"{timed.name}_{name}",
            **common,
            "run_type": "aggregate",
            "aggregate_name": name,
            "aggregate_unit": "time",
            "iterations": len(medians),
            "real_time": value,
            "cpu_time": value,
        }
        for name, value in aggregates.items()
    ]
