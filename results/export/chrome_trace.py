"""The trace-event format that Chrome's and Perfetto's viewers open: invocations as spans, clocks as tracks.

`spans` makes one of a model's steps as well; `bnnbench profile --trace` writes it.
"""

import json
import statistics
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from bnnbench.results.export.timed import timed_cases
from bnnbench.results.store.stored_run import StoredRun

_US = 1e3


def render(run: StoredRun) -> str:
    """The document: a process for each device, a thread for each case."""
    names = dict.fromkeys([*run.record.devices, *(case.device for case in run.record.cases)])
    devices = {name: number for number, name in enumerate(names, start=1)}
    events: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", "pid": pid, "args": {"name": name}} for name, pid in devices.items()
    ]
    for tid, one in enumerate(timed_cases(run), start=1):
        pid = devices[one.result.case.device]
        events.append({"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": one.name}})
        for invocation in one.invocations:
            begin = _begin_us(invocation.started)
            if begin is None:
                continue
            length = sum(invocation.samples_ns) * (invocation.iterations or 1) / _US
            median = statistics.median(invocation.samples_ns)
            events.append(
                {
                    "ph": "X",
                    "name": one.result.case.workload,
                    "cat": "invocation",
                    "pid": pid,
                    "tid": tid,
                    "ts": begin,
                    "dur": length,
                    "args": {"median_ns": median, "iterations": invocation.iterations, "index": invocation.index},
                }
            )
            if invocation.clock_hz:
                clock = statistics.median(invocation.clock_hz) / 1e6
                events.append({"ph": "C", "name": "clock", "pid": pid, "ts": begin, "args": {"MHz": clock}})
            events += _temperatures(invocation.telemetry, pid, begin)
    return _document(events)


def spans(model: str, device: str, steps: Iterable[tuple[str, float, Mapping[str, Any]]]) -> str:
    """One inference: its steps one after another, each a name, its ns, and what else is known of it."""
    events: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", "pid": 1, "args": {"name": device}},
        {"ph": "M", "name": "thread_name", "pid": 1, "tid": 1, "args": {"name": model}},
    ]
    begin = 0.0
    for name, ns, about in steps:
        span = {"ph": "X", "name": name, "cat": "step", "pid": 1, "tid": 1, "ts": begin, "dur": ns / _US}
        events.append({**span, "args": dict(about)})
        begin += ns / _US
    return _document(events)


def _temperatures(telemetry: Mapping[str, Any], pid: int, begin: float) -> list[dict[str, Any]]:
    degrees = {key: value for key, value in telemetry.items() if "celsius" in key and isinstance(value, int | float)}
    return [{"ph": "C", "name": "temperature", "pid": pid, "ts": begin, "args": degrees}] if degrees else []


def _begin_us(started: str | None) -> float | None:
    try:
        return None if started is None else datetime.fromisoformat(started).timestamp() * 1e6
    except (ValueError, OverflowError):
        return None


def _document(events: list[dict[str, Any]]) -> str:
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}, indent=1)
