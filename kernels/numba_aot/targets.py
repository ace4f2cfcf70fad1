"""Processors the Numba kernels are compiled for: one object file per row."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NumbaTarget:
    """`triple` names the platform (as zig does), `isa` the level the engine is started with."""

    triple: str
    isa: str
    llvm_triple: str
    llvm_cpu: str
    features: str = ""


TARGETS: tuple[NumbaTarget, ...] = (
    NumbaTarget("x86_64-linux-musl", "x86-64", "x86_64-linux-musl", "x86-64"),
    NumbaTarget("x86_64-linux-musl", "avx2", "x86_64-linux-musl", "haswell"),
    # Without the preference this processor's model splits 64-byte vectors in two.
    NumbaTarget("x86_64-linux-musl", "avx512", "x86_64-linux-musl", "icelake-server", "-prefer-256-bit"),
    NumbaTarget("aarch64-linux-musl", "neon", "aarch64-linux-musl", "cortex-a53"),
    NumbaTarget("aarch64-linux-musl", "dotprod", "aarch64-linux-musl", "cortex-a76"),
    NumbaTarget("arm-linux-musleabihf", "neon", "armv7-linux-musleabihf", "cortex-a7", "+neon"),
)


def numba_target(triple: str, isa: str) -> NumbaTarget:
    """The row for a platform and ISA level; KeyError when there is none."""
    for target in TARGETS:
        if (target.triple, target.isa) == (triple, isa):
            return target
    raise KeyError(f"no Numba target for {triple} with {isa}")
