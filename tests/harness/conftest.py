"""Fixtures: a user's folder, a board that is a real SSH server, a repository with a baseline."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devices.sshd import LoopbackSsh
from tests.harness.bench import Bench

SUITE = """
name = "ci"
engines = ["native"]
invocations = 2
warmup_ms = 10
min_sample_ms = 1

[[kernel]]
op = "bgemm"
m = 64
n = 64
k = 512
"""

CI_SCRIPT = """#!/bin/sh
set -eu
bnnbench check --baseline main --head "${HEAD:-native}" --store store --format junit -o bnnbench.xml "$@"
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with one small run in its store, saved as the baseline `main`."""
    bench = Bench(tmp_path_factory.mktemp("made"))
    bench.measure("small.toml", "--filter", "maxpool", "--engine", "native", "--invocations", "1")
    assert bench.run("baseline", "save", "main", "--store", "store").returncode == 0
    return bench.folder


@pytest.fixture
def received(bench: Bench, made: Path) -> Bench:
    """That store as another user has it: without the key."""
    shutil.copytree(made / "store", bench.folder / "store")
    return bench


@pytest.fixture
def ours(received: Bench, made: Path) -> Bench:
    """That store as its own user has it."""
    shutil.copytree(made / received.state.relative_to(received.folder), received.state)
    return received


@pytest.fixture
def board(tmp_path: Path, bench: Bench) -> Iterator[LoopbackSsh]:
    """A real SSH server, in the bench's inventory as `board`."""
    server = LoopbackSsh(tmp_path)
    bench.add_device(server.spec("board"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample repository with a suite, a CI script, and the baseline `main` of its last merge."""
    bench = Bench(tmp_path_factory.mktemp("repository"))
    bench.write("suite.toml", SUITE)
    bench.write("ci.sh", CI_SCRIPT).chmod(0o755)
    bench.measure("suite.toml")
    saved = bench.run("baseline", "save", "main", "--store", "store")
    assert saved.returncode == 0, saved.stderr
    assert "baseline main: native for " in saved.stdout
    return bench.folder


@pytest.fixture
def repository(bench: Bench, merged: Path) -> Bench:
    """A clone of it, with the command on the PATH."""
    for name in ("suite.toml", "ci.sh", "store", "user-home/.local"):  # of the same user, by the key
        (shutil.copytree if (merged / name).is_dir() else shutil.copy)(merged / name, bench.folder / name)
    bench.environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{bench.environment['PATH']}"
    return bench
