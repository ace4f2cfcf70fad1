"""Serials and addresses of phones, and phones that are too old. The real adb, before a stand-in for a phone's adbd."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bnnbench.devices.errors import CommandFailed, Unreachable
from bnnbench.devices.inventory import DeviceSpec, Inventory, load, resolve
from bnnbench.devices.transport import connect

from .adbd import FakeAdbd, adb_server

pytestmark = pytest.mark.timeout(60)

SERIALS = [
    "adb-1A2B3C-xyzabc (2)._adb-tls-connect._tcp",
    "adb-R5CT-Ab._adb-tls-connect._tcp.",
    "[::1]:5556",
    "[fe80::1%eth0]:5555",
    "fe80::1%eth0",
    "192.0.2.7:5555",
    "emulator-5554",
    "0A1B2C3D",
    "a:b+c=d",
    "50%",
]
ENCODED = {
    "adb://adb-1A2B3C-xyzabc%20(2)._adb-tls-connect._tcp": SERIALS[0],
    "adb://adb-1A2B3C-xyzabc%20%282%29._adb-tls-connect._tcp": SERIALS[0],
    "adb://[fe80::1%25eth0]:5555": "[fe80::1%eth0]:5555",
    "adb://[fe80::1%eth0]:5555": "[fe80::1%eth0]:5555",
}


@pytest.mark.parametrize("serial", SERIALS)
def test_a_serial_as_adb_lists_it_is_taken_everywhere(serial: str, tmp_path: Path) -> None:
    written = tmp_path / "devices.toml"
    written.write_text(f'[device.phone]\ntransport = "adb"\nserial = {json.dumps(serial)}\n')
    spec = load(written).devices["phone"]
    assert spec.serial == serial
    written.write_text(spec.to_toml())
    assert load(written).devices["phone"].serial == serial
    for address in (f"adb://{serial}", spec.address):
        again = resolve(address, Inventory())
        assert again.serial == serial
        assert again.name[0].isalnum()


@pytest.mark.parametrize("address", ENCODED)
def test_a_serial_may_be_encoded_in_an_address(address: str) -> None:
    assert resolve(address, Inventory()).serial == ENCODED[address]


@pytest.mark.parametrize("serial", SERIALS)
def test_adb_is_asked_for_exactly_that_serial(serial: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adb = tmp_path / "adb"
    adb.write_text(
        '#!/bin/sh\ncase $1 in start-server|connect|disconnect) exit ;; esac\n'
        '[ "$1" = -s ] && [ "$2" = "$WANTED" ] || exit 9\n'
        "case $3 in get-state) echo device ;; shell) shift 4; eval \"$*\" ;; esac\n"
    )  # fmt: skip
    adb.chmod(0o755)
    monkeypatch.setenv("WANTED", serial)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with connect(DeviceSpec("phone", "adb", serial=serial)) as phone:
        assert phone.run(["echo", "hi"]).stdout == b"hi\n"


@pytest.mark.parametrize("features", ["shell_v2,cmd", ""])
def test_a_phone_at_an_ipv6_address(features: str, tmp_path: Path) -> None:
    with adb_server(tmp_path), FakeAdbd(tmp_path, features, "::1") as phone:
        spec = resolve(f"adb://[::1]:{phone.port}", Inventory())
        with connect(spec) as transport:
            done = transport.shell("echo out; echo err >&2; exit 7")
            assert (done.status, done.stdout, done.stderr) == (7, b"out\n", b"err\n")


def test_a_phone_without_exec_is_refused_with_the_reason(tmp_path: Path) -> None:
    with (
        adb_server(tmp_path),
        FakeAdbd(tmp_path, "", has_exec=False) as phone,
        pytest.raises(Unreachable, match="older than Android 5"),
    ):
        connect(DeviceSpec("old", "adb", serial=phone.serial))


@pytest.mark.parametrize("features", ["shell_v2,cmd", ""])
def test_what_an_old_phone_cannot_run_is_told(features: str, tmp_path: Path) -> None:
    with (
        adb_server(tmp_path),
        FakeAdbd(tmp_path, features) as phone,
        connect(DeviceSpec("p", "adb", serial=phone.serial)) as one,
    ):
        assert one.run(["no-such-program"]).status == 127
        with pytest.raises(CommandFailed):
            one.pull("/nowhere")
        phone.__exit__(None, None, None)
        with pytest.raises(Exception, match="connection to device 'p' is lost"):
            one.run(["true"])
