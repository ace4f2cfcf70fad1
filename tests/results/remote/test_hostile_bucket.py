"""A bucket that anybody may have written to: nothing gets out of the mirror, and no lie is taken for a run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from bnnbench.results.errors import StoreWarning
from bnnbench.results.store.baselines import Baselines
from bnnbench.results.store.remote.layout import RUN_FILES, Listing, Object, sort
from bnnbench.results.store.runs import Store
from bnnbench.results.tables.run_files import TABLES
from tests.results.conftest import synthetic_record, write_synthetic
from tests.results.remote.conftest import Host
from tests.s3 import Storage

RUN = synthetic_record().run_id
HOSTILE = [
    "runs/../../../evil/run.json",
    "runs/..\\..\\evil/run.json",
    "runs//run.json",
    "runs/./run.json",
    "runs/.hidden/run.json",
    "runs/a/../run.json",
    "runs/a/b/run.json",
    "runs/a/journal.lock",
    "runs/a/evil.py",
    "runs/a\x1b[31m/run.json",
    "runs/a\nb/run.json",
    "runs/nul/run.json",
    "runs/COM1.x/run.json",
    "runs/a./run.json",
    "runs/" + "a" * 200 + "/run.json",
    "/etc/passwd",
    "//runs/x/run.json",
    "C:/runs/x/run.json",
    "mirror.json",
    ".sync/runs/x.json",
    "index/part.parquet",
    "devices/../calibration-1.json",
    "devices/a/b/calibration-1.json",
    "devices/a/calibration-../../x.json",
    "devices/.a/calibration-1.json",
    "baselines/../x.json",
    "baselines/.lock",
    "baselines/a/capsule.json",
    "baselines/.old-main.json",
]


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("key", HOSTILE)
def test_a_foreign_key_is_no_part_of_a_store(key: str) -> None:
    listing = sort([Object(key, "e", 10)])
    assert listing == Listing()


@pytest.mark.parametrize("name", RUN_FILES)
def test_an_object_that_is_too_large_is_left_out(name: str) -> None:
    most = RUN_FILES[name]
    assert sort([Object(f"runs/a/{name}", "e", most)]).runs
    assert not sort([Object(f"runs/a/{name}", "e", most + 1)]).runs


def test_names_that_a_disk_would_mix_up_are_refused() -> None:
    listing = sort(Object(f"runs/{name}/run.json", "e", 9) for name in ("Ab", "aB", "ac"))
    assert list(listing.runs) == ["Ab", "ac"]
    assert listing.refused == ["runs/aB"]
    listing = sort(Object(f"devices/{name}/calibration-1.json", "e", 9) for name in ("K\u00fc", "Ku\u0308"))
    assert len(listing.calibrations) == 1


def test_hostile_keys_leave_nothing(host: Host, storage: Storage, tmp_path: Path) -> None:
    with host("a") as store:
        write_synthetic(store())
    sent = 0
    for key in HOSTILE:
        try:
            storage.put(key, b"{}")
            sent += 1
        except Exception:  # noqa: S112 - keys that the server itself refuses
            continue
    assert sent > 20
    with host("b") as store:
        opened = store()
        assert opened.run_ids() == [RUN]
        opened.run()
    found = {name for name in files_below(tmp_path / "b") if not name.endswith(".lock")}
    mirror = opened.path.relative_to(tmp_path / "b")
    names = ("run.json", "journal.jsonl", "journal.end", "files.json", *TABLES)
    kept = {f"runs/{RUN}/{name}" for name in names}
    assert found == {f"{mirror}/{name}" for name in {*kept, "mirror.json", f".sync/runs/{RUN}.json"}}


def test_the_run_of_another_case_does_not_remove_ours(host: Host, storage: Storage) -> None:
    name = "zz-run"
    with host("a") as store:
        opened = store()
        with opened.create(synthetic_record(name)):
            pass
        storage.put(f"runs/{name.upper()}/run.json", b"{}")
        with pytest.warns(StoreWarning, match="letter case"):
            assert name in store().run_ids()


def pointer(**changed: object) -> bytes:
    document = b'{"name":"main"}'
    files = {"capsule.json": {"sha256": hashlib.sha256(document).hexdigest(), "size": len(document)}}
    return json.dumps({"name": "main", "created": "2026", "files": files} | changed).encode()


def other(place: str, sha: str = "0" * 64, size: int = 4) -> dict[str, object]:
    return {"capsule.json": {"sha256": "1" * 64, "size": 4}, place: {"sha256": sha, "size": size}}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[]", "Expected"),
        (b"{", "truncated"),
        (b"[" * 100_000, "nested|Expected"),
        (pointer(name="other"), "not one of this baseline"),
        (pointer(files={}), "not one of this baseline"),
        (pointer(files=other("../../evil")), "outside"),
        (pointer(files=other("/etc/evil")), "outside"),
        (pointer(files=other("engines/../../../evil")), "outside"),
        (pointer(files=other(f"files/{'0' * 64}/..")), "outside"),
        (pointer(files=other(f"files/{'0' * 64}/a\\b")), "outside"),
        (pointer(files=other(f"files/{'0' * 64}/a\nb")), "outside"),
        (pointer(files=other(f"engines/{'0' * 64}", sha="../../evil")), "outside"),
        (pointer(files=other(f"engines/{'0' * 64}", size=1 << 50)), "too large"),
        (pointer(files=other(f"engines/{'0' * 64}", size=-1)), "too large"),
    ],
)
def test_a_hostile_list_of_a_baseline_is_refused(
    host: Host, storage: Storage, tmp_path: Path, content: bytes, why: str
) -> None:
    storage.put("baselines/main.json", content)
    with host("a") as store:
        with pytest.warns(StoreWarning, match=why):
            opened = store()
        assert Baselines(opened.path).names() == []
    assert not [name for name in files_below(tmp_path) if "evil" in name]


def test_content_that_was_exchanged_is_refused(host: Host, storage: Storage) -> None:
    sha = hashlib.sha256(b'{"name":"main"}').hexdigest()
    storage.put("baselines/main.json", pointer())
    storage.put(f"blobs/{sha}", b'{"name":"evil"}')
    with host("a") as store:
        with pytest.warns(StoreWarning, match="is not what was saved"):
            opened = store()
        assert not (opened.path / "baselines/main").exists()


def test_a_store_cannot_name_itself_a_mirror(host: Host, storage: Storage, tmp_path: Path) -> None:
    """Only the user's own words connect to a bucket, never a file of a store from elsewhere."""
    with host("a") as store:
        mirror = store().path
        folder = tmp_path / "received"
        folder.mkdir()
        (folder / "mirror.json").write_bytes((mirror / "mirror.json").read_bytes())
        opened = Store(folder)
        assert opened.remote is None
        write_synthetic(opened)
    assert storage.names() == []
