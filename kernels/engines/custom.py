"""A user's own engine, declared as `[engine.NAME]` in the suite: any program that speaks the protocol."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self, TypeVar

from ..errors import BuildError
from ..targets import TRIPLES
from ..toolchain import EngineBuild, Progress
from .base import Accepts, EngineFile, EngineFiles, Refusal, RunKey, Start

_File = TypeVar("_File")


@dataclass(frozen=True, slots=True)
class CustomEngine:
    """`binary` maps the architecture of a triple (`aarch64`, say) to a file; `command` holds `{binary}` and arguments.
    Without any, it is started by a program that the device has, and its files keep their names in a `{folder}`.

    `placeholders` may stand in `command`, `required` of them must, `{binary}` only where there is one.
    """

    placeholders: ClassVar[tuple[str, ...]] = ("{binary}", "{files}", "{folder}")
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
        if self._has_binary and architecture not in self.binary:
            return Refusal(f"engine '{self.name}' has no binary for {architecture}", "no_binary")
        return None

    def prepare(self, triple: str, isa: str | None, progress: Progress | None) -> EngineFiles:
        """Raises BuildError when a file is missing."""
        paths = files_on(self.binary, self.files, TRIPLES[triple].architecture)
        contents = []
        for path in paths:
            try:
                contents.append(path.read_bytes())
            except OSError as error:
                reason = error.strerror or error
                raise BuildError(f"engine '{self.name}': cannot read {path}: {reason}; build it first.") from None
        if self._has_binary:
            key = identity(contents)
            files = [EngineFile(path, executable=index == 0) for index, path in enumerate(paths)]
        else:
            key = identity(contents, [path.name for path in paths])
            files = [EngineFile(path, executable=True, name=path.name) for path in paths]
        build = EngineBuild(self.name, triple, None, key, key, paths[0] if paths else Path())
        return EngineFiles(build, tuple(files), self._program)

    def command(self, start: Start) -> list[str]:
        """`{binary}` is the pushed binary, `{files}` the others, in order, `{folder}` where those with names lie."""
        argv: list[str] = []
        binary, files = (start.paths[0], start.paths[1:]) if self._has_binary else ("", start.paths)
        for word in self.command_line:
            if word == "{files}":
                argv += files
            else:
                argv.append(word.replace("{binary}", f"./{binary}").replace("{folder}", f"./{start.folder}"))
        return argv

    @property
    def _has_binary(self) -> bool:
        return any("{binary}" in word for word in self.command_line)

    @property
    def _program(self) -> str:
        """What starts it on the device and is not pushed; of one with a binary that is its own concern."""
        first = self.command_line[0]
        return "" if self._has_binary or "{folder}" in first else first


def files_on(binary: Mapping[str, _File], files: Sequence[_File], architecture: str) -> list[_File]:
    """What an engine has pushed to a device of an architecture: its binary first, where it has any."""
    return [binary[architecture], *files] if binary else list(files)


def identity(contents: Sequence[bytes], names: Sequence[str] = ()) -> str:
    """The SHA-256 that an engine is known by in records, of all its files together: another library is another engine.
    Where files keep their `names`, these count too."""
    digest = hashlib.sha256()
    for number, content in enumerate(contents):
        if names:
            digest.update(f"{names[number]}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
        digest.update(content)
    return digest.hexdigest()
