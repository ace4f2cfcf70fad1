"""The machine lock, against a stand-in of the process that holds it; and which devices are one machine."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from bnnbench.devices.errors import CommandFailed, DeviceBusy
from bnnbench.devices.inventory import DeviceSpec
from bnnbench.devices.lock import MachineLock
from bnnbench.devices.machines import Machine, machines
from bnnbench.devices.transport import Transport

from .sshd import LoopbackSsh

pytestmark = pytest.mark.timeout(60)
STANDIN = str(Path(__file__).parent / "lock_standin.py")


def lock(transport: Transport, folder: Path, *fault: str) -> MachineLock:
    return MachineLock(transport, [sys.executable, STANDIN, str(folder / "lock"), *fault], str(folder))


def test_one_at_a_time(transport: Transport, tmp_path: Path) -> None:
    first, second = lock(transport, tmp_path), lock(transport, tmp_path)
    with first:
        assert first.is_held()
        with pytest.raises(DeviceBusy, match="is busy: held by ann@desk since 12:30; wait") as caught:
            second.acquire(10)
        assert caught.value.holder == "ann@desk since 12:30"
        assert not second.is_held()
    assert not first.is_held()
    second.acquire(10)
    assert second.is_held()
    second.release()
    second.release()


@pytest.mark.parametrize(
    ("fault", "said"),
    [("hang", "in time"), ("rubbish", "instead of JSON"), ("nested", "instead of JSON"), ("die", "no permission")],
)
def test_a_holder_that_misbehaves(transport: Transport, tmp_path: Path, fault: str, said: str) -> None:
    begun = time.monotonic()
    with pytest.raises(CommandFailed, match=said):
        lock(transport, tmp_path, fault).acquire(2)
    assert time.monotonic() - begun < 15
    with lock(transport, tmp_path):
        pass


def test_a_dead_connection_lets_go(server: LoopbackSsh, tmp_path: Path) -> None:
    from bnnbench.devices.transport import connect

    first = connect(server.spec())
    held = lock(first, tmp_path)
    held.acquire(10)
    server.kill()
    server.start()
    with connect(server.spec()) as again:
        until = time.monotonic() + 5
        while True:
            try:
                with lock(again, tmp_path):
                    break
            except DeviceBusy:
                assert time.monotonic() < until
                time.sleep(0.1)
    held.release()
    first.close()


def test_devices_with_one_boot_id_are_one_machine() -> None:
    ssh, alias, other, local = (DeviceSpec(name, "ssh", host=name) for name in ("a", "b", "c", "d"))
    twin = DeviceSpec("again", "ssh", host="c")
    found = machines([(ssh, "boot 1"), (other, None), (alias, "boot 1"), (local, "boot 2"), (twin, None)])
    assert found == (
        Machine("boot 1", (ssh, alias)),
        Machine(None, (other, twin)),
        Machine("boot 2", (local,)),
    )
