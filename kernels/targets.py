"""What engines are built for: triples, and the ISA levels of each with their compiler flags and tiles.

Builds, dispatch, tests and listings iterate over these rows. A new triple is a row here, a header that
`native/base/arch.h` includes, and a row in `devices/platforms.py`; a new ISA level is a row here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    is_default: bool = True
    """Whether wheels carry its engines, and `engines build` builds them when no target is named."""


# The plugin needs an old C library's symbols, so that it loads into any distribution's qemu.
TRIPLES: dict[str, Triple] = {
    row.name: row
    for row in (
        Triple("x86_64-linux-musl", "x86_64", "x86_64", "x86_64-linux-musl", "x86_64-linux-gnu.2.28"),
        Triple("aarch64-linux-musl", "aarch64", "generic", "aarch64-linux-musl", "aarch64-linux-gnu.2.28"),
        Triple("arm-linux-musleabihf", "arm", "cortex_a7", "armv7-linux-musleabihf"),
        Triple("riscv64-linux-musl", "riscv64", "baseline_rv64", "riscv64-linux-musl", is_default=False),
    )
}
DEFAULT_TRIPLES = tuple(name for name, row in TRIPLES.items() if row.is_default)


@dataclass(frozen=True, slots=True)
class IsaLevel:
    """One compilation of `native/level/`, and of the Numba kernels; levels of a triple stand least first."""

    triple: str
    isa: str
    zig_cpu: str
    vector_bytes: int
    tile_pixels: int
    tile_vectors: int
    counts: Literal["words", "bytes", "pairs", "outer products"]
    """How bits are counted: see `native/level/counting.h`; outer products: `native/sme2/binary_gemm.cpp`."""
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
    folder: str = "level"
    """Where its sources lie, below `native/`."""
    sources: tuple[str, ...] = ()
    """Sources of other folders that are compiled for it too."""
    others: str | None = None
    """The level whose kernels it takes for all but binary products; None: all are its own. Numba has no such level of
    its own either."""
    lesser_vectors: tuple[int, ...] = ()
    """Bytes of a vector on machines where it is shorter than `vector_bytes`: the length is known at run time only."""
    caveat: str | None = None
    """What has to be said beside its figures, without a full stop."""

    @property
    def grows(self) -> bool:
        """Whether a tile of half the channels has twice the pixels."""
        return self.counts == "outer products"


_AVX2 = ("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "popcnt")  # x86-64-v3
_AVX512 = (*_AVX2, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx512_vnni", "avx512_vpopcntdq")
_ARMV82 = ("asimddp", "asimdhp", "asimdrdm", "atomics", "dcpop", "lrcpc")

_I8MM = (*_ARMV82, "i8mm")
_SME2 = (*_I8MM, "sme", "sme2", "smebi32i32")

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
    IsaLevel("aarch64-linux-musl", "neon", "cortex_a53", 16, 4, 8, "pairs", "cortex-a53"),
    IsaLevel("aarch64-linux-musl", "dotprod", "cortex_a55", 16, 4, 8, "pairs", "cortex-a76", _ARMV82),
    IsaLevel(
        "aarch64-linux-musl",
        "i8mm",
        "cortex_a55+i8mm",
        16,
        4,
        8,
        "pairs",
        "cortex-a76",
        _I8MM,
        folder="i8mm",
        sources=("level/integer_depthwise", "level/integer_gemm", "level/integer_values", "level/requantize"),
        others="dotprod",
    ),
    IsaLevel(
        "aarch64-linux-musl",
        "sme2",
        "cortex_a55+sme2",
        64,
        16,
        4,
        "outer products",
        "cortex-a76",
        _SME2,
        # Tables for unwinding would need a function of the ABI's that musl does not have.
        flags=("-fno-unwind-tables", "-DBNN_INTEGERS=bnn_i8mm_integers"),
        folder="sme2",
        others="dotprod",
        lesser_vectors=(32, 16),
        caveat="binary products by outer products (bmopa); proven under an emulator, never timed on hardware",
    ),
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
    # Without vector registers some loops stay loops.
    IsaLevel(
        "riscv64-linux-musl",
        "rv64",
        "baseline_rv64",
        16,
        2,
        2,
        "bytes",
        "generic-rv64",
        flags=("-Wno-pass-failed",),
        llvm_features="+m,+a,+f,+d,+c",
    ),
    # Vectors of fixed size, the least that the extension V promises; longer registers are used in part. V has no
    # popcount: bytes are counted by shifts and masks.
    IsaLevel(
        "riscv64-linux-musl",
        "rvv",
        "baseline_rv64+v",
        16,
        4,
        2,
        "bytes",
        "generic-rv64",
        ("v",),
        flags=("-Wno-pass-failed",),
        llvm_features="+m,+a,+f,+d,+c,+v",
        caveat="proven under an emulator, never timed on hardware",
    ),
)


def caveats_of(isas: Iterable[str]) -> list[str]:
    """What has to be said beside figures of these ISA levels: a line for each that has something."""
    said = {level.isa: level.caveat for level in ISA_LEVELS if level.caveat is not None}
    return [f"{isa}: {said[isa]}" for isa in isas if isa in said]


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
    source = f"{level.folder}/binary_gemm.cpp"
    found = []
    for vector_bytes in (level.vector_bytes, *level.lesser_vectors):
        lanes = vector_bytes // 4
        widest = channels = level.tile_vectors * lanes
        while channels >= max(8, lanes):
            pixels = lanes * (widest // channels) if level.grows else level.tile_pixels
            name, ops = f"{level.isa}-{pixels}x{channels}", ("bconv2d", "bgemm")
            how = "outer products of bits" if level.grows else f"popcount of {level.counts}"
            if level.table_channels and channels >= level.table_channels:
                how = "tables of 4 bits"
            found.append(MicroKernel(name, ops, level.triple, level.isa, pixels, channels, how, source))
            channels //= 2
    others = "level" if level.others else level.folder
    found += [
        MicroKernel(f"{level.isa}-{op}", (op,), level.triple, level.isa, 0, 0, how, f"{others}/bits.cpp")
        for op, how in (("bitpack", "compare, mask"), ("bmaxpool2d", "and"))
    ]
    return tuple(found)
