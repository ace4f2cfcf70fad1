"""`pytest --bnn-device`: a user's tests whose times are a device's, saved, compared and drawn by pytest-benchmark."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.devices.sshd import LoopbackSsh
from tests.harness.bench import Bench
from tests.harness.test_qemu import needs_qemu

TESTS = """
import time
import pytest

KERNEL = {"op": "bgemm", "m": 16, "n": 16, "k": 256}

def test_kernel(device_benchmark):
    timed = device_benchmark(KERNEL)
    assert timed.result.status == "ok"

@pytest.mark.parametrize("c", [33, 64])
def test_pool(device_benchmark, c):
    device_benchmark({"op": "bmaxpool2d", "input": [8, 8, c]})

def test_other(benchmark):
    benchmark.pedantic(time.sleep, args=(0.001,), rounds=2)
"""


def run_pytest(bench: Bench, *words: str, status: int = 0) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "test_mine.py", *words]
    outer = ("PYTEST_", "COV_")  # of the run that this test is part of
    environment = {key: value for key, value in bench.environment.items() if not key.startswith(outer)}
    done = subprocess.run(
        command, cwd=bench.folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def mine(bench: Bench) -> Bench:
    bench.write("test_mine.py", TESTS)
    bench.write("pytest.ini", "[pytest]\n")
    return bench


def test_it_is_inert_unless_asked(mine: Bench) -> None:
    assert "1 passed, 3 skipped" in run_pytest(mine)


def test_times_of_a_device_are_saved_compared_and_drawn(mine: Bench, board: LoopbackSsh) -> None:
    device = ["--bnn-device=board", "--bnn-invocations=2", "--bnn-store=store", "-k", "kernel or pool and 33"]
    run_pytest(mine, *device, "--benchmark-json=now.json", "--benchmark-save=before")
    document = json.loads((mine.folder / "now.json").read_text())
    assert [one["name"] for one in document["benchmarks"]] == ["test_kernel", "test_pool[33]"]
    runs = mine.store.runs()
    assert len(runs) == 2
    for one, run in zip(document["benchmarks"], runs, strict=True):
        middles = [sorted(invocation.samples_ns)[4:6] for invocation in run.invocations]
        expected = sorted(sum(pair) / 2 / 1e9 for pair in middles)
        assert sorted(one["stats"]["data"]) == pytest.approx(expected, rel=1e-6)
        assert one["extra_info"]["device"] == "board"
    compared = run_pytest(mine, *device, "--benchmark-compare", "--benchmark-histogram=times")
    assert "Comparing against benchmarks from" in compared
    assert list(mine.folder.glob("times*.svg"))


@needs_qemu
def test_instructions_of_an_emulated_cpu_are_counted_and_gated(mine: Bench) -> None:
    device = ["--bnn-device=qemu://cortex-a72", "--bnn-store=store", "-k", "kernel"]
    run_pytest(mine, *device, "--benchmark-json=now.json", "--benchmark-save=before")
    (one,) = json.loads((mine.folder / "now.json").read_text())["benchmarks"]
    count = one["extra_info"]["instructions"]
    assert count > 1000
    assert one["extra_info"]["unit"] == "1 ns is 1 instruction"
    assert one["stats"]["data"] == [pytest.approx(count / 1e9)]
    (invocation,) = mine.store.run("latest").invocations
    assert invocation.counters is not None
    assert invocation.counters["instructions"] == count
    gate = ["--benchmark-compare", "--benchmark-compare-fail=mean:1%"]
    run_pytest(mine, *device, *gate)
    mine.write("test_mine.py", TESTS.replace('"k": 256', '"k": 288'))
    assert "Performance has regressed" in run_pytest(mine, *device, *gate, status=1)


@pytest.mark.slow
def test_only_benchmarks(mine: Bench) -> None:
    out = run_pytest(mine, "--bnn-device=local", "--bnn-invocations=2", "--bnn-store=store", "--benchmark-only")
    assert "4 passed" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--bnn-device=nowhere"], "nowhere"),
        (["--bnn-device=local", "--bnn-engine=warp"], "unknown engine 'warp'"),
    ],
)
def test_what_is_wrong_is_said_in_the_test(mine: Bench, words: list[str], said: str) -> None:
    out = run_pytest(mine, *words, "--bnn-store=store", "-k", "kernel", status=1)
    assert said in out
    assert "Traceback" not in out
