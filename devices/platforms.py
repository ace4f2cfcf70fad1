"""The kinds of machine there are: what their programs and kernels say they are, and which triple they take.

One row per platform. A new triple needs its row here, and one in `kernels/targets.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Platform:
    """`triple` None: it is known by name, but nothing is built for it."""

    architecture: str
    triple: str | None
    elf_machine: int
    """e_machine of the ELF specification."""
    bits: int
    uname: tuple[str, ...]
    """What `uname -m` says of it, of which the first is the kernel's own word."""
    narrow: str | None = None
    """Architecture of 32-bit userlands on its kernel."""
    narrow_uname: tuple[str, ...] = ()
    """What `uname -m` says to those, where that is another word."""
    emulated_features: tuple[str, ...] = ()
    """What all CPUs that qemu emulates for it have, by the names of /proc/cpuinfo; none: qemu devices can't be it."""
    features_of: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Further features that engines ask for -> the emulated CPUs that have them."""
    only_cpus: frozenset[str] = frozenset()
    """Emulated CPUs that are this platform where the inventory does not say."""


PLATFORMS: Final = (
    Platform("x86_64", "x86_64-linux-musl", 62, 64, ("x86_64",), narrow="i386"),
    Platform(
        "aarch64",
        "aarch64-linux-musl",
        183,
        64,
        ("aarch64", "arm64"),
        narrow="arm",
        narrow_uname=("armv8l",),
        emulated_features=("asimd", "fp"),
        # From Arm's technical reference manuals.
        features_of={
            "asimddp": frozenset(
                {"cortex-a55", "cortex-a76", "neoverse-n1", "neoverse-v1", "neoverse-n2", "a64fx", "max"}
            )
        },
    ),
    Platform(
        "arm",
        "arm-linux-musleabihf",
        40,
        32,
        ("armv7l", "armv8l"),
        emulated_features=("neon", "vfpv4"),
        only_cpus=frozenset({"cortex-a7", "cortex-a8", "cortex-a9", "cortex-a15"}),
    ),
    Platform("i386", None, 3, 32, ("i386", "i686")),
    Platform("riscv64", "riscv64-linux-musl", 243, 64, ("riscv64",)),
)
BY_ARCHITECTURE: Final = {row.architecture: row for row in PLATFORMS}
BY_ELF_MACHINE: Final = {row.elf_machine: row for row in PLATFORMS}
BY_UNAME: Final = {name: row for row in PLATFORMS for name in row.uname}
BY_TRIPLE: Final = {row.triple: row for row in PLATFORMS if row.triple}
WIDER: Final = {row.narrow: row for row in PLATFORMS if row.narrow}
"""Architecture of a userland -> the 64-bit platform that runs it, too."""
EMULATED: Final = tuple(row.architecture for row in PLATFORMS if row.emulated_features)
ABIS: Final = tuple(
    name for wide in PLATFORMS for name in (wide.architecture, wide.narrow)
    if name and wide.triple and wide.narrow and BY_ARCHITECTURE[wide.narrow].triple
)  # fmt: skip
"""Architectures between which `abi` of the inventory can choose: both are built for, and one kernel may run both."""


def emulated_platform(cpu: str | None, architecture: str | None) -> Platform:
    """What qemu emulates for a CPU, by the CPU's name where the inventory does not tell the architecture."""
    if architecture is not None:
        return BY_ARCHITECTURE[architecture]
    found = (row for row in PLATFORMS if cpu in row.only_cpus)
    return next(found, BY_ARCHITECTURE[EMULATED[0]])
