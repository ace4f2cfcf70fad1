"""Interpreters of `.tflite` files to compare with, behind `drivers/tflite_driver.py`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from ..toolchain import EngineBuild, Progress
from .base import Accepts, EngineFile, EngineFiles, Refusal, RunKey, Start
from .caveats import NO_BINARY_OPS, NO_CAVEATS, PORTABLE_LCE, Caveats, caveat_on
from .installation import RUNTIMES, installed

_DRIVER = Path(__file__).parent / "drivers" / "tflite_driver.py"
_PROFILERS = {name: _DRIVER.with_name(f"{name}_profiler.py") for name in ("litert", "onnxruntime")}
"""Of runtimes that time their own ops: what the driver loads for it, the second file of the engine."""
# Of another device. Newer systems let nobody install packages beside their own, hence the environment.
_THEIR_PYTHON = 'p=python/bin/python3; [ -x "$p" ] || p=python3; exec "$p" "$@"'


@dataclass(frozen=True, slots=True)
class TFLiteEngine:
    """`runtime` is a row of `RUNTIMES`; `options` are flags of its interpreter; `about` is for listings.

    On this machine it runs in the environment that `engines install` makes. With `remote`, also on other devices: in
    the environment `python` of their work folder (`python3 -m venv ~/.bnnbench/python`) if there is one, else in their
    own python3. The runtime must be installed there, and `hello` says which version it is.
    """

    name: str
    runtime: str
    about: str
    options: tuple[str, ...] = ()
    variant: str | None = None
    remote: bool = False
    builds: bool = False
    traces: bool = False
    run_keys: frozenset[RunKey] = frozenset()
    protocol: int | None = 1
    accepts: frozenset[Accepts] = frozenset({"tflite", "lce"})
    caveats: Caveats = field(default_factory=lambda: NO_CAVEATS)

    @property
    def recorded_as(self) -> str:
        return self.name

    def caveat(self, triple: str) -> str | None:
        """What `caveats` says of it there."""
        return caveat_on(self.caveats, triple)

    def isa_for(self, triple: str, features: frozenset[str]) -> str | None:
        """None: the runtime chooses by itself."""
        return None

    def refusal(self, threads: int, triple: str, local: bool) -> Refusal | None:
        """Not installed here, or not to be had there."""
        if local and installed(self.runtime) is None:
            return Refusal(
                f"the engine '{self.name}' is not installed; run bnnbench engines install {self.runtime}",
                "not_installed",
            )
        if not local and not self.remote:
            return Refusal(f"the engine '{self.name}' runs on this machine only")
        return None

    def prepare(self, triple: str, isa: str | None, progress: Progress | None) -> EngineFiles:
        """The driver, and what times the runtime's ops, are all that is pushed."""
        identity = hashlib.sha256(_DRIVER.read_bytes())
        identity.update("\0".join([*RUNTIMES[self.runtime].packages, *self.options]).encode())
        key = identity.hexdigest()
        build = EngineBuild(self.name, triple, None, key, key, _DRIVER)
        return EngineFiles(build, tuple(EngineFile(path, executable=False) for path in (_DRIVER, *self._profilers)))

    def command(self, start: Start) -> list[str]:
        """The driver in the runtime's Python."""
        # Isolated (-I) from the user's own packages, which may be of other versions.
        python = [str(installed(self.runtime)), "-I"] if start.local else ["sh", "-c", _THEIR_PYTHON, "sh"]
        return [*python, start.paths[0], "--runtime", self.runtime, *(w for o in self.options for w in ("--option", o))]

    @property
    def _profilers(self) -> list[Path]:
        """Its times are those of the runtime as it is, without options."""
        return [_PROFILERS[self.runtime]] if self.runtime in _PROFILERS and not self.options else []


JUDGES = (
    TFLiteEngine(
        "litert-reference",
        "litert",
        "LiteRT with TensorFlow Lite's reference kernels: what is right for its ops",
        options=("reference_kernels",),
        accepts=frozenset({"tflite"}),
    ),
    TFLiteEngine("lce", "lce", "Larq Compute Engine 0.16, default kernels: what is right for its ops"),
    TFLiteEngine(
        "onnxruntime",
        "onnxruntime",
        "onnxruntime, every node as the file has it: what is right for ONNX",
        options=("unoptimized",),
        accepts=frozenset({"onnx"}),
    ),
)
"""Interpreters of others that read a model file for themselves: whom the reference is compared with."""

TFLITE_ENGINES = (
    TFLiteEngine("lce", "lce", "Larq Compute Engine 0.16, default kernels", caveats=PORTABLE_LCE),
    TFLiteEngine(
        "lce-indirect",
        "lce",
        "Larq Compute Engine 0.16, indirect binary convolutions",
        options=("use_indirect_bgemm",),
        caveats=PORTABLE_LCE,
    ),
    TFLiteEngine(
        "lce-best",
        "lce",
        "Larq Compute Engine 0.16, indirect binary convolutions, and XNNPACK for the rest: its best on x86",
        options=("use_indirect_bgemm", "use_xnnpack"),
        caveats=PORTABLE_LCE,
    ),
    TFLiteEngine(
        "litert",
        "litert",
        "LiteRT (TensorFlow Lite) with XNNPACK; no LCE ops",
        remote=True,
        accepts=frozenset({"tflite"}),
        caveats=NO_BINARY_OPS,
    ),
    TFLiteEngine(
        "onnxruntime",
        "onnxruntime",
        "onnxruntime on the CPU; binary layers as floats",
        remote=True,
        accepts=frozenset({"onnx"}),
        caveats=NO_BINARY_OPS,
    ),
)
