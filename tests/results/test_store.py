"""The store: what is written can be found again, and every refusal is a sentence."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from bnnbench.results.records import DeviceEvent, Gate, Invocation, RunEnd, RunRecord
from bnnbench.results.store import atomic
from bnnbench.results.store import runs as store_module
from bnnbench.results.store.runs import Store, StoredRun, StoreError, new_run_id
from bnnbench.results.tables.run_files import finish

NOTE = DeviceEvent(device="pi4", kind="note", message="hello")


def named(record: RunRecord, run_id: str, created: str | None = None) -> RunRecord:
    return msgspec.structs.replace(record, run_id=run_id, created=created or record.created)


def test_what_is_written_is_read(store: Store, record: RunRecord) -> None:
    with store.create(record) as writer:
        writer.append(NOTE)
        writer.append(Gate(case_id=record.cases[0].id, status="ok"))
    run = store.run(record.run_id)
    assert run.record == record
    assert run.entries == [NOTE, Gate(case_id=record.cases[0].id, status="ok")]
    assert run.warnings == []
    assert run.path == store.path / "runs" / record.run_id


def test_a_record_is_on_the_disk_when_append_returns(store: Store, record: RunRecord) -> None:
    with store.create(record) as writer:
        for count in range(1, 4):
            writer.append(NOTE)
            assert len(store.run(record.run_id).entries) == count


def test_a_store_named_runs_holds_the_runs_itself(tmp_path: Path, record: RunRecord) -> None:
    Store(tmp_path / "runs").create(record).close()
    assert (tmp_path / "runs" / record.run_id / "run.json").is_file()
    Store(tmp_path / "elsewhere").create(record).close()
    assert (tmp_path / "elsewhere" / "runs" / record.run_id / "run.json").is_file()


def test_finish_writes_parquet(synthetic: StoredRun) -> None:
    import pyarrow.parquet as pq

    assert synthetic.path is not None
    table = pq.read_table(synthetic.path / "measurements.parquet")
    assert table.num_rows == len(synthetic.invocations)
    assert table.schema.metadata[b"run_id"].decode() == synthetic.record.run_id
    first = table.slice(0, 1).to_pylist()[0]
    assert first["samples_ns"] == synthetic.invocations[0].samples_ns
    assert json.loads(first["telemetry"]) == synthetic.invocations[0].telemetry
    assert first["counters"] is None


def test_an_unfinished_run_has_parquet_columns_of_the_right_type(store: Store, record: RunRecord) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with store.create(record) as writer:
        schema = pq.read_schema(finish(writer))
    assert schema.field("samples_ns").type == pa.list_(pa.float64())
    assert schema.field("started").type == pa.timestamp("us", tz="UTC")


@pytest.mark.parametrize("bad", ["", "..", "a/b", ".hidden", "a" * 200, "a b"])
def test_a_run_id_is_a_plain_name(store: Store, record: RunRecord, bad: str) -> None:
    with pytest.raises(ValueError, match="a run id is made of"):
        store.create(named(record, bad))


def test_a_run_is_not_created_twice(store: Store, record: RunRecord) -> None:
    store.create(record).close()
    with pytest.raises(StoreError, match="exists already: resume it with --resume"):
        store.create(record)


def test_new_ids_are_names_that_differ_and_sort_by_time() -> None:
    from datetime import UTC, datetime

    early = new_run_id(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    late = new_run_id(datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC))
    assert early.startswith("20260102-030405-")
    assert early < late
    assert len({new_run_id() for _ in range(20)}) == 20


class TestSelection:
    @pytest.fixture
    def filled(self, store: Store, record: RunRecord) -> Store:
        for run_id, created in (
            ("20260101-aaa", "2026-01-01T00:00:00Z"),
            ("20260103-bbb", "2026-01-03T00:00:00Z"),
            # Its name sorts first, its time does not.
            ("00-copied", "2026-01-02T00:00:00Z"),
        ):
            store.create(named(record, run_id, created)).close()
        return store

    def test_runs_come_oldest_first(self, filled: Store) -> None:
        assert [run.record.run_id for run in filled.runs()] == ["20260101-aaa", "00-copied", "20260103-bbb"]

    @pytest.mark.parametrize(
        ("selector", "found"),
        [("latest", "20260103-bbb"), ("00", "00-copied"), ("20260101-aaa", "20260101-aaa"), ("202601", None)],
    )
    def test_selectors(self, filled: Store, selector: str, found: str | None) -> None:
        if found is None:
            with pytest.raises(StoreError, match=r"20260101-aaa, 20260103-bbb.*give more of the id"):
                filled.run(selector)
        else:
            assert filled.run(selector).record.run_id == found

    def test_a_whole_id_wins_over_a_longer_one(self, filled: Store, record: RunRecord) -> None:
        filled.create(named(record, "20260101")).close()
        assert filled.run("20260101").record.run_id == "20260101"

    def test_an_unknown_run_lists_what_there_is(self, filled: Store) -> None:
        with pytest.raises(StoreError, match=r"no run 'zzz' in .*: there is 00-copied, 20260101-aaa, 20260103-bbb"):
            filled.run("zzz")

    def test_an_empty_store_says_so(self, store: Store) -> None:
        for read in (store.runs, store.run):
            with pytest.raises(StoreError, match="holds no runs, there is no such folder"):
                read()
        store.runs_path.mkdir(parents=True)
        assert store.runs() == []
        with pytest.raises(StoreError, match="holds no runs: make one"):
            store.run()

    def test_a_path_selects_a_run(self, filled: Store, tmp_path: Path) -> None:
        folder = filled.runs_path / "00-copied"
        assert Store(tmp_path / "other").run(str(folder)).record.run_id == "00-copied"

    def test_a_folder_without_a_run_record_is_no_run(self, filled: Store) -> None:
        (filled.runs_path / "half-made").mkdir()
        assert "half-made" not in filled.run_ids()


def test_two_stores_merge_by_copying_folders(
    tmp_path: Path, record: RunRecord, write_run: Callable[..., StoredRun]
) -> None:
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    write_run(here, record)
    write_run(there, named(record, "20260109-000000-abcdef", "2026-01-09T00:00:00Z"))
    shutil.copytree(there.runs_path, here.runs_path, dirs_exist_ok=True)
    assert [run.record.run_id for run in here.runs()] == [record.run_id, "20260109-000000-abcdef"]
    assert here.run("latest").entries == there.run("latest").entries
    with here.reopen("20260109") as writer:
        writer.append(NOTE)


class TestRefusals:
    def test_a_file_in_place_of_the_store(self, tmp_path: Path, record: RunRecord) -> None:
        (tmp_path / "store").write_text("I am a file")
        with pytest.raises(StoreError, match="a file is in its place"):
            Store(tmp_path / "store").create(record)
        with pytest.raises(StoreError, match="is a file and no store"):
            Store(tmp_path / "store").runs()

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write to a read-only folder")
    def test_a_read_only_folder(self, tmp_path: Path, record: RunRecord) -> None:
        tmp_path.chmod(0o500)
        with pytest.raises(StoreError, match=r"can't be written .*make the folder writable"):
            Store(tmp_path / "store").create(record)

    def test_a_file_system_that_takes_no_folders(self, record: RunRecord) -> None:
        with pytest.raises(StoreError, match="/proc/bnnbench"):
            Store("/proc/bnnbench").create(record)

    def test_a_full_disk_keeps_what_was_written(self, store: Store, record: RunRecord) -> None:
        import resource
        import signal

        with store.create(record) as writer:
            writer.append(NOTE)
            size = (writer.path / "journal.jsonl").stat().st_size
            # A file size limit stops the kernel in the middle of a write, as a full disk does.
            old, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, hard))
            try:
                with pytest.raises(StoreError, match=r"journal.jsonl can't be written \(File too large\)"):
                    writer.append(NOTE)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (old, hard))
                signal.signal(signal.SIGXFSZ, handler)
            assert (writer.path / "journal.jsonl").stat().st_size == size
            writer.append(NOTE)
        run = store.run(record.run_id)
        assert run.entries == [NOTE, NOTE]
        assert run.warnings == []

    def test_the_sentence_for_a_full_disk(self) -> None:
        from bnnbench.results.errors import store_error

        sentence = str(store_error(OSError(errno.ENOSPC, "No space left on device"), Path("x/journal.jsonl")))
        assert sentence == (
            "x/journal.jsonl can't be written because the disk is full: free some space, or name another --store"
        )

    def test_a_failed_atomic_write_leaves_the_old_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "page.html"
        atomic.write_atomically(path, b"old")

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(atomic.os, "fsync", full)
        with pytest.raises(StoreError, match="the disk is full"):
            atomic.write_atomically(path, b"new")
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]

    def test_a_run_that_can_not_be_created_leaves_nothing(
        self, store: Store, record: RunRecord, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(path: Path, content: bytes) -> None:
            raise StoreError("no")

        monkeypatch.setattr(store_module, "write_atomically", refuse)
        with pytest.raises(StoreError):
            store.create(record)
        monkeypatch.undo()
        store.create(record).close()

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"run_id": 3}', b"\xff\xfe"])
    def test_a_damaged_run_record(self, store: Store, record: RunRecord, content: bytes) -> None:
        store.create(record).close()
        (store.runs_path / record.run_id / "run.json").write_bytes(content)
        with pytest.raises(StoreError, match=r"run.json is not a run record"):
            store.run(record.run_id)

    def test_a_run_of_a_newer_schema(self, store: Store, record: RunRecord) -> None:
        store.create(msgspec.structs.replace(record, schema=99)).close()
        with pytest.raises(StoreError, match=r"has schema 99 .* update bnnbench"):
            store.run(record.run_id)


def test_end_is_the_last_word(store: Store, record: RunRecord) -> None:
    case = record.cases[0].id
    end = RunEnd(finished="2026-01-02T00:00:00Z", outcome="interrupted")
    with store.create(record) as writer:
        assert writer.read().end is None
        writer.append(end)
        assert writer.read().end == end
        writer.append(Invocation(case_id=case, index=0, order=0, status="ok"))
        assert writer.read().end is None


def test_an_invocation_done_again_stands(store: Store, record: RunRecord) -> None:
    case = record.cases[0].id
    with store.create(record) as writer:
        writer.append(Invocation(case_id=case, index=1, order=0, status="failed", reason="lost"))
        writer.append(Invocation(case_id=case, index=0, order=1, status="ok"))
        writer.append(Invocation(case_id=case, index=1, order=2, status="ok"))
        stored = writer.read()
    assert [(one.index, one.status) for one in stored.invocations_by_case[case]] == [(0, "ok"), (1, "ok")]
    assert len(stored.invocations) == 3
