"""Changing and putting back, by the scripts as they run on a device; what may be written, and what never is."""

from __future__ import annotations

from pathlib import Path

from bnnbench.devices.environment import JOURNAL, Step, apply, restore, steps
from bnnbench.devices.transport import Transport

from .test_probe import recorded


def test_steps_of_devices() -> None:
    pi = steps(recorded("pi4_64bit"), (2, 3))
    assert [step.what for step in pi] == [
        f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor" for cpu in (2, 3)
    ]
    assert [step.what for step in steps(recorded("android_adb"), (0,))] == ["fixed-performance", "stay-awake"]
    assert [step.value for step in steps(recorded("x86_vm"), (0,))] == ["1", "0"]


def test_nothing_outside_sys_is_written(transport: Transport, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched\n")
    folder = transport.home()
    (change,) = apply(transport, folder, [Step("file", str(victim), "performance")])
    assert (change.outcome, change.before) == ("denied", "untouched")
    assert victim.read_text() == "untouched\n"
    transport.run(["rm", "-f", f"{folder}/{JOURNAL}"])


def test_a_hostile_journal_changes_nothing(transport: Transport, tmp_path: Path) -> None:
    victim = tmp_path / "it's $(touch owned)"
    victim.write_text("untouched\n")
    folder = transport.home()
    lines = [
        f"file\t{victim}\tevil",
        f"file\t/sys/../{victim}\tevil",
        "file\t/sys/nothing/here\t$(touch owned)",
        "setting\t$(touch owned)\t`touch owned`",
        "nonsense",
        "",
    ]
    transport.shell('printf "%s\\n" "$2" > "$1"', f"{folder}/{JOURNAL}", "\n".join(lines))
    changes = restore(transport, folder)
    assert {change.outcome for change in changes} == {"stuck"}
    assert victim.read_text() == "untouched\n"
    assert transport.run(["ls", f"{folder}/owned"]).status != 0
    assert transport.run(["rm", f"{folder}/{JOURNAL}"]).status == 0  # kept, for what is stuck


def test_nothing_to_restore(transport: Transport) -> None:
    assert restore(transport, transport.home()) == []


def test_a_missing_file_is_passed_over(transport: Transport) -> None:
    assert apply(transport, transport.home(), [Step("file", "/sys/no/such/file", "1")]) == []
