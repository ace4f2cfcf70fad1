"""The native binary by itself: the protocol's edges, the launcher and the lock."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from engine_process import HOST, EngineProcess, compute
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnbench.kernels.data import data_bytes, make_data
from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.ops import BConv2d, BGemm, BMaxPool2d
from bnnbench.kernels.toolchain import build_native

ENGINE = str(build_native(HOST).path)


def talk(lines: bytes, timeout: float = 20) -> list[dict[str, object]]:
    """The engine's replies to raw lines."""
    done = subprocess.run([ENGINE], input=lines, capture_output=True, timeout=timeout, check=False)
    assert done.returncode == 0, done
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_hello_says_all_that_the_protocol_asks() -> None:
    (hello,) = talk(b"hello\n")
    keys = "protocol engine version build isa isas accepts ops cpus max_threads counters clock_hz pid"
    assert set(keys.split()) <= set(hello)
    assert hello["protocol"] == 1
    assert hello["accepts"] == ["op", "plan"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"dance", "'dance' is unknown"),
        (b"", "not a request"),
        (b"run id=x samples=1 iterations=1", "nothing is loaded as 'x'"),
        (b"load id=x op=bgemm m=1 n=1 k=0 out=i32 data=f", "k=0"),
        (b"load id=x op=bgemm m=1 n=1 k=1e3 out=i32 data=f", "k=1e3"),
        (b"load id=x op=bgemm m=1 n=1 k=99999999999999999999 out=i32 data=f", "k="),
        (b"load id=x op=bgemm m=2147483647 n=2147483647 k=32 out=i32 data=f", "2 GiB"),
        (b"load id=x op=bconv2d h=4 w=4 c=48 oc=2 kh=9 kw=9 pad=valid out=i32 data=f", "does not fit"),
        (b"load id=x op=bconv2d h=4 w=4 c=48 oc=2 kh=1 kw=1 groups=2 pad=valid out=i32 data=f", "32 * groups"),
        (b"load id=x op=bgemm m=1 n=1 k=32 out=i32 data=no-such-file", "No such file"),
        (b"load id=x op=bgemm m=1 n=1 k=32 out=i32 data=%2Fdev%2Fnull", "not a regular file"),
        (b"load id=x op=softmax data=f", "'softmax' is unknown"),
        (b"load id=x plan=p", "cannot read"),
        (b"load id=%zz", "percent-encoded"),
        (b"load id=a id=b", "twice"),
        (b"load =a", "key=value"),
        (b"load id=x op=bmaxpool2d h=4 w=4 c=9 kh=2 kw=2 dh=2 pad=valid data=f", "'dh' is unknown"),
        (b"peak frequency=high", "'frequency' is unknown"),
        (b"load id=" + b"x" * 100 + b" op=bgemm", "longer"),
        (b"hello\0", "NUL"),
        (b"peak isa=mmx", "mmx"),
    ],
)
def test_a_bad_request_is_one_refusal_and_the_engine_carries_on(line: bytes, reason: str) -> None:
    first, second = talk(line + b"\nhello\n")
    assert first["ok"] is False
    assert reason in str(first["error"])
    assert second["ok"] is True


def test_a_window_larger_than_memory_is_clipped_to_the_image(tmp_path: Path) -> None:
    spec = BMaxPool2d(h=30, w=30, c=32, kh=1 << 30, kw=1 << 30, sh=300, sw=300, pad="same")
    arrays = make_data(spec, 1)
    (tmp_path / "data").write_bytes(data_bytes(arrays))
    with EngineProcess([ENGINE], tmp_path) as engine:
        engine.client.load("a", {**spec.protocol_items(), "data": "data"})
        engine.client.run("a", samples=1, iterations=1, limit_ns=10**9)
        expected = hashlib.sha256(np.bitwise_and.reduce(arrays["x"], axis=(1, 2)).tobytes()).hexdigest()
        assert engine.client.output("a").sha256 == expected


def test_sums_beyond_floats_exactness_are_still_exact(tmp_path: Path) -> None:
    spec = BConv2d(h=1, w=1, c=1, oc=1, kh=4096, kw=4096, pad_value=0, out="f32")
    arrays = make_data(spec, 1)
    arrays["filter"][:] = 1
    with EngineProcess([ENGINE], tmp_path) as engine:
        output = compute(engine, spec, data_bytes(arrays))
    dot = np.float32(1 if arrays["x"][0, 0, 0, 0] else -1)
    assert output.item() == dot * arrays["multiplier"][0] + arrays["bias"][0]


def test_watched_paths_are_quoted() -> None:
    spec = BGemm(m=1, n=1, k=32)
    with tempfile.NamedTemporaryFile() as file:
        file.write(data_bytes(make_data(spec, 1)))
        file.flush()
        load = " ".join(f"{key}={value}" for key, value in spec.protocol_items().items())
        lines = f"load id=a {load} data={file.name}\nrun id=a samples=1 iterations=1 watch=a%0ab%22c\n"
        loaded, ran = talk(lines.encode())
    assert loaded["ok"] is True
    assert ran["watch"] == {'a\nb"c': ["", ""]}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=60).filter(lambda b: b"\n" not in b), max_size=20))
def test_rubbish_is_answered_line_by_line(lines: list[bytes]) -> None:
    lines = [line for line in lines if line.rstrip(b"\r") != b"quit"]
    replies = talk(b"".join(line + b"\n" for line in lines))
    assert len(replies) == len(lines)


def test_load_run_output_unload(tmp_path: Path) -> None:
    spec = BConv2d(h=5, w=4, c=33, oc=7, kh=3, kw=3, out="f32")
    (tmp_path / "strange name%.bin").write_bytes(data_bytes(make_data(spec, 1)))
    with EngineProcess([ENGINE], tmp_path) as engine:
        client = engine.client
        assert client.load("a", {**spec.protocol_items(), "data": "strange name%.bin"}).arena_bytes
        with pytest.raises(EngineError, match="taken"):
            client.load("a", {**spec.protocol_items(), "data": "strange name%.bin"})
        ran = client.run("a", samples=4, min_sample_ns=100_000, warmup_ns=1_000_000, limit_ns=10**10)
        assert len(ran.samples_ns) == len(ran.clock_hz) == 4
        assert ran.iterations
        assert ran.iterations * min(ran.samples_ns) > 50_000
        assert ran.warmup_samples_ns
        assert client.output("a").bytes == 5 * 4 * 7 * 4
        client.unload("a")
        with pytest.raises(EngineError, match="nothing is loaded"):
            client.output("a")


def test_extra_ppm_really_takes_longer(tmp_path: Path) -> None:
    spec = BGemm(m=64, n=64, k=2048)
    (tmp_path / "data").write_bytes(data_bytes(make_data(spec, 1)))
    with EngineProcess([ENGINE], tmp_path) as engine:
        client = engine.client
        client.load("a", {**spec.protocol_items(), "data": "data"})

        def sample_ns(extra_ppm: int) -> float:
            return client.run("a", samples=1, iterations=40, extra_ppm=extra_ppm, limit_ns=10**10).samples_ns[0]

        # Eleven times the work, back to back: no busy neighbour makes up for that in the median of the pairs.
        ratios = sorted(sample_ns(10_000_000) / sample_ns(0) for _ in range(15))
    assert ratios[7] > 4


def test_limit_is_kept(tmp_path: Path) -> None:
    spec = BGemm(m=64, n=64, k=64)
    (tmp_path / "data").write_bytes(data_bytes(make_data(spec, 1)))
    with EngineProcess([ENGINE], tmp_path) as engine:
        engine.client.load("a", {**spec.protocol_items(), "data": "data"})
        with pytest.raises(EngineError, match="limit_ns was reached"):
            engine.client.run("a", samples=10_000, min_sample_ns=10**7, limit_ns=10**8)


def launch(*words: str, stdin: int | None = subprocess.PIPE) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [ENGINE, "exec", *words], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def report(err: bytes) -> dict[str, object]:
    """The launcher's last line."""
    answer: dict[str, object] = json.loads(err.splitlines()[-1])
    return answer


def test_launcher_passes_streams_and_status() -> None:
    process = launch("--", "sh", "-c", "cat; echo to-stderr >&2; exit 7")
    out, err = process.communicate(b"to-stdout", timeout=20)
    assert out == b"to-stdout"
    assert err.startswith(b"to-stderr\n")
    assert process.returncode == 7
    assert report(err)["exit"] == 7
    assert report(err)["killed"] is None


def test_launcher_pins_and_checks() -> None:
    cpu = max(os.sched_getaffinity(0))
    process = launch("--cpus", str(cpu), "--", "sh", "-c", "grep Cpus_allowed_list /proc/self/status")
    out, _ = process.communicate(timeout=20)
    assert out.split() == [b"Cpus_allowed_list:", str(cpu).encode()]
    refused = launch("--cpus", "1000", "--", "true")
    _, err = refused.communicate(timeout=20)
    assert refused.returncode == 126
    assert b"CPUs asked for cannot be had" in err


def test_launcher_ends_the_whole_group_at_the_deadline() -> None:
    process = launch("--deadline-s", "0.5", "--", "sh", "-c", "sleep 300 & sleep 300")
    _out, err = process.communicate(timeout=20)
    assert report(err)["killed"] == "deadline"
    assert process.returncode == 124
    assert_gone(process.pid)


def test_launcher_ends_the_group_when_its_stdin_is_gone() -> None:
    process = launch("--", "sh", "-c", "sleep 300 & sleep 300")
    time.sleep(0.3)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=5) != 0
    assert_gone(process.pid)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_an_engine_does_not_outlive_its_launcher(end: signal.Signals) -> None:
    process = launch("--", "sleep", "300")
    child = wait_for_child(process.pid)
    process.send_signal(end)
    process.wait(timeout=5)
    psutil.wait_procs([child], timeout=5)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


# Each leaves a process that burns a core in a session of its own, writes its number and goes on or ends.
DOUBLE_FORK = """
import os, sys, time
def leave():
    if os.fork() == 0:
        os.setsid()
        for _ in range(int(sys.argv[2])):
            if os.fork() == 0:
                open(f"{sys.argv[1]}/{os.getpid()}", "w").close()
                while True:
                    pass
        os._exit(0)
    os.wait()
leave()
while len(os.listdir(sys.argv[1])) < int(sys.argv[2]):
    time.sleep(0.01)
time.sleep(float(sys.argv[3]))
"""


def left_by(folder: Path) -> list[int]:
    return [int(file.name) for file in folder.iterdir()]


@pytest.mark.parametrize("count", [1, 3])
def test_what_left_the_group_ends_with_the_program_and_is_counted(tmp_path: Path, count: int) -> None:
    process = launch("--", sys.executable, "-c", DOUBLE_FORK, str(tmp_path), str(count), "0")
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert report(err)["left_behind"] == count
    assert len(left_by(tmp_path)) == count
    assert not any(psutil.pid_exists(pid) for pid in left_by(tmp_path))


@pytest.mark.parametrize("end", ["deadline", "stdin", "signal"])
def test_what_left_the_group_ends_however_the_program_is_ended(tmp_path: Path, end: str) -> None:
    limit = ["--deadline-s", "1"] if end == "deadline" else []
    process = launch(*limit, "--", sys.executable, "-c", DOUBLE_FORK, str(tmp_path), "1", "300")
    until = time.monotonic() + 10
    while not left_by(tmp_path):
        assert time.monotonic() < until
        time.sleep(0.01)
    if end == "signal":
        process.terminate()
    elif end == "stdin":
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    _, err = process.communicate(timeout=20)
    assert report(err)["killed"] == end
    assert report(err)["left_behind"] == 1
    assert not any(psutil.pid_exists(pid) for pid in left_by(tmp_path))


def test_a_program_that_joins_another_group_does_not_escape_its_deadline() -> None:
    code = (
        "import os, time\nif (child := os.fork()) == 0:\n    os.setpgid(0, 0); time.sleep(300)\n"
        "time.sleep(0.2); os.setpgid(0, child); time.sleep(300)"
    )
    process = launch("--deadline-s", "1", "--", sys.executable, "-c", code)
    _, err = process.communicate(timeout=20)
    assert report(err)["killed"] == "deadline"
    assert_gone(process.pid)


def test_nothing_is_left_behind_by_what_ends_by_itself_or_stays_in_the_group() -> None:
    process = launch("--", "sh", "-c", "(setsid true &); (sleep 0.01 &); sleep 300 & sleep 0.3")
    _, err = process.communicate(timeout=20)
    assert report(err)["left_behind"] == 0
    assert process.returncode == 0


def ignore_children() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def close_stdout() -> None:
    os.close(1)  # its number would go to the next file that is opened


@pytest.mark.parametrize("inherited", [ignore_children, close_stdout])
def test_launcher_works_whatever_it_inherits(inherited: Callable[[], None]) -> None:
    with subprocess.Popen(
        [ENGINE, "exec", "--", "sh", "-c", "sleep 0.5; exit 5"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=inherited,
    ) as process:
        time.sleep(0.3)
        times = psutil.Process(process.pid).cpu_times()
        _, err = process.communicate(timeout=20)
    assert process.returncode == 5
    assert report(err)["exit"] == 5
    assert times.user + times.system < 0.15  # it waits, and does not spin


def test_a_stopped_holder_of_the_lock_keeps_nobody_waiting() -> None:
    name = f"test-{uuid.uuid4()}"
    command = [ENGINE, "lock", "--name", name]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    holder.send_signal(signal.SIGSTOP)
    try:
        visitors = [subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) for _ in range(14)]
        for visitor in visitors:
            out, _ = visitor.communicate(timeout=10)
            assert json.loads(out)["ok"] is False
    finally:
        holder.kill()
        holder.communicate()


def test_launcher_names_a_missing_program() -> None:
    process = launch("--", "./no-such-engine")
    _, err = process.communicate(timeout=20)
    assert process.returncode == 126
    assert b"./no-such-engine" in err


def test_lock_is_held_by_one_and_says_by_whom() -> None:
    name = f"test-{uuid.uuid4()}"
    holder = subprocess.Popen(
        [ENGINE, "lock", "--name", name, "--holder", "run 1 of pi"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert json.loads(holder.stdout.readline()) == {"ok": True}
    refused = subprocess.run([ENGINE, "lock", "--name", name], input=b"", capture_output=True, timeout=20, check=False)
    assert json.loads(refused.stdout) == {"ok": False, "error": "run 1 of pi"}
    holder.kill()
    holder.wait(5)
    holder.communicate()
    again = subprocess.run([ENGINE, "lock", "--name", name], input=b"", capture_output=True, timeout=20, check=False)
    assert json.loads(again.stdout) == {"ok": True}
    assert again.returncode == 0


@pytest.mark.parametrize("shared", ["folder", "file"])
def test_two_network_namespaces_share_the_lock_where_they_share_a_folder(tmp_path: Path, shared: str) -> None:
    if os.getuid() != 0:
        pytest.skip("a network namespace of its own needs root")
    name, file = f"test-{uuid.uuid4()}", tmp_path / "machine.lock"
    # In a mount namespace too, as in a container, whose /tmp and /run/lock are its own.
    apart = 'mount -t tmpfs -o mode=1777 none /run/lock && mount -t tmpfs -o mode=1777 none /tmp && exec "$@"'
    command = [ENGINE, "lock", "--name", name, "--holder", "run 1 of pi"]
    elsewhere = ["unshare", "-n", *command]
    if shared == "file":
        place = Path("/var/tmp") / tmp_path.name  # noqa: S108 - a folder that stays when /tmp is covered
        place.mkdir()
        file = place / "machine.lock"
        # The build cache may lie in /tmp, too.
        command = [shutil.copy(ENGINE, place), *command[1:], "--file", str(file)]
        elsewhere = ["unshare", "-n", "-m", "sh", "-c", apart, "sh", *command]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert json.loads(holder.stdout.readline()) == {"ok": True}
        refused = subprocess.run(elsewhere, input=b"", capture_output=True, timeout=20, check=False)
        assert json.loads(refused.stdout) == {"ok": False, "error": "run 1 of pi"}, refused.stderr
        holder.communicate(timeout=5)
        again = subprocess.run(elsewhere, input=b"", capture_output=True, timeout=20, check=False)
        assert json.loads(again.stdout) == {"ok": True}
        assert not file.exists()
    finally:
        holder.kill()
        holder.wait()
        if shared == "file":
            shutil.rmtree(file.parent)


def lock_file_of(name: str) -> Path:
    """The lock's file in /tmp: FNV-1a of its name."""
    digest = 14695981039346656037
    for byte in name.encode():
        digest = (digest ^ byte) * 1099511628211 % 2**64
    return Path(f"/tmp/bnnbench-{digest:016x}.lock")  # noqa: S108 - a sticky folder is the point


@pytest.mark.parametrize("planted", ["link", "pipe", "folder", "another's file"])
def test_a_lock_file_of_others_is_neither_followed_nor_changed(tmp_path: Path, planted: str) -> None:
    name, victim = f"test-{uuid.uuid4()}", tmp_path / "victim"
    victim.write_text("mine")
    path = lock_file_of(name)
    try:
        if planted == "link":
            path.symlink_to(victim)
        elif planted == "pipe":
            os.mkfifo(path)
        elif planted == "folder":
            path.mkdir()
        else:
            os.link(victim, path)
        done = subprocess.run([ENGINE, "lock", "--name", name], input=b"", capture_output=True, timeout=20, check=False)
        assert json.loads(done.stdout) == {"ok": True}
        assert victim.read_text() == "mine"
    finally:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)


def wait_for_child(pid: int) -> psutil.Process:
    end = time.monotonic() + 5
    while not (children := psutil.Process(pid).children()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return children[0]


def assert_gone(pid: int) -> None:
    """No process of the launcher's session is left within 5 s (it was started in one of its own)."""
    end = time.monotonic() + 5
    while True:
        left = []
        for process in psutil.process_iter():
            try:
                if os.getsid(process.pid) == pid and process.status() != psutil.STATUS_ZOMBIE:
                    left.append(process)
            except (ProcessLookupError, psutil.Error):
                continue
        if not left:
            return
        assert time.monotonic() < end, left
        time.sleep(0.05)
