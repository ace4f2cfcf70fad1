"""A user's own engine, declared as `[engine.NAME]` in the suite: any program that speaks the protocol."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from ..errors import BuildError
from ..targets import TRIPLES
from ..toolchain import EngineBuild, Progress
from .base import Accepts, EngineFile, EngineFiles, Refusal, RunKey, Start


@dataclass(frozen=True, slots=True)
class CustomEngine:
    """`binary` maps the architecture of a triple (`aarch64`, say) to a file; `command` holds `{binary}` and arguments.

    `placeholders` may stand in `command`, `required` of them must.
    """

    placeholders: ClassVar[tuple[str, ...]] = ("{binary}", "{files}")
    required: ClassVar[tuple[str, ...]] = ("{binary}",)
    only_accepts: ClassVar[frozenset[Accepts] | None] = None

    name: str
    command_line: tuple[str, ...]
    binary: Mapping[str, Path]
    files: tuple[Path, ...] = ()
    protocol: int | None = 1
    accepts: frozenset[Accepts] = frozenset({"op"})
    about: str = "declared by a suite"
    variant: str | None = None
    builds: bool = False
    run_keys: frozenset[RunKey] = frozenset()

    @property
    def traces(self) -> bool:
        """Engines that take plan files have the verb `trace`."""
        return "plan" in self.accepts

    @classmethod
    def declared(
        cls,
        name: str,
        command: tuple[str, ...],
        binary: Mapping[str, Path],
        files: tuple[Path, ...],
        accepts: frozenset[Accepts],
    ) -> Self:
        """As a suite declares it; what it accepts, some kinds of engine know better."""
        return cls(name, command, binary, files, accepts=cls.only_accepts or accepts)

    @property
    def recorded_as(self) -> str:
        return self.name

    def caveat(self, triple: str) -> str | None:
        """None: nothing is known of it."""
        return None

    def isa_for(self, triple: str, features: frozenset[str]) -> str | None:
        """None: the engine says in its `hello` what it uses."""
        return None

    def refusal(self, threads: int, triple: str, local: bool) -> Refusal | None:
        """What it accepts is asked from itself; only the architecture is known here."""
        architecture = TRIPLES[triple].architecture
        if architecture not in self.binary:
            return Refusal(f"engine '{self.name}' has no binary for {architecture}", "no_binary")
        return None

    def prepare(self, triple: str, isa: str | None, progress: Progress | None) -> EngineFiles:
        """Raises BuildError when a file is missing."""
        paths = [self.binary[TRIPLES[triple].architecture], *self.files]
        digest = hashlib.sha256()
        for path in paths:
            try:
                digest.update(path.read_bytes())
            except OSError as error:
                reason = error.strerror or error
                raise BuildError(f"engine '{self.name}': cannot read {path}: {reason}; build it first.") from None
        key = digest.hexdigest()
        # All files together are its identity: another library is another engine.
        build = EngineBuild(self.name, triple, None, key, key, paths[0])
        return EngineFiles(build, tuple(EngineFile(path, executable=index == 0) for index, path in enumerate(paths)))

    def command(self, start: Start) -> list[str]:
        """`{binary}` is the pushed binary, `{files}` the others, in order."""
        argv: list[str] = []
        for word in self.command_line:
            if word == "{files}":
                argv += start.paths[1:]
            else:
                argv.append(word.replace("{binary}", f"./{start.paths[0]}"))
        return argv
