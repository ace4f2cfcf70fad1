"""What an engine is to the harness: which cases it takes, which files it needs and how it is started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from ..toolchain import EngineBuild, Progress

Accepts = Literal["op", "plan", "tflite", "lce", "onnx"]
"""What an engine can load: kernel cases (`op=`), plan files (`plan=`), `.tflite` files (`model=`), LCE's ops in
these, and `.onnx` files (`model=`)."""


RefusalCode = Literal["unsupported", "no_binary", "not_installed", "not_imported"]


class Refusal(NamedTuple):
    """Why an engine cannot run somewhere: one sentence for the skip, and a code for programs."""

    reason: str
    code: RefusalCode = "unsupported"


RunKey = Literal["watch", "counters", "period_ns"]
"""Optional keys of the request `run`, which an engine may not know."""


@dataclass(frozen=True, slots=True)
class Start:
    """How an engine is started. `paths` are where its files were pushed to, and `folder` is its own one, which holds
    those with names, all relative to the working folder; `isa` forces a level; `local`: on this machine. `model`,
    `threads` and `flags`, further words for it, are for a program without a protocol, which is started once for each
    measurement."""

    paths: Sequence[str]
    isa: str | None = None
    local: bool = False
    model: str = ""
    threads: int = 1
    flags: Sequence[str] = ()
    folder: str = ""


@dataclass(frozen=True, slots=True)
class EngineFile:
    """A file that must lie on the device before the engine can start: with a `name`, in the engine's own folder."""

    path: Path
    executable: bool
    name: str = ""


@dataclass(frozen=True, slots=True)
class EngineFiles:
    """What to push and how to start it. `build` identifies the engine in records; `program` is what the device must
    have already, empty where that is nothing."""

    build: EngineBuild
    files: tuple[EngineFile, ...]
    program: str = ""


class Engine(Protocol):
    """One engine. Methods are pure, apart from building files on the host."""

    @property
    def name(self) -> str: ...

    @property
    def protocol(self) -> int | None:
        """Version spoken on stdin and stdout; None for a program that only prints a summary."""
        ...

    @property
    def recorded_as(self) -> str:
        """The engine's name in records: both sides of a comparison may be of one engine."""
        ...

    @property
    def run_keys(self) -> frozenset[RunKey]:
        """Which optional keys of `run` it knows."""
        ...

    @property
    def traces(self) -> bool:
        """Whether it can say what every step of a model stored."""
        ...

    @property
    def about(self) -> str:
        """What it is, for listings: a line."""
        ...

    @property
    def builds(self) -> bool:
        """Whether it is built from this project's sources when it is needed."""
        ...

    @property
    def variant(self) -> str | None:
        """Which of several ways of one engine this is, for the records."""
        ...

    @property
    def accepts(self) -> frozenset[Accepts]: ...

    def caveat(self, triple: str) -> str | None:
        """What has to be said beside every ratio to it there: a few words; None for nothing."""
        ...

    def isa_for(self, triple: str, features: frozenset[str]) -> str | None:
        """The ISA level to use on a CPU with these kernel-reported features; None leaves it to the engine."""
        ...

    def refusal(self, threads: int, triple: str, local: bool) -> Refusal | None:
        """Why it cannot run there; None when it can. `local`: on this machine."""
        ...

    def prepare(self, triple: str, isa: str | None, progress: Progress | None) -> EngineFiles:
        """Builds or finds the files for a platform. Raises BuildError."""
        ...

    def command(self, start: Start) -> list[str]:
        """The argv on the device."""
        ...
