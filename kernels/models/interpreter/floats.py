"""f32 operations: sums in float64, each result rounded to f32 once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import Clamp, Conv2d, Dense, DepthwiseConv2d, Elementwise, Mean, Node, Pool2d, Softmax, Unary
from ..hybrid import real_weights
from .windows import convolve, convolve_depthwise, pool_max, pool_sum

Array = NDArray[Any]


def conv2d(node: Node, operation: Conv2d, x: Array) -> Array:
    """CONV_2D."""
    _, out_h, out_w, _ = node.output.shape
    sums = convolve(x, real_weights(operation), operation.window, operation.groups, out_h, out_w)
    return _finished(sums, operation.bias, operation.act)


def depthwise_conv2d(node: Node, operation: DepthwiseConv2d, x: Array) -> Array:
    """DEPTHWISE_CONV_2D."""
    _, out_h, out_w, _ = node.output.shape
    sums = convolve_depthwise(x, real_weights(operation), operation.window, operation.multiplier, out_h, out_w)
    return _finished(sums, operation.bias, operation.act)


def dense(node: Node, operation: Dense, x: Array) -> Array:
    """FULLY_CONNECTED."""
    rows = x.reshape(-1, operation.weights.shape[1]).astype(np.float64)
    sums = rows @ real_weights(operation).astype(np.float64).T
    return _finished(sums, operation.bias, operation.act).reshape(node.output.shape)


def pool2d(node: Node, operation: Pool2d, x: Array) -> Array:
    """MAX_POOL_2D, AVERAGE_POOL_2D."""
    size = node.output.shape[1:3]
    if operation.kind == "max":
        return clamped(pool_max(x, operation.window, *size).astype(np.float32), operation.act)
    sums, counts = pool_sum(x, operation.window, *size)
    return clamped((sums / counts).astype(np.float32), operation.act)


def mean(node: Node, operation: Mean, x: Array) -> Array:
    """MEAN."""
    means = np.asarray(x.mean(axis=operation.axes, dtype=np.float64), np.float32)
    return means.reshape(node.output.shape)


def elementwise(operation: Elementwise, a: Array, b: Array) -> Array:
    """ADD, SUB, MUL."""
    compute = {"add": np.add, "sub": np.subtract, "mul": np.multiply}[operation.kind]
    with np.errstate(all="ignore"):
        return clamped(compute(a, b, dtype=np.float32), operation.act)


def unary(operation: Unary, x: Array) -> Array:
    """ABS, LOGISTIC, RELU and its relatives."""
    if operation.kind == "abs":
        return np.asarray(np.abs(x))
    if operation.kind == "clamp":
        return clamped(x, operation.act)
    with np.errstate(over="ignore"):
        return np.asarray(1.0 / (1.0 + np.exp(-x.astype(np.float64))), np.float32)


def prelu(x: Array, alpha: Array) -> Array:
    """x where it is not negative, else alpha * x."""
    return np.where(x >= 0, x, x * alpha).astype(np.float32)


def softmax(operation: Softmax, x: Array) -> NDArray[np.float64]:
    """Over the last axis, in float64."""
    scaled = operation.beta * x.astype(np.float64)
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    result: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return result


def clamped(x: Array, act: Clamp) -> Array:
    """A fused activation."""
    return x if act.does_nothing else np.asarray(np.clip(x, np.float32(act.low), np.float32(act.high)))


def _finished(sums: Array, bias: Array | None, act: Clamp) -> Array:
    total = sums if bias is None else sums + bias.astype(np.float64)
    return clamped(total.astype(np.float32), act)
