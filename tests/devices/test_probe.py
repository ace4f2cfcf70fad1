"""Facts from recorded answers, and from real machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnbench.devices.cpu import Cpu, find_clusters, parse_cpu_list, parse_cpuinfo
from bnnbench.devices.errors import InventoryError
from bnnbench.devices.facts import DeviceFacts, Fact, cores_of, cpu_list
from bnnbench.devices.inventory import DeviceSpec
from bnnbench.devices.probe import FACTS, facts_of, probe
from bnnbench.devices.probe_script import Section, Sections, split
from bnnbench.devices.temperature import place_of
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
    assert (facts.value("soc"), facts["soc"].source) == ("bcm2711", "/proc/device-tree/compatible")
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
    assert facts["temperature_celsius"].source.startswith("tried /sys/class/thermal/thermal_zone*/temp, ")


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


@pytest.mark.parametrize(
    ("name", "clusters"),
    [
        ("rk3588", [[4, 5, 6, 7], [0, 1, 2, 3]]),
        ("grace", [list(range(8))]),
        ("sd865", [[7], [4, 5, 6], [0, 1, 2, 3]]),
        ("x86_hybrid", [[0, 1, 2, 3], [4, 5, 6, 7]]),
        ("pi4_64bit", [[0, 1, 2, 3]]),
        ("ryzen", [[0, 1]]),
        ("odroid_n2", [[2, 3, 4, 5], [0, 1]]),
    ],
)
def test_cores_of_one_kind_are_one_cluster_whatever_clock_each_bears(name: str, clusters: list[list[int]]) -> None:
    facts = recorded(name)
    assert [cluster["cpus"] for cluster in facts.value("clusters")] == clusters
    assert cores_of(DeviceSpec("d", "local", cores="big"), facts) == tuple(clusters[0])


PART = 0xD0B


def phone(clocks: list[int], capacities: list[int] | None = None) -> list[tuple[int, ...]]:
    """The clusters of Arm cores of one part."""
    cpus = [Cpu(number, None, 0x41, PART) for number in range(len(clocks))]
    found = find_clusters(cpus, range(len(clocks)), dict(enumerate(clocks)), dict(enumerate(capacities or [])))
    return [cluster.cpus for cluster in found]


@pytest.mark.parametrize(
    ("clocks", "capacities", "clusters"),
    [
        ([2256, 2304, 2352, 2400], None, [(0, 1, 2, 3)]),
        ([2256, 2304, 2352, 2400], [963, 983, 1004, 1024], [(0, 1, 2, 3)]),
        ([2419, 2419, 2841], None, [(2,), (0, 1)]),
        ([2200, 2400], None, [(1,), (0,)]),  # a Snapdragon 778G
        ([2400, 2400], [500, 1024], [(1,), (0,)]),  # caches that differ
        ([2400, 2400], [0, 1024], [(0, 1)]),  # one that does not tell tells nothing of the other
        ([2400, 0], None, [(0, 1)]),
    ],
)
def test_cores_of_one_part_are_divided_by_clear_differences_alone(
    clocks: list[int], capacities: list[int] | None, clusters: list[tuple[int, ...]]
) -> None:
    assert phone(clocks, capacities) == clusters


ARM, NVIDIA, QUALCOMM, SAMSUNG, APPLE = 0x41, 0x4E, 0x51, 0x53, 0x61
A7, A15, A53, A57, A55, A73, A75 = 0xC07, 0xC0F, 0xD03, 0xD07, 0xD05, 0xD09, 0xD0A


@pytest.mark.parametrize(
    ("parts", "clocks", "capacities", "strongest_first"),
    [
        ([(ARM, A53), (ARM, A73)], [1896, 1800], None, [1, 0]),  # an Amlogic S922X
        ([(ARM, A7), (ARM, A15)], None, None, [1, 0]),  # neither clock nor capacity is told
        ([(ARM, A7), (ARM, A15)], [1400, 0], None, [1, 0]),
        ([(ARM, A57), (NVIDIA, 0x003)], [2035, 2035], None, [1, 0]),  # a Tegra X2
        ([(NVIDIA, 0x003), (ARM, A57)], [2035, 2035], None, [0, 1]),
        ([(QUALCOMM, 0x803), (QUALCOMM, 0x802)], [1800, 1700], None, [1, 0]),
        ([(ARM, A55), (ARM, A75), (SAMSUNG, 0x003)], [1950, 2310, 2300], None, [2, 1, 0]),  # an Exynos 9820
        ([(APPLE, 0x22), (APPLE, 0x23)], [3300, 3200], None, [1, 0]),
        ([(ARM, 0xD80), (ARM, 0xD81), (ARM, 0xD82)], [2300, 2200, 2100], None, [2, 1, 0]),
        ([(ARM, A53), (ARM, A73)], [1896, 1800], [1024, 800], [0, 1]),  # the kernel has measured it
        ([(ARM, A53), (ARM, A73)], [1896, 1800], [1024, 1024], [1, 0]),
        ([(ARM, A53), (ARM, A73)], [1896, 1800], [500, 0], [1, 0]),  # told of one alone
        ([(ARM, A53), (0x99, 0x123)], [1896, 1800], None, [0, 1]),  # not known: the clock
        ([(ARM, A53), (0x99, 0x123)], [1800, 1896], None, [1, 0]),
    ],
)
def test_the_strongest_cores_are_told_by_capacity_then_by_part_then_by_clock(
    parts: list[tuple[int, int]], clocks: list[int] | None, capacities: list[int] | None, strongest_first: list[int]
) -> None:
    cpus = [Cpu(number, None, *part) for number, part in enumerate(parts)]
    numbers = range(len(parts))
    found = find_clusters(cpus, numbers, dict(enumerate(clocks or [])), dict(enumerate(capacities or [])))
    assert [cluster.cpus for cluster in found] == [(number,) for number in strongest_first]


def test_a_core_type_of_the_kernel_counts_more_than_a_clock() -> None:
    cpus = parse_cpuinfo("\n\n".join(f"processor: {i}\nmodel name: X\nflags: avx2" for i in range(4)))
    clocks = {0: 3_800, 1: 3_800, 2: 3_600, 3: 3_600}
    found = find_clusters(cpus, range(4), clocks, {}, [(2, 3), (0, 1)])
    assert [cluster.cpus for cluster in found] == [(2, 3), (0, 1)]


@given(st.permutations(range(8)), st.lists(st.integers(1500, 3200), min_size=8, max_size=8))
def test_clusters_do_not_depend_on_the_order_of_cpus(order: list[int], clocks: list[int]) -> None:
    def alike(of: list[int]) -> set[frozenset[int]]:
        """Which original CPUs stand together when CPU `i` is what `of[i]` was."""
        return {frozenset(of[cpu] for cpu in cpus) for cpus in phone([clocks[number] for number in of])}

    assert alike(order) == alike(list(range(8)))
    listed = [Cpu(number, None, 0x41, PART) for number in order]
    clusters = find_clusters(listed, order, dict(enumerate(clocks)), {})
    assert [cluster.cpus for cluster in clusters] == phone(clocks)


@pytest.mark.parametrize(
    ("name", "temperatures"),
    [
        ("jetson", {"CPU-therm": 38.5}),
        ("x86_hybrid", {"x86_pkg_temp": 44.0}),
        ("ryzen", {"k10temp Tctl": 52.375}),
        ("grace", {"acpitz": 39.0}),
        ("sd865", {"cpu-0-0-usr": 41.0, "cpu-1-0-usr": 43.5}),
        ("isolated_cpus", {"core-cluster1": 45.0}),
        ("pi4_no_video_group", None),
    ],
)
def test_temperatures_are_the_cpus(name: str, temperatures: dict[str, float] | None) -> None:
    facts = recorded(name)
    assert facts.value("temperature_celsius") == temperatures
    assert len(facts.value("temperature_files") or []) == len(temperatures or {})


OF_CPU = [
    "cpu-thermal", "cpu_thermal", "cpu0-thermal", "soc_thermal", "soc-thermal", "x86_pkg_temp", "coretemp",
    "k10temp", "cluster0", "bigcore0-thermal", "littlecore-thermal", "tsens_tz_sensor4", "CPU0", "mtktscpu", "BIG",
    "LITTLE", "MID", "apss", "cpu-1-0-gold-usr", "cpuss0-thermal", "MCPU-therm", "tj-thermal", "bcm2835_thermal",
    "imx_thermal_zone", "cls0", "B0D4", "TCPU", "package-thermal", "core-cluster",
]  # fmt: skip
ELSEWHERE = [
    "PMIC-Die", "pm8998-thermal", "pm8150_tz", "pmi8998", "pmk8350_tz", "pch_skylake", "battery", "iwlwifi_1",
    "nvme", "gpu-thermal", "gpuss-0-usr", "modem", "mdm-core-usr", "skin-therm", "INT3400", "SEN1", "xo-therm",
    "ddr-usr", "npu-thermal", "center-thermal", "usb", "bms", "ac", "Tboard_tegra", "PLL-therm", "AO-therm",
    "aoss-0-usr", "mtktsAP", "mtktspmic", "cpu-vrm",
]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "place"), [(OF_CPU, "cpu"), (ELSEWHERE, "elsewhere"), (["acpitz", "", "zone7"], "unclear")]
)
def test_what_a_sensor_measures_by_its_name(names: list[str], place: str) -> None:
    assert {name: place_of(name) for name in names} == dict.fromkeys(names, place)


@pytest.mark.parametrize("text", ["0", "-1000", "-40000", "125000", "255000", "err"])
def test_a_reading_that_no_running_cpu_has_is_left_out_and_named(text: str) -> None:
    sections = split((FIXTURES / "pi4_64bit.txt").read_text(), "@@")
    path = "/sys/class/thermal/thermal_zone0"
    sections["zone_temp"] = Section("zone_temp", 0, f"{path}/temp\t{text}")
    facts = facts_of(sections)
    assert facts.value("temperature_celsius") is None
    assert "left out: cpu-thermal" in facts["temperature_celsius"].source
    assert text in facts.value("temperature_left_out")["cpu-thermal"]


@pytest.mark.parametrize(("name", "system"), [("macos", "Darwin"), ("freebsd", "FreeBSD")])
def test_another_system_is_not_called_linux(name: str, system: str) -> None:
    facts = recorded(name)
    assert facts.system == system
    assert facts.triple is None
    assert system in facts["triple"].source


def test_limits_of_cpu_time_on_the_whole_path() -> None:
    facts = recorded("container_quota")
    assert facts.value("cpu_quota") == [
        {"cpus": 1.5, "path": "/sys/fs/cgroup/a"}, {"cpus": 4.0, "path": "/sys/fs/cgroup"},
    ]  # fmt: skip
    assert facts.value("cpu_quota_files") == ["/sys/fs/cgroup/a/cpu.stat", "/sys/fs/cgroup/cpu.stat"]


def test_isolated_cpus_may_be_named() -> None:
    facts = recorded("isolated_cpus")
    assert cores_of(DeviceSpec("d", "local"), facts) == (0, 1)
    assert cores_of(DeviceSpec("d", "local", cores="big"), facts) == (0, 1)
    assert cores_of(DeviceSpec("d", "local", cores=(2, 3)), facts) == (2, 3)
    with pytest.raises(
        InventoryError, match=r"CPU 7, but only 0-3 can be used there \(CPU 7 is not there, or not online"
    ):
        cores_of(DeviceSpec("d", "local", cores=(7,)), facts)
    android = recorded("android_app")
    with pytest.raises(InventoryError, match=r"CPU 7 is outside Android's cpuset"):
        cores_of(DeviceSpec("d", "local", cores=(7,)), android)


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
    with pytest.raises(InventoryError, match="does not report its CPUs"):
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
