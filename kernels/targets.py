"""What engines are built for: triples, and the ISA levels of each with their compiler flags and tiles.

The one place to edit for a new level: builds, dispatch, tests and listings iterate over these rows.
"""

from __future__ import annotations

from dataclasses import dataclass

TRIPLES = {
    "x86_64-linux-musl": "x86_64",
    "aarch64-linux-musl": "generic",
    "arm-linux-musleabihf": "cortex_a7",
}
"""Triple -> zig's name of the least CPU its binaries run on: what everything but the kernels is compiled for."""


@dataclass(frozen=True, slots=True)
class IsaLevel:
    """One compilation of `native/src/kernels_isa.cpp`; levels of a triple stand least first."""

    triple: str
    isa: str
    zig_cpu: str
    vector_bytes: int
    tile_pixels: int
    tile_vectors: int
    counts_bytes: bool
    """No 32-bit vector popcount: count in bytes and widen now and then."""
    flags: tuple[str, ...] = ()


ISA_LEVELS: tuple[IsaLevel, ...] = (
    IsaLevel("x86_64-linux-musl", "x86-64", "x86_64", 16, 2, 2, counts_bytes=True),
    IsaLevel("x86_64-linux-musl", "avx2", "x86_64_v3", 32, 4, 2, counts_bytes=True),
    IsaLevel(
        "x86_64-linux-musl",
        "avx512",
        "x86_64_v4+avx512vpopcntdq",
        64,
        6,
        4,
        counts_bytes=False,
        # Without it 64-byte vectors are split in two, which costs half of the speed.
        flags=("-mprefer-vector-width=512",),
    ),
    IsaLevel("aarch64-linux-musl", "neon", "generic", 16, 4, 4, counts_bytes=True),
    IsaLevel("aarch64-linux-musl", "dotprod", "cortex_a76", 16, 4, 4, counts_bytes=True),
    IsaLevel("arm-linux-musleabihf", "neon", "cortex_a7", 16, 2, 4, counts_bytes=True),
)
