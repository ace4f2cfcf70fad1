"""Asking a device what it is, in one round trip."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from bnnbench.devices import control_groups, cpu, power, temperature, userland, virtualization
from bnnbench.devices.errors import CommandFailed, InventoryError
from bnnbench.devices.fact_bounds import bounded
from bnnbench.devices.facts import DeviceFacts, Fact
from bnnbench.devices.platforms import BY_ARCHITECTURE
from bnnbench.devices.probe_script import SCRIPT, Sections, split
from bnnbench.devices.soc import soc
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport.answers import no_input, reason_of, takes_input_away
from bnnbench.devices.transport.protocol import Transport

_TIMEOUT_S = 60.0
_NOT_THERE = 127
_LONGEST_SAID = 120
_JUNK_MODEL = re.compile(r"to be filled|system product|default string|not applicable|^none$", re.IGNORECASE)


def probe(transport: Transport, *, timeout_s: float = _TIMEOUT_S) -> DeviceFacts:
    """Ask the device for all facts. Raises CommandFailed when it can't answer at all, and DeviceLost."""
    token = secrets.token_hex(16)
    done = transport.run(["sh", "-s", token], timeout_s=timeout_s, input=SCRIPT.encode())
    output = done.stdout.decode("utf-8", "replace")
    sections = split(output, token)
    if "uname_m" not in sections:
        if takes_input_away(transport):
            raise CommandFailed(no_input(transport))
        raise CommandFailed(f"device {transport.spec.name!r} did not answer the probe: {reason_of(done)}.")
    return with_abi(transport.spec, transport.facts(facts_of(sections)))


def with_abi(spec: DeviceSpec, facts: DeviceFacts) -> DeviceFacts:
    """What `abi` of the inventory asks for, where the kernel runs it: a static 64-bit engine below a 32-bit userland.

    Raises InventoryError where it can't run.
    """
    if spec.abi == "auto":
        return facts
    wanted = BY_ARCHITECTURE[spec.abi]
    if wanted.bits == 64 and facts.value("machine") not in wanted.uname:
        raise InventoryError(
            f'Device {spec.name!r}: abi = "{spec.abi}", but its kernel is {facts.value("machine")}; remove abi=.'
        )
    return DeviceFacts({**facts.facts, "triple": Fact(wanted.triple, "abi in the inventory")})


def facts_of(sections: Sections) -> DeviceFacts:
    """Make the facts out of what the device said. Pure; absent things become facts with value None."""
    return DeviceFacts({name: bounded(find, sections) for name, find in FACTS.items()})


def _said(name: str) -> Callable[[Sections], Fact]:
    """A fact that is one section's text."""

    def find(sections: Sections) -> Fact:
        section = sections[name]
        return Fact(section.said or None, section.source if section.said else f"tried {section.source}")

    return find


def _number(name: str, pattern: str, factor: int = 1) -> Callable[[Sections], Fact]:
    """A fact that is one whole number in a section's text."""

    def find(sections: Sections) -> Fact:
        section = sections[name]
        match = re.search(pattern, section.said, re.MULTILINE)
        return Fact(int(match[1]) * factor, section.source) if match else Fact(None, f"tried {section.source}")

    return find


def _number_text(name: str, pattern: str) -> Callable[[Sections], Fact]:
    """A fact that is a part of a section's text."""

    def find(sections: Sections) -> Fact:
        section = sections[name]
        match = re.search(pattern, section.said, re.MULTILINE)
        return Fact(match[1], section.source) if match else Fact(None, f"tried {section.source}")

    return find


def _kernel(sections: Sections) -> Fact:
    words = [sections[name].said for name in ("uname_s", "uname_r")]
    return Fact(" ".join(filter(None, words)) or None, "uname -s -r")


def _os_release(sections: Sections) -> Fact:
    section = sections["os_release"]
    match = re.search(r"""^PRETTY_NAME=(["']?)(.*)\1\s*$""", section.said, re.MULTILINE)
    if match:
        return Fact(match[2], section.source)
    android = sections["prop.ro.build.version.release"]
    if android.said:
        return Fact(f"Android {android.said}", android.source)
    return Fact(None, f"tried {section.source}, {android.source}")


def _model(sections: Sections) -> Fact:
    tree = sections["model"]
    if tree.said:
        return Fact(tree.said.splitlines()[0].strip(), tree.source)
    maker, phone = sections["prop.ro.product.manufacturer"], sections["prop.ro.product.model"]
    if phone.said:
        return Fact(f"{maker.said} {phone.said}".strip(), f"{maker.source}, {phone.source}")
    board = " ".join(value for _, value in sections["dmi"].rows if not _JUNK_MODEL.search(value))
    if board:
        return Fact(board, sections["dmi"].source)
    name = _cpu_model(sections)
    if name.value:
        return name
    return Fact(None, f"tried {tree.source}, {phone.source}, {sections['dmi'].source}, /proc/cpuinfo")


def _cpu_model(sections: Sections) -> Fact:
    section = sections["cpuinfo"]
    names = dict.fromkeys(each.name for each in cpu.parse_cpuinfo(section.said) if each.name)
    return Fact(" + ".join(names), section.source) if names else Fact(None, f"tried {section.source}")


def _isa_features(sections: Sections) -> Fact:
    section = sections["cpuinfo"]
    features = [each.features for each in cpu.parse_cpuinfo(section.said) if each.features]
    if not features:
        return Fact(None, f"tried {section.source}")
    return Fact(sorted(frozenset.intersection(*features)), section.source)


def _online(sections: Sections) -> tuple[tuple[int, ...], str]:
    online = cpu.parse_cpu_list(sections["online"].said)
    if online:
        return online, sections["online"].source
    listed = tuple(each.number for each in cpu.parse_cpuinfo(sections["cpuinfo"].said))
    return listed, sections["cpuinfo"].source


def _cpus(sections: Sections) -> Fact:
    online, source = _online(sections)
    # What a process has without asking; `settable` are further CPUs that it gets when it asks.
    match = re.search(r"^Cpus_allowed_list:\s*(\S+)", sections["status"].said, re.MULTILINE)
    allowed = cpu.parse_cpu_list(match[1]) if match else ()
    if not online and not allowed:
        return Fact(None, f"tried {sections['online'].source}, /proc/cpuinfo, {sections['status'].source}")
    both = [each for each in allowed or online if each in (online or allowed)]
    value = {"count": len(online or allowed), "online": list(online or allowed), "allowed": both}
    if settable := control_groups.settable(sections, online, allowed):
        value["settable"] = settable
    return Fact(value, f"{source}, {sections['status'].source}" if allowed else source)


def _clusters(sections: Sections) -> Fact:
    online, _ = _online(sections)
    max_hz = cpu.numbers_by_cpu(sections["max_khz"].rows, 1000)
    capacity = cpu.numbers_by_cpu(sections["capacity"].rows)
    hybrid = [cpu.parse_cpu_list(value) for _, value in sections["hybrid"].rows]
    listed = cpu.parse_cpuinfo(sections["cpuinfo"].said)
    found = cpu.find_clusters(listed, online, max_hz, capacity, hybrid)
    used = [("cpuinfo", listed), ("max_khz", max_hz), ("capacity", capacity), ("hybrid", hybrid)]
    sources = ", ".join(sections[name].source for name, rows in used if rows)
    return Fact([each.to_dict() for each in found], sources) if found else Fact(None, "tried /proc/cpuinfo, sysfs")


def _clock_hz(sections: Sections) -> Fact:
    """`{cpu: {cur, min, max}}` with what there is of the three."""
    clocks: dict[str, dict[str, int]] = {}
    for key in ("cur", "min", "max"):
        for number, hz in cpu.numbers_by_cpu(sections[f"{key}_khz"].rows, 1000).items():
            clocks.setdefault(str(number), {})[key] = hz
    if clocks:
        return Fact(clocks, "/sys/devices/system/cpu/cpu*/cpufreq")
    listed = {
        str(each.number): {"cur": each.clock_hz}
        for each in cpu.parse_cpuinfo(sections["cpuinfo"].said)
        if each.clock_hz
    }
    if listed:
        return Fact(listed, f"{sections['cpuinfo'].source} (no cpufreq)")
    return Fact(None, "tried /sys/devices/system/cpu/cpu*/cpufreq, /proc/cpuinfo")


def _governor(sections: Sections) -> Fact:
    section = sections["governor"]
    found = dict.fromkeys(cpu.by_cpu(section.rows).values())
    return Fact(", ".join(found), section.source) if found else Fact(None, f"tried {section.source}")


def _load_average(sections: Sections) -> Fact:
    section = sections["loadavg"]
    match = re.match(r"(\d+\.\d+) (\d+\.\d+) (\d+\.\d+)", section.said)
    return Fact([float(each) for each in match.groups()] if match else None, section.source)


def _page_size(sections: Sections) -> Fact:
    exact = _number("page_size", r"^(\d+)$")(sections)
    return exact if exact.value else _number("smaps", r"KernelPageSize:\s*(\d+) kB", 1024)(sections)


def _machine_id(sections: Sections) -> Fact:
    """A digest of the board's serial number, else of what its system drew when it was installed: both are private."""
    for name in ("serial", "prop.ro.serialno", "machine_id"):
        section = sections[name]
        if section.said.strip("\0 0"):
            digest = hashlib.sha256(f"bnnbench {section.said}".encode()).hexdigest()
            return Fact(digest[:16], f"digest of {section.source}")
    return Fact(None, "tried /proc/device-tree/serial-number, getprop ro.serialno, /etc/machine-id")


def _throttled(sections: Sections) -> Fact:
    """The Raspberry Pi firmware's word: bits 0-3 now, 16-19 since boot."""
    for name, pattern in (
        ("throttled_tool", r"throttled=0x([0-9a-f]+)"),
        ("throttled_file", r"^(?:0x)?([0-9a-f]+)$"),
    ):
        match = re.search(pattern, sections[name].said)
        if match:
            return Fact(int(match[1], 16), sections[name].source)
    tool = sections["throttled_tool"]
    message = " ".join(tool.text.split())[:_LONGEST_SAID]
    failed = f" (status {tool.status}: {message})" if tool.status != _NOT_THERE and message else ""
    return Fact(None, f"tried {tool.source}{failed}, {sections['throttled_file'].source}")


def _siblings(sections: Sections) -> Fact:
    """CPUs that share a core, as lists; an empty list where none do."""
    section = sections["siblings"]
    groups: Mapping[int, Any] = {each: cpu.parse_cpu_list(text) for each, text in cpu.by_cpu(section.rows).items()}
    if not groups:
        return Fact(None, f"tried {section.source}")
    return Fact([list(group) for group in sorted(set(groups.values())) if len(group) > 1], section.source)


def _tools(sections: Sections) -> Fact:
    section = sections["tools"]
    return Fact(sorted({line.rpartition("/")[2] for line in section.said.splitlines() if line}), section.source)


# One row per fact, in the order of a report. docs/devices.md explains each.
FACTS: Final[dict[str, Callable[[Sections], Fact]]] = {
    "model": _model,
    "soc": soc,
    "machine": _said("uname_m"),
    "kernel": _kernel,
    "os_release": _os_release,
    "elf_class": userland.elf_class,
    "triple": userland.triple,
    "cpu_model": _cpu_model,
    "cpus": _cpus,
    "clusters": _clusters,
    "smt_siblings": _siblings,
    "isa_features": _isa_features,
    "boot_id": _said("boot_id"),
    "machine_id": _machine_id,
    "memory_bytes": _number("meminfo", r"^MemTotal:\s*(\d+) kB", 1024),
    "memory_available_bytes": _number("meminfo", r"^MemAvailable:\s*(\d+) kB", 1024),
    "page_size_bytes": _page_size,
    "clock_hz": _clock_hz,
    "firmware_clock_hz": _number("arm_clock", r"=(\d+)$"),
    "governor": _governor,
    "temperature_celsius": temperature.temperatures,
    "temperature_files": temperature.temperature_files,
    "temperature_left_out": temperature.left_out,
    "throttled": _throttled,
    "load_average": _load_average,
    "cpu_quota": control_groups.quota,
    "cpu_quota_files": control_groups.throttle_counters,
    "revision": _number_text("revision", r":\s*([0-9a-f]+)\s*$"),
    "firmware": _said("firmware"),
    "cooling": power.cooling,
    "battery": power.battery,
    "thermal_status": _number("thermal", r"^Thermal Status:\s*(\d+)"),
    "wake_lock": power.wake_lock,
    "power_sources": power.sources,
    "perf_event_paranoid": _number("paranoid", r"^(-?\d+)$"),
    "hypervisor": virtualization.hypervisor,
    "emulated": virtualization.emulated,
    "container": virtualization.container,
    "python3": _said("python3"),
    "tools": _tools,
}
