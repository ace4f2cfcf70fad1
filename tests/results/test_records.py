"""Records keep what they were given, and an older reader gets on with a newer file."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnbench.results.records import (
    SCHEMA,
    CaseRecord,
    DeviceEvent,
    Gate,
    Invocation,
    Peak,
    RunEnd,
    RunRecord,
)
from bnnbench.results.store import journal

FINITE = st.floats(0, 1e18, allow_nan=False)


def test_a_run_record_survives_json(record: RunRecord) -> None:
    again = msgspec.json.decode(msgspec.json.encode(record), type=RunRecord)
    assert again == record
    assert again.schema == SCHEMA


@given(
    samples=st.lists(FINITE, max_size=12),
    stderr=st.none() | st.text(),
    counters=st.none() | st.dictionaries(st.text(), st.integers(0, 2**62), max_size=3),
    pair=st.none() | st.integers(0, 100),
)
def test_an_invocation_survives_the_journal(
    samples: list[float], stderr: str | None, counters: dict[str, int] | None, pair: int | None
) -> None:
    entry = Invocation(
        case_id="c",
        index=0,
        order=1,
        status="ok",
        samples_ns=samples,
        stderr=stderr,
        counters=counters,
        pair=pair,
    )
    line = journal.encode(entry)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert msgspec.json.decode(line, type=Invocation) == entry


@pytest.mark.parametrize(
    ("entry", "tag"),
    [
        (Gate(case_id="c", status="ok"), "gate"),
        (Invocation(case_id="c", index=0, order=0, status="ok"), "invocation"),
        (Peak(device="d"), "peak"),
        (DeviceEvent(device="d", kind="lost", message="m"), "device_event"),
        (RunEnd(finished="2026-01-01T00:00:00Z", outcome="complete"), "end"),
    ],
)
def test_entries_carry_their_tag(entry: Gate | Invocation | Peak | DeviceEvent | RunEnd, tag: str) -> None:
    assert msgspec.json.decode(journal.encode(entry))["type"] == tag


def test_fields_of_newer_versions_are_skipped() -> None:
    case = msgspec.json.decode(
        b'{"id":"a","workload":"w","kind":"kernel","engine":"e","device":"d","threads":1,"colour":"mauve"}',
        type=CaseRecord,
    )
    assert case == CaseRecord(id="a", workload="w", kind="kernel", engine="e", device="d", threads=1)


def test_records_can_not_be_changed(record: RunRecord) -> None:
    with pytest.raises(AttributeError):
        record.seed = 1  # type: ignore[misc]


def test_an_absent_fact_is_none(record: RunRecord) -> None:
    assert record.fact("pi4", "model") == "Raspberry Pi 4 Model B Rev 1.4"
    assert record.fact("workstation", "temperature_celsius") is None
    assert record.fact("pi4", "no_such_fact") is None
    assert record.fact("no such device", "model") is None


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_number_that_json_lacks_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="would not read back"):
        journal.encode(Invocation(case_id="c", index=0, order=0, status="ok", samples_ns=[bad]))


def test_bytes_that_are_not_utf8_become_question_marks() -> None:
    broken = b"oops \xff\xfe".decode("utf-8", "surrogateescape")
    line = journal.encode(Invocation(case_id="c", index=0, order=0, status="failed", stderr=broken))
    assert msgspec.json.decode(line, type=Invocation).stderr == "oops ??"
