"""The index: what it gives is what the journals give, whatever happened to the store since it was made."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import msgspec
import pandas as pd
import pyarrow.parquet as pq
import pytest

from bnnbench.results import Store, load
from bnnbench.results.columns import CASE_COLUMNS
from bnnbench.results.errors import StoreError, StoreNotice, StoreWarning
from bnnbench.results.index import read
from bnnbench.results.index.chunks import PLANNED
from bnnbench.results.index.make import add_run, make_index
from bnnbench.results.index.merge import merge
from bnnbench.results.records import DeviceEvent, RunEnd, RunRecord
from bnnbench.results.store import entries
from bnnbench.results.store.files import FILES
from bnnbench.results.store.listing import list_runs
from bnnbench.results.store.parts import (
    Part,
    each_looked_at_once,
    index_folder,
    part_folders,
    parts_of,
    removed_runs,
    seen_state,
    state_of,
)
from bnnbench.results.store.removal import remove_run
from bnnbench.results.store.run_columns import DERIVATION
from bnnbench.results.store.stored_run import read_record
from bnnbench.results.tables.run_files import CASES, VERDICTS, finish
from bnnbench.results.verdict.frame import verdict_frame
from tests.results.generated_store import Team, write_run
from tests.results.index.conftest import RUNS

NOTE = DeviceEvent(device="pi4", kind="lost", message="it was unplugged")


def of_journals(store: Store) -> pd.DataFrame:
    """The rows as every journal gives them."""
    return load(store.runs())


def same(store: Store) -> pd.DataFrame:
    """Asserts that a store gives what its journals give, with every row once and in order."""
    found = load(store)
    pd.testing.assert_frame_equal(found, of_journals(store))
    return found


def ended(store: Store) -> list[Path]:
    """The folders of runs that have ended, newest first."""
    folders = [store.runs_path / line.run_id for line in list_runs(store)]
    return [folder for folder in folders if (folder / "journal.end").exists()]


def cut_off(store: Store) -> set[str]:
    return {path.parent.name for path in store.runs_path.glob("*/run.json")} - {path.name for path in ended(store)}


def indexed(store: Store) -> int:
    return make_index(store.path, store.runs_path).runs


def test_an_ended_run_keeps_its_tables(years: Store) -> None:
    """And they are read by others as what they are."""
    (folder, *_) = (folder for folder in ended(years) if read_record(folder).comparisons)
    cases, verdicts = (pq.read_table(folder / name) for name in (CASES, VERDICTS))
    run = years.run(folder.name)
    pd.testing.assert_series_equal(
        load(run)["latency_ns"].astype(float), cases.to_pandas()["latency_ns"], check_index_type=False
    )
    assert cases.column_names == list(CASE_COLUMNS)
    assert verdicts.num_rows == len(verdict_frame([run])) > 0
    assert cases.schema.metadata[b"bnnbench_derivation"] == str(DERIVATION).encode()
    assert cases.schema.metadata[b"run_id"] == folder.name.encode()


def test_rows_are_those_of_the_journals(years: Store) -> None:
    same(years)
    made = make_index(years.path, years.runs_path)
    assert made.added == made.runs == RUNS
    assert made.left_out == {}
    found = same(years)
    assert found["status"].nunique() >= 4
    assert list(found["created"]) == sorted(found["created"])


def test_nothing_but_the_index_is_read(years: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of runs that were cut off; one that goes on now is read from its folder."""
    assert cut_off(years)
    indexed(years)
    opened: list[str] = []
    monkeypatch.setattr(read, "read_record", lambda folder: opened.append(folder.name) or read_record(folder))
    load(years)
    assert opened == []
    with years.reopen(min(cut_off(years))) as writer:
        writer.append(NOTE)
        same(years)
        assert opened == [writer.path.name]
        assert years.path.name
        add = make_index(years.path, years.runs_path)
        assert (add.added, add.runs) == (0, RUNS - 1)


@pytest.mark.parametrize(
    "where",
    [
        "workload == 'quicknet_s' and device == 'pi4' and status == 'ok'",
        "device in ['pi4', 'phone'] and not (threads == 1)",
        "kind == 'model' and accuracy > 0.9",
        "comparison and variant == 'head'",
        "run_id > '20240108-12' and commit.notna()",
        "status != 'ok' or latency_ns > 1e7",
        "reason.str.contains('signal', na=False)",
        {"workload": ["quicknet_xs", "quicknet_l"], "threads": 2},
        {"run_id": "no such run"},
    ],
)
def test_conditions_and_columns(years: Store, where: str) -> None:
    whole = of_journals(years)
    wanted = whole
    if isinstance(where, dict):
        for name, values in where.items():
            wanted = wanted[wanted[name].isin(values if isinstance(values, list) else [values]).fillna(False)]
    else:
        wanted = wanted.query(where, engine="python")
    columns = ["latency_ns", "workload", "created"]
    for _ in range(2):  # of the folders, then of the index
        pd.testing.assert_frame_equal(load(years, where=where), wanted.reset_index(drop=True))
        pd.testing.assert_frame_equal(load(years, where=where, columns=columns), wanted[columns].reset_index(drop=True))
        pd.testing.assert_frame_equal(load(years.runs(), where=where), wanted.reset_index(drop=True))
        indexed(years)


@pytest.mark.parametrize("since", ["2024-01-09", "2024-01-09T06:30:00+02:00"])
def test_since(years: Store, since: str) -> None:
    whole = of_journals(years)
    moment = pd.Timestamp(since) if "+" in since else pd.Timestamp(since, tz="UTC")
    wanted = whole[whole["created"] >= moment].reset_index(drop=True)
    assert 0 < len(wanted) < len(whole)
    for _ in range(2):
        pd.testing.assert_frame_equal(load(years, since=since), wanted)
        pd.testing.assert_frame_equal(load(years.runs(), since=since), wanted)
        indexed(years)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"columns": ["latency"]}, "there is no column 'latency'; the columns are run_id, created"),
        ({"since": "yesterday"}, "'yesterday' is no date or time; write it as 2026-01-31"),
        ({"where": "no_such == 1"}, "'no_such == 1' cannot be used"),
    ],
)
def test_what_cannot_be_asked_for(years: Store, arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        load(years, **arguments)  # type: ignore[arg-type]


def _appended(folder: Path, store: Store) -> None:
    with store.reopen(folder.name) as writer:
        writer.append(NOTE)


def _flipped(folder: Path, store: Store) -> None:
    content = bytearray((folder / "journal.jsonl").read_bytes())
    content[len(content) // 2] ^= 4
    (folder / "journal.jsonl").write_bytes(content)


def _flipped_in_secret(folder: Path, store: Store) -> None:
    """With the time of the last change set back."""
    status = (folder / "journal.jsonl").stat()
    _flipped(folder, store)
    os.utime(folder / "journal.jsonl", ns=(status.st_atime_ns, status.st_mtime_ns))


def _removed(folder: Path, store: Store) -> None:
    shutil.rmtree(folder)


def _record_damaged(folder: Path, store: Store) -> None:
    content = bytearray((folder / "run.json").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "run.json").write_bytes(content)


def _table_damaged(folder: Path, store: Store) -> None:
    content = bytearray((folder / CASES).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / CASES).write_bytes(content)


def _tables_removed(folder: Path, store: Store) -> None:
    for name in (CASES, VERDICTS, FILES):
        (folder / name).unlink()


def _resumed_and_ended(folder: Path, store: Store) -> None:
    with store.reopen(folder.name) as writer:
        writer.append(NOTE, RunEnd(finished="2026-01-01T00:00:00Z", outcome="incomplete"))
        finish(writer)


CHANGES = [
    _appended,
    _flipped,
    _flipped_in_secret,
    _removed,
    _record_damaged,
    _table_damaged,
    _tables_removed,
    _resumed_and_ended,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
@pytest.mark.parametrize("is_indexed", [False, True])
def test_a_run_whose_files_changed_is_read_again(
    years: Store, change: Callable[[Path, Store], None], is_indexed: bool
) -> None:
    if is_indexed:
        indexed(years)
    folder = ended(years)[20]
    change(folder, years)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = load(years)
    with warnings.catch_warnings(record=True) as expected:
        warnings.simplefilter("always")
        whole = of_journals(years)
    pd.testing.assert_frame_equal(found, whole)
    told = [str(item.message) for item in caught if item.category is StoreWarning]
    assert told == [str(item.message) for item in expected]
    assert bool(told) == (change in (_flipped, _flipped_in_secret, _record_damaged))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for where in ("workload.notna() and status == 'ok'", "status == 'failed'"):
            pd.testing.assert_frame_equal(load(years, where=where), whole.query(where).reset_index(drop=True))
        made = make_index(years.path, years.runs_path)
        pd.testing.assert_frame_equal(load(years), whole)
    assert set(made.left_out) == ({folder.name} if told else set())


def test_runs_are_added_one_by_one_and_parts_merged(years: Store) -> None:
    for folder in reversed(ended(years)):
        assert add_run(years.path, folder)
    same(years)
    assert len(part_folders(years.path)) < 20  # of some 58
    indexed(years)
    assert len(part_folders(years.path)) == 1
    same(years)


def test_a_run_that_two_processes_added_is_there_once(years: Store) -> None:
    for folder in ended(years)[:3] * 2:
        assert add_run(years.path, folder)
    assert len(part_folders(years.path)) == 6
    same(years)
    assert len(list_runs(years)) == RUNS
    indexed(years)
    assert len(part_folders(years.path)) == 1
    same(years)


QUESTIONS: dict[str, Callable[[Store], object]] = {
    "load": lambda store: len(load(store)),
    "index": lambda store: make_index(store.path, store.runs_path).added,
    "latest": lambda store: store.run("latest").record.run_id,
    "list": lambda store: len(list_runs(store)),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_parts_that_are_merged_while_one_reads(years: Store, monkeypatch: pytest.MonkeyPatch, question: str) -> None:
    ask = QUESTIONS[question]
    for folder in ended(years)[:12]:
        assert add_run(years.path, folder)
    expected = RUNS - 12 if question == "index" else ask(years)
    merged: list[Part] = []

    def listed(store: Path, version: int) -> list[Part]:
        parts = parts_of(store, version)
        if not merged:
            merged.extend(parts)
            merge(store, years.runs_path, parts)
        return parts

    monkeypatch.setattr(entries, "parts_of", listed)
    assert ask(years) == expected
    assert len(merged) > 1
    same(years)


def test_a_run_that_is_written_is_not_added(years: Store) -> None:
    folder = years.runs_path / min(cut_off(years))
    with years.reopen(folder.name):
        assert not add_run(years.path, folder)
        assert part_folders(years.path) == []
    assert add_run(years.path, folder)
    assert not (folder / CASES).exists()


def test_another_run_may_get_the_id_of_a_removed_one(years: Store) -> None:
    """As an archive that was redacted has it: on a device of another name."""
    indexed(years)
    folder = ended(years)[9]
    record = years.run(folder.name).record
    remove_run(years, folder)
    same(years)
    other = json.loads(msgspec.json.encode(record).replace(record.cases[0].device.encode(), b"device-1"))
    write_run(years.runs_path, msgspec.convert(other, RunRecord), [NOTE])
    for _ in range(2):
        found = load(years, where={"device": "device-1"})
        assert set(found["run_id"]) == {folder.name}
        same(years)
        indexed(years)
    assert removed_runs(years.path) == set()


def test_the_index_can_be_deleted_at_any_time(years: Store) -> None:
    indexed(years)
    for path in sorted(index_folder(years.path).rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StoreWarning)  # of a part that lacks a file
            same(years)
    index_folder(years.path).rmdir()
    same(years)


@pytest.mark.parametrize("name", ["part.json", "runs.parquet", "cases-0.parquet", "verdicts.parquet"])
def test_a_damaged_part_is_not_believed(years: Store, name: str) -> None:
    indexed(years)
    (part,) = part_folders(years.path)
    content = bytearray((part / name).read_bytes())
    content[len(content) // 3] ^= 16
    (part / name).write_bytes(content)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = load(years)
    pd.testing.assert_frame_equal(found, of_journals(years))
    told = [str(item.message) for item in caught]
    if name in ("runs.parquet", "cases-0.parquet"):
        assert told == [f"{part} is damaged: {name} has another SHA-256; make it again with bnnbench store index"]
    assert make_index(years.path, years.runs_path).added == RUNS
    assert part not in part_folders(years.path)
    same(years)


def test_a_store_that_was_copied_is_read_right(years: Store, tmp_path: Path) -> None:
    indexed(years)
    copied = Store(tmp_path / "copy")
    shutil.copytree(years.path / "runs", copied.path / "runs")
    shutil.copytree(index_folder(years.path), index_folder(copied.path))
    _flipped(ended(copied)[3], copied)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StoreWarning)
        same(copied)


def test_stores_are_merged_by_copying_runs(years: Store, tmp_path: Path) -> None:
    indexed(years)
    Team(4, seed=5).write(tmp_path / "other")
    for folder in (tmp_path / "other" / "runs").iterdir():
        shutil.copytree(folder, years.runs_path / folder.name)
    assert len(same(years)["run_id"].unique()) == RUNS + 4
    assert make_index(years.path, years.runs_path).added == 4
    same(years)


def test_tables_of_another_version_are_made_again(years: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of an older one go, those of a newer one stay for whoever has it."""
    indexed(years)
    (old,) = part_folders(years.path)
    newer = old.with_name(f"{DERIVATION + 5}-0123456789abcdef")
    older = old.with_name("0-0123456789abcdef")
    shutil.copytree(old, newer)
    old.rename(older)
    assert parts_of(years.path, DERIVATION) == []
    same(years)
    indexed(years)
    assert newer in part_folders(years.path)
    assert older not in part_folders(years.path)


def test_runs_of_versions_before_get_their_tables(generated: Path, tmp_path: Path) -> None:
    store = Store(tmp_path)
    team = Team(6, seed=3)
    for number in range(6):
        folder = write_run(store.runs_path, *team.run(number), tables=False)
        (folder / "measurements.parquet").write_bytes(b"as an older version wrote it")
    made = make_index(store.path, store.runs_path)
    assert made.added == len(list(store.runs_path.glob(f"*/{CASES}"))) == 6
    same(store)


def test_a_store_that_can_only_be_read(years: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StoreError, match=r"index can't be written \(Permission denied\)"):
        indexed(years)
    same(years)


def test_many_runs_outside_the_index_are_told(years: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "_MANY", 50)
    with pytest.warns(StoreNotice, match=r"5\d runs are not in the index of the store: bnnbench store index makes"):
        load(years)
    indexed(years)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(years)


def test_the_latest_run_and_the_list(years: Store) -> None:
    lines, latest, record = list_runs(years), years.folder("latest"), years.run("latest").record
    later = years.in_order(record)
    indexed(years)
    assert years.folder("latest") == latest
    assert years.in_order(record) == later
    after = [line.__class__(**{**_fields(line), "size_bytes": 0}) for line in list_runs(years)]
    assert after == [line.__class__(**{**_fields(line), "size_bytes": 0}) for line in lines]
    shutil.rmtree(latest)
    assert years.folder("latest") != latest


def _fields(line: object) -> dict[str, object]:
    return {name: getattr(line, name) for name in line.__struct_fields__}  # type: ignore[attr-defined]


def test_planned_columns_are_decided_by_the_plan_alone(years: Store) -> None:
    """Else a run that is resumed could have rows that a condition on them takes, and did not have before."""
    assert CASE_COLUMNS.keys() > PLANNED
    for folder in ended(years)[:20]:
        whole = load(years.run(folder.name))
        with years.reopen(folder.name) as writer:
            (folder / "journal.jsonl").write_bytes(b"")
            del writer
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            planned = load(years.run(folder.name))
        pd.testing.assert_frame_equal(whole[sorted(PLANNED)], planned[sorted(PLANNED)])


def test_within_a_block_each_run_is_looked_at_once(years: Store) -> None:
    """What is read twice is of the same moment: a run that changes meanwhile is seen changed after the block."""
    make_index(years.path, years.runs_path)
    folder = str(years.runs_path / years.run_ids()[0])
    with each_looked_at_once():
        before = seen_state(folder)
        os.utime(f"{folder}/run.json", ns=(1, 1))
        assert seen_state(folder) == before != state_of(folder)
    assert seen_state(folder) == state_of(folder) != before
