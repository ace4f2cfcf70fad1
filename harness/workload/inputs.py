"""Inputs at the edges, which random ones never meet: halves between two steps, zeros, extremes, constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.operations import Quantize
from bnnbench.kernels.models.stored import STORED, limits_of

Array = NDArray[Any]
_PIXELS = 256


@dataclass(frozen=True, slots=True)
class Edge:
    """`make` gives the one input of a graph."""

    name: str
    make: Callable[[Graph], Array]


def grid(graph: Graph) -> Array:
    """Every value of a grid, in a seeded order: of i8 and u8 all; of f32 every half step where the model rounds its
    input to int8, else pixels from -1 to 1."""
    (tensor,) = graph.inputs
    rng, count = np.random.default_rng(_PIXELS), prod(tensor.shape)
    if tensor.dtype in ("i8", "u8"):
        low, _ = limits_of(tensor)
        return np.resize(rng.permutation(_PIXELS) + low, count).astype(STORED[tensor.dtype]).reshape(tensor.shape)
    scale = _input_scale(graph)
    values = np.arange(_PIXELS) / 127.5 - 1 if scale is None else np.arange(-260, 261) / 2 * scale
    return np.resize(rng.permutation(values), count).astype("<f4").reshape(tensor.shape)


def extremes(graph: Graph) -> Array:
    """In four parts: zeros of both signs, the largest, the smallest, one value in between."""
    (tensor,) = graph.inputs
    count = prod(tensor.shape)
    if tensor.dtype in ("i8", "u8"):
        low, high = limits_of(tensor)
        levels = np.array([tensor.zero_point, high, low, 37])
    else:
        largest = 200 * (_input_scale(graph) or 1 / 200)  # beyond what int8 holds
        levels = np.array([0.0, largest, -largest, 0.3 * largest])
    values = np.repeat(levels, -(-count // 4))[:count]
    if tensor.dtype == "f32":
        values[: -(-count // 4) : 2] *= -1.0  # -0.0
    return values.astype(STORED[tensor.dtype]).reshape(tensor.shape)


def _input_scale(graph: Graph) -> float | None:
    """Of the int8 that the model makes of its f32 input first of all."""
    readers = [node for node in graph.nodes if graph.inputs[0] in node.inputs]
    rounding = [node for node in readers if isinstance(node.operation, Quantize)]
    return rounding[0].output.scale if rounding else None


EDGES: Mapping[int, Edge] = {1: Edge("a grid of pixels and halves", grid), 2: Edge("zeros and extremes", extremes)}
"""By the number of the input."""
