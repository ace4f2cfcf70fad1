"""The journal survives what kills its writer."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bnnbench.results.records import DeviceEvent, Invocation, RunRecord
from bnnbench.results.store import journal
from bnnbench.results.store.runs import Store, StoreError


def invocation(index: int) -> Invocation:
    return Invocation(
        case_id="c", index=index, order=index, status="ok", samples_ns=[1.5, 2.5], stderr='schön {"a": 1}'
    )


def test_cut_at_every_byte_of_the_last_record(store: Store, record: RunRecord) -> None:
    with store.create(record) as writer:
        writer.append(invocation(0))
        writer.append(invocation(1))
    path = store.runs_path / record.run_id / "journal.jsonl"
    whole = path.read_bytes()
    first = len(journal.encode(invocation(0)))
    for length in range(first, len(whole)):
        path.write_bytes(whole[:length])
        # Only the newline is missing: the record itself is whole.
        kept = 2 if length == len(whole) - 1 else 1
        run = store.run(record.run_id)
        assert run.entries == [invocation(index) for index in range(kept)], length
        assert len(run.warnings) == (0 if kept == 2 or length == first else 1), length
        assert path.read_bytes() == whole[:length]
        with store.reopen(record.run_id) as writer:
            writer.append(invocation(7))
        run = store.run(record.run_id)
        assert run.entries == [*(invocation(index) for index in range(kept)), invocation(7)], length
        assert run.warnings == []
        assert path.read_bytes().startswith(whole[:first])


def test_a_tail_of_zeros_is_cut_off(store: Store, record: RunRecord) -> None:
    with store.create(record) as writer:
        writer.append(invocation(0))
    path = store.runs_path / record.run_id / "journal.jsonl"
    with path.open("ab") as file:
        file.write(b"\0" * 512)
    assert store.run(record.run_id).entries == [invocation(0)]
    with store.reopen(record.run_id) as writer:
        writer.append(invocation(1))
    assert store.run(record.run_id).entries == [invocation(0), invocation(1)]


def test_a_damaged_line_costs_itself_alone_and_is_told(store: Store, record: RunRecord) -> None:
    with store.create(record) as writer:
        writer.append(invocation(0))
    path = store.runs_path / record.run_id / "journal.jsonl"
    with path.open("ab") as file:
        file.write(b'{"type":"hologram","depth":3}\n{"type":"gate"}\nrubbish\n')
    with store.reopen(record.run_id) as writer:
        writer.append(invocation(1))
    run = store.run(record.run_id)
    assert run.entries == [invocation(0), invocation(1)]
    assert [warning.split(" of the journal ")[0] for warning in run.warnings] == [
        "line 2",
        "line 3",
        "line 4",
    ]
    assert "only a newer bnnbench reads" in run.warnings[0]
    assert "damaged" in run.warnings[1]


def test_a_missing_journal_is_an_empty_one(store: Store, record: RunRecord) -> None:
    store.create(record).close()
    (store.runs_path / record.run_id / "journal.jsonl").unlink()
    assert store.run(record.run_id).entries == []
    with store.reopen(record.run_id) as writer:
        writer.append(invocation(0))
    assert store.run(record.run_id).entries == [invocation(0)]


def test_threads_do_not_tear_each_others_lines(store: Store, record: RunRecord) -> None:
    with store.create(record) as writer:

        def work(device: int) -> None:
            for number in range(25):
                writer.append(DeviceEvent(device=str(device), kind="note", message="x" * (number * 40)))

        threads = [threading.Thread(target=work, args=(device,)) for device in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    run = store.run(record.run_id)
    assert run.warnings == []
    assert len(run.entries) == 100


def test_a_closed_writer_refuses(store: Store, record: RunRecord) -> None:
    writer = store.create(record)
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="is closed"):
        writer.append(invocation(0))


def test_two_writers_in_one_process(store: Store, record: RunRecord) -> None:
    with store.create(record), pytest.raises(StoreError, match="being written by another process"):
        store.reopen(record.run_id)
    store.reopen(record.run_id).close()


WRITER = """
import sys
from bnnbench.results.records import DeviceEvent
from bnnbench.results.store.runs import Store
writer = Store(sys.argv[1]).reopen(sys.argv[2])
print("ready", flush=True)
number = 0
while True:
    writer.append(DeviceEvent(device="d", kind="note", message=f"{number} " + "x" * 20000))
    print(number, flush=True)
    number += 1
"""


@pytest.mark.parametrize("delay", [0.03, 0.08, 0.15])
def test_a_writer_killed_while_it_appends_loses_nothing_it_reported(
    store: Store, record: RunRecord, tmp_path: Path, delay: float
) -> None:
    store.create(record).close()
    told = tmp_path / "told"
    with told.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(store.path), record.run_id], stdout=output, env=os.environ
        )
        try:
            deadline = time.monotonic() + 30
            while b"1\n" not in told.read_bytes():
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
            # Another process holds the run until it dies.
            with pytest.raises(StoreError, match="being written by another process"):
                store.reopen(record.run_id)
            time.sleep(delay)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(10)
    lines = told.read_text().split()
    last = int(lines[-1])
    run = store.run(record.run_id)
    numbers = [int(event.message.split()[0]) for event in run.events]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= last + 1
    with store.reopen(record.run_id) as writer:
        writer.append(invocation(0))
    again = store.run(record.run_id)
    assert again.warnings == []
    assert len(again.events) == len(numbers)
    assert again.invocations == [invocation(0)]
