"""What a graph computes under each choice of the signs that are too close to zero to call.

Another program's sums are rounded otherwise, so that it may take the other sign of a value near zero. Its bits are not
known, but its scores must be those of one of the choices.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.interpreter import UNSURE, interpret
from bnnbench.kernels.models.interpreter.signs import relative
from bnnbench.kernels.models.operations import BitQuantize
from bnnbench.kernels.packing import pack

Array = NDArray[Any]
Flipped = frozenset[tuple[str, tuple[int, ...]]]
"""Tensors of bits, and places in them."""
MOST_FLIPPED, MOST_TRIED = 4, 300


def flips_to(graph: Graph, x: Array, is_right: Callable[[Array], bool]) -> int | None:
    """How few of the unsure signs must be taken otherwise so that the output is right; None where no choice is.

    Signs that become unsure by such a choice are chosen as well. Choices of fewer flips are tried first.
    """
    waiting = deque[tuple[Flipped, Mapping[str, Array]]]([(frozenset(), {})])
    seen = {frozenset[tuple[str, tuple[int, ...]]]()}
    for _ in range(MOST_TRIED):
        if not waiting:
            return None
        flipped, bits = waiting.popleft()
        result = interpret(graph, [x], keep=True, bits=bits)
        if is_right(result.outputs[0]):
            return len(flipped)
        for name, place, words in _unsure(graph, result.values):
            more = flipped | {(name, place)}
            if len(more) <= MOST_FLIPPED and more not in seen:
                seen.add(more)
                waiting.append((more, {**bits, name: words}))
    return None


def _unsure(graph: Graph, values: Mapping[str, Array]) -> list[tuple[str, tuple[int, ...], Array]]:
    """Tensor, place, and the tensor's bits with the sign there taken otherwise; those nearest to zero first."""
    found = []
    for node in graph.nodes:
        if isinstance(node.operation, BitQuantize):
            before = values[node.inputs[0].name]
            margins = relative(before)
            for place in map(tuple, np.argwhere(margins <= UNSURE)):
                signs = np.where(before >= 0, np.int8(1), np.int8(-1))
                signs[place] *= -1
                found.append((float(margins[place]), node.output.name, place, pack(signs)))
    return [(name, place, words) for _, name, place, words in sorted(found, key=lambda item: item[0])]
