"""int8 operations, in TFLite's integer arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...models.graph import Clamp, Conv2d, Dense, DepthwiseConv2d, Elementwise, Mean, Node, Pool2d, Softmax, Tensor
from ...models.quantization import (
    act_bounds_i8,
    binary_requantization,
    conv_requantization,
    mean_requantization,
    quantize_multiplier,
    requantize,
    round_half_away,
)
from .floats import softmax as softmax_f64
from .windows import convolve, convolve_depthwise, pool_max, pool_sum

Array = NDArray[Any]


def scale_of(tensor: Tensor) -> float:
    """The scale that every int8 tensor has."""
    assert tensor.scale is not None, tensor.name
    return tensor.scale


def conv2d(node: Node, operation: Conv2d, x: Array) -> Array:
    """CONV_2D: the border counts as the zero point."""
    _, out_h, out_w, _ = node.output.shape
    sums = convolve(_centred(node, x), operation.weights, operation.window, operation.groups, out_h, out_w)
    return _requantized(node, sums, operation)


def depthwise_conv2d(node: Node, operation: DepthwiseConv2d, x: Array) -> Array:
    """DEPTHWISE_CONV_2D."""
    _, out_h, out_w, _ = node.output.shape
    centred = _centred(node, x)
    sums = convolve_depthwise(centred, operation.weights, operation.window, operation.multiplier, out_h, out_w)
    return _requantized(node, sums, operation)


def dense(node: Node, operation: Dense, x: Array) -> Array:
    """FULLY_CONNECTED."""
    rows = _centred(node, x).reshape(-1, operation.weights.shape[1]).astype(np.float64)
    return _requantized(node, rows @ operation.weights.astype(np.float64).T, operation).reshape(node.output.shape)


def pool2d(node: Node, operation: Pool2d, x: Array) -> Array:
    """MAX_POOL_2D; AVERAGE_POOL_2D with halves away from zero."""
    size = node.output.shape[1:3]
    if operation.kind == "max":
        return _limited(node.output, pool_max(x, operation.window, *size), operation.act)
    sums, counts = pool_sum(x, operation.window, *size)
    halves = np.floor(counts / 2)
    return _limited(node.output, np.trunc((sums + np.where(sums > 0, halves, -halves)) / counts), operation.act)


def elementwise(node: Node, operation: Elementwise, a: Array, b: Array) -> Array:
    """ADD, SUB, MUL in fixed point."""
    first, second = node.inputs
    fixed = binary_requantization(operation.kind, scale_of(first), scale_of(second), scale_of(node.output))
    x, y = a.astype(np.int64) - first.zero_point, b.astype(np.int64) - second.zero_point
    if operation.kind == "mul":
        steps = requantize(x * y, *fixed.out, "away")
    else:
        x = requantize(x << fixed.left_shift, *fixed.a)
        y = requantize(y << fixed.left_shift, *fixed.b)
        steps = requantize(x + y if operation.kind == "add" else x - y, *fixed.out)
    return _limited(node.output, steps + node.output.zero_point, operation.act)


def mean(node: Node, operation: Mean, x: Array) -> Array:
    """MEAN: over height and width of an image that stays one, as a vectorised kernel does; else as a scalar one."""
    (tensor,) = node.inputs
    count = int(np.prod([x.shape[axis] for axis in operation.axes]))
    sums = x.sum(axis=operation.axes, dtype=np.int64)
    if operation.keep_dims and operation.axes == (1, 2) and x.ndim == 4:
        bias = node.output.zero_point - round_half_away(tensor.zero_point * scale_of(tensor) / scale_of(node.output))
        steps = requantize(sums, *quantize_multiplier(scale_of(tensor) / (count * scale_of(node.output)))) + bias
    else:
        fixed = mean_requantization(scale_of(tensor), scale_of(node.output), count)
        steps = requantize(sums - count * tensor.zero_point, *fixed, "away") + node.output.zero_point
    return _limited(node.output, steps, Clamp()).reshape(node.output.shape)


def softmax(node: Node, operation: Softmax, x: Array) -> Array:
    """SOFTMAX: in float64, rounded to the nearest step."""
    (tensor,) = node.inputs
    values = softmax_f64(operation, scale_of(tensor) * (x.astype(np.float64) - tensor.zero_point))
    return _limited(node.output, np.floor(values / scale_of(node.output) + 0.5) + node.output.zero_point, Clamp())


def rescaled(node: Node, x: Array) -> Array:
    """QUANTIZE of int8."""
    (tensor,) = node.inputs
    fixed = quantize_multiplier(scale_of(tensor) / scale_of(node.output))
    steps = requantize(x.astype(np.int64) - tensor.zero_point, *fixed) + node.output.zero_point
    return _limited(node.output, steps, Clamp())


def _centred(node: Node, x: Array) -> Array:
    return x.astype(np.int32) - node.inputs[0].zero_point


def _requantized(node: Node, sums: Array, operation: Conv2d | DepthwiseConv2d | Dense) -> Array:
    total = np.rint(sums).astype(np.int64)
    if operation.bias is not None:
        total = total + operation.bias
    assert operation.weight_scales is not None
    multiplier, shift = conv_requantization(scale_of(node.inputs[0]), operation.weight_scales, scale_of(node.output))
    steps = requantize(total, multiplier, shift) + node.output.zero_point
    return _limited(node.output, steps, operation.act)


def _limited(output: Tensor, steps: Array, act: Clamp) -> Array:
    return np.clip(steps, *act_bounds_i8(act, scale_of(output), output.zero_point)).astype(np.int8)
