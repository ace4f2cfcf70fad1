"""The command that cuts a device's power: run here, without a shell, and never for longer than its limit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bnnbench.devices.errors import CommandFailed, InventoryError
from bnnbench.devices.inventory import load
from bnnbench.devices.power_cycle import power_cycle
from bnnbench.devices.spec import DeviceSpec

ENTRY = '[device.pi]\ntransport = "ssh"\nhost = "h"\n'


def spec(*words: str) -> DeviceSpec:
    return DeviceSpec("pi", host="h", power_cycle=words)


def test_its_words_reach_no_shell(tmp_path: Path) -> None:
    power_cycle(spec("touch", str(tmp_path / "$(id); a b")))
    assert [path.name for path in tmp_path.iterdir()] == ["$(id); a b"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("false", "secret"), "'false' ended with status 1"),
        (("/nowhere/uhubctl", "secret"), "'/nowhere/uhubctl' cannot be started (No such file or directory)"),
        (("/", "secret"), "'/' cannot be started (Permission denied)"),
    ],
)
def test_a_failure_names_the_program_and_no_argument(words: tuple[str, ...], part: str) -> None:
    with pytest.raises(CommandFailed) as told:
        power_cycle(spec(*words))
    assert f"power_cycle of device 'pi': {part}" in str(told.value)
    assert "secret" not in str(told.value)


def test_a_command_that_does_not_end_is_stopped_with_all_that_it_started(tmp_path: Path) -> None:
    late = tmp_path / "late"
    begun = time.monotonic()
    with pytest.raises(CommandFailed, match=r"did not end within 0\.3 s and was stopped"):
        power_cycle(spec("sh", "-c", f"(sleep 1; touch {late}) & sleep 30"), limit_s=0.3)
    assert time.monotonic() - begun < 10
    time.sleep(1.2)
    assert not late.exists()


def test_what_it_leaves_running_is_not_waited_for() -> None:
    begun = time.monotonic()
    power_cycle(spec("sh", "-c", "sleep 5 &"))
    assert time.monotonic() - begun < 4


def test_an_interrupt_of_this_program_does_not_reach_it(tmp_path: Path) -> None:
    """The device would stay without power."""
    off, on = tmp_path / "off", tmp_path / "on"
    code = (
        "from bnnbench.devices.power_cycle import power_cycle; from bnnbench.devices.spec import DeviceSpec; "
        f"power_cycle(DeviceSpec('pi', host='h', power_cycle=('sh', '-c', 'touch {off}; sleep 1; touch {on}')))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stderr=subprocess.DEVNULL)
    wait_for(off)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    process.wait(20)
    wait_for(on)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_inventory_names_it(tmp_path: Path) -> None:
    path = tmp_path / "devices.toml"
    for written, program in (
        ('["uhubctl", "-p", "2"]', "uhubctl"), ('["./cycle.sh", "-p", "2"]', str(tmp_path / "cycle.sh")),
    ):  # fmt: skip
        path.write_text(f"{ENTRY}power_cycle = {written}\n")
        found = load(path)["pi"]
        assert found.power_cycle == (program, "-p", "2")
        path.write_text(found.to_toml())
        assert load(path)["pi"] == found


@pytest.mark.parametrize("written", ['"uhubctl -p 2"', "[]", "[2]", '["uhubctl", ""]', '["uhubctl", "a\\nb"]'])
def test_what_is_no_command(tmp_path: Path, written: str) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(f"{ENTRY}power_cycle = {written}\n")
    with pytest.raises(InventoryError, match="device 'pi', key 'power_cycle'"):
        load(path)


def test_this_machine_has_none(tmp_path: Path) -> None:
    path = tmp_path / "devices.toml"
    path.write_text('[device.desk]\ntransport = "local"\npower_cycle = ["reboot"]\n')
    with pytest.raises(InventoryError, match="unknown key 'power_cycle'"):
        load(path)


def test_an_inventory_that_was_only_found_runs_nothing_here(tmp_path: Path) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(f'{ENTRY}power_cycle = ["rm", "-r", "/home"]\n')
    with pytest.raises(InventoryError, match=r"key 'power_cycle'.*may not decide how this machine is used"):
        load(path, is_given=False)["pi"]
