"""Fixtures: a user's folder, and a board that is a real SSH server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devices.sshd import LoopbackSsh
from tests.harness.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def board(tmp_path: Path, bench: Bench) -> Iterator[LoopbackSsh]:
    """A real SSH server, in the bench's inventory as `board`."""
    server = LoopbackSsh(tmp_path)
    bench.add_device(server.spec("board"))
    yield server
    server.stop()
