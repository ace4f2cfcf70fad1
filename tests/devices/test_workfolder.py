"""The work folder: blobs that are pushed once, and disks that are full, read-only or noexec."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bnnbench.devices.errors import CommandFailed, DeviceFull, InventoryError
from bnnbench.devices.inventory import DeviceSpec
from bnnbench.devices.transport import Transport, connect
from bnnbench.devices.workfolder import WorkFolder

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def spec(device: DeviceSpec, tmp_path: Path) -> DeviceSpec:
    return replace(device, workdir=f"{tmp_path}/work folder")


@pytest.fixture
def folder(transport: Transport, spec: DeviceSpec) -> WorkFolder:
    return WorkFolder.open(transport, spec)


@pytest.fixture
def mount(tmp_path: Path, device: DeviceSpec) -> Iterator[Path]:
    """An empty place to mount a small file system at; root only."""
    if device.name == "dropbear":
        pytest.skip("dropbear runs in a mount namespace of its own, which later mounts don't reach")
    if os.getuid() != 0:
        pytest.skip("mounting a tmpfs needs root")
    place = tmp_path / "mounted"
    place.mkdir()
    yield place
    subprocess.run(["umount", "-l", place], check=False, capture_output=True, timeout=20)


def mount_tmpfs(place: Path, options: str) -> None:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", place], capture_output=True, text=True, timeout=20
    )
    if done.returncode != 0:
        pytest.skip(f"tmpfs cannot be mounted here: {done.stderr.strip()}")


def blob_path(folder: WorkFolder, data: bytes) -> Path:
    return Path(folder.path) / "blobs" / hashlib.sha256(data).hexdigest()


def test_the_default_is_in_the_home_over_there(transport: Transport, device: DeviceSpec) -> None:
    folder = WorkFolder.open(transport, device)
    assert folder.path == f"{transport.home()}/.bnnbench"
    assert sorted(entry.name for entry in Path(folder.path).iterdir()) == ["blobs", "tmp"]
    assert not list((Path(folder.path) / "tmp").iterdir())
    home = WorkFolder.open(transport, replace(device, workdir="~/bench"))
    assert home.path == f"{transport.home()}/bench"


def test_a_blob_runs_and_travels_once(
    folder: WorkFolder, transport: Transport, monkeypatch: pytest.MonkeyPatch, spec: DeviceSpec
) -> None:
    script = b"#!/bin/sh\necho I am $0\n"
    relative = folder.blob(script, executable=True)
    assert relative == f"blobs/{hashlib.sha256(script).hexdigest()}"
    process = transport.spawn([relative], cwd=folder.path)
    assert process.read_line(time.monotonic() + 10).startswith("I am ")
    process.close()
    monkeypatch.setattr(transport, "push", None)
    assert folder.blob(script, executable=True) == relative
    assert WorkFolder.open(transport, spec).blob(script, executable=True) == relative
    monkeypatch.setattr(transport, "shell", None)
    assert folder.blob(script, executable=True) == relative


def test_data_becomes_executable_when_asked(folder: WorkFolder) -> None:
    data = b"#!/bin/sh\n"
    folder.blob(data)
    assert not blob_path(folder, data).stat().st_mode & 0o111
    folder.blob(data, executable=True)
    assert blob_path(folder, data).stat().st_mode & 0o100


def test_a_damaged_blob_is_detected_and_pushed_again(
    folder: WorkFolder, transport: Transport, spec: DeviceSpec
) -> None:
    data = b"weights" * 1000
    sha = hashlib.sha256(data).hexdigest()
    folder.blob(data)
    blob_path(folder, data).write_bytes(b"Weights" * 1000)
    again = WorkFolder.open(transport, spec)
    assert again.have([sha]) == frozenset()
    again.blob(data)
    assert blob_path(folder, data).read_bytes() == data
    assert again.have([sha, "0" * 64]) == {sha}


def test_many_blobs_in_few_round_trips(
    folder: WorkFolder,
    transport: Transport,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spec: DeviceSpec,
) -> None:
    sources: list[bytes | Path] = [b"%d" % index for index in range(30)]
    file = tmp_path / "file"
    file.write_bytes(b"from a file")
    paths = folder.blobs([*sources, file, b"0"])
    assert len(paths) == 32
    assert paths[0] == paths[-1]
    assert transport.pull(folder.absolute(paths[30])) == b"from a file"
    calls = []
    run = transport.run
    monkeypatch.setattr(transport, "run", lambda *args, **kwargs: calls.append(args) or run(*args, **kwargs))
    fresh = WorkFolder(transport, folder.path)
    assert fresh.blobs([*sources, file]) == paths[:-1]
    assert len(calls) == 1


def test_many_shas_at_once_do_not_make_a_long_command(folder: WorkFolder) -> None:
    folder.blob(b"here")
    here = hashlib.sha256(b"here").hexdigest()
    asked = [hashlib.sha256(b"%d" % index).hexdigest() for index in range(2000)]
    assert WorkFolder(folder._transport, folder.path).have([*asked, here]) == {here}


def test_run_folders(folder: WorkFolder, transport: Transport) -> None:
    relative = folder.run_folder("2026-01-02_ab")
    assert relative == "tmp/2026-01-02_ab"
    transport.push(b"x", folder.absolute(f"{relative}/output"), sha256=hashlib.sha256(b"x").hexdigest())
    folder.remove_run_folder("2026-01-02_ab")
    folder.remove_run_folder("2026-01-02_ab")
    assert not list((Path(folder.path) / "tmp").iterdir())
    for bad in ("", "..", "a/b", "-x", "$(id)", "a b"):
        with pytest.raises(ValueError, match="run id"):
            folder.run_folder(bad)


def test_trim_removes_the_least_recently_used(folder: WorkFolder, transport: Transport) -> None:
    contents = [bytes([65 + index]) * 1000 for index in range(5)]
    paths = folder.blobs(contents)
    for age, data in enumerate(contents):
        used = time.time() - 1000 * (5 - age)
        os.utime(blob_path(folder, data), (used, used))
    stranger = Path(folder.path) / "blobs" / "notes.txt"
    stranger.write_text("mine")
    WorkFolder(transport, folder.path).blob(contents[0])  # the oldest, but just used
    assert folder.trim(10_000) == 0
    assert folder.trim(3000, keep={paths[1]}) == 2000
    left = {data for data in contents if blob_path(folder, data).exists()}
    assert left == {contents[0], contents[1], contents[4]}
    assert stranger.exists()
    assert folder.trim(0) == 3000
    assert folder.blob(contents[2]) == paths[2]
    assert blob_path(folder, contents[2]).read_bytes() == contents[2]


def test_old_parts_are_cleared_and_young_ones_left(folder: WorkFolder, transport: Transport, spec: DeviceSpec) -> None:
    blobs = Path(folder.path) / "blobs"
    old, young = blobs / "a.1.part", blobs / "b.2.part"
    for part in (old, young):
        part.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    WorkFolder.open(transport, spec)
    assert not old.exists()
    assert young.exists()


def test_unusable_folders_are_sentences(transport: Transport, device: DeviceSpec) -> None:
    for workdir in ("bench", "/", "~other/x"):
        with pytest.raises(InventoryError, match="must be an absolute path or start with ~/"):
            WorkFolder.open(transport, replace(device, workdir=workdir))
    with pytest.raises(CommandFailed, match=r"/proc/bench .* cannot be written .* set workdir="):
        WorkFolder.open(transport, replace(device, workdir="/proc/bench"))


def test_noexec(transport: Transport, device: DeviceSpec, mount: Path) -> None:
    mount_tmpfs(mount, "noexec,size=1m")
    with pytest.raises(CommandFailed, match=r"no programs to run \(mounted noexec\?\); set workdir="):
        WorkFolder.open(transport, replace(device, workdir=str(mount)))


def test_a_full_disk_names_what_is_free_and_what_is_needed(
    transport: Transport, device: DeviceSpec, mount: Path
) -> None:
    mount_tmpfs(mount, "size=1m")
    folder = WorkFolder.open(transport, replace(device, workdir=str(mount)))
    folder.blob(b"fits" * 1000)
    data = os.urandom(3 << 20)
    with pytest.raises(DeviceFull) as caught:
        folder.blob(data)
    sentence = str(caught.value)
    free = folder.free_bytes()
    assert free is not None
    for part in (repr(device.name), str(mount), f"{free:,} bytes free", "3,145,728 are needed", "workdir="):
        assert part in sentence
    assert [entry.name for entry in (mount / "blobs").iterdir()] == [hashlib.sha256(b"fits" * 1000).hexdigest()]
    (mount / "filler").write_bytes(b"x" * free)
    with pytest.raises(DeviceFull, match="full"):
        connect_and_open(device, mount)


def connect_and_open(device: DeviceSpec, mount: Path) -> None:
    with connect(device) as transport:
        WorkFolder.open(transport, replace(device, workdir=str(mount)))
