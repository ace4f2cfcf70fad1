"""How far a case's times can be believed: a grade, and the reasons why it is not higher."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from bnnbench.results.records import DeviceEvent, Gate, Invocation

GRADES = ("low", "medium", "high")
DISTRUST, DISTRUST_LOW = "distrust", "distrust_low"
"""Kinds of device events that lower the grade of what is measured there by one, and to `low`."""
CLOCK_SHARE = 0.01
HOT_CELSIUS = 80.0


def trust(gate: Gate | None, timed: Sequence[Invocation], events: Sequence[DeviceEvent]) -> tuple[str, list[str]]:
    """One grade down for each of the kinds of doubt: the device's state, unsteady times, no sign of throttling."""
    device = [one.message for one in events if one.kind in (DISTRUST, DISTRUST_LOW)]
    unsteady, signs = _unsteady(gate, timed), _signs(timed)
    grade = len(GRADES) - 1 - bool(device) - bool(unsteady) - bool(signs)
    if any(one.kind == DISTRUST_LOW for one in events):
        grade = 0
    return GRADES[max(0, grade)], [*device, *unsteady, *signs]


def _unsteady(gate: Gate | None, timed: Sequence[Invocation]) -> list[str]:
    reasons = []
    if gate is None or gate.settled is not True:
        reasons.append("its times did not settle while it was warmed up")
    clocks = [clock for one in timed if one.clock_hz and (clock := statistics.median(one.clock_hz)) > 0]
    if clocks and max(clocks) / min(clocks) - 1 > CLOCK_SHARE:
        share = (max(clocks) / min(clocks) - 1) * 100
        reasons.append(f"its clock differed by {share:.1f} % between invocations")
    hottest = max((degrees for one in timed for degrees in _degrees(one)), default=0.0)
    if hottest >= HOT_CELSIUS:
        reasons.append(f"it was at {hottest:.0f} °C")
    return reasons


def _degrees(one: Invocation) -> list[float]:
    """Before and after; a number alone in older journals."""
    told = one.telemetry.get("temperature_celsius", [])
    return [float(each) for each in (told if isinstance(told, list) else [told]) if isinstance(each, int | float)]


def _signs(timed: Sequence[Invocation]) -> list[str]:
    if all(one.clock_hz or any("throttled" in path or "cpufreq" in path for path in one.watch or {}) for one in timed):
        return []
    return ["nothing there shows whether it throttles"]
