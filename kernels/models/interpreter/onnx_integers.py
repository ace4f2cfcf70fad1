"""int8 operations of ONNX models: exact sums, then f32, then steps with halves to even."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import Node
from ..onnx_quantization import average_ratio, average_steps, product_scales, stored_steps
from ..operations import Conv2d, Dense, DepthwiseConv2d, Elementwise, Mean, Pool2d, Quantize, Unary
from ..quantization import dequantize
from ..stored import scale_of
from . import floats
from .integers import Weighted, products_of
from .windows import pool_sum

Array = NDArray[Any]


def computes(node: Node) -> bool:
    """Whether a node of an int8 input is one of these."""
    match node.operation:
        case Conv2d() | DepthwiseConv2d() | Dense():
            return node.output.in_floats or node.output.dtype == "f32"
        case Pool2d("max"):
            return False
    return node.output.in_floats and type(node.operation) in _RULES


def run(node: Node, operands: Sequence[Array]) -> Array:
    """The node's output."""
    found = unrounded(node, operands)
    return stored_steps(found, node.output.zero_point) if node.output.dtype == "i8" else found


def unrounded(node: Node, operands: Sequence[Array]) -> Array:
    """f32: what becomes an int8 output, in steps from its zero point; or a float output itself."""
    with np.errstate(all="ignore"):
        return _RULES[type(node.operation)](node, node.operation, operands)


def _weighted(node: Node, operation: Weighted, operands: Sequence[Array]) -> Array:
    assert operation.weight_scales is not None
    sums = products_of(node, operation, operands[0]).astype(np.float32)
    values = sums * product_scales(scale_of(node.inputs[0]), operation.weight_scales)
    values = values if operation.bias is None else values + operation.bias
    return _steps(node, floats.clamped(values, operation.act))


def _elementwise(node: Node, operation: Elementwise, operands: Sequence[Array]) -> Array:
    return _steps(node, floats.elementwise(operation, *_reals(node, operands)))


def _unary(node: Node, operation: Unary, operands: Sequence[Array]) -> Array:
    return _steps(node, floats.unary(operation, *_reals(node, operands)))


def _quantize(node: Node, operation: Quantize, operands: Sequence[Array]) -> Array:
    return _steps(node, *_reals(node, operands))


def _average(node: Node, operation: Pool2d, operands: Sequence[Array]) -> Array:
    sums, counts = pool_sum(_centred(node, operands[0]), operation.window, *node.output.shape[1:3])
    return _averaged(node, sums, counts)


def _mean(node: Node, operation: Mean, operands: Sequence[Array]) -> Array:
    centred = _centred(node, operands[0])
    count = int(np.prod([centred.shape[axis] for axis in operation.axes]))
    return _averaged(node, centred.sum(axis=operation.axes).reshape(node.output.shape), count)


def _averaged(node: Node, sums: Array, counts: Any) -> Array:
    return average_steps(sums, counts, average_ratio(scale_of(node.inputs[0]), scale_of(node.output)))


def _centred(node: Node, x: Array) -> Array:
    return np.asarray(x.astype(np.int64) - node.inputs[0].zero_point)


def _reals(node: Node, operands: Sequence[Array]) -> list[Array]:
    return [dequantize(x, scale_of(t), t.zero_point) for x, t in zip(operands, node.inputs, strict=True)]


def _steps(node: Node, values: Array) -> Array:
    values = values.astype(np.float32)
    return values if node.output.dtype == "f32" else values / np.float32(scale_of(node.output))


_RULES: Mapping[type, Callable[[Node, Any, Sequence[Array]], Array]] = {
    **dict.fromkeys((Conv2d, DepthwiseConv2d, Dense), _weighted),
    Elementwise: _elementwise,
    Pool2d: _average,
    Mean: _mean,
    Unary: _unary,
    Quantize: _quantize,
}
