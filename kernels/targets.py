"""What engines are built for: triples, and the ISA levels of each with their compiler flags and tiles.

Builds, dispatch, tests and listings iterate over these rows. A new triple is a row here, a header that
`native/base/arch.h` includes, and a row in `devices/platforms.py`; a new ISA level is a row here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Triple:
    """A platform that engines are built for."""

    name: str
    """zig's name of it, which devices report."""
    architecture: str
    """What suites and qemu call it."""
    zig_cpu: str
    """zig's name of the least CPU its binaries run on: what everything but the kernels is compiled for."""
    llvm_triple: str
    """What Numba compiles for."""
    counter_target: str | None = None
    """zig's target of the plugin that counts instructions in this machine's qemu; None: there is none for it."""


# The plugin needs an old C library's symbols, so that it loads into any distribution's qemu.
TRIPLES: dict[str, Triple] = {
    row.name: row
    for row in (
        Triple("x86_64-linux-musl", "x86_64", "x86_64", "x86_64-linux-musl", "x86_64-linux-gnu.2.28"),
        Triple("aarch64-linux-musl", "aarch64", "generic", "aarch64-linux-musl", "aarch64-linux-gnu.2.28"),
        Triple("arm-linux-musleabihf", "arm", "cortex_a7", "armv7-linux-musleabihf"),
    )
}


@dataclass(frozen=True, slots=True)
class IsaLevel:
    """One compilation of `native/level/`, and of the Numba kernels; levels of a triple stand least first."""

    triple: str
    isa: str
    zig_cpu: str
    vector_bytes: int
    tile_pixels: int
    tile_vectors: int
    counts: Literal["words", "bytes", "pairs", "dots"]
    """How bits are counted: see `native/level/counting.h`."""
    llvm_cpu: str
    """LLVM's name of the CPU that Numba compiles for."""
    features: tuple[str, ...] = ()
    """All that the CPU must have, by the names of /proc/cpuinfo; those of lesser levels too. The engine asks the CPU
    for the same names, so each needs a row in the tables of `native/base/arch_*.h`."""
    flags: tuple[str, ...] = ()
    source_flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """Further flags of one source, which `Object` names."""
    llvm_features: str = ""
    """What Numba's CPU must be told beyond its name."""
    table_channels: int | None = None
    """Tiles of at least so many channels count by tables of four bits: see `native/level/table_counting.h`."""


_AVX2 = ("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "popcnt")  # x86-64-v3
_AVX512 = (*_AVX2, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx512_vnni", "avx512_vpopcntdq")
_ARMV82 = ("asimddp", "asimdhp", "asimdrdm", "atomics", "dcpop", "lrcpc")

BINARY_GEMM = "level/binary_gemm"
"""The source with the inner loop of binary products."""

ISA_LEVELS: tuple[IsaLevel, ...] = (
    IsaLevel("x86_64-linux-musl", "x86-64", "x86_64", 16, 2, 2, "bytes", "x86-64"),
    IsaLevel("x86_64-linux-musl", "avx2", "x86_64_v3", 32, 4, 8, "bytes", "haswell", _AVX2, table_channels=32),
    IsaLevel(
        "x86_64-linux-musl",
        "avx512",
        "x86_64_v4+avx512vnni+avx512vpopcntdq",
        64,
        6,
        4,
        "words",
        "icelake-server",
        _AVX512,
        # Without these 64-byte vectors are split in two, which costs half of the speed.
        flags=("-mprefer-vector-width=512",),
        llvm_features="-prefer-256-bit",
    ),
    # Scheduled for the in-order core of its generation. Out-of-order ones do not mind (llvm-mca: the same cycles on A72
    # and Neoverse N1 as when scheduled for them), while in-order ones would need up to three times the cycles the other
    # way round. So one kernel is right for all CPUs of a big.LITTLE machine, and for threads that span both kinds.
    IsaLevel("aarch64-linux-musl", "neon", "cortex_a53", 16, 4, 4, "pairs", "cortex-a53"),
    IsaLevel("aarch64-linux-musl", "dotprod", "cortex_a55", 16, 2, 8, "dots", "cortex-a76", _ARMV82),
    IsaLevel(
        "arm-linux-musleabihf",
        "neon",
        "cortex_a7",
        16,
        2,
        4,
        "pairs",
        "cortex-a7",
        ("neon",),
        # In the order of the source: LLVM's own keeps more vectors at once than there are registers, three of them on
        # the stack.
        # By llvm-mca the loop takes 15 % less on A9, 12 % on A57 and 31 % on R52; LLVM has no model of the A7.
        source_flags={BINARY_GEMM: ("-mllvm", "-pre-RA-sched=source")},
        llvm_features="+neon",
    ),
)


@dataclass(frozen=True, slots=True)
class MicroKernel:
    """One compiled inner loop. `pixels` x `channels` is the tile whose sums are kept at once, mr x nr; 0 x 0 where none
    is. `how` says with what it works; `source` is a file below `kernels/native`."""

    name: str
    """What `kernel=` of the protocol and `micro_kernel` of a suite take."""
    ops: tuple[str, ...]
    triple: str
    isa: str
    pixels: int
    channels: int
    how: str
    source: str

    @property
    def tile(self) -> str:
        return f"{self.pixels}x{self.channels}" if self.pixels else ""


def micro_kernels(level: IsaLevel) -> tuple[MicroKernel, ...]:
    """What is compiled at a level, widest first. Each product also comes in every lesser height, for what remains."""
    lanes = level.vector_bytes // 4
    source = f"{BINARY_GEMM}.cpp"
    found = []
    channels = level.tile_vectors * lanes
    while channels >= max(8, lanes):
        name, how = f"{level.isa}-{level.tile_pixels}x{channels}", f"popcount of {level.counts}"
        if level.table_channels and channels >= level.table_channels:
            how = "tables of 4 bits"
        ops = ("bconv2d", "bgemm")
        found.append(MicroKernel(name, ops, level.triple, level.isa, level.tile_pixels, channels, how, source))
        channels //= 2
    found += [
        MicroKernel(f"{level.isa}-{op}", (op,), level.triple, level.isa, 0, 0, how, "level/bits.cpp")
        for op, how in (("bitpack", "compare, mask"), ("bmaxpool2d", "and"))
    ]
    return tuple(found)
