"""An archive holds a run, all of it, and always in the same bytes."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from pathlib import Path

import pytest
from msgspec.structs import replace
from pandas.testing import assert_frame_equal

from bnnbench.results import load
from bnnbench.results.archive.container import opened
from bnnbench.results.archive.error import ArchiveError
from bnnbench.results.archive.manifest import FORMAT, MANIFEST
from bnnbench.results.archive.pack import pack
from bnnbench.results.archive.unpack import unpack, unpack_aside
from bnnbench.results.store.calibration import latest, save
from bnnbench.results.store.runs import Store
from bnnbench.results.store.signature import is_signed, sign
from tests.results.archive.conftest import CALIBRATION, COMPARISON, FROZEN

RUNS = sorted(folder.name for folder in FROZEN.glob("2*"))


@pytest.mark.parametrize("run_id", RUNS)
def test_a_run_comes_back_as_it_was(store: Store, tmp_path: Path, run_id: str) -> None:
    done = pack(store.run(run_id), tmp_path / "run.bnn")
    with opened(done.path) as archive:
        found = unpack(archive, Store(tmp_path / "other"))
    assert found.is_new
    for name in ("run.json", "journal.jsonl", "journal.end"):
        assert (found.path / name).read_bytes() == (store.runs_path / run_id / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "other/runs").iterdir()) == [run_id]
    again = Store(tmp_path / "other").run(run_id)
    assert again.is_finished
    assert_frame_equal(load(again), load(store.run(run_id)))


def test_the_manifest_lists_every_file_with_its_digest(packed: Path) -> None:
    with zipfile.ZipFile(packed) as file:
        manifest = json.loads(file.read(MANIFEST))
        assert (manifest["format"], manifest["run_id"], manifest["redacted"]) == (FORMAT, COMPARISON, False)
        assert set(manifest["files"]) == set(file.namelist()) - {MANIFEST}
        for name, listed in manifest["files"].items():
            content = file.read(name)
            assert listed == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        record = json.loads(file.read("run.json"))
    assert {"suite", "devices", "host", "builds", "cases"} <= record.keys()


def test_equal_runs_are_equal_bytes(store: Store, packed: Path, tmp_path: Path) -> None:
    """Wherever, whenever and by whomever: no time, owner or order of a folder is in it."""
    with opened(packed) as archive:
        folder = unpack(archive, Store(tmp_path / "other")).path
    (folder / "journal.jsonl").chmod(0o600)
    other = pack(Store(tmp_path / "other").run(COMPARISON), tmp_path / "other.bnn", calibrations=[CALIBRATION]).path
    assert other.read_bytes() == packed.read_bytes()


def test_a_signature_does_not_travel(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is unpacked is from elsewhere, also for who packed it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    sign(store.runs_path / COMPARISON / "run.json")
    assert is_signed(store.runs_path / COMPARISON / "run.json")
    done = pack(store.run(COMPARISON), tmp_path / "run.bnn")
    with opened(done.path) as archive:
        found = unpack(archive, Store(tmp_path / "other"))
    assert not is_signed(found.path / "run.json")
    assert not (found.path / "run.json.signature").exists()


def test_a_run_that_is_there_already_is_fine_and_another_one_is_refused(packed: Path, store: Store) -> None:
    with opened(packed) as archive:
        assert not unpack(archive, store).is_new
    journal = store.runs_path / COMPARISON / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-10])
    with opened(packed) as archive, pytest.raises(ArchiveError, match=r"its journal\.jsonl is not that of"):
        unpack(archive, store)


def test_a_link_in_a_run_is_not_followed(store: Store, tmp_path: Path) -> None:
    journal = store.runs_path / COMPARISON / "journal.jsonl"
    journal.rename(tmp_path / "elsewhere")
    journal.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArchiveError, match=r"journal\.jsonl is a link"):
        pack(store.run(COMPARISON), tmp_path / "run.bnn")
    assert not (tmp_path / "run.bnn").exists()


def test_a_store_that_cannot_be_written_keeps_nothing(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with opened(packed) as archive, pytest.raises(Exception, match="a file is in its place"):
        unpack(archive, Store(tmp_path / "file"))


def test_calibrations_are_for_reading_only(packed: Path, tmp_path: Path) -> None:
    """Of a device elsewhere: they say nothing about one of this store that has its name."""
    with opened(packed) as archive:
        found = unpack(archive, Store(tmp_path / "other"))
        (tmp_path / "aside").mkdir()
        aside, run, calibrations = unpack_aside(archive, tmp_path / "aside")
    assert calibrations == {"local": CALIBRATION}
    assert latest(aside.path, "local") == CALIBRATION
    assert run.record.run_id == COMPARISON
    assert not (found.path / "calibrations").exists()
    assert not (tmp_path / "other/devices").exists()


def test_the_calibration_of_the_time_is_taken(tmp_path: Path) -> None:
    for day in ("01", "02", "03"):
        save(tmp_path, replace(CALIBRATION, created=f"2026-11-{day}T00:00:00.000+00:00"))
    for moment, day in {"2026-11-02T12:00:00.000+00:00": "02", None: "03"}.items():
        assert latest(tmp_path, "local", moment) == replace(CALIBRATION, created=f"2026-11-{day}T00:00:00.000+00:00")
    assert latest(tmp_path, "local", "2026-10-01T00:00:00.000+00:00") is None


def test_members_are_plain_files(packed: Path) -> None:
    with zipfile.ZipFile(packed) as file:
        assert {info.external_attr >> 16 for info in file.infolist()} == {stat.S_IFREG | 0o644}
        assert {info.date_time for info in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
