"""How far a right engine's floats may be off: from the errors that rounding makes in the model itself.

The reference rounds the result of each op to f32 once. Beside it the graph is run in float64. What lies between the two
is how the model's own rounding errors grow, and a right engine's grow in the same way, from larger ones: it also rounds
within the sums of each op.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import Graph, Tensor
from .operations import run_node
from .signs import UNSURE

Array = NDArray[Any]

TIMES = 32
"""How many times the reference's errors a right engine's may be. The native engine's were 2.2 times these in the median
and 30 times at most, over 1,560 tensors of MediaPipe's float networks and of shipped models (docs/method.md)."""


def tolerances(graph: Graph, values: Mapping[str, Array]) -> Mapping[str, float]:
    """Of every computed f32 tensor by name: how far it may be off, as a share of its largest finite value.

    `UNSURE`, or `TIMES` the largest error of this tensor and of those that it is computed from: the error of one
    tensor, which may have one value, can be small by chance. `values` as `interpret(..., keep=True)` returns them.
    """
    errors = rounding_errors(graph, values)
    largest: dict[str, float] = {}
    for node in graph.nodes:
        name = node.output.name
        before = max((largest.get(tensor.name, 0.0) for tensor in node.inputs), default=0.0)
        if node.output.dtype == "f32":  # bits and int8 are given, so errors before them end there
            largest[name] = max(before, errors[name])
    return {name: max(UNSURE, TIMES * error) for name, error in largest.items()}


def rounding_errors(graph: Graph, values: Mapping[str, Array]) -> Mapping[str, float]:
    """Of every computed f32 tensor by name: the largest |f32 - float64|, by the largest finite |f32|.

    Bits and int8 are taken from `values`: what is asked for is how errors of floats grow, not what a sign that turns
    makes of them.
    """
    last_use = {id(tensor): place for place, node in enumerate(graph.nodes) for tensor in node.inputs}
    exact: dict[int, Array] = {}
    errors: dict[str, float] = {}

    def operand(tensor: Tensor) -> Array:
        found = tensor.data if tensor.data is not None else exact.get(id(tensor), values.get(tensor.name))
        assert found is not None, tensor.name
        return found.astype(np.float64) if found.dtype == np.float32 else found

    for place, node in enumerate(graph.nodes):
        if node.output.dtype == "f32":
            value = run_node(node, [operand(tensor) for tensor in node.inputs]).astype(np.float64)
            exact[id(node.output)] = value
            errors[node.output.name] = _error(values[node.output.name], value)
        for tensor in node.inputs:
            if last_use[id(tensor)] == place:
                exact.pop(id(tensor), None)
    return errors


def _error(rounded: Array, exact: Array) -> float:
    """0 where a value is not finite: those are compared by their places."""
    finite = np.isfinite(rounded) & np.isfinite(exact)
    largest = float(np.abs(rounded[finite]).max(initial=0.0))
    gap = float(np.abs(rounded[finite].astype(np.float64) - exact[finite]).max(initial=0.0))
    return gap / largest if largest else 0.0
