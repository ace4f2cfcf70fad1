"""Running a model on inputs of the user's: `bnnbench infer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.engines import Engine
from bnnbench.kernels.engines.replies import Array as LoadedArray
from bnnbench.kernels.errors import EngineError, ModelError
from bnnbench.kernels.models.formats import graph_of, read_model
from bnnbench.kernels.models.model import ModelFile
from bnnbench.kernels.models.open_sizes import require_sizes
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.models.shapes import file_bytes, with_shapes

from ..bench.one_off import one_off
from ..bench.reach import Tell
from ..errors import CallError
from ..suite.shape_words import shapes_of
from ..workload.model import NUMPY
from .given_inputs import Array, Given, Port, given_inputs, inputs_of_file, ports_of_graph

Output = tuple[str, NDArray[np.generic]]
"""Its name in the model, which need not be the only one of this name, and its values."""
_LIMIT_NS = 3_000_000_000_000
_MOST_OUTPUT_BYTES = 2**31
_WORDS = {**NUMPY, "u8": "|u1"}


@dataclass(frozen=True, slots=True)
class Inference:
    """Outputs in the model's order, with its names, and the engine's own time for `count` inputs; None on an emulated
    device."""

    outputs: list[Output]
    count: int
    ns: int | None


def infer(
    model: Path,
    inputs: Array | Mapping[str, Array],
    engine: Engine,
    *,
    device: str,
    inventory: Path | None,
    threads: int,
    batch: int,
    tell: Tell,
    shapes: Sequence[str] = (),
) -> Inference:
    """`inputs` is the model's own input, several along a new first dimension, or, where that has a batch, any multiple
    of it; of a batch of 1 also one image; of several inputs such an array for each, by name. `shapes` are words of
    `--shape`. Raises ModelError, CallError and what `one_off` raises."""
    file = with_shapes(read_model(model), shapes_of(shapes))
    plans = _require_runs(engine, file, batch)
    loadable, known = _loadable(file, engine, plans, batch, tell)
    ports, outputs = known if known is not None else (inputs_of_file(file), None)
    given = given_inputs(inputs, ports, batch)
    calls = given.times // batch
    with one_off(device, inventory, engine, threads, "bnnbench infer", tell) as one:
        blob, pushed = one.lease.folder.blobs([loadable, given.content(calls)])
        output = f"{one.lease.scratch}/output"
        loaded = one.client.load("model", {"plan" if plans else "model": blob})
        outputs = outputs if outputs is not None else _outputs_of(loaded.outputs, file)
        done = one.client.infer(
            "model",
            input=pushed,
            output=output,
            count=calls,
            threads=threads,
            limit_ns=_LIMIT_NS,
        )
        ns = None if one.lease.target.facts.emulated else done.ns
        size = calls * sum(port.bytes for port in outputs)
        raw = one.lease.fetch(output, size)
        if len(raw) != size:
            raise EngineError(f"the engine wrote {len(raw):,} bytes where {size:,} are right.")
        return Inference(_split(raw, outputs, given, batch), given.count, ns)


def _require_runs(engine: Engine, file: ModelFile, batch: int) -> bool:
    """Whether the engine takes a plan, and not the file. Raises CallError when it runs no such model."""
    plans, name = "plan" in engine.accepts, file.path.name
    if not plans and not engine.accepts & {"tflite", "onnx"}:
        raise CallError(f"the engine '{engine.name}' runs kernel cases, not models; take --engine native.")
    if not plans and file.format not in engine.accepts:
        raise CallError(f"the engine '{engine.name}' loads no .{file.format} files; take --engine native.")
    if not plans and "lce" not in engine.accepts and any(op.name.startswith("Lce") for op in file.ops):
        raise CallError(f"the engine '{engine.name}' has no LCE ops, which {name} needs; take --engine native.")
    if batch > 1 and not plans:
        raise CallError(f"the engine '{engine.name}' runs a model with its own batch; leave out --batch.")
    return plans


def _loadable(
    file: ModelFile, engine: Engine, plans: bool, batch: int, tell: Tell
) -> tuple[bytes, tuple[list[Port], list[Port]] | None]:
    """What the engine loads, and the ports of a model that can be imported. Raises ModelError."""
    require_sizes(file)
    try:
        graph = graph_of(file, batch)
    except ModelError as error:
        if plans:
            raise
        why = str(error).rstrip(".").rpartition(";")[0] or str(error).rstrip(".")
        tell(f"unverified: the outputs of {engine.name} cannot be compared with the reference: {why}")
        return file_bytes(file), None
    return make_plan(graph).to_bytes() if plans else file_bytes(file), ports_of_graph(graph, file, batch)


def _outputs_of(loaded: Sequence[LoadedArray], file: ModelFile) -> list[Port]:
    """By what the engine says. Raises EngineError."""
    if len(loaded) != len(file.outputs):
        raise EngineError(f"the engine has {len(loaded)} outputs where {file.path.name} has {len(file.outputs)}.")
    found = []
    for ref, port in zip(file.outputs, loaded, strict=True):
        try:
            dtype = np.dtype(_WORDS.get(port.dtype, port.dtype))
        except TypeError:
            dtype = np.dtype(object)
        made = Port(ref.name or f"tensor{ref.index}", tuple(port.shape), dtype.str)
        if dtype.kind not in "fiub" or not 0 <= made.bytes < _MOST_OUTPUT_BYTES:
            raise EngineError(f"the engine has an output of {port.dtype}{list(port.shape)}, which no array holds.")
        found.append(made)
    return found


def _split(raw: bytes, outputs: Sequence[Port], given: Given, batch: int) -> list[Output]:
    """The output file: for each call every output, one after another."""
    calls = given.times // batch
    table = np.frombuffer(raw, np.uint8).reshape(calls, sum(port.bytes for port in outputs))
    found: list[Output] = []
    offset = 0
    for port in outputs:
        values = np.ascontiguousarray(table[:, offset : offset + port.bytes]).view(port.dtype)
        found.append((port.name, values.reshape(_output_shape(port, given))))
        offset += port.bytes
    return found


def _output_shape(port: Port, given: Given) -> tuple[int, ...]:
    """The model's own, times the batches along its first dimension where that is the batch, else along a new one."""
    own, *rest = port.own
    is_batch = given.times == 1 or own == given.own[0]
    return (given.times * own, *rest) if is_batch and not given.is_stack else (given.times, own, *rest)
