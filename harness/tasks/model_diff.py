"""Two model files side by side: ops, sizes, work, and the first tensor whose values part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.models import describe
from bnnbench.kernels.models.difference import Distance, Pair, aligned, distances
from bnnbench.kernels.models.formats import graph_of, read_model
from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.interpreter import interpret
from bnnbench.kernels.models.model import ModelFile

from ..errors import CallError
from ..workload.model import NUMPY
from .given_inputs import given_inputs, ports_of_graph

Array = NDArray[np.generic]
MOST_OPS = 10_000
"""Of more, finding out which belong together would take minutes."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the files. `peak_bytes`: tensors that are needed at one time."""

    file: str
    size_bytes: int
    sha256: str
    ops: int
    macs_1bit: int
    macs_32bit: int
    parameter_bytes: int
    peak_bytes: int | None


@dataclass(frozen=True, slots=True)
class Row:
    """A pair of ops, or one that only one model has; places and shapes are None on the other side.

    `changes` names what differs between the ops, `distance` how far their outputs are apart, None where they have not
    the same shape or no values were computed.
    """

    status: str
    op: str
    a_index: int | None
    b_index: int | None
    a_shape: tuple[int, ...] | None
    b_shape: tuple[int, ...] | None
    changes: tuple[str, ...]
    distance: Distance | None


@dataclass(frozen=True, slots=True)
class ModelDiff:
    """`first` is the number of the first row whose outputs are further apart than `tolerance`, a share of the largest
    value; None where none are, or where `not_compared` says why no values were computed. `input` says on what."""

    a: Side
    b: Side
    rows: tuple[Row, ...]
    input: str
    tolerance: float
    first: int | None
    not_compared: str


def model_diff(
    a: Path, b: Path, names: tuple[str, str], *, given: Array | Mapping[str, Array] | None, seed: int, tolerance: float
) -> ModelDiff:
    """`given` is one input for both models, of several by name; without it they get random numbers. Raises ModelError,
    CallError."""
    files = read_model(a), read_model(b)
    graphs = graph_of(files[0]), graph_of(files[1])
    for name, graph in zip(names, graphs, strict=True):
        if len(graph.nodes) > MOST_OPS:
            raise CallError(f"{name} has {len(graph.nodes)} ops; models of at most {MOST_OPS} can be compared.")
    sides = []
    for name, file in zip(names, files, strict=True):
        counted = describe(file)
        sides.append(
            Side(
                name,
                file.size_bytes,
                file.sha256,
                len(counted.rows),
                counted.macs_1bit,
                counted.macs_32bit,
                counted.parameter_bytes,
                counted.peak_bytes,
            )
        )
    pairs = aligned(*graphs)
    reason = _unlike_inputs(*graphs)
    apart: Sequence[Distance | None] = [None] * len(pairs)
    if not reason:
        inputs = _random(graphs[0], seed) if given is None else _given(given, graphs[0], files[0])
        values = [interpret(graph, inputs, keep=True).values for graph in graphs]
        apart = distances(pairs, *values)
    elif given is not None:
        raise CallError(f"--input cannot be given to both models: {reason}.")
    rows = tuple(_row(pair, distance) for pair, distance in zip(pairs, apart, strict=True))
    first = next((n for n, row in enumerate(rows) if row.distance and row.distance.relative > tolerance), None)
    what = f"random numbers, seed {seed}" if given is None else "the given input"
    return ModelDiff(sides[0], sides[1], rows, what, tolerance, first, reason)


def _row(pair: Pair, distance: Distance | None) -> Row:
    a, b = pair.a, pair.b
    op = a.op if a is not None else b.op if b is not None else ""
    return Row(
        pair.status,
        op,
        None if a is None else a.index,
        None if b is None else b.index,
        None if a is None else a.output.shape,
        None if b is None else b.output.shape,
        pair.changes,
        distance,
    )


def _unlike_inputs(a: Graph, b: Graph) -> str:
    ports = [[(tensor.shape, tensor.dtype) for tensor in graph.inputs] for graph in (a, b)]
    if ports[0] == ports[1]:
        return ""
    texts = [", ".join(f"{dtype}{list(shape)}" for shape, dtype in port) for port in ports]
    return f"their inputs are {texts[0]} and {texts[1]}"


def _random(graph: Graph, seed: int) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [
        rng.standard_normal(tensor.shape, np.float32)
        if tensor.dtype == "f32"
        else rng.integers(-128, 128, tensor.shape).astype(NUMPY[tensor.dtype])
        for tensor in graph.inputs
    ]


def _given(inputs: Array | Mapping[str, Array], graph: Graph, file: ModelFile) -> list[Array]:
    """One input of the first model, which is also one of the second. Raises CallError."""
    ports, _ = ports_of_graph(graph, file, 1)
    given = given_inputs(inputs, ports, 1)
    if given.times != 1:
        raise CallError(f"--input holds {given.count} inputs; give one.")
    return [array.reshape(port.shape) for array, port in zip(given.arrays, ports, strict=True)]
