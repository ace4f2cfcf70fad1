"""The Numba reference kernels compiled ahead of time: one static binary per triple and ISA level."""

from __future__ import annotations

from ..targets import ISA_LEVELS
from ..toolchain import Progress, build_numba
from .base import Accepts, EngineFile, EngineFiles, Refusal, RunKey, Start, best_isa

# What the operating system must report (/proc/cpuinfo) for each level, least first.
_NEEDED_FEATURES: dict[str, dict[str, frozenset[str]]] = {
    "x86_64-linux-musl": {
        "x86-64": frozenset(),
        "avx2": frozenset({"avx2", "bmi1", "bmi2", "fma", "movbe", "f16c", "popcnt", "abm"}),
        "avx512": frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd", "avx512_vpopcntdq"}),
    },
    "aarch64-linux-musl": {
        "neon": frozenset(),
        "dotprod": frozenset({"asimddp", "asimdhp", "atomics", "asimdrdm", "dcpop", "lrcpc"}),
    },
    "arm-linux-musleabihf": {"neon": frozenset({"neon"})},
}


class NumbaEngine:
    """The readable reference kernels, compiled ahead of time."""

    name = recorded_as = "numba"
    protocol = 1
    about = "the readable reference kernels, compiled ahead of time; a static binary for each ISA level"
    variant = None
    builds = True
    run_keys: frozenset[RunKey] = frozenset({"watch", "counters"})
    accepts: frozenset[Accepts] = frozenset({"op"})

    def isa_for(self, triple: str, features: frozenset[str]) -> str | None:
        """The best level that the CPU reports."""
        return best_isa(_NEEDED_FEATURES.get(triple, {}), features)

    def refusal(self, threads: int, triple: str, local: bool) -> Refusal | None:
        """Kernels, one thread."""
        if triple not in {level.triple for level in ISA_LEVELS}:
            return Refusal(f"the Numba reference is not built for {triple}")
        if threads > 1:
            return Refusal(f"the Numba reference runs on one thread, not {threads}")
        return None

    def prepare(self, triple: str, isa: str | None, progress: Progress | None) -> EngineFiles:
        """Raises BuildError."""
        build = build_numba(triple, isa or "none", progress)
        return EngineFiles(build, (EngineFile(build.path, executable=True),))

    def command(self, start: Start) -> list[str]:
        """The level is the binary's own."""
        return [f"./{start.paths[0]}"]
