"""Facts from recorded answers, and from real machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnbench.devices.cpu import find_clusters, parse_cpu_list, parse_cpuinfo
from bnnbench.devices.errors import InventoryError
from bnnbench.devices.facts import DeviceFacts, Fact, cores_of, cpu_list
from bnnbench.devices.inventory import DeviceSpec
from bnnbench.devices.probe import FACTS, facts_of, probe
from bnnbench.devices.probe_script import Section, Sections, split
from bnnbench.devices.transport import Transport
from bnnbench.devices.userland import parse_elf

FIXTURES = Path(__file__).parent / "fixtures"


def recorded(name: str) -> DeviceFacts:
    return facts_of(split((FIXTURES / f"{name}.txt").read_text(), "@@"))


def arm(bogomips: str, implementer: int, part: int) -> str:
    """An Arm CPU's /proc/cpuinfo."""
    return f"processor: 0\nBogoMIPS: {bogomips}\nCPU implementer: {implementer:#04x}\nCPU part: {part:#05x}"


def test_every_recording_says_where_it_is_from() -> None:
    for path in FIXTURES.glob("*.txt"):
        assert path.read_text().startswith(("# Real", "# Synthetic")), path


def test_pi4() -> None:
    facts = recorded("pi4_64bit")
    assert facts.model == "Raspberry Pi 4 Model B Rev 1.4"
    assert facts["model"].source == "/proc/device-tree/model"
    assert facts.triple == "aarch64-linux-musl"
    assert facts.value("elf_class") == 64
    assert facts.value("cpu_model") == "Cortex-A72"
    assert facts.value("cpus") == {"count": 4, "online": [0, 1, 2, 3], "allowed": [0, 1, 2, 3]}
    (cluster,) = facts.value("clusters")
    assert (cluster["cpus"], cluster["part"], cluster["max_hz"]) == ([0, 1, 2, 3], 0xD08, 1_500_000_000)
    assert facts.value("clock_hz")["3"] == {"cur": 600_000_000, "min": 600_000_000, "max": 1_500_000_000}
    assert facts.value("firmware_clock_hz") == 600_117_184
    assert facts.value("governor") == "ondemand"
    assert facts.value("temperature_celsius") == {"cpu-thermal": 48.686}
    assert facts.value("throttled") == 0x50000
    assert facts.value("memory_bytes") == 3_884_376 * 1024
    assert facts.value("load_average") == [0.08, 0.03, 0.01]
    assert facts.value("perf_event_paranoid") == 2
    assert facts.emulated is False
    assert facts.boot_id == "6f1b9c3e-0c52-4d0c-9c38-1c1f6a0d2b11"
    assert "vcgencmd" in facts.value("tools")


def test_a_32_bit_userland_decides_over_a_64_bit_kernel() -> None:
    facts = recorded("pi4_32bit_userland")
    assert facts.value("machine") == "aarch64"
    assert facts.value("elf_class") == 32
    assert facts.triple == "arm-linux-musleabihf"
    assert facts.value("throttled") == 0x50005
    assert facts["throttled"].source.startswith("/sys/")


def test_armv6_is_refused_with_the_reason() -> None:
    fact = recorded("pi_zero_armv6")["triple"]
    assert fact.value is None
    assert "armv6l" in fact.source


def test_android_app() -> None:
    facts = recorded("android_app")
    assert facts.model == "Google Pixel 7"
    assert facts.value("os_release") == "Android 14"
    assert facts.triple == "aarch64-linux-musl"
    assert [cluster["cpus"] for cluster in facts.value("clusters")] == [[6, 7], [4, 5], [0, 1, 2, 3]]
    assert [cluster["name"] for cluster in facts.value("clusters")] == [
        "Cortex-X1",
        "Cortex-A78",
        "Cortex-A55",
    ]
    assert facts.allowed_cpus == (0, 1, 2, 3, 4, 5)
    assert facts.boot_id is None
    assert "boot_id" in facts["boot_id"].source
    assert facts.value("load_average") is None
    assert facts.value("temperature_celsius") == {"BIG": 38.0, "BIG (thermal_zone1)": 41.0}
    assert facts.emulated is False
    # The phone's prime cores are not for apps: the strongest ones that are.
    assert cores_of(DeviceSpec("phone", "ssh", host="h", cores="big"), facts) == (4, 5)


def test_x86_kvm_guest_is_virtual_not_emulated() -> None:
    facts = recorded("x86_vm")
    assert facts.triple == "x86_64-linux-musl"
    assert (facts.value("hypervisor"), facts.emulated) == ("kvm", False)
    assert {"avx2", "popcnt"} <= facts.isa_features
    assert facts.value("cpus")["allowed"] == [0, 1]
    assert facts.value("clock_hz") == {"0": {"cur": 2_445_430_000}, "1": {"cur": 2_445_430_000}}
    assert facts.value("temperature_celsius") is None
    assert facts["temperature_celsius"].source == "tried /sys/class/thermal/thermal_zone*/temp"


def test_emulated_board() -> None:
    facts = recorded("raspi3b_emulated")
    assert facts.model == "Raspberry Pi 3 Model B"
    assert facts.emulated is True
    assert "62.5 MHz" in facts["emulated"].source
    assert facts.value("clock_hz") is None
    assert facts.value("throttled") is None
    assert facts.value("triple") == "aarch64-linux-musl"  # from uname alone


@pytest.mark.parametrize(
    ("change", "emulated"),
    [
        ({"dmi": "/sys/class/dmi/id/sys_vendor\tQEMU", "clocksources": "tsc hpet acpi_pm"}, True),
        ({"dmi": "/sys/class/dmi/id/sys_vendor\tQEMU", "clocksources": "kvm-clock tsc"}, False),
        ({"cpuinfo": "processor: 0\nmodel name: QEMU TCG CPU version 2.5+\nflags: fpu"}, True),
        ({"cpuinfo": "processor: 0\nmodel name: QEMU Virtual CPU version 2.5+\nflags: fpu hypervisor",
          "clocksources": "tsc"}, True),
        ({"uname_m": "aarch64"}, True),  # an x86 cpuinfo under an Arm name: a user-mode emulator
        ({"uname_m": "aarch64", "cpuinfo": arm("2000.00", 0x41, 0xD49),
          "compatible": "linux,dummy-virt"}, None),
        ({"uname_m": "aarch64", "cpuinfo": arm("50.00", 0x41, 0xD0C),
          "compatible": "linux,dummy-virt"}, False),
        ({"uname_m": "aarch64", "cpuinfo": arm("2000.00", 0x00, 0x051)},
         True),
        ({"cpuinfo": ""}, None),
    ],
)  # fmt: skip
def test_emulation_is_decided_by_evidence(change: dict[str, str], emulated: bool | None) -> None:
    sections = split((FIXTURES / "x86_vm.txt").read_text(), "@@")
    if "cpuinfo" in change and "clocksources" not in change:
        sections["clocksources"] = Section("clocksources", 0, "tsc")
    for name, text in change.items():
        sections[name] = Section(name, 0, text)
    facts = facts_of(sections)
    assert facts.emulated is emulated, facts["emulated"]
    assert facts["emulated"].source


def test_every_fact_survives_a_device_that_says_nothing_and_json() -> None:
    facts = facts_of(Sections())
    assert list(facts) == list(FACTS)
    for name in facts:
        assert not facts.value(name), name
        assert facts[name].source
    back = DeviceFacts.from_dict(json.loads(json.dumps(recorded("pi4_64bit").to_dict())))
    assert back == recorded("pi4_64bit")


_SECTIONS = st.sampled_from(["cpuinfo", "online", "elf", "status", "meminfo", "max_khz", "zone_temp"])


@given(st.dictionaries(_SECTIONS, st.text(max_size=200)))
def test_rubbish_never_crashes_the_parsers(texts: dict[str, str]) -> None:
    facts = facts_of(Sections({name: Section(name, 0, text) for name, text in texts.items()}))
    json.dumps(facts.to_dict())


def test_content_cannot_pass_for_a_section() -> None:
    output = "ABC a 0 /a\nevil b 0 /b\nABCD x 0 y\nABC b 0 /b\nreal\n"
    sections = split(output, "ABC")
    assert sections["a"].text == "evil b 0 /b\nABCD x 0 y"
    assert sections["b"].said == "real"


@given(st.frozensets(st.integers(0, 4095), min_size=1, max_size=40))
def test_cpu_lists_round_trip(cpus: frozenset[int]) -> None:
    assert parse_cpu_list(cpu_list(sorted(cpus))) == tuple(sorted(cpus))


@pytest.mark.parametrize("text", ["", "x", "0-", "1-99999", "-1"])
def test_cpu_lists_that_are_none(text: str) -> None:
    assert parse_cpu_list(text) == ()


def test_x86_best_cores_are_no_cluster_but_core_types_are() -> None:
    cpus = parse_cpuinfo("\n\n".join(f"processor: {i}\nmodel name: X\nflags: avx2" for i in range(4)))
    clocks = {0: 5_000, 1: 5_200, 2: 4_000, 3: 4_000}
    assert [cluster.cpus for cluster in find_clusters(cpus, range(4), clocks, {})] == [(0, 1, 2, 3)]
    hybrid = find_clusters(cpus, range(4), clocks, {}, [(0, 1), (2, 3)])
    assert [cluster.cpus for cluster in hybrid] == [(0, 1), (2, 3)]


def test_elf_headers() -> None:
    assert parse_elf("7f 45 4c 46") is None
    assert parse_elf(" ".join(["00"] * 52)) is None
    header = parse_elf("7f 45 4c 46 02 02 01 00 00 00 00 00 00 00 00 00 00 03 00 b7 00 00")
    assert header is not None
    assert (header.bits, header.machine, header.little_endian) == (64, "aarch64", False)


def test_cores() -> None:
    facts = DeviceFacts({"cpus": Fact({"count": 4, "online": [0, 1, 2, 3], "allowed": [1, 2, 3]}, "x"),
                         "clusters": Fact(None, "x")})  # fmt: skip
    assert cores_of(DeviceSpec("d", "local"), facts) == (1, 2, 3)
    assert cores_of(DeviceSpec("d", "local", cores="big"), facts) == (1, 2, 3)
    assert cores_of(DeviceSpec("d", "local", cores=(3, 1)), facts) == (1, 3)
    with pytest.raises(InventoryError, match="CPU 0, but only 1-3"):
        cores_of(DeviceSpec("d", "local", cores=(0, 1)), facts)
    with pytest.raises(InventoryError, match="does not tell its CPUs"):
        cores_of(DeviceSpec("d", "local"), DeviceFacts({}))


@pytest.mark.timeout(60)
def test_probing_for_real(transport: Transport) -> None:
    facts = probe(transport)
    assert list(facts) == list(FACTS)
    assert facts.value("machine")
    assert facts.value("kernel").startswith("Linux ")
    assert facts.allowed_cpus
    assert facts.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert cores_of(transport.spec, facts) == facts.allowed_cpus
