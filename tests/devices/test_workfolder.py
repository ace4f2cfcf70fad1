"""The work folder: blobs that are pushed once, and disks that are full, read-only or noexec."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bnnbench.devices.errors import CommandFailed, DeviceFull, InventoryError
from bnnbench.devices.folder_scripts import HAVE, LIST, MAKE_RUN, MARKER, OPEN
from bnnbench.devices.inventory import DeviceSpec
from bnnbench.devices.transport import Transport, connect
from bnnbench.devices.transport.marks import Mark
from bnnbench.devices.transport.quoting import command_line
from bnnbench.devices.transport.ssh import MAX_COMMAND_BYTES
from bnnbench.devices.workfolder import WorkFolder

from .sshd import LoopbackSsh

pytestmark = pytest.mark.timeout(60)
RUN = "20260102-030405-0a1b2c"
DAYS_AGO = (time.time() - 5 * 86400,) * 2


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


def folder_tmp(folder: WorkFolder) -> Path:
    return Path(folder.path) / "tmp"


def test_the_default_is_in_the_home_over_there(transport: Transport, device: DeviceSpec) -> None:
    folder = WorkFolder.open(transport, device)
    assert folder.path == f"{transport.home()}/.bnnbench"
    assert sorted(entry.name for entry in Path(folder.path).iterdir()) == ["blobs", MARKER, "tmp"]
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
    relative = folder.run_folder(RUN)
    assert relative == f"tmp/{RUN}"
    transport.push(b"x", folder.absolute(f"{relative}/output"), sha256=hashlib.sha256(b"x").hexdigest())
    folder.remove_run_folder(RUN)
    folder.remove_run_folder(RUN)
    assert not list((Path(folder.path) / "tmp").iterdir())
    for bad in ("", "..", "a/b", "-x", "$(id)", "a b", "infer-1", f"{RUN}.x"):
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


def test_processes_do_not_grow_with_the_number_of_blobs(tmp_path: Path) -> None:
    """Boards start a few hundred processes a second: all of a folder's files are settled, and listed, by a few."""
    blobs, tools, log = tmp_path / "blobs", tmp_path / "tools", tmp_path / "log"
    blobs.mkdir()
    tools.mkdir()
    for tool in ("chmod", "touch", "wc", "ls"):
        path = tools / tool
        path.write_text(f'#!/bin/sh\necho {tool} >> {log}\nPATH=${{PATH#*:}}\nexec {tool} "$@"\n')
        path.chmod(0o700)
    shas = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(130)]
    for number, sha in enumerate(shas):
        (blobs / sha).write_bytes(b"%d" % number)
        (blobs / sha).chmod(0o600)
        os.utime(blobs / sha, (1e9 + number, 1e9 + number))
    (blobs / ("f" * 64 + ".x.part")).write_bytes(b"half")
    (blobs / "link").symlink_to(blobs / shas[0])

    def run(script: str, *words: str, input: str = "") -> list[str]:
        path = f"{tools}:{os.environ['PATH']}"
        argv = ["sh", "-c", script, "sh", str(tmp_path), *words]
        done = subprocess.run(argv, env={"PATH": path}, input=input, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    newest_first = [f"{len(str(number))} {shas[number]}" for number in reversed(range(130))]
    assert [line for line in run(LIST) if "link" not in line] == newest_first
    asked = "".join(f"{sha} {'x' if number < 5 else '-'}\n" for number, sha in enumerate(shas))
    assert run(HAVE, "sha256sum", input=asked) == [f"have {sha}" for sha in shas]
    modes = [(blobs / sha).stat().st_mode & 0o777 for sha in shas]
    assert modes == [0o500] * 5 + [0o400] * 125
    assert all((blobs / sha).stat().st_mtime > 1.1e9 for sha in shas)
    assert Counter(log.read_text().split()) == {"ls": 1, "chmod": 3, "touch": 2}


def test_old_parts_are_cleared_and_young_ones_left(folder: WorkFolder, transport: Transport, spec: DeviceSpec) -> None:
    blobs = Path(folder.path) / "blobs"
    old, young = (blobs / f"{digit * 64}.01234567.part" for digit in "ab")
    strangers = [blobs / "film.avi.part", folder_tmp(folder) / f"{'a' * 64}.01234567.part"]
    for part in (old, young, *strangers):
        part.write_bytes(b"half")
    for part in (old, *strangers):
        os.utime(part, DAYS_AGO)
    WorkFolder.open(transport, spec)
    assert not old.exists()
    assert young.exists()
    assert all(part.exists() for part in strangers)


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


def test_only_runs_that_were_left_behind_are_removed_from_tmp(
    folder: WorkFolder, transport: Transport, spec: DeviceSpec, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thesis.txt").write_text("mine")
    tmp = folder_tmp(folder)
    left_behind, young, link = (tmp / f"20260102-030405-{digit * 6}" for digit in "abc")
    kept = [tmp / name for name in ("photos", "2026-01-02", "infer-12", f"{RUN}.old", f"x{RUN}", RUN.upper())]
    for run in (left_behind, young, *kept):
        run.mkdir()
        (run / "file").write_text("x")
    link.symlink_to(elsewhere)
    (left_behind / "out").symlink_to(elsewhere)
    os.utime(elsewhere, DAYS_AGO)
    for run in (left_behind, link, *kept):
        os.utime(run, DAYS_AGO, follow_symlinks=False)
    again = WorkFolder.open(transport, spec)
    assert left_behind.exists()  # without the machine's lock it may be a run that takes long
    again.run_folder(RUN)
    assert not left_behind.exists()
    assert (tmp / RUN).is_dir()
    assert all((run / "file").exists() for run in (young, *kept))
    assert (elsewhere / "thesis.txt").exists()


@pytest.mark.parametrize(
    "name", ["notes.txt", ".config", "tmp/photos", "blobs/list.txt", "tmp/2026-01-02/a", "blobs/refs/a", "line\nbreak"]
)
def test_a_folder_of_others_is_refused_and_left_as_it_is(
    transport: Transport, spec: DeviceSpec, tmp_path: Path, name: str
) -> None:
    place = tmp_path / "work folder"
    file = place / name
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    for path in (file, file.parent):
        os.utime(path, DAYS_AGO)
    before = sorted(place.rglob("*"))
    with pytest.raises(InventoryError, match=r"(?s)holds .*, which is not bnnbench's, .*workdir="):
        WorkFolder.open(transport, spec)
    assert sorted(place.rglob("*")) == before
    (place / MARKER).touch()
    WorkFolder.open(transport, spec)
    assert file.read_text() == "mine"


def test_a_folder_from_before_the_marker_is_taken_over(transport: Transport, spec: DeviceSpec, tmp_path: Path) -> None:
    place, data = tmp_path / "work folder", b"pushed long ago"
    blob = place / "blobs" / hashlib.sha256(data).hexdigest()
    blob.parent.mkdir(parents=True)
    blob.write_bytes(data)
    (place / "blobs" / f"{'a' * 64}.01234567.part").touch()
    for old in (RUN, "infer-77"):
        (place / "tmp" / old).mkdir(parents=True)
    (place / "environment.journal").touch()
    (place / "python").mkdir()
    (place / "python/pyvenv.cfg").touch()
    assert WorkFolder.open(transport, spec).have([blob.name]) == {blob.name}
    assert (place / MARKER).is_file()


@pytest.mark.parametrize("name", ["blobs", "tmp", MARKER])
def test_links_in_the_place_of_the_own_folders_are_refused(
    transport: Transport, spec: DeviceSpec, tmp_path: Path, name: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    place = tmp_path / "work folder"
    place.mkdir()
    (place / name).symlink_to(elsewhere)
    with pytest.raises(InventoryError, match="set workdir="):
        WorkFolder.open(transport, spec)
    assert not list(elsewhere.iterdir())


def test_a_link_in_the_place_of_a_blob_is_not_followed(folder: WorkFolder, tmp_path: Path) -> None:
    own, data = tmp_path / "own.txt", b"the same bytes"
    own.write_bytes(data)
    own.chmod(0o640)
    os.utime(own, DAYS_AGO)
    before = own.stat()
    blob_path(folder, data).symlink_to(own)
    folder.blob(data, executable=True)
    assert not blob_path(folder, data).is_symlink()
    assert (own.stat().st_mode, own.stat().st_mtime) == (before.st_mode, before.st_mtime)


def test_programs_and_data_are_the_users_alone_and_not_written_again(folder: WorkFolder) -> None:
    modes = {"blobs": 0o700, "tmp": 0o700, folder.blob(b"data"): 0o400, folder.blob(b"run", executable=True): 0o500}
    found = {name: (Path(folder.path) / name).stat().st_mode & 0o777 for name in modes}
    assert found == modes


OTHER_USER = 12345


@pytest.mark.parametrize("part", ["parent", "parent/work", "parent/work/blobs", "parent/work/tmp"])
@pytest.mark.parametrize(
    ("owner", "mode", "said"),
    [
        (OTHER_USER, 0o755, f"belongs to user {OTHER_USER}"),
        (None, 0o757, "can be written by every user"),
        (None, 0o775, f"can be written by group {OTHER_USER}"),
    ],
)
def test_what_another_user_could_change_is_not_used(
    transport: Transport, device: DeviceSpec, tmp_path: Path, part: str, owner: int | None, mode: int, said: str
) -> None:
    if os.getuid() != 0:
        pytest.skip("giving folders to another user needs root")
    spec = replace(device, workdir=f"{tmp_path}/parent/work")
    WorkFolder.open(transport, spec)
    os.chown(tmp_path / part, os.getuid() if owner is None else owner, OTHER_USER)
    (tmp_path / part).chmod(mode)
    with pytest.raises(InventoryError, match=f"{tmp_path}/{part} {said}, .*set workdir="):
        WorkFolder.open(transport, spec)


def test_a_marker_of_another_user_counts_for_nothing(transport: Transport, device: DeviceSpec, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("giving files to another user needs root")
    (tmp_path / MARKER).touch()
    (tmp_path / "mine").touch()
    os.chown(tmp_path / MARKER, OTHER_USER, OTHER_USER)
    with pytest.raises(InventoryError, match=f"{MARKER} belongs to user {OTHER_USER}"):
        WorkFolder.open(transport, replace(device, workdir=str(tmp_path)))


def test_a_sticky_folder_above_protects_what_is_in_it(transport: Transport, device: DeviceSpec, tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    WorkFolder.open(transport, replace(device, workdir=f"{tmp_path}/work"))


@pytest.mark.parametrize("program", ["busybox", "toybox", "dash", "bash", "mksh"])
def test_the_check_is_the_same_in_every_shell(program: str, tmp_path: Path) -> None:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    environment = dict(os.environ)
    words = [found, "sh"] if program == "busybox" else ["/bin/sh"] if program == "toybox" else [found]
    if program in ("busybox", "toybox"):  # as on Android, where these are all there is
        applets = tmp_path / "applets"
        applets.mkdir()
        for name in [program, "ls", "id", "find", "mkdir", "chmod", "rm", "printf", "touch"]:
            (applets / name).symlink_to(found)
        environment["PATH"] = str(applets)
    place = tmp_path / "work"

    def answer() -> str:
        argv = [*words, "-c", OPEN, "sh", str(place)]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=20, check=True)
        assert not done.stderr
        return done.stdout

    assert answer() == f"ok\n{place}\n"
    old = place / "tmp" / "20260102-030405-ffffff"
    old.mkdir()
    os.utime(old, DAYS_AGO)
    argv = [*words, "-c", MAKE_RUN, "sh", str(place), f"tmp/{RUN}"]
    made = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=20, check=True)
    assert not made.stderr
    assert [run.name for run in (place / "tmp").iterdir()] == [RUN]
    blobs = [(hashlib.sha256(data).hexdigest(), data) for data in (b"older", b"new")]
    for age, (sha, data) in enumerate(blobs):
        (place / "blobs" / sha).write_bytes(data)
        os.utime(place / "blobs" / sha, (1e9 + age, 1e9 + age))

    def run(script: str, *more: str, input: str = "") -> list[str]:
        argv = [*words, "-c", script, "sh", str(place), *more]
        done = subprocess.run(
            argv, env=environment, input=input, capture_output=True, text=True, timeout=20, check=True
        )
        assert not done.stderr
        return done.stdout.splitlines()

    assert run(LIST) == [f"{len(data)} {sha}" for sha, data in reversed(blobs)]
    tool = program if program in ("busybox", "toybox") else "sha256sum"
    asked = f"{blobs[0][0]} x\n{blobs[1][0]} -\n{'0' * 64} -\n"
    assert run(HAVE, tool, input=asked) == [f"have {sha}" for sha, _ in blobs]
    assert [(place / "blobs" / sha).stat().st_mode & 0o777 for sha, _ in blobs] == [0o500, 0o400]
    (place / "blobs").chmod(0o777)
    assert answer() == f"unsafe\n{place}/blobs can be written by every user\n"
    (place / "blobs").chmod(0o700)
    (place / MARKER).unlink()
    (place / "x").touch()
    assert answer() == "foreign\nx\n"


@pytest.mark.parametrize("script", [OPEN, MAKE_RUN, HAVE])
def test_every_script_fits_into_a_command_of_the_smallest_server(script: str) -> None:
    path = "/" + "folder/" * 50
    assert len(command_line(["sh", "-c", script, "sh", path], Mark())) < MAX_COMMAND_BYTES


@pytest.mark.parametrize("shell", ["tcsh", "fish"])
def test_a_folder_is_opened_through_a_foreign_login_shell(tmp_path: Path, shell: str) -> None:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    server = LoopbackSsh(tmp_path, server="dropbear", login_shell=found)
    try:
        with connect(server.spec("board")) as transport:
            folder = WorkFolder.open(transport, server.spec("board"))
            assert folder.blob(b"x") == f"blobs/{hashlib.sha256(b'x').hexdigest()}"
            folder.run_folder(RUN)
    finally:
        server.stop()
