"""The native C++ engine: one static binary per triple that holds every ISA level and chooses at start."""

from __future__ import annotations

from collections.abc import Sequence

from ..targets import TRIPLES
from ..toolchain import Progress, build_native
from .base import EngineFile, EngineFiles

MAX_THREADS = 1


class NativeEngine:
    """Hand-tiled C++ kernels; one static binary holds every ISA level."""

    name = "native"
    protocol = 1

    def isa_for(self, triple: str, features: frozenset[str]) -> str | None:
        """None: the binary asks the CPU itself."""
        return None

    def refusal(self, op: str, threads: int, triple: str) -> str | None:
        """One thread for now, and the triples that can be built."""
        if triple not in TRIPLES:
            return f"the native engine is not built for {triple}"
        if threads > MAX_THREADS:
            return f"the native engine runs kernels on {MAX_THREADS} thread, not {threads}"
        return None

    def prepare(self, triple: str, isa: str | None, progress: Progress | None) -> EngineFiles:
        """Raises BuildError."""
        build = build_native(triple, progress)
        return EngineFiles(build, (EngineFile(build.path, executable=True),))

    def command(self, paths: Sequence[str], isa: str | None) -> list[str]:
        """`isa` forces a level, for tests and comparisons."""
        return [f"./{paths[0]}", *(["--isa", isa] if isa else [])]
