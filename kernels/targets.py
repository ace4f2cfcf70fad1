"""What engines are built for: triples, and the ISA levels of each with their compiler flags and tiles.

Builds, dispatch, tests and listings iterate over these rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TRIPLES = {
    "x86_64-linux-musl": "x86_64",
    "aarch64-linux-musl": "generic",
    "arm-linux-musleabihf": "cortex_a7",
}
"""Triple -> zig's name of the least CPU its binaries run on: what everything but the kernels is compiled for."""


@dataclass(frozen=True, slots=True)
class IsaLevel:
    """One compilation of `native/level/`; levels of a triple stand least first."""

    triple: str
    isa: str
    zig_cpu: str
    vector_bytes: int
    tile_pixels: int
    tile_vectors: int
    counts: Literal["words", "bytes", "pairs", "dots"]
    """How bits are counted: see `native/level/counting.h`."""
    flags: tuple[str, ...] = ()


ISA_LEVELS: tuple[IsaLevel, ...] = (
    IsaLevel("x86_64-linux-musl", "x86-64", "x86_64", 16, 2, 2, "bytes"),
    IsaLevel("x86_64-linux-musl", "avx2", "x86_64_v3", 32, 4, 2, "bytes"),
    IsaLevel(
        "x86_64-linux-musl",
        "avx512",
        "x86_64_v4+avx512vpopcntdq",
        64,
        6,
        4,
        "words",
        # Without it 64-byte vectors are split in two, which costs half of the speed.
        flags=("-mprefer-vector-width=512",),
    ),
    # Scheduled for the in-order core of its generation. Out-of-order ones do not mind (llvm-mca: the same cycles on A72
    # and Neoverse N1 as when scheduled for them), while in-order ones would need up to three times the cycles the other
    # way round. So one kernel is right for all CPUs of a big.LITTLE machine, and for threads that span both kinds.
    IsaLevel("aarch64-linux-musl", "neon", "cortex_a53", 16, 4, 4, "pairs"),
    IsaLevel("aarch64-linux-musl", "dotprod", "cortex_a55", 16, 2, 8, "dots"),
    IsaLevel("arm-linux-musleabihf", "neon", "cortex_a7", 16, 2, 4, "pairs"),
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
    source = "level/binary_gemm.cpp"
    found = []
    channels = level.tile_vectors * lanes
    while channels >= max(8, lanes):
        name, how = f"{level.isa}-{level.tile_pixels}x{channels}", f"popcount of {level.counts}"
        ops = ("bconv2d", "bgemm")
        found.append(MicroKernel(name, ops, level.triple, level.isa, level.tile_pixels, channels, how, source))
        channels //= 2
    found += [
        MicroKernel(f"{level.isa}-{op}", (op,), level.triple, level.isa, 0, 0, how, "level/bits.cpp")
        for op, how in (("bitpack", "compare, mask"), ("bmaxpool2d", "and"))
    ]
    return tuple(found)
