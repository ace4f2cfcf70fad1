"""f32 operations: sums in float64, each result rounded once to the dtype of the operands: f32, or float64 where the
errors of rounding are asked for (rounding.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import Node
from ..hybrid import real_weights
from ..operations import (
    BinaryKind,
    Clamp,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Elementwise,
    Mean,
    Pool2d,
    Reduce,
    Softmax,
    Unary,
    UnaryKind,
)
from ..places import Interpolate
from .windows import convolve, convolve_depthwise, pool_max, pool_sum

Array = NDArray[Any]


def conv2d(node: Node, operation: Conv2d, x: Array) -> Array:
    """CONV_2D."""
    _, out_h, out_w, _ = node.output.shape
    sums = convolve(x, real_weights(operation), operation.window, operation.groups, out_h, out_w)
    return _finished(sums, operation.bias, operation.act, x.dtype)


def depthwise_conv2d(node: Node, operation: DepthwiseConv2d, x: Array) -> Array:
    """DEPTHWISE_CONV_2D."""
    _, out_h, out_w, _ = node.output.shape
    sums = convolve_depthwise(x, real_weights(operation), operation.window, operation.multiplier, out_h, out_w)
    return _finished(sums, operation.bias, operation.act, x.dtype)


def dense(node: Node, operation: Dense, x: Array) -> Array:
    """FULLY_CONNECTED."""
    rows = x.reshape(-1, operation.weights.shape[1]).astype(np.float64)
    sums = rows @ real_weights(operation).astype(np.float64).T
    return _finished(sums, operation.bias, operation.act, x.dtype).reshape(node.output.shape)


def pool2d(node: Node, operation: Pool2d, x: Array) -> Array:
    """MAX_POOL_2D, AVERAGE_POOL_2D."""
    size = node.output.shape[1:3]
    if operation.kind == "max":
        return clamped(pool_max(x, operation.window, *size).astype(x.dtype), operation.act)
    sums, counts = pool_sum(x, operation.window, *size)
    return clamped((sums / counts).astype(x.dtype), operation.act)


def mean(node: Node, operation: Mean, x: Array) -> Array:
    """MEAN."""
    means = np.asarray(x.mean(axis=operation.axes, dtype=np.float64), x.dtype)
    return means.reshape(node.output.shape)


def reduce(node: Node, operation: Reduce, x: Array) -> Array:
    """SUM, REDUCE_MAX, REDUCE_MIN; of int8 only those that choose."""
    wide = x.astype(np.float64) if operation.kind == "sum" else x
    join = {"sum": np.add, "max": np.maximum, "min": np.minimum}[operation.kind]
    return np.asarray(join.reduce(wide, axis=operation.axes), x.dtype).reshape(node.output.shape)


def elementwise(operation: Elementwise, a: Array, b: Array) -> Array:
    """ADD, SUB, MUL and their relatives."""
    with np.errstate(all="ignore"):
        return clamped(np.asarray(BINARY[operation.kind](a, b)), operation.act)


def unary(operation: Unary, x: Array) -> Array:
    """ABS, LOGISTIC, RELU and their relatives."""
    if operation.kind == "clamp":
        return clamped(x, operation.act)
    with np.errstate(all="ignore"):
        return np.asarray(UNARY[operation.kind](x), x.dtype)


def _hard_swish(x: Array) -> Array:
    """`x * min(max(x + 3, 0), 6) / 6`, each step rounded to f32, as in TensorFlow Lite."""
    gate = x + np.float32(3)
    gate = np.where(gate < 0, np.float32(0), gate)
    return np.asarray(x * np.where(gate > 6, np.float32(6), gate) / np.float32(6))


BINARY: Mapping[BinaryKind, Callable[[Array, Array], Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "minimum": lambda a, b: np.where(a < b, a, b),
    "maximum": lambda a, b: np.where(a > b, a, b),
    "squared_difference": lambda a, b: (a - b) * (a - b),
}
"""Each step rounds to the dtype of the operands. Of two zeros, `minimum` and `maximum` take the second."""

UNARY: Mapping[UnaryKind, Callable[[Array], Array]] = {
    "abs": np.abs,
    "logistic": lambda x: 1.0 / (1.0 + np.exp(-x.astype(np.float64))),
    "hard_swish": _hard_swish,
    "tanh": lambda x: np.tanh(x.astype(np.float64)),
    "exp": lambda x: np.exp(x.astype(np.float64)),
    "neg": np.negative,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: np.float32(1) / np.sqrt(x),
}
"""Those in f64 are rounded to the dtype of the operand once, the others by each step."""


def interpolate(operation: Interpolate, x: Array) -> Array:
    """RESIZE_BILINEAR, in the order of TensorFlow Lite's reference kernel: four products, then their sum."""
    rows, columns = operation.rows, operation.columns
    below, right = rows.share[:, None, None], columns.share[:, None]
    above, left = np.float32(1) - below, np.float32(1) - right
    total: Array | None = None
    for column, across in ((columns.low, left), (columns.high, right)):
        for row, down in ((rows.low, above), (rows.high, below)):
            part = x[:, row[:, None], column] * down * across
            total = part if total is None else total + part
    assert total is not None
    return total


def prelu(x: Array, alpha: Array) -> Array:
    """x where it is not negative, else alpha * x."""
    return np.where(x >= 0, x, x * alpha)


def softmax(operation: Softmax, x: Array) -> NDArray[np.float64]:
    """Over the last axis, in float64."""
    scaled = operation.beta * x.astype(np.float64)
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    result: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return result


def clamped(x: Array, act: Clamp) -> Array:
    """A fused activation."""
    return x if act.does_nothing else np.asarray(np.clip(x, np.float32(act.low), np.float32(act.high)))


def _finished(sums: Array, bias: Array | None, act: Clamp, dtype: np.dtype[Any]) -> Array:
    total = sums if bias is None else sums + bias.astype(np.float64)
    return clamped(total.astype(dtype), act)
