"""The same suite over a real OpenSSH server, and everything that can break on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from bnnbench.results import load
from tests.devices.sshd import LoopbackSsh
from tests.harness.bench import SMALL_SUITE, Bench, one_sentence
from tests.harness.test_run import journal, wait_for


def far_processes(server: LoopbackSsh) -> list[psutil.Process]:
    """Everything of ours that runs in the board's work folder."""
    found = []
    for process in psutil.process_iter(["cwd"]):
        if (process.info["cwd"] or "").startswith(str(server.home)):
            found.append(process)
    return found


def assert_nothing_left(server: LoopbackSsh) -> None:
    """Within 5 s no process is left over there."""
    end = time.monotonic() + 5
    while left := far_processes(server):
        assert time.monotonic() < end, [process.cmdline() for process in left]
        time.sleep(0.05)


def output_digests(bench: Bench) -> dict[tuple[str, str], str | None]:
    run = bench.store.run("latest")
    cases = {case.id: case for case in run.record.cases}
    return {(cases[id].workload, cases[id].engine): gate.output_sha256 for id, gate in run.gates.items()}


def measured_once(bench: Bench) -> bool:
    run = bench.store.run("latest")
    measured = [(one.case_id, one.index) for one in run.invocations]
    wanted = len(run.record.cases) * run.record.invocations_per_case
    return len(measured) == len(set(measured)) == wanted


def test_same_suite_same_outputs_as_here(bench: Bench, board: LoopbackSsh) -> None:
    bench.measure("small.toml")
    here = output_digests(bench)
    frame = load(bench.measure("small.toml", "--device", "board"))
    assert list(frame["status"]) == ["ok"] * 4
    assert output_digests(bench) == here
    assert_nothing_left(board)
    assert not list((board.home / ".bnnbench/tmp").iterdir())


def test_two_names_of_one_machine_take_turns(bench: Bench, board: LoopbackSsh) -> None:
    frame = load(bench.measure("small.toml", "--device", "board", "--device", "local", "--filter", "maxpool"))
    assert list(frame["status"]) == ["ok"] * 4
    times = {}
    run = bench.store.run("latest")
    device_of = {case.id: case.device for case in run.record.cases}
    for one in run.invocations:
        times.setdefault(device_of[one.case_id], []).append((one.started, one.end_ns))
    first, second = sorted(times.values())
    assert max(first)[0] < min(second)[0]


def test_server_killed_mid_run_then_resumed(bench: Bench, board: LoopbackSsh) -> None:
    process = bench.start("run", "long.toml", "--device", "board", "--store", "store")
    wait_for(lambda: sum('"invocation"' in line for line in journal(bench)) >= 2)
    board.kill()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 3, err
    assert "board" in err + out
    assert "Traceback" not in err
    assert_nothing_left(board)
    finished = bench.store.run("latest").invocations
    assert len(finished) >= 2
    board.start()
    done = bench.run("run", "--resume", "latest", "--store", "store")
    assert done.returncode == 0, done.stderr + done.stdout
    assert bench.store.run("latest").invocations[: len(finished)] == finished
    assert measured_once(bench)


def test_engine_killed_mid_run_is_one_failed_invocation(bench: Bench, board: LoopbackSsh) -> None:
    process = bench.start("run", "long.toml", "--device", "board", "--store", "store")
    wait_for(lambda: any('"invocation"' in line for line in journal(bench)))
    wait_for(lambda: kill_one_engine(board))
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    frame = load(bench.store)
    hurt = frame[frame["status"] != "ok"]
    assert len(hurt) == 1, out
    assert "signal 9" in hurt.iloc[0]["reason"]
    assert measured_once(bench)
    assert_nothing_left(board)


def kill_one_engine(board: LoopbackSsh) -> bool:
    """Kills an engine that is timing: a child of a launcher."""
    for process in far_processes(board):
        try:
            parent = process.parent()
            if parent and "exec" in parent.cmdline()[1:2] and process.cpu_times().user > 0.03:
                process.send_signal(signal.SIGKILL)
                return True
        except psutil.Error:
            continue
    return False


def test_harness_killed_then_resumed(bench: Bench, board: LoopbackSsh) -> None:
    process = bench.start("run", "long.toml", "--device", "board", "--store", "store")
    wait_for(lambda: sum('"invocation"' in line for line in journal(bench)) >= 2)
    process.kill()
    process.communicate(timeout=10)
    assert_nothing_left(board)
    finished = bench.store.run("latest").invocations
    done = bench.run("run", "--resume", "latest", "--store", "store")
    assert done.returncode == 0, done.stderr + done.stdout
    assert bench.store.run("latest").invocations[: len(finished)] == finished
    assert measured_once(bench)


def test_interrupted_run_leaves_the_board_clean(bench: Bench, board: LoopbackSsh) -> None:
    process = bench.start("run", "long.toml", "--device", "board", "--store", "store")
    wait_for(lambda: any('"invocation"' in line for line in journal(bench)))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert_nothing_left(board)
    assert not list((board.home / ".bnnbench/tmp").iterdir())


def test_a_device_that_was_away_does_not_stop_the_others_resume(bench: Bench, board: LoopbackSsh) -> None:
    board.stop()
    run = bench.measure("small.toml", "-d", "local", "-d", "board", "--filter", "maxpool", status=3)
    assert [event.kind for event in run.events if event.kind != "distrust"] == ["unreached"]
    assert run.end is not None
    assert run.end.outcome == "complete"
    board.start()
    done = bench.run("run", "--resume", "latest", "--store", "store")
    assert done.returncode == 3, done.stderr
    assert "device 'board' did not answer when the run began; measure it in a new run" in " ".join(
        (done.stdout + done.stderr).split()
    )


def test_unknown_host_key_says_how_to_accept_it(bench: Bench, board: LoopbackSsh, tmp_path: Path) -> None:
    empty = bench.write("empty_known_hosts", "")
    (bench.folder / "devices.toml").unlink()
    bench.add_device(board.spec("board", known_hosts=empty))
    done = bench.run("run", "small.toml", "--device", "board", "--store", "store")
    assert done.returncode == 3
    assert "ssh-keyscan" in one_sentence(done.stderr) or "ssh " in one_sentence(done.stderr)
    assert not (bench.folder / "store").exists()


def test_changed_host_key(bench: Bench, board: LoopbackSsh) -> None:
    board.change_host_key()
    done = bench.run("run", "small.toml", "--device", "board", "--store", "store")
    assert done.returncode == 3
    assert "changed" in one_sentence(done.stderr)


def test_unreachable_device_and_the_others_go_on(bench: Bench, board: LoopbackSsh) -> None:
    bench.add_device(board.spec("gone", port=1))
    done = bench.run("run", "small.toml", "--device", "gone", "--store", "store")
    assert done.returncode == 3
    assert "gone" in one_sentence(done.stderr)
    frame = load(bench.measure("small.toml", "-d", "gone", "-d", "board", "--filter", "maxpool", status=3))
    assert set(frame["device"]) == {"board"}
    assert set(frame["status"]) == {"ok"}


@pytest.mark.skipif(os.getuid() != 0, reason="a small file system of its own needs root")
def test_full_disk_on_the_device(bench: Bench, board: LoopbackSsh, tmp_path: Path) -> None:
    small = tmp_path / "small-disk"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", small], check=False)
    if mounted.returncode:
        pytest.skip("this sandbox mounts no tmpfs")
    try:
        (bench.folder / "devices.toml").unlink()
        bench.add_device(board.spec("board", workdir=str(small / "work")))
        bench.write("big.toml", SMALL_SUITE.replace("[8, 8, 64]", "[56, 56, 1024]"))
        done = bench.run("run", "big.toml", "--device", "board", "--store", "store")
        assert done.returncode == 3, done.stderr
        assert "full" in done.stderr + done.stdout
        assert "Traceback" not in done.stderr
    finally:
        subprocess.run(["umount", small], check=True)


def test_two_runs_at_once_on_one_board(bench: Bench, board: LoopbackSsh) -> None:
    first = bench.start("run", "long.toml", "--device", "board", "--store", "store", "--invocations", "20")
    try:
        wait_for(lambda: any('"gate"' in line for line in journal(bench)))
        second = bench.run("run", "small.toml", "--device", "board", "--store", "other")
        assert second.returncode == 3
        assert "is busy: bnnbench run" in second.stderr + second.stdout
    finally:
        first.send_signal(signal.SIGINT)  # it would go on for longer than any second one takes to start
        first.communicate(timeout=60)
    assert first.returncode == 130
