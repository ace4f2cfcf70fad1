"""An engine as one side of a comparison: under that side's name, perhaps as another binary than the current one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import BuildError
from ..toolchain import EngineBuild, Progress
from .base import Accepts, Engine, EngineFile, EngineFiles, Refusal, RunKey, Start

ANY = ""
"""Key of a binary that is taken for every triple."""


@dataclass(frozen=True, slots=True)
class SideEngine:
    """`name` is the side (`base`, `head`); `binaries` maps triples, or `ANY`, to what stands in for the engine's
    own."""

    name: str
    engine: Engine
    binaries: Mapping[str, Path]

    @property
    def protocol(self) -> int | None:
        return self.engine.protocol

    @property
    def recorded_as(self) -> str:
        return self.engine.recorded_as

    @property
    def run_keys(self) -> frozenset[RunKey]:
        return self.engine.run_keys

    @property
    def traces(self) -> bool:
        return self.engine.traces

    @property
    def about(self) -> str:
        return self.engine.about

    @property
    def builds(self) -> bool:
        return self.engine.builds and not self.binaries

    @property
    def variant(self) -> str | None:
        """Both sides may be of one engine: the side tells them apart."""
        return " ".join(part for part in (self.engine.variant, self.name) if part)

    @property
    def accepts(self) -> frozenset[Accepts]:
        return self.engine.accepts

    def caveat(self, triple: str) -> str | None:
        """As the engine."""
        return self.engine.caveat(triple)

    def isa_for(self, triple: str, features: frozenset[str]) -> str | None:
        """As the engine."""
        return self.engine.isa_for(triple, features)

    def refusal(self, threads: int, triple: str, local: bool) -> Refusal | None:
        """As the engine, and where there is no binary for the triple."""
        if self.binaries and not self._binary(triple):
            return Refusal(
                f"the {self.name} has no binary for {triple}, only for {', '.join(sorted(self.binaries))}", "no_binary"
            )
        return self.engine.refusal(threads, triple, local)

    def prepare(self, triple: str, isa: str | None, progress: Progress | None) -> EngineFiles:
        """Raises BuildError when the binary can't be read."""
        path = self._binary(triple)
        if path is None:
            files = self.engine.prepare(triple, isa, progress)
            return replace(files, build=replace(files.build, engine=self.name))
        try:
            sha = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise BuildError(f"the {self.name} cannot be read from {path}: {error.strerror}.") from None
        others: tuple[EngineFile, ...] = ()
        if not self.engine.builds:  # libraries that the engine comes with
            others = self.engine.prepare(triple, isa, progress).files[1:]
        build = EngineBuild(self.name, triple, isa, sha, sha, path)
        return EngineFiles(build, (EngineFile(path, executable=True), *others))

    def command(self, start: Start) -> list[str]:
        """As the engine."""
        return self.engine.command(start)

    def _binary(self, triple: str) -> Path | None:
        return self.binaries.get(triple) or self.binaries.get(ANY)
