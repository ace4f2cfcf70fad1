"""What is found wrong with recorded devices, and what their batteries, coolers and power sources say."""

from __future__ import annotations

import pytest

from bnnbench.devices import virtualization
from bnnbench.devices.doctor import CHECKS, diagnose
from bnnbench.devices.errors import InventoryError
from bnnbench.devices.facts import DeviceFacts
from bnnbench.devices.inventory import DeviceSpec
from bnnbench.devices.power import watts
from bnnbench.devices.probe import with_abi
from bnnbench.devices.probe_script import Section, Sections
from bnnbench.devices.telemetry import readings, signs, watched_files, window_s
from bnnbench.devices.temperature import celsius

from .test_probe import FIXTURES, recorded

SPEC = DeviceSpec("board", host="pi4.lab", user="pi")


def names(recording: str, spec: DeviceSpec = SPEC) -> list[str]:
    return [finding.name for finding in diagnose(spec, recorded(recording))]


def test_a_phone_in_a_bad_state() -> None:
    assert names("android_adb") == [
        "battery-saver",
        "thermal",
        "hot",
        "busy",
        "not-seen",
        "battery",
        "wake-lock",
        "cpuset",
        "screen",
        "old-kernel",
        "no-counters",
    ]
    findings = {one.name: one for one in diagnose(SPEC, recorded("android_adb"))}
    assert findings["cpuset"].what == "it may not use CPUs 4-7: they are outside Android's cpuset for background apps"
    assert findings["hot"].what == "cpu-0-0-usr is at 78 °C before anything ran"
    assert findings["no-counters"].mend == "adb shell setprop security.perf_harden 0"


def test_a_throttled_pi() -> None:
    assert names("pi5") == ["throttled", "throttled", "not-seen"]
    now = diagnose(SPEC, recorded("pi5"))[:2]
    assert [one.what for one in now] == [
        "the firmware reports under-voltage now",
        "the firmware reports throttling now",
    ]
    assert {one.weight for one in now} == {"low"}


def test_sticky_bits_and_the_governor() -> None:
    findings = {one.name: one for one in diagnose(SPEC, recorded("pi4_64bit"))}
    assert list(findings) == ["throttled-before", "governor"]
    assert "sudo reboot" in findings["throttled-before"].mend
    files = [f"/usr/bin/tee /sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor" for cpu in range(4)]
    sudoers, _, rest = findings["governor"].mend.partition("' | sudo tee /etc/sudoers.d/bnnbench; ")
    assert sudoers.endswith("echo 'pi ALL=(root) NOPASSWD: " + ", ".join(files))
    assert "*" not in sudoers  # a wildcard would give away root
    assert rest.startswith("or once: ")
    tuned = DeviceSpec("board", host="pi4.lab", user="pi", tune=True)
    assert "governor" not in names("pi4_64bit", tuned)


def test_32_bit_userland_would_run_the_64_bit_engine() -> None:
    facts = recorded("pi4_32bit_userland")
    assert facts.triple == "arm-linux-musleabihf"
    finding = next(one for one in diagnose(SPEC, facts) if one.name == "32-bit")
    assert 'abi = "aarch64"' in finding.mend
    assert with_abi(DeviceSpec("board", abi="aarch64"), facts).triple == "aarch64-linux-musl"
    assert with_abi(DeviceSpec("board", abi="arm"), recorded("pi4_64bit")).triple == "arm-linux-musleabihf"
    with pytest.raises(InventoryError, match="remove abi="):
        with_abi(DeviceSpec("board", abi="aarch64"), recorded("x86_vm"))


def test_armv6_is_refused() -> None:
    finding = diagnose(SPEC, recorded("pi_zero_armv6"))[0]
    assert finding.name == "no-engine"
    assert "armv6l" in finding.what


def test_an_emulated_board_says_so() -> None:
    assert names("raspi3b_emulated")[-1] == "emulated"


def test_every_check_finds_something_somewhere() -> None:
    recordings = [path.stem for path in FIXTURES.glob("*.txt")]
    for check in CHECKS:
        assert any(list(check(SPEC, recorded(name))) for name in recordings), check


@pytest.mark.parametrize(
    ("recording", "found"),
    [
        ("rk3588", {}),
        ("jetson", {"left-out": "PMIC-Die (not the CPU's, at 100 °C)"}),  # and not "hot"
        ("ryzen", {}),
        ("grace", {}),
        ("isolated_cpus", {"set-aside": "programs have CPUs 2-3 only when they ask"}),
        ("container_quota", {"quota": "1.50 of 4 CPUs' time", "container": "it is a container"}),
        ("pi4_no_video_group", {"not-seen": "the firmware's throttle flags (status 255: Can't open device file"}),
        ("macos", {"no-engine": "its system is Darwin"}),
        ("freebsd", {"no-engine": "its system is FreeBSD"}),
    ],
)
def test_findings_of_a_device(recording: str, found: dict[str, str]) -> None:
    findings = {one.name: one for one in diagnose(SPEC, recorded(recording))}
    assert findings.keys() == found.keys()
    for name, words in found.items():
        assert words in findings[name].what


def test_what_is_not_seen_is_told_and_lowers_trust() -> None:
    (pi,) = diagnose(SPEC, recorded("pi4_no_video_group"))
    assert pi.what.startswith("not seen: its clock (no cpufreq), its governor, its temperature, ")
    assert pi.mend.startswith("let the user ask the firmware: sudo usermod -aG video pi;")
    assert pi.weight == "grade"
    # A virtual machine is in doubt anyway: it is told what is missing, and lowered once.
    weights = {one.name: one.weight for one in diagnose(SPEC, recorded("x86_vm"))}
    assert (weights["virtual"], weights["not-seen"]) == ("grade", "none")
    phone = {one.name: one for one in diagnose(SPEC, recorded("android_app"))}
    assert phone["not-seen"].what == "not seen: its governor, its load"


def test_facts_of_power() -> None:
    pi5, phone = recorded("pi5"), recorded("android_adb")
    assert pi5.value("revision") == "d04170"
    assert pi5.value("firmware").startswith("2024/05/13")
    assert pi5.value("cooling") == {"pwm-fan": 2}
    assert [one["kind"] for one in pi5.value("power_sources")] == ["hwmon", "pmic"]
    assert pi5.value("power_sources")[0]["name"] == "ina260"
    assert phone.value("battery") == {"level": 15, "charging": False, "powersave": True, "screen": True}
    assert phone.value("thermal_status") == 2
    assert phone.value("wake_lock") is False
    (gauge,) = phone.value("power_sources")
    assert [path.rpartition("/")[2] for path in gauge["paths"]] == ["status", "current_now", "voltage_now"]
    assert recorded("x86_vm").value("power_sources") is None


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("hwmon", ["4310000"], 4.31),
        ("supply", ["Discharging", "-412500", "3810000"], 0.4125 * 3.81),
        ("supply", ["Discharging", "1200000"], 1.2),
        ("supply", ["Charging", "1200000"], None),
        ("supply", ["Not charging", "1200000"], None),
        ("supply", [], None),
        ("pmic", ["  VDD_CORE_A current(7)=1.5A", "  VDD_CORE_V volt(15)=0.8V", "EXT5V_V volt(24)=5.1V"], 1.2),
        ("pmic", ["error"], None),
        ("hwmon", [], None),
        ("hwmon", ["$(reboot)"], None),
    ],
)
def test_watts(kind: str, values: list[str], expected: float | None) -> None:
    assert watts(kind, values) == (pytest.approx(expected) if expected is not None else None)


def test_what_is_watched() -> None:
    files = watched_files(recorded("pi4_64bit"), (2, 3))
    assert "/sys/devices/system/cpu/cpu3/cpufreq/scaling_cur_freq" in files
    assert "/sys/class/thermal/thermal_zone0/temp" in files
    assert files[0] == "/proc/uptime"
    assert len(files) <= 16
    assert not any("cpufreq" in path for path in watched_files(recorded("x86_vm"), (0, 1)))


def test_readings_of_watched_files() -> None:
    watch = {
        "/sys/class/thermal/thermal_zone0/temp": ["48686", "52100"],
        "/sys/class/thermal/thermal_zone1/temp": ["50000", ""],
        "/sys/devices/system/cpu/cpu2/cpufreq/scaling_cur_freq": ["1500000", "600000"],
        "/sys/devices/system/cpu/cpu3/cpufreq/scaling_cur_freq": ["1400000", "1500000"],
        "/proc/loadavg": ["0.08 0.03 0.01 1/158 1234", "1.2 0.03 0.01 1/158 1234"],
        "/sys/class/power_supply/BAT0/capacity": ["80", "79"],
    }
    assert readings(watch) == {
        "temperature_celsius": pytest.approx([48.686, 52.1]),  # of the zone that could be read both times
        "clock_hz": [1.4e9, 0.6e9],
        "load": [0.08, 1.2],
        "battery_level": [80.0, 79.0],
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("48686\n", 48.686),
        ("52", 52.0),
        ("-5000", -5.0),
        ("-274000", None),
        ("255000", None),
        ("", None),
        ("hot", None),
    ],
)
def test_celsius(text: str, expected: float | None) -> None:
    assert celsius(text) == expected


def test_the_time_of_the_timed_blocks() -> None:
    assert window_s({"/proc/uptime": ["10.25 3.1\n", "12.50 3.2\n"]}) == (10.25, 12.5)
    assert window_s({"/proc/uptime": ["10.25 3.1", ""]}) is None
    assert window_s({}) is None
    assert window_s(None) is None


def test_no_command_where_no_firmware_word_is_told() -> None:
    class Nothing:
        """Has no `run`: asking it would fail."""

    assert signs(Nothing(), recorded("x86_vm")) == {}  # type: ignore[arg-type]


def test_a_container_cannot_know_of_others() -> None:
    def found(*said: str) -> list[tuple[str, str]]:
        sections = Sections({"pid_namespace": Section("/proc/self/ns/pid", 0, *said)} if said else {})
        facts = DeviceFacts({**recorded("pi5").facts, "container": virtualization.container(sections)})
        return [(one.name, one.weight) for one in diagnose(SPEC, facts) if one.name == "container"]

    assert found("pid:[4026532201]\n") == [("container", "grade")]
    assert found("pid:[4026531836]\n") == []
    assert found() == []
