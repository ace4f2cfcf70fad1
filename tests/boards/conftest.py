"""Emulated boards that the tests of this folder share, and what they are measured with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bnnbench.devices.spec import DeviceSpec
from tests.harness.bench import Bench

from .machines.board import Adb, Board


@pytest.fixture(scope="session")
def pi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """A Pi-like board, up."""
    board = Board("pi", tmp_path_factory.mktemp("pi"))
    board.wait_until_up()
    yield board
    board.power_off()


@pytest.fixture(scope="session")
def android(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """An Android-like board, up, with adbd."""
    board = Board("android", tmp_path_factory.mktemp("android"))
    board.wait_until_up()
    yield board
    board.power_off()


@pytest.fixture(scope="session")
def adb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adb]:
    """An adb server of our own."""
    server = Adb(tmp_path_factory.mktemp("adb"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            if name != "HOME":  # the toolchain's caches are in the real one
                patch.setenv(name, value)
        yield server
    server.close()


@pytest.fixture
def phone(android: Board, adb: Adb) -> DeviceSpec:
    """The Android-like board by adb."""
    return DeviceSpec(name="phone", transport="adb", serial=adb.connect(android.adb_port))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, forked=False)
