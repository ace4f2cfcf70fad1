"""Baselines and calibrations in object storage, against a real S3 server; and credentials, which are nowhere."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from bnnbench.results.errors import StoreWarning
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
