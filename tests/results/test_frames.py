"""The frames: exactly the promised columns, and nothing that was not measured looks like a number."""

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pandas as pd
import pytest

import bnnbench.results
from bnnbench.results.frames import load, load_invocations
from bnnbench.results.records import DeviceEvent, Entry, Gate, Invocation, RunRecord, Skip
from bnnbench.results.store.runs import Store, StoredRun

DOCS = Path(__file__).parents[2] / "docs" / "store.md"

TIMES = [
    "latency_ns",
    "latency_low_ns",
    "latency_high_ns",
    "p90_ns",
    "first_ns",
    "load_ns",
    "gops",
    "energy_mj",
]


def one_case(
    record: RunRecord, *entries: Callable[[str], Entry], invocations: int = 3
) -> tuple[StoredRun, "pd.Series[object]"]:
    """A run of one case with these entries, and the case's row."""
    case = record.cases[0]
    small = msgspec.structs.replace(record, cases=[case], skips=[], invocations_per_case=invocations)
    run = StoredRun(small, [entry(case.id) for entry in entries])
    return run, load(run).iloc[0]


def gate(status: str = "ok", reason: str | None = None, settled: bool = True) -> Callable[[str], Entry]:
    return lambda case: Gate(case_id=case, status=status, reason=reason, settled=settled)


def invocation(
    index: int,
    status: str = "ok",
    reason: str | None = None,
    samples: tuple[float, ...] = (90.0, 100.0, 130.0),
) -> Callable[[str], Entry]:
    timed = list(samples) if status != "failed" else []
    return lambda case: Invocation(
        case_id=case, index=index, order=index, status=status, reason=reason, samples_ns=timed, first_ns=500.0
    )


def documented(heading: str) -> dict[str, str]:
    """The columns and types of the table below a heading of docs/store.md."""
    section = DOCS.read_text(encoding="utf-8").split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", section, re.MULTILINE))


def test_columns_are_the_documented_ones_in_their_order(synthetic: StoredRun) -> None:
    for frame, heading in (
        (load(synthetic), "A row per case"),
        (load_invocations(synthetic), "A row per invocation"),
    ):
        types = documented(heading)
        assert list(frame.columns) == list(types)
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == types


def test_an_empty_store_has_the_columns_and_their_types(store: Store, synthetic: StoredRun) -> None:
    store.runs_path.mkdir(parents=True)
    assert load(store).empty
    assert load(store).dtypes.to_dict() == load(synthetic).dtypes.to_dict()
    assert load_invocations(store).dtypes.to_dict() == load_invocations(synthetic).dtypes.to_dict()


def test_every_source_gives_the_same(synthetic: StoredRun) -> None:
    assert synthetic.path is not None
    root = synthetic.path.parent.parent
    expected = load(synthetic)
    for source in (Store(root), root, str(root), [synthetic], iter([synthetic])):
        pd.testing.assert_frame_equal(load(source), expected)
    pd.testing.assert_frame_equal(bnnbench.results.load(Store(root)), expected)
    pd.testing.assert_frame_equal(bnnbench.results.load_invocations(Store(root)), load_invocations([synthetic]))


def test_a_row_for_every_case_and_skip(synthetic: StoredRun) -> None:
    frame = load(synthetic)
    assert len(frame) == len(synthetic.record.cases) + len(synthetic.record.skips)
    counts = frame["status"].value_counts().to_dict()
    assert counts == {"ok": 45, "wrong_output": 1, "failed": 1, "skipped": 1}
    bad = frame[frame["status"] != "ok"]
    assert bad["reason"].notna().all()
    assert bad[TIMES].isna().all().all()


def test_latency_is_the_median_of_medians_with_its_range(record: RunRecord) -> None:
    run, row = one_case(
        record,
        gate(),
        invocation(0, samples=(90.0, 100.0, 130.0)),
        invocation(1, samples=(200.0, 210.0, 220.0)),
        invocation(2, samples=(120.0, 150.0, 1e6)),
    )
    assert (row["latency_ns"], row["latency_low_ns"], row["latency_high_ns"]) == (150.0, 100.0, 210.0)
    assert row["first_ns"] == 500.0
    assert row["gops"] == 2 * run.record.cases[0].macs_1bit / 150.0
    assert row["status"] == "ok"
    assert load_invocations(run)["median_ns"].tolist() == [100.0, 210.0, 150.0]


def test_what_was_not_measured_is_missing(record: RunRecord) -> None:
    _, row = one_case(record, gate(), invocation(0), invocation(1), invocation(2))
    for column in (
        "instructions",
        "energy_mj",
        "accuracy",
        "accuracy_n",
        "load_ns",
        "arena_bytes",
        "size_bytes",
        "plan_sha256",
    ):
        assert row[column] is pd.NA, column


@pytest.mark.parametrize(
    ("entries", "status", "reason", "timed"),
    [
        ([gate(), invocation(0), invocation(1), invocation(2)], "ok", None, True),
        ([gate("wrong_output", "bits")], "wrong_output", "bits", False),
        ([gate("failed", "boom")], "failed", "boom", False),
        ([gate("unverified", "no protocol"), *map(invocation, range(3))], "unverified", "no protocol", True),
        ([gate("unstable", "never settled"), *map(invocation, range(3))], "unstable", "never settled", True),
        ([], "skipped", "not measured: the run was cut off; finish it with bnnbench run --resume", False),
        ([gate()], "skipped", "verified, but not timed: the run was cut off", False),
        ([gate(), invocation(0)], "unstable", "1 of 3 invocations so far: the run was cut off", True),
        (
            [gate(), invocation(0), invocation(1, "failed", "signal 9"), invocation(2)],
            "unstable",
            "1 of 3 invocations failed: signal 9",
            True,
        ),
        ([gate(), invocation(0, "failed", "signal 9")], "failed", "signal 9", False),
        (
            [gate(), invocation(0), invocation(1, "wrong_output", "other bytes"), invocation(2)],
            "wrong_output",
            "other bytes",
            False,
        ),
        (
            [gate(), *map(invocation, range(2)), invocation(2, "unstable", "throttled")],
            "unstable",
            "throttled",
            True,
        ),
        # Done again after a failure: what came last stands.
        ([gate(), invocation(0, "failed", "x"), *map(invocation, range(3))], "ok", None, True),
    ],
)
def test_status(
    record: RunRecord, entries: list[Callable[[str], Entry]], status: str, reason: str | None, timed: bool
) -> None:
    _, row = one_case(record, *entries)
    assert row["status"] == status
    assert row["reason"] is pd.NA if reason is None else reason in row["reason"]
    assert row[TIMES[:6]].notna().any() == timed


def test_a_lost_device_fails_its_cases(record: RunRecord) -> None:
    lost = DeviceEvent(device=record.cases[0].device, kind="lost", message="no answer for 60 s")
    _, row = one_case(record, gate(), lambda _: lost)
    assert (row["status"], row["reason"]) == ("failed", "verified, but not timed: no answer for 60 s")


@pytest.mark.parametrize(
    ("settled", "clock", "trust"), [(True, [1e9], "high"), (False, [1e9], "medium"), (False, [], "low")]
)
def test_trust(record: RunRecord, settled: bool, clock: list[float], trust: str) -> None:
    def watched(index: int) -> Callable[[str], Entry]:
        return lambda case: Invocation(
            case_id=case, index=index, order=index, status="ok", samples_ns=[1.0], clock_hz=clock
        )

    _, row = one_case(record, gate(settled=settled), watched(0), watched(1), invocations=2)
    assert row["trust"] == trust


def test_an_emulated_device_has_no_times(synthetic: StoredRun) -> None:
    record = synthetic.record
    devices = {**record.devices, "pi4": {**record.devices["pi4"], "emulated": {"value": True, "source": "x"}}}
    run = StoredRun(msgspec.structs.replace(record, devices=devices), synthetic.entries)
    frame = load(run)
    emulated = frame[frame["device"] == "pi4"]
    assert emulated["emulated"].all()
    assert emulated[TIMES].isna().all().all()
    assert (emulated["status"] == "ok").any()
    assert emulated["arena_bytes"].notna().any()
    assert frame[frame["device"] == "workstation"]["latency_ns"].notna().any()
    rows = load_invocations(run)
    rows = rows[rows["device"] == "pi4"]
    times = [name for name in rows.columns if name.endswith("_ns") or name == "clock_hz"]
    assert len(times) > 8
    assert rows[times].isna().all().all()
    assert rows["output_sha256"].notna().all()


def test_a_device_that_could_not_tell_is_not_called_real(record: RunRecord) -> None:
    unsure = msgspec.structs.replace(record, devices={"pi4": {"emulated": {"value": None, "source": "tried"}}})
    frame = load(StoredRun(unsure, []))
    assert frame["emulated"].isna().all()
    assert load(StoredRun(record, []))["emulated"].tolist() == [False] * len(frame)


def test_a_skip_borrows_the_workloads_facts(synthetic: StoredRun) -> None:
    row = load(synthetic).query("status == 'skipped'").iloc[0]
    assert (row["op"], row["kind"]) == ("bconv2d", "kernel")
    assert row["macs_1bit"] > 0
    assert row["engine_build"] is pd.NA


def test_invocations_carry_their_samples(synthetic: StoredRun) -> None:
    frame = load_invocations(synthetic)
    assert len(frame) == len(synthetic.invocations)
    first, entry = frame.iloc[0], synthetic.invocations[0]
    assert first["samples_ns"] == entry.samples_ns
    assert first["cpus_used"] == [1]
    assert first["telemetry"] == {"temperature_celsius": 51.0}
    assert first["counters"] is pd.NA
    assert first["order"] == 0


def test_why_it_is_not_done_is_a_code_too(record: RunRecord) -> None:
    _, row = one_case(record, gate(), invocation(0))
    assert row["reason_code"] == "cut_off"
    _, row = one_case(record, gate("failed", "the run was cut off"))
    assert row["reason_code"] is pd.NA
    skip = Skip(workload="w", engine="e", device="pi4", threads=1, reason="no", code="too_few_cores")
    told = load(StoredRun(msgspec.structs.replace(record, cases=[], skips=[skip]), []))
    assert told["reason_code"].tolist() == ["too_few_cores"]
