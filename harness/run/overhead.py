"""What measuring costs beside the measured: per invocation, and as a share of the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from bnnbench.results.records import CaseRecord, Entry, Gate, Invocation


def overhead(
    entries: Sequence[Entry],
    cases: Sequence[CaseRecord],
    session_ns: Mapping[str, int],
    builds_and_push_ns: Mapping[str, int],
) -> dict[str, dict[str, float | None]]:
    """By device: `per_invocation_ns_median`, the time of an invocation outside its accepted `run` request, and
    `run_share`, the part of the session's time, builds and first push apart, that was inside such requests."""
    device_of = {case.id: case.device for case in cases}
    outside = outside_timed_runs(entries, cases)
    inside: dict[str, float] = {}
    for entry in entries:
        if not isinstance(entry, Gate | Invocation) or entry.run_request_ns is None:
            continue
        device = device_of[entry.case_id]
        inside[device] = inside.get(device, 0.0) + entry.run_request_ns
    figures: dict[str, dict[str, float | None]] = {}
    for device, wall in session_ns.items():
        measuring = wall - builds_and_push_ns[device]
        figures[device] = {
            "per_invocation_ns_median": median(outside[device]) if device in outside else None,
            "run_share": inside[device] / measuring if device in inside and measuring > 0 else None,
            "builds_and_push_ns": float(builds_and_push_ns[device]),
        }
    return figures


def outside_timed_runs(entries: Sequence[Entry], cases: Sequence[CaseRecord]) -> dict[str, list[float]]:
    """By device: of each invocation the ns of its wall time that were not in its accepted `run` request."""
    device_of = {case.id: case.device for case in cases}
    outside: dict[str, list[float]] = {}
    for entry in entries:
        if isinstance(entry, Invocation) and entry.run_request_ns is not None and entry.wall_ns is not None:
            outside.setdefault(device_of[entry.case_id], []).append(entry.wall_ns - entry.run_request_ns)
    return outside
