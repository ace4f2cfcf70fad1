"""Baselines and calibrations in object storage, against a real S3 server; and credentials, which are nowhere."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import msgspec
import pytest

from bnnbench.results.errors import StoreWarning
from bnnbench.results.store.alert_states import AlertState, parse_state, read_states, write_state
from bnnbench.results.store.baselines import Baseline, BaselineEngine, Baselines
from bnnbench.results.store.calibration import latest, save
from bnnbench.results.store.runs import Store
from tests.results.calibrated import calibrated
from tests.results.conftest import write_synthetic
from tests.results.remote.conftest import Host
from tests.s3 import Storage, planted_in


def saved(store: Store, folder: Path, version: str, created: str) -> None:
    engine = folder / f"engine{version}"
    engine.write_bytes(version.encode() * 5000)
    sha = hashlib.sha256(engine.read_bytes()).hexdigest()
    made = Baseline(
        name="main",
        created=created,
        version=version,
        run_id="r",
        suite={},
        engines=[BaselineEngine(engine="native", triple="x", sha256=sha)],
    )
    Baselines(store.path).save(made, {sha: engine}, {})


def test_baselines_are_shared_and_the_last_one_stays(host: Host, storage: Storage, tmp_path: Path) -> None:
    with host("a") as store:
        of_a = opened = store()
        saved(opened, tmp_path, "1", "2026-01-01T00:00:00+00:00")
        opened.upload()
    with host("b") as store:
        opened = store()
        assert Baselines(opened.path).get("main").version == "1"
        binary = Path(Baselines(opened.path).binaries("main", "native")["x"])
        assert binary.read_bytes() == b"1" * 5000
        assert binary.stat().st_mode & 0o111
        saved(opened, tmp_path, "3", "2026-01-03T00:00:00+00:00")
        opened.upload()
    with host("c") as store:
        opened = store()
        assert Baselines(opened.path).get("main").version == "3"
    with host("a") as store:
        # Saved before the one that is there now, while the server was away: of the copy of before.
        opened = of_a
        storage.line.cut()
        saved(opened, tmp_path, "2", "2026-01-02T00:00:00+00:00")
        with pytest.warns(StoreWarning, match="is uploaded by the next command"):
            opened.upload()
        storage.line.mend()
        assert Baselines(store().path).get("main").version == "3"
    storage.delete("baselines/main.json")
    with host("b") as store:
        assert Baselines(store().path).names() == []


def test_a_baseline_is_never_seen_half(host: Host, storage: Storage, tmp_path: Path) -> None:
    with host("a") as store:
        opened = store()
        saved(opened, tmp_path, "1", "2026-01-01T00:00:00+00:00")
        opened.upload()
        saved(opened, tmp_path, "2", "2026-01-02T00:00:00+00:00")
        storage.line.allowed = 6000  # the list, and a part of the engine
        with pytest.warns(StoreWarning, match="can't be reached"):
            opened.upload()
        storage.line.allowed = None
        storage.line.mend()
        with host("b") as other:
            assert Baselines(other().path).get("main").version == "1"
        store()
    with host("b") as other:
        found = Baselines(other().path)
        assert found.get("main").version == "2"
        assert found.binaries("main", "native")


def test_calibrations_are_shared(host: Host, storage: Storage) -> None:
    with host("a") as store:
        opened = store()
        save(opened.path, calibrated())
        opened.upload()
        opened.upload()
    assert storage.names() == ["devices/pi4/calibration-20260101T000000.json"]
    with host("b") as store:
        assert latest(store().path, "pi4") == calibrated()
        storage.delete(storage.names()[0])
        assert latest(store().path, "pi4") is None


def test_no_credential_is_in_any_file(host: Host, storage: Storage, tmp_path: Path) -> None:
    with host("a") as store:
        opened = store()
        write_synthetic(opened)
        saved(opened, tmp_path, "1", "2026-01-01T00:00:00+00:00")
        opened.upload()
        marker = json.loads((opened.path / "mirror.json").read_text())
    assert marker == {"url": storage.url, "endpoint": storage.line.url}
    assert planted_in(tmp_path) == []
    assert storage.names()
    for key in storage.names():
        (tmp_path / "object").write_bytes(storage.get(key))
        assert planted_in(tmp_path) == [], key


def noted(store: Store, note: str, changed: str) -> None:
    from tests.results.test_verify import decision

    write_state(store.path, msgspec.structs.replace(decision(), note=note, changed=changed))
    store.upload()


def notes(store: Store) -> list[str]:
    return [state.note for state in read_states(store.path)]


def test_decisions_about_alerts_are_shared_and_the_last_one_stays(host: Host, storage: Storage) -> None:
    with host("a") as store:
        noted(store(), "first", "2026-01-01T00:00:00+00:00")
    with host("b") as store:
        opened = store()
        assert notes(opened) == ["first"]
        noted(opened, "third", "2026-01-03T00:00:00+00:00")
    with host("a") as store:
        folder = store().path
        assert notes(store()) == ["third"]
        write_state(folder, msgspec.structs.replace(read_states(folder)[0], note="older", changed="2026-01-02T00"))
        assert notes(store()) == ["third"]
    with host("c") as store:
        assert notes(store()) == ["third"]


def test_a_damaged_decision_is_neither_taken_from_a_bucket_nor_brought_there(host: Host, storage: Storage) -> None:
    with host("a") as store:
        opened = store()
        noted(opened, "first", "2026-01-01T00:00:00+00:00")
    key = "alerts/0123456789ab.json"
    whole = storage.get(key)
    storage.put(key, whole.replace(b"first", b"other"))
    storage.put("alerts/run.json", whole)
    storage.put("alerts/0123456789ab.json/x.json", whole)
    with host("b") as store, pytest.warns(StoreWarning, match="not the state of an alert"):
        assert notes(store()) == []
    storage.delete(key)
    with host("c") as store:
        opened = store()
        assert not (opened.path / "alerts").exists()
        path = write_state(opened.path, read_states_of(whole))
        path.write_bytes(whole.replace(b"first", b"other"))
        with pytest.warns(StoreWarning, match="not the state of an alert"):
            opened.upload()
    assert key not in storage.names()


def read_states_of(document: bytes) -> AlertState:
    return parse_state(document, Path("0123456789ab.json"))
