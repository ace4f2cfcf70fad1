"""Running a model on inputs of the user's: `bnnbench infer`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.engines import Engine
from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.models.formats import graph_of, read_model
from bnnbench.kernels.models.graph import Graph, Tensor
from bnnbench.kernels.models.model import ModelFile
from bnnbench.kernels.models.plan import make_plan

from ..bench.one_off import one_off
from ..bench.reach import Tell
from ..errors import CallError
from ..workload.model import NUMPY

Output = tuple[str, NDArray[np.generic]]
"""Its name in the model, which need not be the only one of this name, and its values."""
_LIMIT_NS = 3_000_000_000_000


@dataclass(frozen=True, slots=True)
class Inference:
    """Outputs in the model's order, with its names, and the engine's own time for `count` inputs; None on an emulated
    device."""

    outputs: list[Output]
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
    """`inputs` is the model's own input, several along a new first dimension, or, where that has a batch, any multiple
    of it; of a batch of 1 also one image. Raises ModelError, CallError and what `one_off` raises."""
    file = read_model(model)
    plans = "plan" in engine.accepts
    if not plans and "tflite" not in engine.accepts:
        raise CallError(f"the engine '{engine.name}' runs kernel cases, not models; take --engine native.")
    if not plans and "lce" not in engine.accepts and any(op.name.startswith("Lce") for op in file.ops):
        raise CallError(f"the engine '{engine.name}' has no LCE ops, which {model.name} needs; take --engine native.")
    if batch > 1 and not plans:
        raise CallError(f"the engine '{engine.name}' runs a model with its own batch; leave out --batch.")
    graph = graph_of(file, batch)
    if len(graph.inputs) != 1:
        raise CallError(f"{model} has {len(graph.inputs)} inputs; models with one can be run.")
    given = _checked(inputs, graph.inputs[0], batch)
    calls = given.times // batch
    loadable = make_plan(graph).to_bytes() if plans else model.read_bytes()
    with one_off(device, inventory, engine, threads, "bnnbench infer", tell) as one:
        blob, pushed = one.lease.folder.blobs([loadable, given.values.tobytes()])
        output = f"{one.lease.scratch}/output"
        one.client.load("model", {"plan" if plans else "model": blob})
        done = one.client.infer(
            "model",
            input=pushed,
            output=output,
            count=calls,
            threads=threads,
            limit_ns=_LIMIT_NS,
        )
        ns = None if one.lease.target.facts.emulated else done.ns
        size = calls * sum(tensor.bytes for tensor in graph.outputs)
        raw = one.lease.fetch(output, size)
        if len(raw) != size:
            raise EngineError(f"the engine wrote {len(raw):,} bytes where {size:,} are right.")
        return Inference(_split(raw, graph, file, given, batch), given.count, ns)


@dataclass(frozen=True, slots=True)
class _Given:
    """What the user gave, as the engine reads it: the model's own input `times` over.

    `is_stack`: they lie along a dimension of their own, and so do the outputs then. `own` is the shape of one.
    """

    values: NDArray[np.generic]
    own: tuple[int, ...]
    times: int
    is_stack: bool

    @property
    def count(self) -> int:
        """How many inputs that is for people: images where the model has a batch of them."""
        return self.times if self.is_stack or len(self.own) == 1 else self.times * self.own[0]


def _checked(inputs: NDArray[np.generic], tensor: Tensor, batch: int) -> _Given:
    """Raises CallError for what the model does not take."""
    own, dtype = (tensor.shape[0] // batch, *tensor.shape[1:]), np.dtype(NUMPY[tensor.dtype])
    times, is_stack = _times(inputs.shape, own)
    given = _Given(np.ascontiguousarray(inputs), own, times, is_stack)
    if inputs.dtype.newbyteorder("<") != dtype and not (inputs.dtype.kind == "f" and dtype.kind == "f"):
        raise CallError(f"the input is {inputs.dtype}; the model takes {dtype}: convert it first.")
    if times % batch:
        at_once = f"{batch} x {own[0]}, the model's own batch" if own[0] > 1 else str(batch)
        raise CallError(f"{given.count} inputs are not a multiple of --batch {at_once}.")
    return replace(given, values=given.values.astype(dtype, copy=False))


def _times(shape: tuple[int, ...], own: tuple[int, ...]) -> tuple[int, bool]:
    """How often inputs of `shape` hold the model's own, and whether along a dimension of their own."""
    image, batch = own[1:], own[0]
    if shape == own or (shape == image and batch == 1 and image):
        return 1, False
    if shape[1:] == own and shape[0]:
        return shape[0], True
    if image and shape[1:] == image and shape[0]:
        if shape[0] % batch:
            raise CallError(
                f"{shape[0]} inputs are not a multiple of {batch}, the model's own batch: give {batch} or 2x."
            )
        return shape[0] // batch, False
    wanted = "x".join(map(str, image if batch == 1 and image else own))
    raise CallError(f"the input has shape {list(shape)}; the model takes {wanted}, or several: Nx{wanted}.")


def _split(raw: bytes, graph: Graph, file: ModelFile, given: _Given, batch: int) -> list[Output]:
    """The output file: for each call every output, one after another. Raises EngineError for one of another size."""
    calls = given.times // batch
    sizes = [tensor.bytes for tensor in graph.outputs]
    if len(raw) != calls * sum(sizes):
        raise EngineError(f"the engine wrote {len(raw)} bytes for {calls} inferences of {sum(sizes)} each.")
    table = np.frombuffer(raw, np.uint8).reshape(calls, sum(sizes))
    outputs: list[Output] = []
    offset = 0
    for ref, tensor, size in zip(file.outputs, graph.outputs, sizes, strict=True):
        values = np.ascontiguousarray(table[:, offset : offset + size]).view(NUMPY[tensor.dtype])
        outputs.append((ref.name or f"tensor{ref.index}", values.reshape(_output_shape(tensor, given, batch))))
        offset += size
    return outputs


def _output_shape(tensor: Tensor, given: _Given, batch: int) -> tuple[int, ...]:
    """The model's own, times the batches along its first dimension where that is the batch, else along a new one."""
    batched, *rest = tensor.storage_shape
    own = batched // batch
    is_batch = given.times == 1 or own == given.own[0]
    return (given.times * own, *rest) if is_batch and not given.is_stack else (given.times, own, *rest)
