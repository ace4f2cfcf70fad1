"""Servers and connections that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bnnbench.devices.inventory import DeviceSpec
from bnnbench.devices.kinds import KINDS
from bnnbench.devices.transport import Transport, connect

from . import toy
from .adbd import FakeAdbd, adb_server
from .sshd import LoopbackSsh

SORTS = ("local", "toy", "openssh", "openssh-no-sftp", "dropbear", "adb", "adb-before-android-7")


@pytest.fixture(scope="session", params=SORTS)
def device(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeviceSpec]:
    """A device of every kind, with a home of its own that is not under /home."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param in ("local", "toy"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOME", str(folder))
            patch.setitem(KINDS, "toy", toy.ROW)
            options = {"room": "attic"} if request.param == "toy" else {}
            yield DeviceSpec(name=request.param, transport=request.param, options=options)
        return
    if request.param.startswith("adb"):
        with adb_server(folder), FakeAdbd(folder, "shell_v2,cmd" if request.param == "adb" else "") as phone:
            yield DeviceSpec(request.param, "adb", serial=phone.serial, workdir="~/.bnnbench")
        return
    kind = "dropbear" if request.param == "dropbear" else "openssh"
    server = LoopbackSsh(folder, sftp=request.param == "openssh", server=kind)
    yield server.spec(request.param)
    server.stop()


@pytest.fixture(scope="session")
def transport(device: DeviceSpec) -> Iterator[Transport]:
    """A connection to each `device` in turn."""
    with connect(device) as connection:
        yield connection


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LoopbackSsh]:
    """An OpenSSH server of the test's own, for what would spoil a shared one."""
    loopback = LoopbackSsh(tmp_path / "ssh")
    yield loopback
    loopback.stop()
