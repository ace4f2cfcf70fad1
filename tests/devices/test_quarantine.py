"""Devices that runs refuse: the file they are kept in, and what puts them there."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from bnnbench.devices import quarantine
from bnnbench.devices.errors import DeviceError, DeviceQuarantined
from bnnbench.devices.spec import DeviceSpec

PI, OTHER = DeviceSpec("pi4", host="pi4.lab"), DeviceSpec("pi5", host="pi5.lab")


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "state/quarantine.json"
    monkeypatch.setattr(quarantine, "file_path", lambda: path)
    return path


def test_nothing_is_quarantined_at_first(file: Path) -> None:
    assert quarantine.quarantines() == []
    quarantine.require_fit(PI)
    quarantine.note_success(PI)
    assert quarantine.release(PI) is None


def test_why_since_when_and_how_it_ends() -> None:
    quarantine.quarantine(PI, "user", "its fan\nis broken.")
    with pytest.raises(DeviceQuarantined) as told:
        quarantine.require_fit(PI)
    assert str(told.value).startswith("Device 'pi4' is quarantined since 2")
    assert str(told.value).endswith(
        "UTC: its fan is broken; see to it, then bring it back with: bnnbench devices release pi4."
    )
    quarantine.require_fit(OTHER)
    ended = quarantine.release(PI)
    assert ended is not None
    assert ended.reason == "its fan is broken."
    quarantine.require_fit(PI)


def test_the_first_reason_stays() -> None:
    first = quarantine.quarantine(PI, "user", "first")
    assert quarantine.quarantine(PI, "lost", "second") == first


def test_a_board_is_known_by_where_it_is() -> None:
    quarantine.quarantine(PI, "user", "broken")
    again = DeviceSpec("pi4-big", host="pi4.lab", cores="big", user="root")
    with pytest.raises(DeviceQuarantined, match=r"evice 'pi4-big' is quarantined.*release pi4-big"):
        quarantine.require_fit(again)
    quarantine.require_fit(DeviceSpec("pi4", host="elsewhere.lab"))
    quarantine.require_fit(DeviceSpec("pi4", host="pi4.lab", port=8022))  # behind the same address, another machine


def test_an_emulated_cpu_is_not_this_machine() -> None:
    quarantine.quarantine(DeviceSpec("a72", "qemu", cpu="cortex-a72"), "user", "wrong")
    quarantine.require_fit(DeviceSpec("local", "local"))


def test_the_third_loss_in_a_row() -> None:
    assert quarantine.note_loss(PI, "gone.") is None
    assert quarantine.note_loss(PI, "gone.") is None
    assert quarantine.note_loss(OTHER, "gone.") is None
    found = quarantine.note_loss(PI, "gone for 120 s.")
    assert found is not None
    assert (found.cause, found.reason) == ("lost", "lost in 3 runs in a row, lastly: gone for 120 s.")


def test_a_good_run_counts_from_none_again() -> None:
    for _ in range(5):
        assert quarantine.note_loss(PI, "gone.") is None
        assert quarantine.note_loss(PI, "gone.") is None
        quarantine.note_success(PI)


def test_a_release_forgets_the_losses() -> None:
    for _ in range(3):
        quarantine.note_loss(PI, "gone.")
    quarantine.release(PI)
    assert quarantine.note_loss(PI, "gone.") is None


def document(**changes: object) -> str:
    row = {"device": "x", "place": "p", "cause": "user", "reason": "", "since": ""} | changes
    return json.dumps({"schema": 1, "quarantines": [row], "losses": {}})


DAMAGED = {
    "empty": "",
    "list": "[]",
    "object": "{}",
    "number": "3",
    "text": "not JSON",
    "deep": "[" * 100_000,
    "large": " " * (1 << 20) + "{}",
    "later": '{"schema": 2, "quarantines": [], "losses": {}}',
    "fields": '{"schema": 1, "quarantines": [{"device": "x"}], "losses": {}}',
    "type": document(device=3),
    "cause": document(cause="whim"),
    "unknown": document(colour="red"),
    "losses": '{"schema": 1, "quarantines": [], "losses": {"x": "many"}}',
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_one_sentence(file: Path, content: str) -> None:
    file.parent.mkdir()
    file.write_text(content)
    for ask in (lambda: quarantine.require_fit(PI), lambda: quarantine.note_loss(PI, "gone.")):
        with pytest.raises(DeviceError, match=r"quarantine\.json does not hold quarantines \(.*\); remove it.*\.$"):
            ask()
    assert file.read_text() == content


def test_a_folder_that_cannot_be_written_is_one_sentence(file: Path) -> None:
    file.parent.write_text("a file where the folder would be")
    quarantine.require_fit(PI)
    with pytest.raises(DeviceError, match="cannot be written"):
        quarantine.note_loss(PI, "gone.")


def test_threads_lose_no_count(file: Path) -> None:
    boards = [DeviceSpec(f"b{number}", host=f"b{number}.lab") for number in range(8)]
    threads = [threading.Thread(target=quarantine.note_loss, args=(board, "gone.")) for board in boards * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert json.loads(file.read_text())["losses"] == {f"ssh:{board.host}:": 2 for board in boards}
