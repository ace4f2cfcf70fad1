"""Running a model on inputs of the user's: `bnnbench infer`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.engines import Engine
from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.models.graph import Graph, Tensor
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.models.tflite_file import read

from ..bench.one_off import one_off
from ..bench.reach import Tell
from ..errors import CallError
from ..workload.model import NUMPY

_LIMIT_NS = 3_000_000_000_000


@dataclass(frozen=True, slots=True)
class Inference:
    """Outputs by name, [inputs, ...], and the engine's own time for all of them; None on an emulated device."""

    outputs: dict[str, NDArray[np.generic]]
    count: int
    ns: int | None


def infer(
    model: Path,
    inputs: NDArray[np.generic],
    engine: Engine,
    *,
    device: str,
    inventory: Path | None,
    threads: int,
    batch: int,
    tell: Tell,
) -> Inference:
    """`inputs` is [count, ...] or one input. Raises ModelError, CallError and what `one_off` raises."""
    file = read(model)
    plans = "plan" in engine.accepts
    if not plans and "tflite" not in engine.accepts:
        raise CallError(f"the engine '{engine.name}' runs kernel cases, not models; take --engine native.")
    if not plans and "lce" not in engine.accepts and any(op.name.startswith("Lce") for op in file.ops):
        raise CallError(f"the engine '{engine.name}' has no LCE ops, which {model.name} needs; take --engine native.")
    if batch > 1 and not plans:
        raise CallError(f"the engine '{engine.name}' runs a model with its own batch; leave out --batch.")
    graph = import_model(file, batch)
    if len(graph.inputs) != 1:
        raise CallError(f"{model} has {len(graph.inputs)} inputs; models with one can be run.")
    stacked = _checked(inputs, graph.inputs[0], batch)
    calls = len(stacked) // batch
    loadable = make_plan(graph).to_bytes() if plans else model.read_bytes()
    with one_off(device, inventory, engine, threads, "bnnbench infer", tell) as one:
        blob, given = one.lease.folder.blobs([loadable, stacked.tobytes()])
        output = f"{one.lease.scratch}/output"
        one.client.load("model", {"plan" if plans else "model": blob})
        done = one.client.infer(
            "model",
            input=given,
            output=output,
            count=calls,
            threads=threads,
            limit_ns=_LIMIT_NS,
        )
        ns = None if one.lease.target.facts.emulated else done.ns
        size = calls * sum(tensor.bytes for tensor in graph.outputs)
        raw = one.lease.fetch(output, size)
        if len(raw) != size:
            raise EngineError(f"the engine put out {len(raw):,} bytes where {size:,} are right.")
        return Inference(_split(raw, graph, calls), len(stacked), ns)


def _checked(inputs: NDArray[np.generic], tensor: Tensor, batch: int) -> NDArray[np.generic]:
    one = tensor.shape[1:]
    dtype = np.dtype(NUMPY[tensor.dtype])
    stacked = inputs[None] if inputs.shape == one else inputs
    if stacked.shape[1:] != one or not len(stacked):
        wanted = "x".join(map(str, one))
        raise CallError(f"the input has shape {list(inputs.shape)}; the model takes {wanted}, or several: Nx{wanted}.")
    if stacked.dtype != dtype and not (stacked.dtype.kind == "f" and dtype.kind == "f"):
        raise CallError(f"the input is {stacked.dtype}; the model takes {dtype}: convert it first.")
    if len(stacked) % batch:
        raise CallError(f"{len(stacked)} inputs are no multiple of --batch {batch}.")
    return np.ascontiguousarray(stacked, dtype)


def _split(raw: bytes, graph: Graph, calls: int) -> dict[str, NDArray[np.generic]]:
    """The output file: for each call every output, one after another. Raises EngineError for one of another size."""
    sizes = [tensor.bytes for tensor in graph.outputs]
    if len(raw) != calls * sum(sizes):
        raise EngineError(f"the engine put out {len(raw)} bytes for {calls} inferences of {sum(sizes)} each.")
    table = np.frombuffer(raw, np.uint8).reshape(calls, sum(sizes))
    outputs, offset = {}, 0
    for tensor, size in zip(graph.outputs, sizes, strict=True):
        values = np.ascontiguousarray(table[:, offset : offset + size]).view(NUMPY[tensor.dtype])
        shape = tensor.storage_shape
        outputs[tensor.name] = values.reshape(calls * shape[0], *shape[1:])
        offset += size
    return outputs
