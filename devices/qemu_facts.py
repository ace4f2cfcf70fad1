"""What is known of a device that exists in qemu's user mode only: what this machine says, and what is emulated."""

from __future__ import annotations

from bnnbench.devices.facts import DeviceFacts, Fact
from bnnbench.devices.spec import DeviceSpec

_TRIPLES = {"aarch64": "aarch64-linux-musl", "arm": "arm-linux-musleabihf"}
# As /proc/cpuinfo would list them, what the engines ask for; from Arm's technical reference manuals.
_WITH_DOT_PRODUCT = {"cortex-a55", "cortex-a76", "neoverse-n1", "neoverse-v1", "neoverse-n2", "a64fx", "max"}
_KEPT = ("boot_id", "kernel", "memory_bytes", "memory_available_bytes", "page_size_bytes", "tools", "python3")


def arch_of(spec: DeviceSpec) -> str:
    """`aarch64` or `arm`: as told, or by the CPU's name."""
    is_32_bit = spec.cpu in {"cortex-a7", "cortex-a8", "cortex-a9", "cortex-a15"}
    return spec.arch or ("arm" if is_32_bit else "aarch64")


def qemu_facts(spec: DeviceSpec, host: DeviceFacts) -> DeviceFacts:
    """`host` are this machine's facts. It has one CPU: threads would make counts that do not repeat."""
    arch, source = arch_of(spec), f"qemu-{arch_of(spec)} -cpu {spec.cpu}"
    cpu = host.allowed_cpus[-1:] or (0,)
    features = ["asimd", "fp"] if arch == "aarch64" else ["neon", "vfpv4"]
    if arch == "aarch64" and spec.cpu in _WITH_DOT_PRODUCT:
        features.append("asimddp")
    values = {
        "model": f"{spec.cpu} in qemu-{arch}",
        "machine": arch,
        "elf_class": 64 if arch == "aarch64" else 32,
        "triple": _TRIPLES[arch],
        "cpu_model": spec.cpu,
        "cpus": {"count": 1, "online": list(cpu), "allowed": list(cpu)},
        "isa_features": sorted(features),
        "emulated": True,
    }
    facts = {
        name: Fact(values[name], source)
        if name in values
        else (host[name] if name in _KEPT else Fact(None, "an emulated CPU has none"))
        for name in host
    }
    return DeviceFacts(facts)
