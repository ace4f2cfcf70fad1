"""Hosts that share a store in object storage, against a real S3 server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bnnbench.results import load
from bnnbench.results.errors import StoreError, StoreWarning
from bnnbench.results.records import DeviceEvent, RunEnd
from bnnbench.results.store.remote import live_run, progress
from bnnbench.results.store.remote.layout import RUN_FILES, SIGNATURE
from bnnbench.results.store.removal import removable, remove_run
from bnnbench.results.store.runs import RunWriter, Store
from bnnbench.results.tables.run_files import finish
from tests.results.conftest import synthetic_record, write_synthetic
from tests.results.remote.conftest import Host
from tests.s3 import Storage

ROOT = Path(__file__).parents[3]
RUN = synthetic_record().run_id
FINAL = sorted(RUN_FILES.keys() - {SIGNATURE})


def note(number: int) -> DeviceEvent:
    return DeviceEvent(device="pi4", kind="note", message=f"number {number}", started="2026-01-02T03:04:05Z")


def begun(store: Store, run_id: str = RUN) -> RunWriter:
    return store.create(msgspec.structs.replace(synthetic_record(), run_id=run_id))


def messages(store: Store, run_id: str = RUN) -> list[str]:
    return [event.message for event in store.run(run_id).events]


def test_another_host_reads_the_same_run(host: Host, storage: Storage, tmp_path: Path) -> None:
    with host("a") as store:
        written = write_synthetic(store())
    assert storage.names() == [f"runs/{RUN}/{name}" for name in FINAL]
    with host("b") as store:
        other = store()
        read = other.run()
        assert read.entries == written.entries
        assert read.record == written.record
        assert read.is_finished
        assert other.path.is_relative_to(tmp_path / "b")
        assert written.path is not None
        for name in FINAL:
            assert (other.runs_path / RUN / name).read_bytes() == (written.path / name).read_bytes()
        assert len(load(storage.url)) == len(load(written))


def test_nothing_is_sent_twice(host: Host, storage: Storage) -> None:
    with host("a") as store:
        write_synthetic(store())
        before = storage.client.head_object(Bucket=storage.bucket, Key=f"bench/results/runs/{RUN}/run.json")
        storage.line.allowed = 3000  # one list
        store()
        storage.line.allowed = None
        after = storage.client.head_object(Bucket=storage.bucket, Key=f"bench/results/runs/{RUN}/run.json")
    assert after["LastModified"] == before["LastModified"]


def test_a_live_run_grows_on_another_host_and_ends(
    host: Host, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_run, "EVERY_S", 0.0)
    with host("a") as store:
        writer = begun(store())
        writer.append(note(1))
        assert writer.share() is None
    with host("b") as store:
        assert messages(store()) == ["number 1"]
    with host("a"):
        writer.append(note(2), note(3))
        writer.share()
    with host("b") as store:
        assert messages(store()) == ["number 1", "number 2", "number 3"]
        assert store().run().end is None
    assert sum("/journal-" in key for key in storage.names()) == 2
    with host("a"), writer:
        writer.append(note(4))
        finish(writer)
        writer.append(RunEnd(finished="2026-01-02T03:09:10Z", outcome="complete", wall_ns=1, overhead={}))
    assert storage.names() == [f"runs/{RUN}/{name}" for name in FINAL]
    with host("b") as store:
        assert messages(store()) == [f"number {number}" for number in (1, 2, 3, 4)]
        assert store().run().end is not None
        assert storage.get(f"runs/{RUN}/journal.jsonl") == (store().runs_path / RUN / "journal.jsonl").read_bytes()


def test_a_part_waits_for_its_time(host: Host, storage: Storage) -> None:
    with host("a") as store:
        writer = begun(store())
        writer.append(note(1))
        writer.share()
        assert storage.names() == []
        writer.close()


def test_a_run_that_is_resumed_after_its_end_replaces_its_files(host: Host, storage: Storage) -> None:
    with host("a") as store:
        with begun(store()) as writer:
            writer.append(note(1))
            finish(writer)
        with host("b") as other:
            assert messages(other()) == ["number 1"]
        with store().reopen(RUN) as writer:
            writer.append(note(2))
            finish(writer)
    assert storage.get(f"runs/{RUN}/journal.end") == b"2\n"
    with host("b") as store:
        assert messages(store()) == ["number 1", "number 2"]
        assert (store().runs_path / RUN / "journal.end").read_bytes() == b"2\n"


def test_a_run_that_was_cut_off_is_uploaded_by_the_next_command(host: Host, storage: Storage) -> None:
    with host("a") as store:
        writer = begun(store())
        writer.append(note(1))
        with (writer.path / "journal.jsonl").open("ab") as file:
            file.write(b'{"type":"device_ev')  # in the middle of a line
        writer._live = None  # the process is killed: nothing is uploaded, and its lock ends
        writer.close()
        assert storage.names() == []
        store()
    assert [key for key in storage.names() if "run.json" in key] == [f"runs/{RUN}/run.json"]
    with host("b") as store:
        assert messages(store()) == ["number 1"]
    with host("a") as store, store().reopen(RUN) as writer:
        writer.append(note(2))
        finish(writer)
    with host("b") as store:
        assert messages(store()) == ["number 1", "number 2"]


def test_a_server_that_is_away_costs_one_warning_and_nothing_is_lost(
    host: Host, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_run, "EVERY_S", 0.0)
    with host("a") as store:
        writer = begun(store())
        storage.line.cut()
        writer.append(note(1))
        said = writer.share()
        assert said is not None
        assert "the run goes on" in said
        writer._live._next_s = 0.0  # type: ignore[union-attr]
        assert writer.share() is None
        writer.append(note(2))
        finish(writer)
        with pytest.warns(StoreWarning, match="the next command with --store s3://") as warned:
            writer.close()
        assert len(warned) == 1
        with pytest.warns(StoreWarning, match="the copy on this machine is used") as warned:
            assert messages(store()) == ["number 1", "number 2"]
        assert len(warned) == 1
        assert storage.names() == []
        storage.line.mend()
        store()
    with host("b") as store:
        assert messages(store()) == ["number 1", "number 2"]


def test_an_upload_that_is_cut_at_any_byte_is_completed_later(host: Host, storage: Storage) -> None:
    with host("a") as store:
        written = write_synthetic(store())
        assert written.path is not None
        files = {name: (written.path / name).read_bytes() for name in FINAL}
        size = sum(map(len, files.values()))
        storage_of_before = storage.names()
        for cut in (1, 5, 7):
            for key in storage.names():
                storage.delete(key)
            with host(f"c{cut}") as other:
                opened = other()
                run = opened.runs_path / RUN
                run.mkdir()
                for name, content in files.items():
                    (run / name).write_bytes(content)
                storage.line.allowed = size * cut // 8
                with pytest.warns(StoreWarning, match="can't be reached"):
                    other()
                storage.line.mend()
                storage.line.allowed = None
                seen = storage.names()
                assert seen != storage_of_before
                # Whoever reads now sees the whole run, or none.
                with host(f"d{cut}") as reader:
                    assert reader().run_ids() == []
                other()
            assert storage.names() == storage_of_before
            assert all(storage.get(f"runs/{RUN}/{name}") == content for name, content in files.items())


def test_an_answer_that_is_lost_does_no_harm(host: Host, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The object was made, and this host does not know it."""
    monkeypatch.setattr(live_run, "EVERY_S", 0.0)
    with host("a") as store:
        writer = begun(store())
        writer.append(note(1))
        half = (writer.path / "journal.jsonl").read_bytes()
        storage.put(f"runs/{RUN}/journal-{0:015d}.jsonl", half)
        writer.append(note(2))
        assert writer.share() is None
        writer.share()
        parts = [key for key in storage.names() if "/journal-" in key]
        assert len(parts) == 2
        with host("b") as other:
            assert messages(other()) == ["number 1", "number 2"]
        finish(writer)
        storage.put(f"runs/{RUN}/journal.jsonl", (writer.path / "journal.jsonl").read_bytes())
        writer.close()
    assert not [key for key in storage.names() if "/journal-" in key]


def test_a_run_of_the_same_id_is_never_overwritten(host: Host, storage: Storage) -> None:
    with host("a") as store:
        write_synthetic(store())
    there = storage.get(f"runs/{RUN}/run.json")
    with host("b") as store:
        for key in storage.names():
            storage.delete(key)
        opened = store()
        with opened.create(msgspec.structs.replace(synthetic_record(), seed=1)) as writer:
            storage.put(f"runs/{RUN}/run.json", there)
            writer.append(note(1))
            finish(writer)
            with pytest.warns(StoreWarning, match=f"run {RUN} is not uploaded"):
                writer.close()
    assert storage.get(f"runs/{RUN}/run.json") == there


def test_a_removed_run_vanishes_everywhere_but_one_that_waits_does_not(host: Host, storage: Storage) -> None:
    waiting = "20260103-000000-aaaaaa"
    with host("a") as store:
        write_synthetic(store())
    with host("b") as store:
        opened = store()
        assert opened.run_ids() == [RUN]
        storage.line.cut()
        writer = begun(opened, waiting)
        writer.append(note(1))
        finish(writer)
        with pytest.warns(StoreWarning, match="is kept in"):
            writer.close()
        storage.line.mend()
    with host("a") as store:
        opened = store()
        for folder in removable(opened, [RUN]):
            remove_run(opened, folder)
    assert not [key for key in storage.names() if RUN in key]
    with host("b") as store:
        assert store().run_ids() == [waiting]
    with host("a") as store:
        assert store().run_ids() == [waiting]


def test_a_run_is_not_removed_while_the_server_is_away(host: Host, storage: Storage) -> None:
    with host("a") as store:
        opened = store()
        write_synthetic(opened)
        storage.line.cut()
        with pytest.raises(StoreError, match="can't be reached"):
            remove_run(opened, opened.runs_path / RUN)
        assert opened.run_ids() == [RUN]


def test_a_removal_that_was_cut_off_is_completed(host: Host, storage: Storage) -> None:
    with host("a") as store:
        write_synthetic(store())
        storage.delete(f"runs/{RUN}/run.json")
        with host("b") as other:
            assert other().run_ids() == []
        assert store().run_ids() == []
    assert storage.names() == []


def test_a_run_that_is_discarded_leaves_nothing(host: Host, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_run, "EVERY_S", 0.0)
    with host("a") as store:
        writer = begun(store())
        writer.append(note(1))
        writer.share()
        assert storage.names()
        writer.discard()
        assert store().run_ids() == []
        assert storage.names() == []
        writer = begun(store())  # as a run in which no device could be measured
        writer.close()
        assert storage.names()
        writer.discard()
        assert store().run_ids() == []
    assert storage.names() == []


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_many_processes_write_and_read_at_once(host: Host, storage: Storage) -> None:
    """Of two hosts, three processes each."""
    code = """
import sys, warnings
warnings.simplefilter("error")
from tests.results.remote.test_exchange import begun, note
from bnnbench.results.tables.run_files import finish
from bnnbench.results.store.runs import Store
for number in range(3):
    store = Store(sys.argv[1])
    with begun(store, f"{sys.argv[2]}-{number}") as writer:
        writer.append(note(number), note(-number))
        finish(writer)
    for run in store.runs():
        assert len(run.events) == 2, run.record.run_id
"""
    processes = []
    for number in range(6):
        with host("ab"[number % 2]):
            words = [sys.executable, "-c", code, storage.url, f"run{number}"]
            processes.append(subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True))
    for process in processes:
        _, err = process.communicate(timeout=180)
        assert process.returncode == 0, err
    wanted = sorted(f"run{process}-{number}" for process in range(6) for number in range(3))
    for name in "abc":
        with host(name) as store:
            opened = store()
            assert opened.run_ids() == wanted
            assert all(len(run.events) == 2 for run in opened.runs())


def test_what_takes_long_is_counted_on_a_terminal(
    host: Host, storage: Storage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_FIRST_S", 0.0)
    with host("a") as store:
        write_synthetic(store())
    with host("b") as store:
        store()
        assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with host("c") as store:
        store()
    assert capsys.readouterr().err == f"exchanging runs and baselines with {storage.url}: 1 of 1\n"


def test_two_stores_of_one_bucket_do_not_mix(host: Host, storage: Storage) -> None:
    with host("a") as store:
        write_synthetic(store())
        assert Store(f"s3://{storage.bucket}/bench/result").run_ids() == []
        assert Store(f"s3://{storage.bucket}").run_ids() == []
