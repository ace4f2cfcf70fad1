"""int8 operations of ONNX models: exact sums, then f32, then steps with halves to even."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import Clamp, Conv2d, Dense, DepthwiseConv2d, Elementwise, Mean, Node, Pool2d, Quantize, Unary
from ..onnx_quantization import TableKind, average_ratio, averages, product_scales, table, to_even
from ..quantization import dequantize
from . import integers
from .floats import clamped
from .floats import elementwise as float_elementwise
from .integers import Weighted, products_of, scale_of
from .windows import pool_sum

Array = NDArray[Any]


def computes(node: Node) -> bool:
    """Whether a node of an int8 input is one of these."""
    is_weighted = isinstance(node.operation, Conv2d | DepthwiseConv2d | Dense)
    return type(node.operation) in RULES and (node.output.in_floats or (is_weighted and node.output.dtype == "f32"))


def run(node: Node, operands: Sequence[Array]) -> Array:
    """The node's output."""
    return RULES[type(node.operation)](node, node.operation, operands)


def _weighted(node: Node, operation: Weighted, operands: Sequence[Array]) -> Array:
    assert operation.weight_scales is not None
    sums = products_of(node, operation, operands[0]).astype(np.float32)
    with np.errstate(over="ignore"):
        values = sums * product_scales(scale_of(node.inputs[0]), operation.weight_scales)
        values = values if operation.bias is None else values + operation.bias
    return _stored(node, clamped(values, operation.act))


def _elementwise(node: Node, operation: Elementwise, operands: Sequence[Array]) -> Array:
    a, b = (dequantize(x, scale_of(t), t.zero_point) for x, t in zip(operands, node.inputs, strict=True))
    return _stored(node, float_elementwise(operation, a, b))


def _pool2d(node: Node, operation: Pool2d, operands: Sequence[Array]) -> Array:
    if operation.kind == "max":
        return integers.pool2d(node, operation, operands[0])
    centred = operands[0].astype(np.int32) - node.inputs[0].zero_point
    return _averaged(node, *pool_sum(centred, operation.window, *node.output.shape[1:3]))


def _mean(node: Node, operation: Mean, operands: Sequence[Array]) -> Array:
    centred = operands[0].astype(np.int64) - node.inputs[0].zero_point
    count = int(np.prod([centred.shape[axis] for axis in operation.axes]))
    return _averaged(node, centred.sum(axis=operation.axes).reshape(node.output.shape), count)


def _averaged(node: Node, sums: Array, counts: Any) -> Array:
    ratio = average_ratio(scale_of(node.inputs[0]), scale_of(node.output))
    return averages(sums, counts, ratio, node.output.zero_point)


def _unary(node: Node, operation: Unary, operands: Sequence[Array]) -> Array:
    return _looked_up(node, operation.kind, operation.act, operands[0])


def _quantize(node: Node, operation: Quantize, operands: Sequence[Array]) -> Array:
    return _looked_up(node, "rescale", Clamp(), operands[0])


def _looked_up(node: Node, kind: TableKind, act: Clamp, x: Array) -> Array:
    (tensor,), out = node.inputs, node.output
    values = table(kind, act, (scale_of(tensor), tensor.zero_point), (scale_of(out), out.zero_point))
    return values[x.astype(np.int64) + 128]


def _stored(node: Node, values: Array) -> Array:
    out = node.output
    return to_even(values, scale_of(out), out.zero_point) if out.dtype == "i8" else values.astype(np.float32)


RULES: Mapping[type, Callable[[Node, Any, Sequence[Array]], Array]] = {
    **dict.fromkeys((Conv2d, DepthwiseConv2d, Dense), _weighted),
    Elementwise: _elementwise,
    Pool2d: _pool2d,
    Mean: _mean,
    Unary: _unary,
    Quantize: _quantize,
}
