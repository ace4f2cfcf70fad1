"""What every transport must do, on this machine, OpenSSH with and without SFTP, and dropbear."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bnnbench.devices.errors import CommandFailed, CommandTimeout, DeviceError, TooMuchOutput
from bnnbench.devices.inventory import DeviceSpec
from bnnbench.devices.transport import Completed, RemoteProcess, Transport, connect
from bnnbench.devices.transport.posix import PosixTransport

pytestmark = pytest.mark.timeout(60)

NASTY = [
    "a b",
    "$(touch pwned)",
    "`id`",
    "it's",
    'say "hi"',
    "two\nlines",
    "-rf",
    "--",
    "*",
    "\\n",
    "ü;&|<>",
    "",
]
MIB = 1 << 20


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


def soon(seconds: float = 10) -> float:
    return time.monotonic() + seconds


@pytest.fixture
def process(transport: Transport, tmp_path: Path) -> Iterator[RemoteProcess]:
    cat = transport.spawn(["cat"], cwd=str(tmp_path))
    yield cat
    cat.kill()


def test_it_is_a_transport(transport: Transport) -> None:
    assert isinstance(transport, Transport)
    assert Path(transport.home()).is_dir()


def test_status_and_both_streams(transport: Transport) -> None:
    done = transport.shell("echo out; echo err >&2; exit 7")
    assert (done.status, done.stdout, done.stderr) == (7, b"out\n", b"err\n")
    assert transport.shell("kill -9 $$").status == 137
    assert transport.run(["no-such-program"]).status == 127


def test_values_reach_a_program_unchanged(transport: Transport) -> None:
    done = transport.run(["printf", "%s\\0", *NASTY])
    assert done.stdout.decode().split("\0")[:-1] == NASTY
    assert transport.shell("printf '%s\\0' \"$@\"", *NASTY).stdout == done.stdout


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=30), max_size=4))
def test_any_values_reach_a_program_unchanged(transport: Transport, values: list[str]) -> None:
    assert transport.run(["printf", "%s\\0", "", *values]).stdout.decode().split("\0")[1:-1] == values


def test_what_is_no_command(transport: Transport, process: RemoteProcess) -> None:
    with pytest.raises(ValueError, match="absolute"):
        transport.pull("relative")
    with pytest.raises((ValueError, DeviceError)):
        transport.run(["a\0b"])
    with pytest.raises(ValueError, match="newline"):
        process.write_line("a\nb")


def test_both_streams_over_4_mib_without_deadlock(transport: Transport) -> None:
    script = f"head -c {5 * MIB} /dev/zero >&2; head -c {5 * MIB} /dev/zero; head -c {MIB} /dev/zero >&2"
    done = transport.shell(script)
    assert (done.status, len(done.stdout), len(done.stderr)) == (0, 5 * MIB, 6 * MIB)


def test_input_larger_than_any_window_comes_back(transport: Transport) -> None:
    data = os.urandom(5 * MIB)
    assert transport.run(["cat"], input=data).stdout == data
    # A program that never reads its input must not hang whoever sends it.
    assert transport.run(["true"], input=data).status == 0


def test_the_deadline_holds(transport: Transport) -> None:
    begun = time.monotonic()
    with pytest.raises(CommandTimeout, match=r"after 0\.4 s"):
        transport.shell("echo begun; sleep 30", timeout_s=0.4)
    assert time.monotonic() - begun < 3
    assert transport.run(["echo", "still there"]).stdout == b"still there\n"


@pytest.mark.parametrize("name", [name for name in NASTY if name] + ["plain"])
def test_push_and_pull(transport: Transport, tmp_path: Path, name: str) -> None:
    data = os.urandom(70_000)
    path = f"{tmp_path}/{name}"
    assert transport.push(data, path, mode=0o755, sha256=sha256(data)) is True
    assert transport.push(data, path, mode=0o755, sha256=sha256(data)) is False
    assert transport.pull(path) == data
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o755
    assert names(tmp_path) == [name]


def test_push_a_file_of_some_mib_and_an_empty_one(transport: Transport, tmp_path: Path) -> None:
    for size in (0, 6 * MIB):
        source = tmp_path / f"source{size}"
        source.write_bytes(os.urandom(size))
        target = f"{tmp_path}/target{size}"
        transport.push(source, target, sha256=sha256(source.read_bytes()))
        assert transport.pull(target) == source.read_bytes()


def test_a_damaged_file_is_pushed_again(transport: Transport, tmp_path: Path) -> None:
    data, path = b"engine" * 1000, tmp_path / "engine"
    transport.push(data, str(path), sha256=sha256(data))
    path.write_bytes(b"EngIne" * 1000)
    assert transport.push(data, str(path), sha256=sha256(data)) is True
    assert path.read_bytes() == data


def test_the_wrong_source_is_not_pushed(transport: Transport, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="not the file that was announced"):
        transport.push(b"other", f"{tmp_path}/x", sha256=sha256(b"this"))
    assert not names(tmp_path)


@pytest.mark.parametrize("path", ["/proc/nothing/x", "/dev/null/x"])
def test_a_push_that_cannot_be_written_is_a_sentence(transport: Transport, path: str) -> None:
    with pytest.raises(CommandFailed, match="cannot be written") as caught:
        transport.push(b"x", path, sha256=sha256(b"x"))
    assert path in str(caught.value)
    assert transport.spec.name in str(caught.value)


def test_a_folder_in_the_way_and_a_missing_file_are_sentences(transport: Transport, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="is a folder"):
        transport.push(b"x", str(tmp_path), sha256=sha256(b"x"))
    with pytest.raises(CommandFailed, match="cannot be read"):
        transport.pull(f"{tmp_path}/missing")


@pytest.mark.parametrize("tool", ["sha256sum", "busybox", "toybox", "openssl", None])
def test_every_checksum_tool(device: DeviceSpec, tmp_path: Path, tool: str | None) -> None:
    if tool is not None and shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    path, data = tmp_path / "file", os.urandom(1000)
    with connect(device) as transport:
        assert isinstance(transport, PosixTransport)
        transport._environment = replace(transport.environment(), sha256_tool=tool)
        assert transport.push(data, str(path), sha256=sha256(data)) is True
        assert transport.push(data, str(path), sha256=sha256(data)) is False
        path.write_bytes(data[:-1] + b"!" if data[-1] != 33 else data[:-1] + b"?")
        assert transport.push(data, str(path), sha256=sha256(data)) is True
    assert path.read_bytes() == data
    assert names(tmp_path) == ["file"]


def test_free_space(transport: Transport, tmp_path: Path) -> None:
    free = transport.free_bytes(str(tmp_path))
    assert free is not None
    assert abs(free - shutil.disk_usage(tmp_path).free) < 1 << 30


def test_lines_there_and_back(process: RemoteProcess) -> None:
    for line in ("hello", "", "ünï", "x" * 100_000):
        process.write_line(line)
    assert [process.read_line(soon()) for _ in range(4)] == ["hello", "", "ünï", "x" * 100_000]
    assert isinstance(process, RemoteProcess)


def test_read_line_keeps_its_deadline_and_goes_on(process: RemoteProcess) -> None:
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        process.read_line(soon(0.3))
    assert 0.25 < time.monotonic() - begun < 1.5
    process.write_line("after")
    assert process.read_line(soon()) == "after"


def test_the_end_of_a_process(process: RemoteProcess) -> None:
    assert process.wait(time.monotonic() + 0.1) is None
    process.close_stdin()
    with pytest.raises(EOFError):
        process.read_line(soon())
    assert process.wait(soon()) == 0
    with pytest.raises(EOFError):
        process.write_line("too late")


def test_one_after_the_other(transport: Transport, tmp_path: Path) -> None:
    """What is started right after another was killed is not harmed by that one's end."""
    for _ in range(20):
        process = transport.spawn(["cat"], cwd=str(tmp_path))
        process.write_line("x")
        assert process.read_line(soon()) == "x"
        process.kill()


def test_statuses_and_stderr(transport: Transport, tmp_path: Path) -> None:
    process = transport.spawn(["sh", "-c", "echo why >&2; exit 9"], cwd=str(tmp_path))
    assert process.wait(soon()) == 9
    assert process.stderr_tail() == "why\n"
    process.kill()
    killed = transport.spawn(["sh", "-c", "kill -SEGV $$"], cwd=str(tmp_path))
    assert killed.wait(soon()) == 139
    killed.kill()


def test_stderr_is_drained_and_its_tail_kept(transport: Transport, tmp_path: Path) -> None:
    script = f"head -c {5 * MIB} /dev/zero | tr '\\0' x >&2; echo end >&2; echo done; cat"
    process = transport.spawn(["sh", "-c", script], cwd=str(tmp_path))
    assert process.read_line(soon(20)) == "done"
    process.close()
    tail = process.stderr_tail()
    assert tail.endswith("xend\n")
    assert len(tail) == 64 << 10


def test_a_relative_program_runs_in_its_folder(transport: Transport, tmp_path: Path) -> None:
    folder = tmp_path / "work 'folder'"
    (folder / "blobs").mkdir(parents=True)
    program = folder / "blobs" / "-tool"
    program.write_text('#!/bin/sh\npwd\necho "$1"\n')
    program.chmod(0o755)
    process = transport.spawn(["blobs/-tool", "$HOME x"], cwd=str(folder))
    assert process.read_line(soon()) == str(folder)
    assert process.read_line(soon()) == "$HOME x"
    process.close()


@pytest.mark.parametrize(("program", "folder"), [("./missing", "."), ("cat", "missing")])
def test_what_cannot_start(transport: Transport, tmp_path: Path, program: str, folder: str) -> None:
    def start() -> None:
        process = transport.spawn([program], cwd=f"{tmp_path}/{folder}")
        assert process.wait(soon()) in (126, 127)
        assert process.stderr_tail()
        process.kill()

    if transport.spec.transport == "local":
        with pytest.raises(CommandFailed, match="cannot be started"):
            start()
    else:
        start()


def test_an_endless_line_is_an_error_not_memory(transport: Transport, tmp_path: Path) -> None:
    process = transport.spawn(["cat", "/dev/zero"], cwd=str(tmp_path))
    with pytest.raises(CommandFailed, match="16 MiB"):
        process.read_line(soon(30))
    process.kill()


@pytest.mark.parametrize("stream", ["", ">&2"])
def test_a_flood_of_output_is_ended_and_not_kept(transport: Transport, tmp_path: Path, stream: str) -> None:
    began, memory = time.monotonic(), psutil.Process().memory_info().rss
    script = f"echo $$ > '{tmp_path}/pid'; exec cat /dev/zero {stream}"
    with pytest.raises(TooMuchOutput, match=r"'sh' on .* wrote more than 16,777,216 bytes, so it was ended\.$"):
        transport.shell(script)
    assert time.monotonic() - began < 25
    assert psutil.Process().memory_info().rss - memory < 200 * MIB
    pid, until = int((tmp_path / "pid").read_text()), soon(5)
    while psutil.pid_exists(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert not psutil.pid_exists(pid)
    assert transport.run(["echo", "still there"]).stdout == b"still there\n"


def test_a_command_may_write_as_much_as_its_limit(transport: Transport) -> None:
    for count in (99, 100):
        assert len(transport.run(["head", "-c", str(count), "/dev/zero"], limit_bytes=100).stdout) == count
    with pytest.raises(TooMuchOutput, match="more than 100 bytes"):
        transport.run(["head", "-c", "101", "/dev/zero"], limit_bytes=100)


def test_a_file_larger_than_it_should_be_is_not_read(transport: Transport, tmp_path: Path) -> None:
    file = tmp_path / "output"
    with file.open("wb") as sparse:
        sparse.truncate(200 << 30)
    with pytest.raises(TooMuchOutput, match=rf"{file} on device .* is larger than 1,000 bytes"):
        transport.pull(str(file), limit_bytes=1000)
    with pytest.raises(TooMuchOutput, match="larger than 16,777,216 bytes"):
        transport.pull(str(file))
    file.write_bytes(b"x" * 1000)
    assert transport.pull(str(file), limit_bytes=1000) == b"x" * 1000


def test_what_a_bash_takes_from_this_machines_environment_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    (tmp_path / "sh").symlink_to(bash)
    (tmp_path / "start").write_text("echo started; exit 3\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SHELLOPTS", "errexit:nounset:noglob:noclobber:xtrace")
    monkeypatch.setenv("BASH_ENV", str(tmp_path / "start"))
    for name in ("cat", "cd", "printf"):
        monkeypatch.setenv(f"BASH_FUNC_{name}%%", "() { echo FAKE; }")
    with connect(DeviceSpec("here", "local")) as transport:
        assert transport.push(b"data", f"{tmp_path}/file", sha256=sha256(b"data"))
        assert transport.pull(f"{tmp_path}/file") == b"data"
        assert transport.shell("false; cd /; printf x; echo /*").stdout.startswith(b"x/")
        assert transport.run(["bash", "-c", "echo well"]) == Completed(0, b"well\n", b"")


def test_engines_here_do_not_get_the_credentials_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "planted")
    monkeypatch.setenv("BNNBENCH_OTHER", "kept")
    with connect(DeviceSpec("here", "local")) as transport:
        shown = transport.run(["/usr/bin/env"]).stdout
        assert b"BNNBENCH_OTHER=kept" in shown
        assert b"planted" not in shown


@pytest.mark.parametrize("spoiled", [lambda data: data[:100] + b"!" + data[100:], lambda data: data[:100] + data[101:],
                                     lambda data: data[:100] + b"!" + data[101:], lambda data: data[:-1]])  # fmt: skip
def test_a_file_that_arrives_damaged_is_not_taken(
    device: DeviceSpec, tmp_path: Path, spoiled: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / "output"
    file.write_bytes(b"x\n" * 1000)
    with connect(device) as transport:
        transport.home()
        run = transport.run

        def noisy(*args: Any, **more: Any) -> Completed:
            done = run(*args, **more)
            return replace(done, stdout=spoiled(done.stdout))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transport, "run", noisy)
            with pytest.raises(CommandFailed, match="arrived damaged from device"):
                transport.pull(str(file))
        assert transport.pull(str(file)) == file.read_bytes()


FAKE_ADB = """#!/bin/sh
case $1 in start-server) exit ;; esac
case $3 in
  get-state) echo device ;;
  shell) shift 4; eval "$*" ;;
esac
"""


def test_a_phone_that_floods_is_ended_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adb = tmp_path / "adb"
    adb.write_text(FAKE_ADB)
    adb.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with connect(DeviceSpec("phone", "adb", serial="0A1B")) as phone:
        assert phone.shell("echo well; echo said >&2; exit 3") == Completed(3, b"well\n", b"said\n")
        for stream in ("", ">&2"):
            with pytest.raises(TooMuchOutput, match="'sh' on device 'phone' wrote more than"):
                phone.shell(f"exec cat /dev/zero {stream}")
    adb.write_text("#!/bin/sh\ncase $1 in start-server) ;; *) exec cat /dev/zero ;; esac\n")
    with pytest.raises(TooMuchOutput, match="wrote more than"):
        connect(DeviceSpec("phone", "adb", serial="0A1B"))


def test_several_at_once(transport: Transport, tmp_path: Path) -> None:
    processes = [transport.spawn(["cat"], cwd=str(tmp_path)) for _ in range(5)]
    for index, each in enumerate(processes):
        each.write_line(f"number {index}")
    assert transport.run(["echo", "and a command"]).stdout == b"and a command\n"
    for index, each in reversed(list(enumerate(processes))):
        assert each.read_line(soon()) == f"number {index}"
        each.close()
        assert each.wait(soon()) == 0


def test_kill_ends_what_reads_its_stdin(transport: Transport, tmp_path: Path) -> None:
    process = transport.spawn(["sh", "-c", "echo $$; cat"], cwd=str(tmp_path))
    pid = int(process.read_line(soon()))
    process.kill()
    process.kill()
    until = soon(5)
    while psutil.pid_exists(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert not psutil.pid_exists(pid)
