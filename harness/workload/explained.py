"""An engine's output with its own signs and steps taken over, where the reference is unsure of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.interpreter import UNSURE, interpret, tolerances

from .output_match import compare_outputs


@dataclass(frozen=True, slots=True)
class Explanation:
    """`count` signs were the engine's where the reference is unsure; `wrong` is what stays wrong all the same."""

    difference: float | None
    count: int
    wrong: str | None


def explained(graph: Graph, given: NDArray[Any], bits: Mapping[str, NDArray[Any]], output: bytes) -> Explanation:
    """`output` for the input `given` against the reference that took `bits` where it is unsure itself."""
    shapes = {node.output.name: node.output.storage_shape for node in graph.nodes}
    fitting = {
        name: words.reshape(shapes[name])
        for name, words in bits.items()
        if name in shapes and words.size == np.prod(shapes[name])
    }
    found = _within(graph, given, fitting, output, {})
    if found.wrong:
        shares = tolerances(graph, interpret(graph, [given], keep=True).values)
        if max(shares.values(), default=UNSURE) > UNSURE:
            return _within(graph, given, fitting, output, shares)
    return found


def _within(
    graph: Graph,
    given: NDArray[Any],
    bits: Mapping[str, NDArray[Any]],
    output: bytes,
    shares: Mapping[str, float],
) -> Explanation:
    """`shares` of a tensor's largest value, by name, are what floats may be off where that is not the usual."""
    result = interpret(graph, [given], bits=bits, unsure=shares)
    found = compare_outputs(output, graph.outputs, result.outputs, shares=shares)
    wrong = found.wrong
    for flip in result.flips:
        if flip.wrong:
            wrong = f"{flip.wrong} signs or steps of {flip.tensor} are wrong where the reference is sure of them"
            break
    return Explanation(found.difference, sum(flip.unsure for flip in result.flips), wrong)
