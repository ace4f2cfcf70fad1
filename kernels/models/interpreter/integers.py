"""int8 operations, in the integer arithmetic of TFLite's reference kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import Node, Tensor
from ..int8_tables import looked_up, rescale_table, unary_table
from ..operations import Clamp, Conv2d, Dense, DepthwiseConv2d, Elementwise, Mean, Pool2d, Softmax, Unary
from ..quantization import (
    act_bounds_i8,
    binary_requantization,
    conv_requantization,
    dense_requantization,
    mean_requantization,
    requantize,
    requantize_once,
    slope_requantization,
    softmax_exponentials,
    softmax_i8,
    unary_requantization,
)
from ..stored import STORED, limits_of, scale_of
from .windows import convolve, convolve_depthwise, pool_max, pool_sum

Array = NDArray[Any]
_FREE = Clamp()
Weighted = Conv2d | DepthwiseConv2d | Dense


def conv2d(node: Node, operation: Conv2d, x: Array) -> Array:
    """CONV_2D: the border counts as the zero point."""
    return _requantized(node, operation, x)


def depthwise_conv2d(node: Node, operation: DepthwiseConv2d, x: Array) -> Array:
    """DEPTHWISE_CONV_2D."""
    return _requantized(node, operation, x)


def dense(node: Node, operation: Dense, x: Array) -> Array:
    """FULLY_CONNECTED, which multiplies in f64 and rounds once."""
    assert operation.weight_scales is not None
    factor = dense_requantization(scale_of(node.inputs[0]), operation.weight_scales, scale_of(node.output))
    steps = requantize_once(sums_of(node, operation, x), factor)
    return limited(node.output, steps + node.output.zero_point, operation.act)


def sums_of(node: Node, operation: Weighted, x: Array) -> Array:
    """Exact sums of products and bias, in steps of input scale x weight scale: int64 of the output's shape."""
    total = products_of(node, operation, x)
    return total if operation.bias is None else total + operation.bias


def products_of(node: Node, operation: Weighted, x: Array) -> Array:
    """The same without the bias."""
    centred = x.astype(np.int32) - node.inputs[0].zero_point
    match operation:
        case Conv2d():
            sums = convolve(centred, operation.weights, operation.window, operation.groups, *node.output.shape[1:3])
        case DepthwiseConv2d():
            size = node.output.shape[1:3]
            sums = convolve_depthwise(centred, operation.weights, operation.window, operation.multiplier, *size)
        case Dense():
            rows = centred.reshape(-1, operation.weights.shape[1]).astype(np.float64)
            sums = (rows @ operation.weights.astype(np.float64).T).reshape(node.output.shape)
    total: Array = np.rint(sums).astype(np.int64)
    return total


def pool2d(node: Node, operation: Pool2d, x: Array) -> Array:
    """MAX_POOL_2D; AVERAGE_POOL_2D with halves away from zero."""
    size = node.output.shape[1:3]
    if operation.kind == "max":
        return limited(node.output, pool_max(x, operation.window, *size), operation.act)
    sums, counts = pool_sum(x, operation.window, *size)
    halves = np.floor(counts / 2)
    return limited(node.output, np.trunc((sums + np.where(sums > 0, halves, -halves)) / counts), operation.act)


def elementwise(node: Node, operation: Elementwise, a: Array, b: Array) -> Array:
    """ADD, SUB, MUL in fixed point; MINIMUM, MAXIMUM of what is stored."""
    if operation.kind in ("minimum", "maximum"):
        return np.asarray((np.minimum if operation.kind == "minimum" else np.maximum)(a, b))
    first, second = node.inputs
    fixed = binary_requantization(operation.kind, scale_of(first), scale_of(second), scale_of(node.output))
    x, y = a.astype(np.int64) - first.zero_point, b.astype(np.int64) - second.zero_point
    if operation.kind == "mul":
        steps = requantize(x * y, *fixed.out)
    else:
        x = requantize(x << fixed.left_shift, *fixed.a)
        y = requantize(y << fixed.left_shift, *fixed.b)
        steps = requantize(x + y if operation.kind == "add" else x - y, *fixed.out)
    return limited(node.output, steps + node.output.zero_point, operation.act)


def mean(node: Node, operation: Mean, x: Array) -> Array:
    """MEAN."""
    (tensor,) = node.inputs
    count = int(np.prod([x.shape[axis] for axis in operation.axes]))
    sums = x.sum(axis=operation.axes, dtype=np.int64) - count * tensor.zero_point
    fixed = mean_requantization(scale_of(tensor), scale_of(node.output), count)
    return limited(node.output, requantize(sums, *fixed) + node.output.zero_point).reshape(node.output.shape)


def softmax(node: Node, operation: Softmax, x: Array) -> Array:
    """SOFTMAX, with exponentials in fixed point."""
    return softmax_i8(x, softmax_exponentials(operation.beta, scale_of(node.inputs[0])))


def unary(node: Node, operation: Unary, x: Array) -> Array:
    """ABS, LOGISTIC, RELU and its relatives, ...: whatever is a function of one value."""
    return looked_up(unary_table(operation, node.inputs[0], node.output), x)


def rescaled(node: Node, x: Array) -> Array:
    """QUANTIZE of int8 or uint8."""
    return looked_up(rescale_table(node.inputs[0], node.output), x)


def prelu(node: Node, x: Array, alpha: Array) -> Array:
    """PRELU: slopes in fixed point."""
    (tensor, slope), out = node.inputs, node.output
    steps, slopes = x.astype(np.int64) - tensor.zero_point, alpha.astype(np.int64) - slope.zero_point
    above = requantize(steps, *unary_requantization(scale_of(tensor), scale_of(out)))
    below = requantize(steps * slopes, *slope_requantization(scale_of(tensor), scale_of(slope), scale_of(out)))
    return limited(out, np.where(steps >= 0, above, below) + out.zero_point)


def _requantized(node: Node, operation: Conv2d | DepthwiseConv2d, x: Array) -> Array:
    assert operation.weight_scales is not None
    multiplier, shift = conv_requantization(scale_of(node.inputs[0]), operation.weight_scales, scale_of(node.output))
    steps = requantize(sums_of(node, operation, x), multiplier, shift) + node.output.zero_point
    return limited(node.output, steps, operation.act)


def limited(output: Tensor, steps: Array, act: Clamp = _FREE) -> Array:
    """Stored values within the activation's bounds, in the output's dtype."""
    bounds = limits_of(output) if act.does_nothing else act_bounds_i8(act, scale_of(output), output.zero_point)
    return np.clip(steps, *bounds).astype(STORED[output.dtype])
