"""Changing and putting back, by the scripts as they run on a device; what may be written, and what never is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport import Transport, connect
from bnnbench.devices.transport.local import LocalTransport
from bnnbench.devices.transport.protocol import Completed
from bnnbench.devices.tuning import JOURNAL, Change, Setting, apply, restore, settings

from .test_probe import recorded


def test_steps_of_devices() -> None:
    pi = settings(recorded("pi4_64bit"), (2, 3))
    assert [setting.what for setting in pi] == [
        f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor" for cpu in (2, 3)
    ]
    assert [setting.what for setting in settings(recorded("android_adb"), (0,))] == ["fixed-performance", "stay-awake"]
    assert [setting.value for setting in settings(recorded("x86_vm"), (0,))] == ["1", "0"]


def test_nothing_outside_sys_is_written(transport: Transport, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched\n")
    folder = transport.home()
    (change,) = apply(transport, folder, [Setting("file", str(victim), "performance")])
    assert (change.outcome, change.before) == ("denied", "untouched")
    assert victim.read_text() == "untouched\n"
    # What may not be changed is not in the journal: it would be put back over what its owner sets later.
    assert transport.run(["ls", f"{folder}/{JOURNAL}"]).status != 0


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
    assert apply(transport, transport.home(), [Setting("file", "/sys/no/such/file", "1")]) == []


# `/sys` and Android's commands, made up in a folder: what the scripts do with values that can be written.
STANDIN = """
case $1 in
  get) cat "$BNN_STATE/$3" 2>/dev/null || echo null ;;
  put) [ -f "$BNN_STATE/readonly" ] || echo "$4" > "$BNN_STATE/$3" ;;
  delete) rm -f "$BNN_STATE/$3" ;;
  power) [ ! -f "$BNN_STATE/readonly" ] && echo "$3" >> "$BNN_STATE/performance" ;;
esac
"""


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Transport]:
    """This machine with Android's `settings` and `cmd`, whose state is in `state` of its home."""
    (tmp_path / "state").mkdir()
    for name in ("settings", "cmd"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\n" + STANDIN)
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("BNN_STATE", str(tmp_path / "state"))
    with connect(DeviceSpec("phone", transport="local")) as transport:
        yield transport


AWAKE = "stay_on_while_plugged_in"
ANDROID = [Setting("setting", "fixed-performance", "true"), Setting("setting", "stay-awake", "7")]


def told(changes: list[Change]) -> list[tuple[str, str, str]]:
    return [(one.outcome, one.what, one.before) for one in changes]


def test_android_s_settings_and_back(phone: Transport, tmp_path: Path) -> None:
    assert told(apply(phone, str(tmp_path), ANDROID)) == [
        ("changed", "fixed-performance", "false"),
        ("changed", "stay-awake", "null"),
    ]
    assert (tmp_path / "state" / AWAKE).read_text() == "7\n"
    assert told(restore(phone, str(tmp_path))) == [
        ("restored", "fixed-performance", "false"),
        ("restored", "stay-awake", "null"),
    ]
    assert not (tmp_path / "state" / AWAKE).exists()  # and not the text `null`
    assert (tmp_path / "state/performance").read_text() == "true\nfalse\n"
    assert not (tmp_path / JOURNAL).exists()


def test_a_setting_that_may_not_be_changed_is_forgotten(phone: Transport, tmp_path: Path) -> None:
    (tmp_path / "state" / AWAKE).write_text("1\n")
    (tmp_path / "state/readonly").touch()
    assert {one.outcome for one in apply(phone, str(tmp_path), ANDROID)} == {"denied"}
    assert not (tmp_path / JOURNAL).exists()


def test_what_somebody_else_changed_since_is_left_alone(phone: Transport, tmp_path: Path) -> None:
    apply(phone, str(tmp_path), ANDROID[1:])
    (tmp_path / "state" / AWAKE).write_text("3\n")
    assert told(restore(phone, str(tmp_path))) == [("left", "stay-awake", "3")]
    assert not (tmp_path / JOURNAL).exists()
    assert restore(phone, str(tmp_path)) == []


def test_only_what_is_stuck_stays_in_the_journal(phone: Transport, tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text("file\t/sys/nothing/here\t1\t\nsetting\tstay-awake\t5\t\n")
    assert [one.outcome for one in restore(phone, str(tmp_path))] == ["stuck", "restored"]
    assert (tmp_path / JOURNAL).read_text() == "file\t/sys/nothing/here\t1\t\n"


def test_nothing_is_changed_once_the_journal_is_gone(phone: Transport, tmp_path: Path) -> None:
    """Its connection was lost, and whoever came next has put everything back."""

    class Restored(LocalTransport):
        def shell(self, script: str, *args: str, timeout_s: float = 30, input: bytes = b"") -> Completed:
            done = super().shell(script, *args, timeout_s=timeout_s, input=input)
            (tmp_path / JOURNAL).unlink(missing_ok=True)
            return done

    with Restored(phone.spec) as transport:
        assert apply(transport, str(tmp_path), ANDROID) == []
    assert not (tmp_path / "state" / AWAKE).exists()


def test_what_cannot_be_read_is_stuck_and_kept(phone: Transport, tmp_path: Path) -> None:
    """A phone that boots answers adb before its settings do; a CPU may be offline."""
    apply(phone, str(tmp_path), ANDROID[1:])
    journal = (tmp_path / JOURNAL).read_text() + "file\t/sys/nothing/here\tondemand\tperformance\n"
    (tmp_path / JOURNAL).write_text(journal)
    settings = tmp_path / "bin/settings"
    program = settings.read_text()
    settings.write_text("#!/bin/sh\nexit 20\n")
    assert {one.outcome for one in restore(phone, str(tmp_path))} == {"stuck"}
    assert (tmp_path / JOURNAL).read_text() == journal
    settings.write_text(program)
    assert [one.outcome for one in restore(phone, str(tmp_path))] == ["restored", "stuck"]
    assert not (tmp_path / "state" / AWAKE).exists()


def test_what_is_set_after_a_restore_is_put_back(phone: Transport, tmp_path: Path) -> None:
    """A write that hung while the connection was lost lands when somebody has restored everything."""
    settings = tmp_path / "bin/settings"
    settings.write_text(settings.read_text().replace('echo "$4" >', f'rm -f "{tmp_path / JOURNAL}"; echo "$4" >'))
    (tmp_path / "state" / AWAKE).write_text("1\n")
    assert apply(phone, str(tmp_path), ANDROID[1:]) == []
    assert (tmp_path / "state" / AWAKE).read_text() == "1\n"
