"""How far a case's times can be believed: a grade, and the reasons why it is not higher."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bnnbench.results.records import DeviceEvent, Gate, Invocation

GRADES = ("low", "medium", "high")
DISTRUST, DISTRUST_LOW = "distrust", "distrust_low"
"""Kinds of device events that lower the grade of what is measured there by one, and to `low`."""
_WORDS = {
    "virtual": "VM",
    "busy": "load",
    "hot": "heat",
    "untuned": "not tuned",
    "no-engine": "unknown CPU",
}
"""Codes of device events that are no words for a line in a terminal; others are shown as they are."""
CLOCK_SHARE = 0.01
HOT_CELSIUS = 80.0
_MANY = 6
"""Readings, before and after three invocations."""


class Doubt(NamedTuple):
    """What speaks against times: in a word or two, for a line, and as a sentence."""

    word: str
    sentence: str


UNSEEN = Doubt("throttling unseen", "throttling cannot be seen there")


def trust(gate: Gate | None, timed: Sequence[Invocation], events: Sequence[DeviceEvent]) -> tuple[str, list[Doubt]]:
    """One grade down for each of the kinds of doubt: the device's state, unsteady times, no sign of throttling; `low`
    where the device was throttling."""
    return _graded(events, _unsteady(gate, timed), _signs(timed), _stopped(timed))


def device_trust(events: Sequence[DeviceEvent]) -> tuple[str, list[Doubt]]:
    """Of times during which nobody looked at clocks: the device's state, and that throttling would not be seen."""
    return _graded(events, [], [UNSEEN], [])


def _graded(
    events: Sequence[DeviceEvent], unsteady: Sequence[Doubt], signs: Sequence[Doubt], stopped: Sequence[Doubt]
) -> tuple[str, list[Doubt]]:
    reported = [event for event in events if event.kind in (DISTRUST, DISTRUST_LOW)]
    device = [Doubt(word_of(item.code) or item.message.replace(";", ","), item.message) for item in reported]
    grade = len(GRADES) - 1 - bool(device) - bool(unsteady) - bool(signs)
    if stopped or any(event.kind == DISTRUST_LOW for event in events):
        grade = 0
    return GRADES[max(0, grade)], [*device, *stopped, *unsteady, *signs]


def times_stopped(watch: Mapping[str, Sequence[str]] | None) -> int:
    """How often a control group was stopped in between, for having used its share of the CPU: by `cpu.stat`."""
    texts = [both for path, both in (watch or {}).items() if path.endswith("/cpu.stat")]
    return max((_count(after) - _count(before) for before, after in texts), default=0)


def _count(text: str) -> int:
    match = re.search(r"^nr_throttled (\d{1,15})$", text, re.MULTILINE)
    return int(match[1]) if match else 0


def _stopped(timed: Sequence[Invocation]) -> list[Doubt]:
    count = sum(times_stopped(item.watch) > 0 for item in timed)
    if not count:
        return []
    message = f"its control group's limit of CPU time stopped it in {count} of {len(timed)} invocations"
    return [Doubt("CPU limit", message)]


def word_of(code: str | None) -> str | None:
    """The word for a code of a device event, or of a finding about one: `VM`, `load`; None in records of before."""
    return None if code is None else _WORDS.get(code, code.replace("-", " "))


def _unsteady(gate: Gate | None, timed: Sequence[Invocation]) -> list[Doubt]:
    reasons = []
    if gate is None or gate.settled is not True:
        reasons.append(Doubt("not settled", "its times did not settle during the warm-up"))
    if len(timed) == 1:
        reasons.append(Doubt("1 invocation", "it was measured once, so its repeatability is unknown"))
    clocks = [clock for item in timed if item.clock_hz and (clock := statistics.median(item.clock_hz)) > 0]
    if clocks and max(clocks) / min(clocks) - 1 > CLOCK_SHARE:
        share = (max(clocks) / min(clocks) - 1) * 100
        reasons.append(Doubt("clock moved", f"its clock differed by {share:.1f} % between invocations"))
    degrees = [each for item in timed for each in _degrees(item)]
    if (hottest := max(degrees, default=0.0)) >= HOT_CELSIUS:
        is_stuck = len(degrees) >= _MANY and len(set(degrees)) == 1
        how = ", exactly and all the time: at its limit, or its sensor is stuck" if is_stuck else ""
        reasons.append(Doubt("heat", f"it was at {hottest:.0f} °C{how}"))
    return reasons


def _degrees(invocation: Invocation) -> list[float]:
    """Before and after; a number alone in older journals."""
    celsius = invocation.telemetry.get("temperature_celsius", [])
    return [
        float(each) for each in (celsius if isinstance(celsius, list) else [celsius]) if isinstance(each, int | float)
    ]


def _signs(timed: Sequence[Invocation]) -> list[Doubt]:
    if all(
        item.clock_hz or any("throttled" in path or "cpufreq" in path for path in item.watch or {}) for item in timed
    ):
        return []
    return [UNSEEN]
