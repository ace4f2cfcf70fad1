"""What a run learns about its devices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bnnbench.devices import quarantine
from bnnbench.devices.errors import CommandFailed, DeviceBusy, DeviceLost, DeviceUnfit
from bnnbench.devices.spec import DeviceSpec
from bnnbench.harness.bench.fitness import note_ending, note_suspects, suspects
from bnnbench.results.records import CaseRecord, Gate, RunRecord
from bnnbench.results.store.stored_run import StoredRun

PI = DeviceSpec("pi", host="pi.lab")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_a_device_that_is_unfit_is_quarantined_at_once() -> None:
    told: list[str] = []
    note_ending(PI, DeviceUnfit("device 'pi' was power-cycled 2 times and did not come back."), told.append)
    assert told[0].startswith("device 'pi' is quarantined since")
    assert quarantine.quarantine_of(PI) is not None


def test_only_losses_in_a_row_count() -> None:
    told: list[str] = []
    loss, busy = DeviceLost("device 'pi' is lost."), DeviceBusy("device 'pi' is busy.")
    for error in (loss, loss, None, loss, busy, CommandFailed("device 'pi' is odd."), loss):
        note_ending(PI, error, told.append)
    assert told == []
    note_ending(PI, loss, told.append)
    assert "lost in 3 runs in a row, lastly: Device 'pi' is lost" in told[0]


def test_a_file_that_cannot_be_written_is_told_and_no_more(state: Path) -> None:
    state.write_text("a file where the folder would be")
    told: list[str] = []
    note_ending(PI, DeviceUnfit("gone."), told.append)
    note_suspects(run(("a", {}), ("pi", {"status": "wrong_output"})), {"pi": PI}, told.append)
    assert len(told) == 2
    assert all("cannot be written" in text for text in told)


def run(*cases: tuple[str, dict[str, Any]]) -> StoredRun:
    """A run of one case per device; what is given changes the case or its gate."""
    records, gates = [], []
    for number, (device, changes) in enumerate(cases):
        known = {"workload": "w", "engine": "native", "engine_build": "build", "threads": 1} | {
            key: value for key, value in changes.items() if key in CaseRecord.__struct_fields__
        }
        records.append(CaseRecord(id=str(number), kind="kernel", device=device, **known))
        gates.append(Gate(case_id=str(number), status=changes.get("status", "ok"), isa=changes.get("gate_isa", "neon")))
    record = RunRecord(
        run_id="1", created="", version="0", suite_name="s", seed=0, cases=records, invocations_per_case=1,
        samples_per_invocation=1,
    )  # fmt: skip
    return StoredRun(record, gates)


WRONG = {"status": "wrong_output"}


def test_the_same_code_that_is_right_elsewhere() -> None:
    found = run(("a", {}), ("pi", WRONG), ("b", {}))
    assert suspects(found) == {"pi": "native computes w wrongly there, and the same build right on b"}
    told: list[str] = []
    note_suspects(found, {"pi": PI}, told.append)
    held = quarantine.quarantine_of(PI)
    assert held is not None
    assert held.cause == "gate"
    assert told == [f"{held.sentence}."]


@pytest.mark.parametrize(
    "other",
    [
        {"engine_build": "another"}, {"gate_isa": "neon_dotprod"}, {"workload": "v"}, {"threads": 2},
        {"variant": "layers"}, {"plan_sha256": "another"}, {"status": "failed"}, WRONG, {"engine_build": None},
        {"gate_isa": None},
    ],
    ids=str,
)  # fmt: skip
def test_what_shows_nothing_about_a_device(other: dict[str, Any]) -> None:
    assert suspects(run(("a", other), ("pi", WRONG))) == {}


def test_a_device_is_not_suspected_for_itself() -> None:
    assert suspects(run(("pi", {}), ("pi", WRONG))) == {}
