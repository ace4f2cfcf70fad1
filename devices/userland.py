"""Which binaries run on a device: decided by its userland's own shell, not by its kernel."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bnnbench.devices.cpu import cpuinfo_values, parse_cpuinfo
from bnnbench.devices.facts import Fact
from bnnbench.devices.platforms import BY_ARCHITECTURE, BY_ELF_MACHINE, BY_UNAME
from bnnbench.devices.probe_script import Section, Sections

_EF_ARM_SOFT_FLOAT = 0x200


@dataclass(frozen=True, slots=True)
class Elf:
    """The part of an ELF header that tells what a program is."""

    bits: int
    machine: str
    little_endian: bool


def parse_elf(dump: str) -> Elf | None:
    """An ELF header from `od -An -tx1`; None when it is none."""
    words = dump.split()
    if len(words) < 20 or not all(re.fullmatch(r"[0-9a-fA-F]{2}", word) for word in words):
        return None
    data = bytes.fromhex("".join(words))
    if data[:4] != b"\x7fELF" or data[4] not in (1, 2) or data[5] not in (1, 2):
        return None
    little = data[5] == 1
    number = int.from_bytes(data[18:20], "little" if little else "big")
    platform = BY_ELF_MACHINE.get(number)
    return Elf(32 * data[4], platform.architecture if platform else f"machine {number}", little)


def elf_class(sections: Sections) -> Fact:
    """32 or 64: what the userland is built for."""
    elf = parse_elf(sections["elf"].said)
    if elf is not None:
        return Fact(elf.bits, sections["elf"].source)
    bits = sections["long_bit"]
    if bits.said in ("32", "64"):
        return Fact(int(bits.said), bits.source)
    return Fact(None, "tried the ELF header of /bin/sh, and getconf LONG_BIT")


def triple(sections: Sections) -> Fact:
    """The target whose static binaries run there, or None with the reason as the source."""
    system = sections["uname_s"].said
    if system and system != "Linux":
        return Fact(None, f"its system is {system}, and engines are built only for Linux and Android")
    machine, source = _machine(sections)
    if machine is None:
        return Fact(None, source)
    platform = BY_ARCHITECTURE.get(machine)
    if platform is None or platform.triple is None:
        return Fact(None, f"no engine is built for {machine} ({source})")
    if machine == "arm":
        refusal = _refuse_arm(sections)
        if refusal is not None:
            return Fact(None, f"{refusal} ({source})")
    return Fact(platform.triple, source)


def _machine(sections: Sections) -> tuple[str | None, str]:
    uname = sections["uname_m"].said
    if uname.startswith("armv") and uname[4:5] in ("4", "5", "6"):
        return uname, "uname -m"
    elf = parse_elf(sections["elf"].said)
    if elf is not None:
        if not elf.little_endian:
            return f"big-endian {elf.machine}", sections["elf"].source
        return ("x32" if elf.machine == "x86_64" and elf.bits == 32 else elf.machine), sections["elf"].source
    if not uname:
        return None, "tried the ELF header of /bin/sh, and uname -m"
    platform = BY_UNAME.get(uname)
    machine = platform.architecture if platform else uname
    if sections["long_bit"].said == "32":
        return platform.narrow if platform and platform.narrow else machine, "uname -m, getconf LONG_BIT"
    return machine, "uname -m"


def _refuse_arm(sections: Sections) -> str | None:
    """Why 32-bit Arm binaries don't run there: they need ARMv7, NEON and the hard-float ABI."""
    cpuinfo = sections["cpuinfo"].said
    architectures = cpuinfo_values(cpuinfo, "CPU architecture")
    if any(re.match(r"[456]", architecture) for architecture in architectures):
        return f"ARMv{min(architectures)} has no NEON, which the engines need"
    features = [cpu.features for cpu in parse_cpuinfo(cpuinfo)]
    if features and any(each and not each & {"neon", "asimd"} for each in features):
        return "the CPU has no NEON, which the engines need"
    if _is_soft_float(sections["elf"]):
        return "the userland has the soft-float ABI"
    return None


def _is_soft_float(section: Section) -> bool:
    words = section.said.split()
    if parse_elf(section.said) is None or len(words) < 40:
        return False
    flags = int.from_bytes(bytes.fromhex("".join(words[36:40])), "little")
    return bool(flags & _EF_ARM_SOFT_FLOAT)
