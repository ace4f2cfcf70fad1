"""Runs on what a kernel or a system sets limits to."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bnnbench.results.case_result import case_results

from .bench import BNNBENCH, SMALL_SUITE, Bench, one_sentence

pytestmark = pytest.mark.timeout(100)
CPU = Path("/sys/fs/cgroup/cpu")
WORDS = ["run", "small.toml", "--store", "store", "--filter", "maxpool", "--engine", "native"]


@pytest.fixture
def limited() -> Iterator[Path]:
    """A control group that gets a fifth of one CPU."""
    folder = CPU / f"bnnbench-run-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control groups can be made: {error.strerror}")
    (folder / "cpu.cfs_quota_us").write_text("20000")
    yield folder
    folder.rmdir()


def run(bench: Bench, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, cwd=bench.folder, env=bench.environment, capture_output=True, text=True, timeout=90, check=False
    )


@pytest.mark.skipif(not {0, 1} <= os.sched_getaffinity(0), reason="needs CPUs 0 and 1")
def test_a_core_that_nothing_gets_unasked_is_measured_when_it_is_named(bench: Bench) -> None:
    bench.write("devices.toml", '[device.quiet]\ntransport = "local"\ncores = [1]\n')
    words = [*WORDS, "--invocations", "2", "--device", "quiet", "--inventory", "devices.toml"]
    done = run(bench, "taskset", "-c", "0", BNNBENCH, *words)
    assert done.returncode == 0, done.stderr
    invocations = bench.store.run("latest").invocations
    assert {tuple(one.cpus_used) for one in invocations} == {(1,)}


def test_a_run_that_was_stopped_by_its_quota_is_not_believed(bench: Bench, limited: Path) -> None:
    """Each invocation runs for several times the 20 ms that the group gets in 100, so it is stopped within it."""
    bench.write("small.toml", SMALL_SUITE.replace("min_sample_ms = 1", "min_sample_ms = 30"))
    script = 'echo $$ > "$1/cgroup.procs"; shift; exec "$@"'
    words = ["sh", "-c", script, "sh", str(limited), BNNBENCH, *WORDS, "--invocations", "2", "--device", "local"]
    done = run(bench, *words)
    assert done.returncode == 0, done.stderr
    (case,) = case_results(bench.store.run("latest"))
    assert case.trust == "low"
    told = " ".join(case.trust_reasons)
    assert "a control group lets it use 0.20 of" in told
    assert "limit of CPU time stopped it in 2 of 2 invocations" in told


@pytest.mark.parametrize("system", ["Darwin", "CYGWIN_NT-10.0"])
def test_another_system_is_refused_in_one_sentence_before_anything_is_pushed(bench: Bench, system: str) -> None:
    """The stand-in is `uname` alone."""
    uname = bench.folder / "bin/uname"
    uname.parent.mkdir()
    uname.write_text(f'#!/bin/sh\ncase $1 in -s) echo {system} ;; *) exec /bin/uname "$@" ;; esac\n')
    uname.chmod(0o755)
    bench.environment["PATH"] = f"{uname.parent}:{bench.environment['PATH']}"
    done = bench.run(*WORDS, "--device", "local")
    assert done.returncode == 3
    sentence = one_sentence(done.stderr)
    assert f"its system is {system}, and engines are built only for Linux and Android" in sentence
    assert not (bench.folder / "user-home/.bnnbench").exists()
