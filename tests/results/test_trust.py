"""Grades of trust and their reasons."""

from __future__ import annotations

import pytest

from bnnbench.results.records import DeviceEvent, Gate, Invocation
from bnnbench.results.trust import DISTRUST, DISTRUST_LOW, device_trust, trust

GATE = Gate(case_id="c", status="ok", settled=True)


STUCK = {"temperature_celsius": [100.0, 100.0]}
STOPPED = {"/sys/fs/cgroup/a/cpu.stat": ["nr_periods 3\nnr_throttled 1", "nr_periods 167\nnr_throttled 163"]}
NOT_STOPPED = {"/sys/fs/cgroup/a/cpu.stat": ["nr_throttled 1\nthrottled_usec 5", "nr_throttled 1\nthrottled_usec 5"]}


def timed(**changes: object) -> Invocation:
    fields: dict[str, object] = {"case_id": "c", "index": 0, "order": 0, "status": "ok", "clock_hz": [1.5e9]}
    return Invocation(**fields | changes)  # type: ignore[arg-type]


def event(kind: str, message: str = "the governor is ondemand") -> DeviceEvent:
    return DeviceEvent(device="d", kind=kind, message=message)


@pytest.mark.parametrize(
    ("gate", "invocations", "events", "grade", "reason"),
    [
        (GATE, [timed()] * 2, [], "high", None),
        (GATE, [timed()] * 2, [event("tuned"), event("lost")], "high", None),
        (GATE, [timed()] * 2, [event(DISTRUST), event(DISTRUST, "it is busy")], "medium", "it is busy"),
        (GATE, [timed()] * 2, [event(DISTRUST_LOW, "throttling")], "low", "throttling"),
        (None, [timed()] * 2, [], "medium", "did not settle"),
        (GATE, [timed(clock_hz=[])] * 2, [], "medium", "throttling cannot be seen there"),
        (
            GATE,
            [timed(clock_hz=[]), timed(watch={"/sys/x": ["0", "0"]})],
            [],
            "medium",
            "throttling cannot be seen there",
        ),
        (GATE, [timed(), timed(clock_hz=[1.53e9])], [], "medium", "its clock differed by 2.0 %"),
        (GATE, [timed(telemetry={"temperature_celsius": [70.0, 84.0]})] * 2, [], "medium", "it was at 84 °C"),
        (None, [timed(clock_hz=[])] * 2, [event(DISTRUST)], "low", "the governor is ondemand"),
        (GATE, [timed(watch=STOPPED), timed()], [], "low", "limit of CPU time stopped it in 1 of 2 invocations"),
        (GATE, [timed(watch=NOT_STOPPED)] * 2, [], "high", None),
        (GATE, [timed(telemetry=STUCK)] * 3, [], "medium", "it was at 100 °C, exactly and all the time"),
        (GATE, [timed()], [], "medium", "it was measured once, so its repeatability is unknown"),
    ],
)
def test_grades(
    gate: Gate | None, invocations: list[Invocation], events: list[DeviceEvent], grade: str, reason: str | None
) -> None:
    found, reasons = trust(gate, invocations, events)
    assert found == grade
    assert any(reason in one.sentence for one in reasons) if reason else reasons == []


def test_where_nobody_looked_at_clocks_throttling_would_not_be_seen() -> None:
    grade, doubts = device_trust([event(DISTRUST_LOW), event("tuned")])
    assert (grade, [one.word for one in doubts]) == ("low", ["the governor is ondemand", "throttling unseen"])
    assert device_trust([])[0] == "medium"


@pytest.mark.parametrize(
    ("code", "word"), [("virtual", "VM"), ("busy", "load"), ("battery-saver", "battery saver"), (None, "why")]
)
def test_what_a_line_says_of_a_device(code: str | None, word: str) -> None:
    """A code that has no word of its own here, as of a newer finding, is shown as it is."""
    event = DeviceEvent(device="d", kind=DISTRUST, message="why", code=code)
    assert [one.word for one in trust(GATE, [timed()] * 2, [event])[1]] == [word]
