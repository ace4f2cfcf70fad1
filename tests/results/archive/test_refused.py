"""What is refused of an archive: one sentence with the place, and nothing is left in the store."""

from __future__ import annotations

import json
import os
import stat
import tracemalloc
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bnnbench.results.archive import container
from bnnbench.results.archive.container import opened
from bnnbench.results.archive.error import ArchiveError
from bnnbench.results.archive.manifest import MANIFEST
from bnnbench.results.archive.unpack import unpack
from bnnbench.results.errors import StoreError
from bnnbench.results.store.runs import Store
from tests.results.archive.conftest import COMPARISON
from tests.results.archive.hostile_zip import RUN_ID, manifest_of, rewritten, write_bomb, write_zip

GOOD = {"run.json": b"{}", "journal.jsonl": b""}
OURS = ("run.json", "journal.jsonl", "journal.end", "calibrations/0.json")


def refusal(archive: Path, tmp_path: Path) -> str:
    """The sentence of the refusal; the store is as it was before, without the run or a part of it."""
    place = Store(tmp_path / "refusing")
    with pytest.raises(StoreError) as refused, opened(archive) as content:
        unpack(content, place)
    said = str(refused.value)
    assert not place.runs_path.exists() or not list(place.runs_path.iterdir())
    assert str(archive) in said
    assert "\n" not in said
    assert ": " in said
    return said


def crafted(tmp_path: Path, extra: Sequence[tuple[str, bytes]], **changes: object) -> Path:
    members = [(MANIFEST, manifest_of(GOOD, **changes)), *GOOD.items(), *extra]
    return write_zip(tmp_path / "hostile.bnn", members)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("/etc/passwd", "absolute name"),
        ("\\\\server\\share", "absolute name"),
        ("../journal.jsonl", "leads out"),
        ("calibrations/../../x", "leads out"),
        ("calibrations\\..\\x", "leads out"),
        ("C:run.json", "drive letter"),
        ("c:\\run.json", "drive letter"),
        ("run.json", "is there twice"),
        ("Run.json", "differ in case only"),
        ("JOURNAL.JSONL", "differ in case only"),
        ("notes.txt", "not listed in manifest.json"),
        ("calibrations/", "not a regular file"),
        ("a\\b", "name that no file of a run has"),
        ("a\x1b[2Jb", "name that no file of a run has"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names(tmp_path: Path, name: str, said: str) -> None:
    assert said in refusal(crafted(tmp_path, [(name, b"x")]), tmp_path)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (stat.S_IFLNK, "is a link"),
        (stat.S_IFIFO, "not a regular file"),
        (stat.S_IFCHR, "not a regular file"),
        (stat.S_IFSOCK, "not a regular file"),
        (stat.S_IFDIR, "not a regular file"),
        (0, "not a regular file"),
    ],
)
def test_kinds(tmp_path: Path, kind: int, said: str) -> None:
    contents = {**GOOD, "journal.jsonl": b"/etc/passwd"}
    members = [(MANIFEST, manifest_of(contents)), *contents.items()]
    path = write_zip(tmp_path / "hostile.bnn", members, mode={"journal.jsonl": kind | 0o777})
    assert f"'journal.jsonl' {said}" in refusal(path, tmp_path) or said in refusal(path, tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, "has format 2, and this bnnbench reads format 1: update bnnbench"),
        ({"format": 0}, "unknown format 0"),
        ({"format": "1"}, "cannot be read"),
        ({"run_id": "../x"}, "cannot be read"),
        ({"run_id": ""}, "cannot be read"),
        ({"more": 1}, "cannot be read"),
        ({"files": {}}, "does not list run.json"),
    ],
)
def test_manifests(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    assert said in refusal(crafted(tmp_path, [], **changes), tmp_path)


def test_no_manifest(tmp_path: Path) -> None:
    assert "no manifest.json" in refusal(write_zip(tmp_path / "x.bnn", list(GOOD.items())), tmp_path)


@pytest.mark.parametrize("name", OURS)
def test_a_file_that_is_missing(packed: Path, tmp_path: Path, name: str) -> None:
    said = refusal(rewritten(packed, tmp_path / "x.bnn", {name: None}), tmp_path)
    assert f"{name} is listed in manifest.json and missing" in said


@pytest.mark.parametrize("name", OURS)
def test_a_changed_byte_and_a_changed_size(packed: Path, tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(packed) as file:
        content = file.read(name)
    changed = content[:1] + bytes([content[1] ^ 1]) + content[2:]
    assert f"{name} is not what manifest.json says" in refusal(
        rewritten(packed, tmp_path / "x.bnn", {name: changed}), tmp_path
    )
    longer = rewritten(packed, tmp_path / "y.bnn", {name: content + b" "})
    assert f"{name} has {len(content) + 1} bytes where manifest.json says {len(content)}" in refusal(longer, tmp_path)


def test_a_run_of_another_id(packed: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(packed) as file:
        manifest = json.loads(file.read(MANIFEST)) | {"run_id": RUN_ID}
    said = refusal(rewritten(packed, tmp_path / "x.bnn", {MANIFEST: json.dumps(manifest).encode()}), tmp_path)
    assert f"run.json is of run '{COMPARISON}', and the archive of {RUN_ID}" in said


def test_a_run_of_a_newer_schema(tmp_path: Path) -> None:
    said = refusal(crafted(tmp_path, []), tmp_path)
    assert "run.json is not a run record" in said
    assert "refusing" not in said, "the folder is gone by the time that this is read"


def test_too_many_members(tmp_path: Path) -> None:
    extra = [(f"calibrations/{number}.json", b"") for number in range(300)]
    assert "more than 256 members" in refusal(crafted(tmp_path, extra), tmp_path)


@pytest.mark.parametrize(
    ("declared", "real", "said"),
    [
        (10 * 2**30, 10 * 2**30, "data beside its content"),
        (2**30 - 2**20, 2**30 - 2**20, "is compressed to"),
        (2**30 + 2**20, 10 * 2**30, "more than"),
        (2**20, 10 * 2**30, "damaged"),
    ],
    ids=["honest", "as large as allowed", "larger", "says a megabyte"],
)
def test_ten_gigabytes_in_a_few(
    tmp_path: Path, declared: int, real: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more than what the directory says is unpacked, nothing of it stays, and memory stays small."""
    path = write_bomb(tmp_path / "bomb.bnn", declared=declared, real=real)
    assert path.stat().st_size < 2**24
    written = 0
    original = container.Archive._content

    def counted(self: container.Archive, name: str) -> object:
        nonlocal written
        for chunk in original(self, name):
            written += len(chunk)
            yield chunk

    monkeypatch.setattr(container.Archive, "_content", counted)
    tracemalloc.start()
    try:
        assert said in refusal(path, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()
    assert written <= 2**20 + 2**10


def test_a_file_that_is_compressed_too_well_is_refused_before_it_is_read(tmp_path: Path) -> None:
    content = bytes(2**25)
    contents = {**GOOD, "journal.jsonl": content}
    path = write_zip(tmp_path / "x.bnn", [(MANIFEST, manifest_of(contents)), *contents.items()])
    assert "'journal.jsonl' has 33554432 bytes and is compressed to" in refusal(path, tmp_path)


def test_what_is_before_behind_or_between(packed: Path, tmp_path: Path) -> None:
    data = packed.read_bytes()
    for number, changed in enumerate((b"x" + data, data + b"x", data[:-22] + b"x" + data[-22:])):
        path = tmp_path / f"{number}.bnn"
        path.write_bytes(changed)
        refusal(path, tmp_path)


def test_a_zip64_directory_that_overrules_the_end(packed: Path, tmp_path: Path) -> None:
    data = packed.read_bytes()
    locator = b"PK\x06\x07" + bytes(16)
    path = tmp_path / "x.bnn"
    path.write_bytes(data[:-22] + locator + data[-22:])
    assert "its directory does not fit" in refusal(path, tmp_path)


def test_a_pipe_or_a_folder_is_no_archive(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, said in {
        "pipe": "not a regular file",
        "folder": "not a regular file",
        "nothing": "cannot be read",
    }.items():
        assert said in refusal(tmp_path / name, tmp_path)


def test_truncated_anywhere(packed: Path, tmp_path: Path) -> None:
    data = packed.read_bytes()
    path = tmp_path / "x.bnn"
    for length in [*range(0, len(data), 997), len(data) - 1]:
        path.write_bytes(data[:length])
        refusal(path, tmp_path)


@given(data=st.binary(max_size=400))
@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.bnn"
    for content in (data, b"PK\x03\x04" + data, data + b"PK\x05\x06" + bytes(18)):
        path.write_bytes(content)
        refusal(path, tmp_path)


@given(choice=st.data())
@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_any_changed_bytes_are_refused_or_change_nothing(packed: Path, tmp_path: Path, choice: st.DataObject) -> None:
    """Some bytes of a zip file mean nothing, such as dates; all others are covered by a checksum or a rule."""
    data = bytearray(packed.read_bytes())
    tail = st.integers(max(0, len(data) - 500), len(data) - 1)  # the directory
    for place in choice.draw(st.lists(st.integers(0, len(data) - 1) | tail, min_size=1, max_size=3)):
        data[place] ^= choice.draw(st.integers(1, 255))
    path, aside = tmp_path / "x.bnn", tmp_path / "aside"
    path.write_bytes(data)
    aside.mkdir(exist_ok=True)
    try:
        with opened(path) as archive:
            for name in OURS:
                (aside / name).unlink(missing_ok=True)
            archive.extract(aside)
    except ArchiveError as error:
        assert str(path) in str(error)  # noqa: PT017 - or it is extracted
        return
    with zipfile.ZipFile(packed) as file:
        assert {name: (aside / name).read_bytes() for name in OURS} == {name: file.read(name) for name in OURS}
