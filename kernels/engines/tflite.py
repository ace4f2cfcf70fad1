"""Interpreters of `.tflite` files to compare with, behind `drivers/tflite_driver.py`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..toolchain import EngineBuild, Progress
from .base import Accepts, EngineFile, EngineFiles
from .installation import RUNTIMES, installed

_DRIVER = Path(__file__).parent / "drivers" / "tflite_driver.py"


@dataclass(frozen=True, slots=True)
class TFLiteEngine:
    """`runtime` is a row of `RUNTIMES`; `options` are flags of its interpreter; `about` is for listings.

    On this machine it runs in the environment that `engines install` makes. With `remote`, on other devices in their
    own python3, where the runtime must be installed.
    """

    name: str
    runtime: str
    about: str
    options: tuple[str, ...] = ()
    variant: str | None = None
    remote: bool = False
    builds: bool = False
    protocol: int | None = 1
    accepts: frozenset[Accepts] = frozenset({"tflite", "lce"})

    def isa_for(self, triple: str, features: frozenset[str]) -> str | None:
        """None: the runtime chooses by itself."""
        return None

    def refusal(self, threads: int, triple: str, local: bool) -> str | None:
        """Not installed here, or not to be had there."""
        if local and installed(self.runtime) is None:
            return f"the engine '{self.name}' is not installed; run bnnbench engines install {self.runtime}"
        if not local and not self.remote:
            return f"the engine '{self.name}' runs on this machine only"
        return None

    def prepare(self, triple: str, isa: str | None, progress: Progress | None) -> EngineFiles:
        """The driver is all that is pushed."""
        identity = hashlib.sha256(_DRIVER.read_bytes())
        identity.update("\0".join([*RUNTIMES[self.runtime].packages, *self.options]).encode())
        key = identity.hexdigest()
        build = EngineBuild(self.name, triple, None, key, key, _DRIVER)
        return EngineFiles(build, (EngineFile(_DRIVER, executable=False),))

    def command(self, paths: Sequence[str], isa: str | None, local: bool) -> list[str]:
        """The driver in the runtime's Python."""
        python = str(installed(self.runtime)) if local else "python3"
        return [python, paths[0], "--runtime", self.runtime, *(w for o in self.options for w in ("--option", o))]


TFLITE_ENGINES = (
    TFLiteEngine("lce", "lce", "Larq Compute Engine 0.16, default kernels (portable C++ on x86)"),
    TFLiteEngine(
        "lce-indirect",
        "lce",
        "Larq Compute Engine 0.16, indirect kernels (portable C++ on x86, its best path there)",
        options=("use_indirect_bgemm",),
    ),
    TFLiteEngine(
        "litert",
        "litert",
        "LiteRT 2.3 (TensorFlow Lite) with XNNPACK; no LCE ops",
        remote=True,
        accepts=frozenset({"tflite"}),
    ),
)
