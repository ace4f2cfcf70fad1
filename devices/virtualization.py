"""Real, virtual or emulated: a virtual CPU's times are real, an emulated one's mean nothing."""

from __future__ import annotations

import re

from bnnbench.devices.cpu import cpuinfo_values, parse_cpuinfo
from bnnbench.devices.facts import Fact
from bnnbench.devices.probe_script import Sections

_VENDORS = {
    "qemu": "qemu", "vmware": "vmware", "innotek": "virtualbox", "microsoft corporation": "hyperv",
    "amazon ec2": "kvm", "google": "kvm", "xen": "xen", "parallels": "parallels",
}  # fmt: skip
_CLOCKS = {"kvm-clock": "kvm", "hyperv_clocksource_tsc_page": "hyperv", "xen": "xen"}
# QEMU's emulated Arm timer ticks at 62.5 MHz, which the kernel shows twofold; boards have 19.2, 24, 54...
_EMULATED_BOGOMIPS = {"125.00"}
# The newest emulated Arm CPUs tick at 1 GHz, as do the newest real ones.
_UNCLEAR_BOGOMIPS = {"2000.00"}
# PROC_PID_INIT_INO of the kernel's include/linux/proc_ns.h.
_PID_NAMESPACE_OF_THE_MACHINE = "pid:[4026531836]"
_QEMU_BOARD = "linux,dummy-virt"


def hypervisor(sections: Sections) -> Fact:
    """The hypervisor's name, `unknown` when only its presence shows, or None."""
    clock = sections["clocksources"]
    for word in clock.said.split():
        if word in _CLOCKS:
            return Fact(_CLOCKS[word], clock.source)
    if sections["hypervisor"].said:
        return Fact(sections["hypervisor"].said, sections["hypervisor"].source)
    for path, vendor in sections["dmi"].rows:
        if path.endswith("sys_vendor"):
            for start, name in _VENDORS.items():
                # Microsoft and Google also make machines one can hold.
                if vendor.lower().startswith(start) and _flagged(sections):
                    return Fact(name, path)
            if vendor.lower().startswith("qemu"):
                return Fact("qemu", path)
    if _QEMU_BOARD in sections["compatible"].said:
        return Fact("unknown", f"{sections['compatible'].source} says {_QEMU_BOARD}")
    if _flagged(sections):
        return Fact("unknown", "flag `hypervisor` in /proc/cpuinfo")
    return Fact(None, "no sign in clock sources, /sys/hypervisor, DMI, device tree or CPU flags")


def container(sections: Sections) -> Fact:
    """Whether it is a container, by the number that the kernel gives the machine's own process namespace."""
    section = sections["pid_namespace"]
    if not section.said.startswith("pid:["):
        return Fact(None, f"tried {section.source}")
    return Fact(section.said != _PID_NAMESPACE_OF_THE_MACHINE, section.source)


def emulated(sections: Sections) -> Fact:
    """True when the CPU itself is emulated, False when it is not, None when the evidence does not say."""
    cpuinfo = sections["cpuinfo"].said
    machine = sections["uname_m"].said
    names = cpuinfo_values(cpuinfo, "model name")
    bogomips = cpuinfo_values(cpuinfo, "BogoMIPS")
    if any("TCG" in name for name in names):
        return Fact(True, "/proc/cpuinfo: the model name is QEMU's emulated CPU")
    if machine.startswith(("aarch64", "arm")):
        if "vendor_id" in cpuinfo:
            return Fact(True, "/proc/cpuinfo is an x86 CPU's, uname -m is not")
        if bogomips & _EMULATED_BOGOMIPS:
            return Fact(True, "/proc/cpuinfo: BogoMIPS 125.00 is QEMU's emulated 62.5 MHz timer")
        if any((cpu.implementer, cpu.part) == (0, 0x51) for cpu in parse_cpuinfo(cpuinfo)):
            return Fact(True, "/proc/cpuinfo: CPU part 0x051 is QEMU's `max`")
        if not bogomips:
            return Fact(None, "tried BogoMIPS in /proc/cpuinfo")
        if _QEMU_BOARD in sections["compatible"].said and bogomips & _UNCLEAR_BOGOMIPS:
            return Fact(None, f"{_QEMU_BOARD}: a KVM guest or an emulated board, the timer does not tell")
        return Fact(False, "/proc/cpuinfo: part and BogoMIPS are not those of an emulated CPU")
    kind = hypervisor(sections)
    if kind.value in (None, "unknown", "qemu") and (kind.value == "qemu" or _qemu_named(names)):
        return Fact(True, f"QEMU without a sign of KVM: {kind.source}")
    if not cpuinfo:
        return Fact(None, "tried /proc/cpuinfo")
    if kind.value is None:
        return Fact(False, kind.source)
    return Fact(False, f"virtual, but its CPU runs natively: {kind.source}")


def _flagged(sections: Sections) -> bool:
    return bool(re.search(r"^flags\s*:.*\bhypervisor\b", sections["cpuinfo"].said, re.MULTILINE))


def _qemu_named(names: set[str]) -> bool:
    return any(name.startswith("QEMU Virtual CPU") for name in names)
