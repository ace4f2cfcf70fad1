"""Floats with int8 weights as interpreters of TensorFlow Lite compute them: the input is rounded to int8 each time.

An image (of dense layers, a row) gets a scale and a zero point of its smallest and largest value. Sums are exact; they
become floats by the product of both scales. Source: `conv.cc`, `depthwise_conv.cc`, `fully_connected.cc` and
`portable_tensor_utils.cc` of TensorFlow Lite, and XNNPACK's `qd8` kernels; tests compare with LiteRT and LCE.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import Node
from ..hybrid import Weighted
from ..operations import Conv2d, Dense, DepthwiseConv2d
from .floats import clamped
from .windows import convolve, convolve_depthwise

Array = NDArray[Any]
Rounded = tuple[Array, Array]
"""Steps from the zero point, and the scale of each row."""


def reference(node: Node, operation: Weighted, x: Array) -> Array:
    """TFLite's reference and optimised kernels."""
    with np.errstate(all="ignore"):
        return _computed(node, operation, x, _symmetric if operation.rounds_symmetrically else _asymmetric)


def xnnpack(node: Node, operation: Weighted, x: Array) -> Array:
    """XNNPACK's, never symmetric; a convolution of single pixels is a dense layer of each. It leaves depthwise
    convolutions to TFLite's."""
    if isinstance(operation, DepthwiseConv2d):
        return reference(node, operation, x)
    if isinstance(operation, Conv2d) and _takes_pixels(operation):
        weights = operation.weights.reshape(len(operation.weights), -1)
        operation = Dense(weights, operation.bias, operation.act, operation.weight_scales)
    with np.errstate(all="ignore"):
        return _computed(node, operation, x, _asymmetric_even)


def _takes_pixels(operation: Conv2d) -> bool:
    w = operation.window
    return (w.kh, w.kw, w.sh, w.sw) == (1, 1, 1, 1) and operation.groups == 1 and operation.weights.size > 1


def _computed(node: Node, operation: Weighted, x: Array, rounding: Callable[[Array], Rounded]) -> Array:
    assert operation.weight_scales is not None
    depth = operation.weights.shape[-1] if isinstance(operation, Dense) else x[0].size
    steps, scales = rounding(x.reshape(-1, depth))
    match operation:
        case Conv2d():
            size = node.output.shape[1:3]
            sums = convolve(steps.reshape(x.shape), operation.weights, operation.window, operation.groups, *size)
        case DepthwiseConv2d():
            size = node.output.shape[1:3]
            images = steps.reshape(x.shape)
            sums = convolve_depthwise(images, operation.weights, operation.window, operation.multiplier, *size)
        case Dense():
            sums = steps.astype(np.float64) @ operation.weights.astype(np.float64).T
    whole = np.rint(sums).astype(np.float32).reshape(len(scales), -1, node.output.shape[-1])
    values = whole * operation.weight_scales * scales.reshape(-1, 1, 1)
    if operation.bias is not None:
        values = values + operation.bias
    return clamped(values.astype(np.float32).reshape(node.output.shape), operation.act)


def _symmetric(rows: Array) -> Rounded:
    """Steps of a 127th of the largest size."""
    most = np.abs(rows).max(axis=1, keepdims=True).astype(np.float32)
    some = np.where(most > 0, most, np.float32(1))
    steps = _halves_away(rows * (np.float32(127) / some)).clip(-127, 127)
    return steps, np.where(most > 0, most / np.float32(127), np.float32(1))


def _asymmetric(rows: Array) -> Rounded:
    """255 steps from the smallest to the largest value and 0; halves away from 0."""
    low, high = _range(rows)
    empty = low == high
    wide = np.where(empty, 1.0, (high - low).astype(np.float64) / 255)
    below, above, scale = low / wide, high / wide, wide.astype(np.float32)
    zero = np.where(128 + np.abs(below) < 127 + np.abs(above), -128 - below, 127 - above)
    zero = _halves_away(zero.clip(-128, 127))
    steps = (_halves_away(rows * (np.float32(1) / scale)) + zero).clip(-128, 127) - zero
    return np.where(empty, 0, steps), scale


def _asymmetric_even(rows: Array) -> Rounded:
    """The same in f32, as XNNPACK prepares it; halves to even."""
    low, high = _range(rows)
    empty = low == high
    inverse = np.where(empty, np.float32(1), np.float32(255) / np.where(empty, np.float32(1), high - low))
    below, above = low * inverse, high * inverse
    zero = np.where((-128 + below) + (127 + above) > 0, -128 - below, 127 - above)
    zero = np.rint(zero.clip(-128, 127))
    steps = (np.rint(rows * inverse) + zero).clip(-128, 127) - zero
    return steps, np.float32(1) / inverse


def _range(rows: Array) -> tuple[Array, Array]:
    low = np.minimum(rows.min(axis=1, keepdims=True), np.float32(0))
    return low, np.maximum(rows.max(axis=1, keepdims=True), np.float32(0))


def _halves_away(values: Array) -> Array:
    wide = values.astype(np.float64)
    return np.asarray(np.sign(wide) * np.floor(np.abs(wide) + 0.5))
