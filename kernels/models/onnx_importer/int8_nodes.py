"""Nodes between DequantizeLinear and QuantizeLinear become int8 nodes, where that changes no result.

The nodes come as the file has them: floats with Dequantize before and Quantize behind. A node that only moves values,
or chooses among them, gives the same on stored ones, so Dequantize goes behind it. A convolution of dequantized values
with weights that are whole multiples of a scale sums whole numbers. A node whose result is only quantized stores int8
itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import Node, Tensor
from ..operations import (
    BitQuantize,
    Clamp,
    Concat,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Dequantize,
    Elementwise,
    Mean,
    Operation,
    Pad,
    Pool2d,
    Quantize,
    Reshape,
    Slice,
    Transpose,
    Unary,
)
from ..places import Gather

Weighted = Conv2d | DepthwiseConv2d | Dense


def with_int8(nodes: Sequence[Node], outputs: Sequence[Tensor]) -> list[Node]:
    """The same results by int8 nodes. Nodes that nothing needs any more are still there."""
    uses = Counter(tensor for node in nodes for tensor in node.inputs)
    uses.update(outputs)
    walk = _Walk(uses)
    for node in nodes:
        _STEPS.get(type(node.operation), _Walk.keep)(walk, node)
    return walk.nodes


@dataclass(slots=True)
class _Walk:
    """`stored`: int8 tensor whose value a float tensor is. `places`: the node that makes a tensor."""

    uses: Mapping[Tensor, int]
    nodes: list[Node] = field(default_factory=list)
    stored: dict[Tensor, Tensor] = field(default_factory=dict)
    places: dict[Tensor, int] = field(default_factory=dict)
    same: dict[Tensor, Tensor] = field(default_factory=dict)

    def keep(self, node: Node) -> None:
        """A node as it is."""
        inputs = tuple(self.same.get(tensor, tensor) for tensor in node.inputs)
        self.places[node.output] = len(self.nodes)
        self.nodes.append(replace(node, inputs=inputs))

    def steps_of(self, node: Node) -> list[Tensor] | None:
        """The int8 tensors of all operands; None when one is not such."""
        found = [self.stored.get(tensor) for tensor in node.inputs]
        return None if None in found else [tensor for tensor in found if tensor is not None]

    def producer(self, x: Tensor) -> int | None:
        """The node that makes a float tensor which only one node uses."""
        return self.places.get(x) if self.uses[x] == 1 else None


def _dequantize(walk: _Walk, node: Node) -> None:
    walk.keep(node)
    walk.stored[node.output] = walk.nodes[-1].inputs[0]


def _moved(walk: _Walk, node: Node) -> None:
    """On stored values instead, when all operands have the same scale and zero point."""
    steps, operation = walk.steps_of(node), node.operation
    if steps is None or len({(tensor.scale, tensor.zero_point) for tensor in steps}) != 1:
        return walk.keep(node)
    value = _stored_value(operation, steps[0])
    if value is None:
        return walk.keep(node)
    out = _like(steps[0], node.output)
    walk.keep(replace(node, operation=value, inputs=tuple(steps), output=out))
    _dequantize(walk, replace(node, op="DequantizeLinear", operation=Dequantize(), inputs=(out,)))
    return None


def _stored_value(operation: Operation, x: Tensor) -> Operation | None:
    """An operation that moves values, on stored ones; None where it cannot be."""
    match operation:
        case Pool2d("average"):
            return None
        case Pad(before, 0.0):
            return Pad(before, x.zero_point)
        case Pad():
            return None
    return operation


def _weighted(walk: _Walk, node: Node) -> None:
    """Whole numbers, where the operand is dequantized and the weights are multiples of a scale."""
    steps, operation = walk.steps_of(node), node.operation
    assert isinstance(operation, Weighted)
    weights = None if steps is None else _whole_weights(operation)
    if steps is None or weights is None:
        return walk.keep(replace(node, operation=replace(operation, weight_scales=None)))
    return walk.keep(replace(node, operation=replace(operation, weights=weights), inputs=tuple(steps)))


def _whole_weights(operation: Weighted) -> NDArray[np.int8] | None:
    """The stored weights; None where they are not known, or do not fit into int8."""
    scales, weights = operation.weight_scales, operation.weights
    if scales is None:
        return None
    if not isinstance(operation, DepthwiseConv2d):
        scales = scales.reshape((-1,) + (1,) * (weights.ndim - 1))
    with np.errstate(all="ignore"):
        whole = np.rint(weights / scales)
        if not (np.abs(whole + 0.5) <= 128).all() or not np.array_equal(whole.astype(np.float32) * scales, weights):
            return None
    return np.ascontiguousarray(whole, np.int8)


def _clamp(walk: _Walk, node: Node) -> None:
    """Part of the node before it, when that can limit its result and nothing else needs it."""
    (x,), operation = node.inputs, node.operation
    place = walk.producer(x)
    before = None if place is None else walk.nodes[place]
    assert isinstance(operation, Unary)
    if place is None or before is None or operation.kind != "clamp" or not _can_limit(walk, before):
        return walk.keep(node)
    walk.nodes[place] = replace(before, operation=_limited(before.operation, operation.act), output=node.output)
    walk.places[node.output] = place
    return None


def _can_limit(walk: _Walk, node: Node) -> bool:
    match node.operation:
        case Conv2d(act=act) | DepthwiseConv2d(act=act) | Dense(act=act):
            return act.does_nothing and node.inputs[0].dtype == "i8"
        case Elementwise(act=act):
            return act.does_nothing and walk.steps_of(node) is not None
    return False


def _limited(operation: Any, act: Clamp) -> Operation:
    made: Operation = replace(operation, act=act)
    return made


def _quantize(walk: _Walk, node: Node) -> None:
    """By the node before it, when nothing else needs its floats."""
    (x,), out = node.inputs, node.output
    steps = walk.stored.get(x)
    if steps is not None:
        if (steps.scale, steps.zero_point) == (out.scale, out.zero_point):
            walk.same[out] = steps
            return None
        return walk.keep(replace(node, inputs=(steps,)))
    place = walk.producer(x)
    made = None if place is None else _quantized(walk, walk.nodes[place], out)
    if place is None or made is None:
        return walk.keep(node)
    *before, last = made
    walk.nodes[place:] = [*before, last, *walk.nodes[place + 1 :]]
    walk.places |= {one.output: number for number, one in enumerate(walk.nodes[place:], place)}
    return None


def _quantized(walk: _Walk, node: Node, out: Tensor) -> list[Node] | None:
    """A node whose result is int8, with what must be before it; None where it has none."""
    steps = walk.steps_of(node)
    match node.operation:
        case Conv2d() | DepthwiseConv2d() | Dense() if node.inputs[0].dtype == "i8":
            return [replace(node, output=out)]
        case Elementwise("add" | "mul") if steps is not None and steps[0].shape == steps[1].shape:
            return [replace(node, inputs=tuple(steps), output=out)]
        case Pool2d("average") | Mean() | Unary("abs" | "logistic" | "clamp") if steps is not None:
            return [replace(node, inputs=tuple(steps), output=out)]
        case Concat() if steps is not None:
            parts = [replace(out, name=f"{out.name} part {place}", shape=x.shape) for place, x in enumerate(steps)]
            made = [Node(node.index, node.op, Quantize(), (x,), part) for x, part in zip(steps, parts, strict=True)]
            return [*made, replace(node, inputs=tuple(parts), output=out)]
    return None


def _signs(walk: _Walk, node: Node) -> None:
    """Of stored values, from the zero point."""
    steps = walk.steps_of(node)
    walk.keep(node if steps is None else replace(node, inputs=tuple(steps)))


def _like(x: Tensor, out: Tensor) -> Tensor:
    """An int8 tensor of a float one's shape."""
    return replace(x, name=f"{out.name} stored", shape=out.shape)


_STEPS: Mapping[type, Callable[[_Walk, Node], None]] = {
    Dequantize: _dequantize,
    **dict.fromkeys((Reshape, Transpose, Slice, Gather, Pad, Concat, Pool2d), _moved),
    **dict.fromkeys((Conv2d, DepthwiseConv2d, Dense), _weighted),
    Unary: _clamp,
    Quantize: _quantize,
    BitQuantize: _signs,
}
