"""The native C++ engine: one static binary per triple that holds every ISA level and chooses at start."""

from __future__ import annotations

from ..targets import TRIPLES
from ..toolchain import Progress, build_native
from .base import Accepts, EngineFile, EngineFiles, Refusal, RunKey, Start


class NativeEngine:
    """Hand-tiled C++ kernels and whole models; one static binary holds every ISA level."""

    name = recorded_as = "native"
    protocol = 1
    about = "C++ kernels and whole models; one static binary for all ISA levels"
    variant = None
    builds = True
    traces = True
    run_keys: frozenset[RunKey] = frozenset({"watch", "counters", "period_ns"})
    accepts: frozenset[Accepts] = frozenset({"op", "plan"})

    def caveat(self, triple: str) -> str | None:
        """None: it is what the others are compared with."""
        return None

    def isa_for(self, triple: str, features: frozenset[str]) -> str | None:
        """None: the binary asks the CPU itself."""
        return None

    def refusal(self, threads: int, triple: str, local: bool) -> Refusal | None:
        """The triples that can be built; how many threads there can be, the device says."""
        if triple not in TRIPLES:
            return Refusal(f"the native engine is not built for {triple}")
        return None

    def prepare(self, triple: str, isa: str | None, progress: Progress | None) -> EngineFiles:
        """Raises BuildError."""
        build = build_native(triple, progress)
        return EngineFiles(build, (EngineFile(build.path, executable=True),))

    def command(self, start: Start) -> list[str]:
        """`isa` forces a level, for tests and comparisons."""
        return [f"./{start.paths[0]}", *(["--isa", start.isa] if start.isa else [])]
