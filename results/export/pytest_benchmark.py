"""The JSON of pytest-benchmark (`--benchmark-json`): a benchmark for each case, a round for each invocation.

Reading it back: `from_json` makes records that a store takes. The format is that of pytest-benchmark 3 to 5; its own
`pytest-benchmark compare` reads what `render` writes.
"""

import hashlib
import json
import statistics
from typing import Any

from bnnbench.results.errors import StoreError
from bnnbench.results.export.timed import Timed, timed_cases
from bnnbench.results.metrics import METRICS
from bnnbench.results.records import CaseRecord, Gate, Invocation, RunEnd, RunRecord
from bnnbench.results.statistics.quantile import quantile
from bnnbench.results.store.stored_run import StoredRun

_NS = 1e9


def render(run: StoredRun) -> str:
    """The document; times in seconds."""
    record = run.record
    return json.dumps(
        {
            "machine_info": {**record.host, "bnnbench": {"devices": record.devices}},
            "commit_info": {"id": record.commit, "dirty": None, "branch": None, "project": record.suite_name},
            "benchmarks": [_benchmark(one) for one in timed_cases(run)],
            "datetime": record.created,
            "version": "5.0.0",
        },
        indent=1,
    )


def _benchmark(one: Timed) -> dict[str, Any]:
    case = one.result.case
    return {
        "group": case.workload,
        "name": one.name,
        "fullname": f"bnnbench::{one.name}",
        "params": {"engine": case.engine, "device": case.device, "threads": case.threads},
        "param": f"{case.engine}-{case.device}-{case.threads}",
        "extra_info": {
            "isa": one.result.isa,
            "engine_build": one.result.engine_build,
            "status": one.result.status,
            **{metric.column: one.result.figure(metric) for metric in METRICS.values() if not metric.is_paired},
        },
        "options": {
            "disable_gc": False,
            "timer": "bnnbench",
            "min_rounds": len(one.invocations),
            "max_time": 0.0,
            "min_time": 0.0,
            "warmup": True,
        },
        "stats": statistics_of([ns / _NS for ns in one.medians_ns], one.invocations[0].iterations or 1),
    }


def statistics_of(data: list[float], iterations: int) -> dict[str, Any]:
    """What pytest-benchmark computes of its rounds, in seconds."""
    mean, deviation = statistics.fmean(data), statistics.stdev(data) if len(data) > 1 else 0.0
    q1, q3 = quantile(data, 0.25), quantile(data, 0.75)
    low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    inside = [value for value in data if low <= value <= high]
    far = sum(abs(value - mean) > deviation for value in data)
    return {
        "min": min(data),
        "max": max(data),
        "mean": mean,
        "stddev": deviation,
        "rounds": len(data),
        "median": statistics.median(data),
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": len(data) - len(inside),
        "stddev_outliers": far,
        "outliers": f"{far};{len(data) - len(inside)}",
        "ld15iqr": min(inside),
        "hd15iqr": max(inside),
        "ops": 1 / mean,
        "total": sum(data),
        "data": data,
        "iterations": iterations,
    }


def from_json(text: str, source: str) -> tuple[RunRecord, list[Gate | Invocation | RunEnd]]:
    """A run of another tool's figures, to be stored: its cases are `unverified`, because nothing showed their output.

    `source` is what errors name. Raises StoreError for a file that is no such document, or holds no times.
    """
    try:
        document = json.loads(text)
        benchmarks = document["benchmarks"]
        created = str(document["datetime"])
        found = [(_case(one, place), _times(one)) for place, one in enumerate(benchmarks)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise StoreError(
            f"{source} is no pytest-benchmark JSON ({type(error).__name__}: {error}): write one with --benchmark-json"
        ) from None
    if not found:
        raise StoreError(f"{source} holds no benchmarks: write one with --benchmark-json")
    stamp = "".join(letter for letter in created if letter.isdigit())[:14]
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    rounds = max(len(times) for _, times in found)
    record = RunRecord(
        run_id=f"{stamp[:8]}-{stamp[8:]}-{digest}",
        created=created,
        version=str(document.get("version", "")),
        suite_name="pytest-benchmark",
        seed=0,
        cases=[case for case, _ in found],
        invocations_per_case=0,
        samples_per_invocation=rounds,
        commit=(document.get("commit_info") or {}).get("id"),
        host={key: value for key, value in (document.get("machine_info") or {}).items() if isinstance(value, str)},
        devices={"local": {}},
    )
    entries: list[Gate | Invocation | RunEnd] = []
    for case, times in found:
        reason = "pytest-benchmark shows no output to verify"
        entries.append(Gate(case_id=case.id, status="unverified", reason=reason))
        for index, seconds in enumerate(times):
            entries.append(
                Invocation(case_id=case.id, index=index, order=index, status="unverified", samples_ns=[seconds * _NS])
            )
    entries.append(RunEnd(finished=created, outcome="complete"))
    return record, entries


def _case(one: dict[str, Any], place: int) -> CaseRecord:
    name = str(one["fullname"])
    return CaseRecord(
        id=hashlib.sha256(f"{place} {name}".encode()).hexdigest()[:16],
        workload=name,
        kind="kernel",
        engine="pytest-benchmark",
        device="local",
        threads=1,
        source=str(one.get("group") or "") or None,
    )


def _times(one: dict[str, Any]) -> list[float]:
    """Seconds of every round; the median alone where the data was not saved."""
    stats = one["stats"]
    times = [float(value) for value in stats.get("data") or [stats["median"]]]
    if not times or not all(0 < value < 1e6 for value in times):
        raise ValueError(f"{one['fullname']} has times that cannot be")
    return times
