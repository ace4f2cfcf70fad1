"""An independent reading of a model's file: other interpreters, installed on this machine, are asked what is right.

The reference and the native engine share one importer, so what it misreads both compute, and agree. LiteRT and LCE read
the file for themselves. They are asked once for each model of a run, before anything is timed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Protocol

import numpy as np

from bnnbench.devices.errors import DeviceError
from bnnbench.devices.inventory import LOCAL
from bnnbench.devices.transport.local import LocalTransport
from bnnbench.kernels.engines.base import Accepts, Start
from bnnbench.kernels.engines.client import EngineClient
from bnnbench.kernels.engines.installation import RUNTIMES, installed
from bnnbench.kernels.engines.tflite import JUDGES, TFLiteEngine
from bnnbench.kernels.errors import BuildError, EngineError
from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.onnx_file import with_integers
from bnnbench.kernels.models.operations import BinaryConv2d

from .explained import explained
from .output_match import Array, Match, not_finite

_LIMIT_NS = 300_000_000_000
_INPUTS = 3


class Judged(Protocol):
    """What a judge is asked about: a model file, inputs, and the outputs that the reference says are right."""

    @property
    def has_lce_ops(self) -> bool: ...

    def is_taken(self, accepts: frozenset[Accepts]) -> bool:
        """Whether an engine that accepts these loads the file."""
        ...

    @property
    def graph(self) -> Graph: ...

    @property
    def readings(self) -> Sequence[Graph]:
        """What the file may be taken to say: `graph`, and where Signs of 0 are 0, that."""
        ...

    @property
    def rounds_as_onnx(self) -> bool:
        """Whether it has int8 that is computed in floats."""
        ...

    @property
    def file_bytes(self) -> bytes: ...

    def input(self, which: int) -> Array:
        """Number `which`."""
        ...

    def input_name(self, which: int) -> str:
        """For messages."""
        ...

    def is_sure(self, which: int) -> bool:
        """Whether the reference's output for this input is the only right one."""
        ...

    def expected(self, which: int) -> Sequence[Array]:
        """The reference's outputs."""
        ...

    def compare(self, raw: bytes, which: int, traced: bool) -> Match:
        """Raw outputs against the right ones."""
        ...


@dataclass(frozen=True, slots=True)
class Opinions:
    """`confirmed_by` names who gave the reference's outputs; `contradicted` says by whom and how they differ."""

    confirmed_by: tuple[str, ...] = ()
    contradicted: str | None = None


def opinions(workload: Judged) -> Opinions:
    """Of every judge that is installed and knows the model's ops; what a judge refuses or fails at says nothing."""
    agreed: list[str] = []
    for judge in JUDGES:
        if installed(judge.runtime) is None or not workload.is_taken(judge.accepts):
            continue
        if "lce" in judge.accepts and (not workload.has_lce_ops or _pads_as_lce_does_not(workload.graph)):
            continue
        try:
            right, wrong = _asked(judge, workload)
        except (EngineError, DeviceError, BuildError, OSError, EOFError):
            continue
        who = f"{judge.name} ({RUNTIMES[judge.runtime].packages[0].replace('==', ' ')})"
        if wrong:
            return Opinions(tuple(agreed), f"{who} reads the file differently: {wrong}")
        if right:
            agreed.append(who)
    return Opinions(tuple(agreed))


def _asked(judge: TFLiteEngine, workload: Judged) -> tuple[int, str | None]:
    """On how many inputs it gave the reference's outputs, and the first that is wrong where the reference is sure."""
    right = 0
    with tempfile.TemporaryDirectory(prefix="bnnbench-") as folder, _started(judge, folder) as client:
        (Path(folder) / "model").write_bytes(workload.file_bytes)
        client.hello()
        client.load("case", {"model": "model"})
        for which in range(_INPUTS):
            if not_finite(workload.expected(which)):
                continue  # kernels differ in what they make of an overflow
            (Path(folder) / "input").write_bytes(workload.input(which).tobytes())
            client.input("case", "input")
            client.run("case", samples=1, iterations=1, limit_ns=_LIMIT_NS)
            client.output("case", "output")
            strictly = workload.rounds_as_onnx
            match = workload.compare((Path(folder) / "output").read_bytes(), which, traced=strictly)
            if match.wrong and strictly:
                match = _step_by_step(client, Path(folder), workload, which)
            if match.wrong is None:
                right += 1
            elif strictly or workload.is_sure(which):
                return right, f"for {workload.input_name(which)}, {match.wrong}"
    return right, None


def _step_by_step(client: EngineClient, folder: Path, workload: Judged, which: int) -> Match:
    """Compared with a reference that takes the judge's steps where floats are too close to the middle of two to call.

    One step that differs changes many behind it, so the output alone says nothing.
    """
    content, names = with_integers(workload.file_bytes)
    (folder / "whole").write_bytes(content)
    loaded = client.load("whole", {"model": "whole"})
    client.input("whole", "input")
    client.run("whole", samples=1, iterations=1, limit_ns=_LIMIT_NS)
    client.output("whole", "output")
    client.unload("whole")
    raw, own = (folder / "output").read_bytes(), sum(array.nbytes for array in workload.expected(which))
    at = own
    steps: dict[str, Array] = {}
    for name, port in zip(names, loaded.outputs[-len(names) :], strict=True):
        array = np.frombuffer(raw, np.uint8, prod(port.shape), at)
        at += array.nbytes
        # uint8 with zero point z is int8 with z - 128.
        steps[name] = (array ^ (0x80 if port.dtype == "u8" else 0)).view(np.int8)
    for graph in workload.readings:
        found = explained(graph, workload.input(which), steps, raw[:own])
        if not found.wrong:
            break
    return Match(found.difference, found.wrong)


@contextmanager
def _started(judge: TFLiteEngine, folder: str) -> Iterator[EngineClient]:
    files = judge.prepare("", None, None).files
    process = LocalTransport(LOCAL).spawn(judge.command(Start([str(files[0].path)], local=True)), cwd=folder)
    try:
        yield EngineClient(process, judge.name)
        process.close_stdin()
        process.wait(time.monotonic() + 1)
    finally:
        process.kill()


def _pads_as_lce_does_not(graph: Graph) -> bool:
    """LCE itself is wrong for zero-padded binary convolutions with dilation, as Keras shows."""
    specs = [node.operation.spec for node in graph.nodes if isinstance(node.operation, BinaryConv2d)]
    return any(s.pad == "same" and s.pad_value == 0 and max(s.dh, s.dw) > 1 for s in specs)
