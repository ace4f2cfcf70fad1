"""The Numba reference kernels compiled ahead of time: one static binary per triple and ISA level."""

from __future__ import annotations

from ..targets import ISA_LEVELS, TRIPLES
from ..toolchain import Progress, build_numba
from .base import Accepts, EngineFile, EngineFiles, Refusal, RunKey, Start
from .caveats import REFERENCE, caveat_on


class NumbaEngine:
    """The readable reference kernels, compiled ahead of time."""

    name = recorded_as = "numba"
    protocol = 1
    about = "the readable reference kernels, compiled ahead of time; a static binary for each ISA level"
    variant = None
    builds = True
    traces = False
    run_keys: frozenset[RunKey] = frozenset({"watch", "counters", "period_ns"})
    accepts: frozenset[Accepts] = frozenset({"op"})

    def caveat(self, triple: str) -> str | None:
        """It is there to be read."""
        return caveat_on(REFERENCE, triple)

    def isa_for(self, triple: str, features: frozenset[str]) -> str | None:
        """The last level whose features the CPU reports, of those with kernels of Numba's; levels stand least first."""
        own = [level for level in ISA_LEVELS if level.triple == triple and level.others is None]
        fits = [level.isa for level in own if features.issuperset(level.features)]
        return fits[-1] if fits else None

    def refusal(self, threads: int, triple: str, local: bool) -> Refusal | None:
        """Kernels, one thread."""
        if triple not in TRIPLES:
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
