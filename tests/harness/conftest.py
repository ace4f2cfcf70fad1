"""Fixtures: a user's folder, and a board that is a real SSH server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devices.sshd import LoopbackSsh
from tests.harness.bench import Bench


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
