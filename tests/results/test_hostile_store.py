"""Stores that were damaged or come from somebody else: nothing changes silently, nothing crashes."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from bnnbench.results import load
from bnnbench.results.columns import CASE_COLUMNS
from bnnbench.results.errors import StoreError, StoreWarning
from bnnbench.results.models import choices
from bnnbench.results.pareto import pareto
from bnnbench.results.pick import pick
from bnnbench.results.ratios import compare
from bnnbench.results.records import Accuracy, DeviceEvent, RunEnd, RunRecord, Skip
from bnnbench.results.report import rows
from bnnbench.results.report.headline import claims
from bnnbench.results.report.models import models
from bnnbench.results.report.page import page
from bnnbench.results.store.runs import Store, StoredRun
from bnnbench.results.table import notes, table
from bnnbench.results.tables.run_files import finish
from tests.fuzz.fuzz_store import INTERNAL, SILENT, damage, hostile

NOTE = DeviceEvent(device="pi4", kind="note", message="a sentence with ä")


def test_damaged_stores_change_no_figure_silently(tmp_path: Path) -> None:
    counts = damage(400, 0, tmp_path)
    assert counts.total() == 400
    assert (counts[INTERNAL], counts[SILENT]) == (0, 0)


def test_hostile_stores_stop_no_command(tmp_path: Path) -> None:
    assert hostile(12, 1, tmp_path)[INTERNAL] == 0


def journal_of(store: Store, record: RunRecord, count: int = 5) -> Path:
    with store.create(record) as writer:
        for number in range(count):
            writer.append(DeviceEvent(device="pi4", kind="note", message=f"{number}"))
        writer.append(RunEnd(finished=record.created, outcome="complete"))
        finish(writer)
        return writer.path / "journal.jsonl"


def messages(run: StoredRun) -> list[str]:
    return [event.message for event in run.events]


@pytest.mark.parametrize(
    ("change", "kept", "said"),
    [
        (lambda lines: lines[:1] + lines[2:], "0234", "1 record of the journal is lost"),
        (lambda lines: lines[:3] + lines[2:], "01234", "is record 3 once more"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "01234", "not in the order"),
        (lambda lines: [lines[0][:-1] + b" " + lines[1], *lines[2:]], "234", "checksum"),
        (lambda lines: [lines[0].replace(b"pi4", b"pi5"), *lines[1:]], "1234", "line 1 .* checksum"),
        (lambda lines: [lines[0].replace(b"sum", b"sun"), *lines[1:]], "1234", "line 1 .* checksum"),
        (lambda lines: [lines[0].replace(b'"message":"0', b'"message":"\xff'), *lines[1:]], "1234", "line 1 "),
        (lambda lines: lines[:3], "012", "2 records of the journal are lost"),
        (lambda lines: [], "", "5 records of the journal are lost"),
        (lambda lines: [*lines[:2], bytes(len(lines[2])), *lines[3:]], "014", "checksum"),
    ],
)  # fmt: skip
def test_a_changed_journal_says_what_is_lost(
    store: Store, record: RunRecord, change: Callable[[list[bytes]], list[bytes]], kept: str, said: str
) -> None:
    path = journal_of(store, record)
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    with pytest.warns(StoreWarning, match=said):
        run = store.run()
    assert "".join(messages(run)) == kept
    # It can be gone on with, and the loss is still said.
    with store.reopen(run.record.run_id) as writer:
        writer.append(NOTE)
    with pytest.warns(StoreWarning, match=said):
        assert messages(store.run()) == [*kept, NOTE.message]


def test_journal_lines_are_json_for_every_reader(store: Store, record: RunRecord) -> None:
    lines = [json.loads(line) for line in journal_of(store, record).read_text().splitlines()]
    assert [line["seq"] for line in lines] == [1, 2, 3, 4, 5, 6]
    document = json.loads((store.runs_path / record.run_id / "run.json").read_text())
    assert document["sealed"] is True
    assert msgspec.convert(document, RunRecord) == record


def unsealed(path: Path) -> None:
    """As the version before wrote them."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line.pop("seq")
        line.pop("sum")
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    document = json.loads((path.parent / "run.json").read_text())
    (path.parent / "run.json").write_text(
        json.dumps({key: document[key] for key in document if key not in ("sealed", "sum")}, indent=1) + "\n"
    )
    (path.parent / "journal.end").unlink()


def test_a_journal_of_before_is_read_and_gone_on_with(store: Store, record: RunRecord) -> None:
    path = journal_of(store, record)
    unsealed(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert messages(store.run()) == list("01234")
        with store.reopen("latest") as writer:
            writer.append(NOTE)
            writer.append(NOTE)
        assert messages(store.run()) == [*"01234", NOTE.message, NOTE.message]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:6], lines[6].replace(b"note", b"nope"), lines[7]]))
    with pytest.warns(StoreWarning, match="line 7 .* checksum"):
        assert messages(store.run()) == [*"01234", NOTE.message]
    path.write_bytes(b"".join(lines[1:]))
    with pytest.warns(StoreWarning, match="5 records without a checksum, and 6 were written"):
        store.run()


@pytest.mark.parametrize(
    "line",
    [b'{"type":"device_event","device":"\xff","kind":"","message":""}', b"[" * 100_000, b'{"type":"\xed\xa0\x80"}'],
)
def test_bytes_that_are_no_text_in_a_journal_of_before(store: Store, record: RunRecord, line: bytes) -> None:
    path = journal_of(store, record)
    unsealed(path)
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.warns(StoreWarning, match="line 7 of the journal is damaged"):
        assert messages(store.run()) == list("01234")


def test_a_run_record_with_a_flipped_figure_is_refused(store: Store, record: RunRecord) -> None:
    path = journal_of(store, record).with_name("run.json")
    text = path.read_bytes()
    for damaged in (
        text.replace(b'"macs_1bit": 1', b'"macs_1bit": 2', 1),
        text.replace(b'"sealed"', b'"sealee"', 1),
        text.replace(b'"sum"', b'"sun"', 1),
        b"[" * 100_000,
    ):
        assert damaged != text
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"run.json is not a run record"):
            store.run(record.run_id)


def test_one_damaged_run_leaves_the_others_readable(store: Store, record: RunRecord) -> None:
    journal_of(store, record)
    other = msgspec.structs.replace(record, run_id="20270101-000000-abcdef", created="2027-01-01T00:00:00Z")
    (journal_of(store, other).parent / "run.json").write_bytes(b"\xff")
    with pytest.warns(StoreWarning, match="run 20270101-000000-abcdef is left out: .*run.json is not a run record"):
        assert [run.record.run_id for run in store.runs()] == [record.run_id]
    with pytest.warns(StoreWarning, match="left out"):
        assert store.run("latest").record.run_id == record.run_id
    with pytest.warns(StoreWarning, match="left out"):
        assert set(load(store)["run_id"]) == {record.run_id}


def test_a_pipe_in_a_run_folder_is_not_waited_for(store: Store, record: RunRecord) -> None:
    import os

    path = journal_of(store, record)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(StoreError, match="it is not a regular file"):
        store.run()


def test_the_latest_run_is_the_last_one_also_after_the_clock_was_set_back(store: Store, record: RunRecord) -> None:
    created = ["2026-01-05T00:00:00.000+00:00", "2026-01-02T00:00:00.000+00:00", "2026-01-03T00:00:00.000+00:00"]
    for number, moment in enumerate(created):
        one = msgspec.structs.replace(record, run_id=f"r{number}", created=moment)
        store.create(store.in_order(one)).close()
        assert store.run("latest").record.run_id == f"r{number}"
    assert [run.record.run_id for run in store.runs()] == ["r0", "r1", "r2"]
    assert [run.record.created for run in store.runs()] == created


def everything(frame: pd.DataFrame, run: StoredRun) -> None:
    rows.table(frame, {run.record.run_id: run.peaks})
    models(frame, frame)
    claims(frame, [run])
    notes(frame)
    table(frame).layout(80)
    compare(frame, load(run))
    pareto(choices(frame), history=frame)
    pick(choices(frame), max_latency_ns=1e6)


@pytest.mark.parametrize("column", CASE_COLUMNS)
def test_any_column_may_be_missing(
    synthetic: StoredRun, family: StoredRun, column: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bnnbench.results import pareto as pareto_module
    from bnnbench.results.charts import CHARTS

    monkeypatch.setattr(pareto_module, "_DRAWS", 20)
    whole = pd.concat([load(run).groupby(["device", "engine"]).head(2) for run in (synthetic, family)])
    whole = whole.reset_index(drop=True)
    for run in (synthetic,):
        half = whole.copy()
        half.loc[half.index[::2], column] = pd.NA
        for frame in (half, whole.assign(**{column: pd.Series([pd.NA] * len(whole), dtype=whole[column].dtype)})):
            everything(frame, run)
            for chart in CHARTS.values():
                chart.suits(frame, run.peaks)


def test_a_run_of_which_all_is_skipped(store: Store, record: RunRecord) -> None:
    from bnnbench.results.charts import CHARTS
    from bnnbench.results.export import EXPORTS

    case = record.cases[0]
    known = Skip(
        workload=case.workload, engine="e", device=case.device, threads=1, reason="no", kind="kernel", macs_1bit=7
    )
    of_before = Skip(workload="another", engine="e", device=case.device, threads=1, reason="no")
    with store.create(msgspec.structs.replace(record, cases=[], skips=[known, of_before])) as writer:
        finish(writer)
    run = store.run()
    frame = load(run)
    assert list(frame["kind"].astype(object)) == ["kernel", pd.NA]
    assert frame["macs_1bit"][0] == 7
    everything(frame, run)
    page([run])
    for render in EXPORTS.values():
        render(run)
    for chart in CHARTS.values():
        with pytest.raises(ValueError, match=r"^(no|there|a history)"):
            chart.figure(frame, run.peaks)


def test_a_workload_that_every_engine_skips(store: Store, record: RunRecord) -> None:
    """Its kind is not known to a run of before, and a roofline mask had a missing value in it."""
    from bnnbench.results.charts.roofline import can_be_drawn

    skip = Skip(workload="huge", engine="native", device="pi4", threads=4, reason="4 threads need as many cores")
    with store.create(msgspec.structs.replace(record, skips=[skip])) as writer:
        finish(writer)
    assert can_be_drawn(load(store.run()), []) is False


@pytest.mark.parametrize("number", [402, 776, 883])
def test_hostile_stores_that_once_stopped_a_command(number: int, tmp_path: Path) -> None:
    """A clock rate too large for a float, and more right images than there were."""
    assert hostile(1, number, tmp_path)[INTERNAL] == 0


@pytest.mark.parametrize(
    "figures", [{"correct": 11}, {"correct_top5": 11}, {"differing": 11}, {"differing": 5, "compared": 4}]
)
def test_an_accuracy_of_more_images_than_there_were_is_no_record(figures: dict[str, int]) -> None:
    right = {"case_id": "c", "status": "ok", "dataset": "d", "dataset_sha256": "0", "images": 10, "of_images": 10}
    assert msgspec.convert(right | dict.fromkeys(figures, 3), Accuracy).images == 10
    with pytest.raises(msgspec.ValidationError, match="images"):
        msgspec.convert(right | figures, Accuracy)
