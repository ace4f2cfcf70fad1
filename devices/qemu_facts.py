"""What is known of a device that exists in qemu's user mode only: what this machine says, and what is emulated."""

from __future__ import annotations

from bnnbench.devices.facts import DeviceFacts, Fact
from bnnbench.devices.platforms import emulated_platform
from bnnbench.devices.spec import DeviceSpec

_KEPT = ("boot_id", "kernel", "memory_bytes", "memory_available_bytes", "page_size_bytes", "tools", "python3")


def qemu_facts(spec: DeviceSpec, host: DeviceFacts) -> DeviceFacts:
    """`host` are this machine's facts. It has one CPU: threads would make counts that do not repeat."""
    platform = emulated_platform(spec.cpu, spec.arch)
    arch, source = platform.architecture, f"qemu-{platform.architecture} -cpu {spec.cpu}"
    cpu = host.allowed_cpus[-1:] or (0,)
    further = [name for name, cpus in platform.features_of.items() if spec.cpu in cpus]
    values = {
        "model": f"{spec.cpu} in qemu-{arch}",
        "machine": arch,
        "elf_class": platform.bits,
        "triple": platform.triple,
        "cpu_model": spec.cpu,
        "cpus": {"count": 1, "online": list(cpu), "allowed": list(cpu)},
        "isa_features": sorted([*platform.emulated_features, *further]),
        "emulated": True,
    }
    facts = {
        name: Fact(values[name], source)
        if name in values
        else (host[name] if name in _KEPT else Fact(None, "an emulated CPU has none"))
        for name in host
    }
    return DeviceFacts(facts)
