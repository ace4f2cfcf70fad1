"""The JSON of pytest-benchmark (`--benchmark-json`): a benchmark for each case, a round for each invocation.

Its own `pytest-benchmark compare` reads what `render` writes. `from_json` makes records that a store takes of what
pytest-benchmark 3 to 5 writes. What a file lacks or has wrong costs only itself: a round that is no time is a failed
invocation, a benchmark without times a failed case.
"""

import hashlib
import json
import math
import statistics
from datetime import UTC, datetime
from typing import Any

from bnnbench.results.errors import StoreError
from bnnbench.results.export.timed import Timed, timed_cases
from bnnbench.results.metrics import METRICS
from bnnbench.results.records import CaseRecord, Gate, Invocation, RunEnd, RunRecord
from bnnbench.results.statistics.quantile import quantile
from bnnbench.results.store.stored_run import StoredRun

_NS = 1e9
_LONGEST_S = 1e6
_UNSEEN = "pytest-benchmark shows no output to verify"
_BROKEN = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)

Entries = list[Gate | Invocation | RunEnd]


def render(run: StoredRun) -> str:
    """The document; times in seconds."""
    record = run.record
    return json.dumps(
        {
            "machine_info": {**record.host, "bnnbench": {"devices": record.devices}},
            "commit_info": {"id": record.commit, "dirty": None, "branch": None, "project": record.suite_name},
            "benchmarks": [_benchmark(case) for case in timed_cases(run)],
            "datetime": record.created,
            "version": "5.0.0",
        },
        indent=1,
    )


def _benchmark(timed: Timed) -> dict[str, Any]:
    case = timed.result.case
    return {
        "group": case.workload,
        "name": timed.name,
        "fullname": f"bnnbench::{timed.name}",
        "params": {"engine": case.engine, "device": case.device, "threads": case.threads},
        "param": f"{case.engine}-{case.device}-{case.threads}",
        "extra_info": {
            "isa": timed.result.isa,
            "engine_build": timed.result.engine_build,
            "status": timed.result.status,
            **{metric.column: timed.result.figure(metric) for metric in METRICS.values() if not metric.is_paired},
        },
        "options": {
            "disable_gc": False,
            "timer": "bnnbench",
            "min_rounds": len(timed.invocations),
            "max_time": 0.0,
            "min_time": 0.0,
            "warmup": True,
        },
        "stats": statistics_of([ns / _NS for ns in timed.medians_ns], timed.invocations[0].iterations or 1),
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
        "ops": 1 / mean if mean else 0.0,
        "total": sum(data),
        "data": data,
        "iterations": iterations,
    }


def from_json(text: str, source: str) -> tuple[RunRecord, Entries]:
    """A run of another tool's figures, to be stored: its cases are `unverified`, because nothing showed their output.

    The id ends in a digest of `text`, so the same file is the same run; one without a date is dated now. `source` is
    what errors name. Raises StoreError for a file that is no such document, or holds no times.
    """
    try:
        document = json.loads(text)
        benchmarks = [(_case(value, place), value) for place, value in enumerate(document["benchmarks"])]
        moment = _moment(document.get("datetime"))
        commit, machine = document.get("commit_info") or {}, document.get("machine_info") or {}
        host = {_text(key): _text(value) for key, value in machine.items() if isinstance(value, str)}
        commit_id = _text(commit.get("id"))
    except _BROKEN as error:
        raise StoreError(
            f"{source} is not pytest-benchmark JSON ({type(error).__name__}: {error}): write one with --benchmark-json"
        ) from None
    entries: list[Gate | Invocation] = []
    rounds = 0
    for case, one in benchmarks:
        found = _entries(case, one)
        rounds = max(rounds, len(found) - 1)
        entries += found
    if not any(isinstance(entry, Invocation) and entry.samples_ns for entry in entries):
        why = next((f" ({entry.reason})" for entry in entries if entry.reason), "")
        raise StoreError(f"{source} holds no benchmarks with times{why}: write one with --benchmark-json")
    created = moment.isoformat(timespec="milliseconds")
    record = RunRecord(
        run_id=f"{moment:%Y%m%d-%H%M%S}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:12]}",
        created=created,
        version=_text(document.get("version")),
        suite_name="pytest-benchmark",
        seed=0,
        cases=[case for case, _ in benchmarks],
        invocations_per_case=0,
        samples_per_invocation=rounds,
        commit=commit_id or None,
        host=host,
        devices={"local": {}},
    )
    return record, [*entries, RunEnd(finished=created, outcome="complete")]


def _moment(written: object) -> datetime:
    """When the run was; without a zone it is UTC, as the format has it, and now when nobody wrote it down."""
    try:
        moment = datetime.fromisoformat(_text(written))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.now(UTC)


def _case(value: dict[str, Any], place: int) -> CaseRecord:
    name = _text(value.get("fullname")) or _text(value.get("name")) or f"benchmark {place + 1}"
    return CaseRecord(
        id=hashlib.sha256(f"{place} {name}".encode()).hexdigest()[:16],
        workload=name,
        kind="kernel",
        engine="pytest-benchmark",
        device="local",
        threads=1,
        source=_text(value.get("group")) or None,
    )


def _entries(case: CaseRecord, value: dict[str, Any]) -> list[Gate | Invocation]:
    """What became of a benchmark: how it stands, and each of its rounds."""
    try:
        times = _times(value)
    except _BROKEN:
        return [Gate(case_id=case.id, status="failed", reason="the file has no times of it")]
    rounds = [_round(case, index, seconds) for index, seconds in enumerate(times)]
    failed = [item for item in rounds if item.reason]
    if len(failed) == len(rounds):
        return [Gate(case_id=case.id, status="failed", reason=failed[0].reason), *rounds]
    left_out = f"; {len(failed)} of {len(rounds)} rounds left out: {failed[0].reason}" if failed else ""
    return [Gate(case_id=case.id, status="unverified", reason=_UNSEEN + left_out), *rounds]


def _round(case: CaseRecord, index: int, seconds: float) -> Invocation:
    if 0 < seconds < _LONGEST_S:
        return Invocation(case_id=case.id, index=index, order=index, status="unverified", samples_ns=[seconds * _NS])
    why = "less than its timer can tell" if seconds == 0 else "which cannot be"
    reason = f"round {index + 1} took {seconds:g} s, {why}"
    return Invocation(case_id=case.id, index=index, order=index, status="failed", reason=reason)


def _times(item: dict[str, Any]) -> list[float]:
    """Seconds of every round; the median, or else the mean, where the data was not saved, unless it lies outside of
    what they were between."""
    stats = item["stats"]
    if kept := stats.get("data"):
        return [float(value) if _is_number(value) else math.nan for value in kept]
    low, middle, high = (stats.get(name) for name in ("min", "median", "max"))
    middle = middle if _is_number(middle) else stats["mean"]
    fits = (not _is_number(low) or low <= middle) and (not _is_number(high) or middle <= high)
    return [float(middle) if _is_number(middle) and fits else math.nan]


def _text(value: object) -> str:
    """What is written there, without what is not a character; nothing for what is no text."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
