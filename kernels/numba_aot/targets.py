"""Processors the Numba kernels are compiled for: one object file per ISA level, by the rows of `kernels/targets.py`."""

from __future__ import annotations

from dataclasses import dataclass

from ..targets import ISA_LEVELS, TRIPLES


@dataclass(frozen=True, slots=True)
class NumbaTarget:
    """`triple` names the platform (as zig does), `isa` the level the engine is started with."""

    triple: str
    isa: str
    llvm_triple: str
    llvm_cpu: str
    features: str = ""


TARGETS: tuple[NumbaTarget, ...] = tuple(
    NumbaTarget(level.triple, level.isa, TRIPLES[level.triple].llvm_triple, level.llvm_cpu, level.llvm_features)
    for level in ISA_LEVELS
    if level.others is None
)


def numba_target(triple: str, isa: str) -> NumbaTarget:
    """The target for a platform and ISA level; KeyError when there is none."""
    for target in TARGETS:
        if (target.triple, target.isa) == (triple, isa):
            return target
    raise KeyError(f"no Numba target for {triple} with {isa}")
