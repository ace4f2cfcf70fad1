"""Functions of values to steps: of one operand, and of two that broadcast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....errors import ModelError
from ...graph import Node, Tensor
from ...int8_tables import unary_table
from ...onnx_quantization import table as onnx_table
from ...operations import Clamp, Elementwise, PRelu, Softmax, Unary
from ...quantization import (
    act_bounds_i8,
    binary_requantization,
    quantize_multiplier,
    slope_requantization,
    softmax_exponentials,
    unary_requantization,
)
from ..steps import Argument, Stage, image_shape
from .lowered import Lowered
from .shared import clamp_stages, scale_of, store, store_any

_BROADCASTS = {
    "add": 0,
    "sub": 1,
    "mul": 2,
    "prelu": 3,
    "div": 4,
    "minimum": 5,
    "maximum": 6,
    "squared_difference": 7,
}
_AS_STAGES = ("add", "sub", "mul")
"""Kinds that stages do, where the operands' shapes allow it."""


def elementwise(low: Lowered, node: Node, operation: Elementwise) -> None:
    a, b = node.inputs
    out, kind = node.output, operation.kind
    if out.in_floats:
        x, other = _later_first(low, a, b)
        return low.read(node, x, [Stage(f"{kind}_i8", (other,)), *clamp_stages(operation.act), store_any(out)])
    if out.dtype == "i8":
        return _elementwise_i8(low, node, operation)
    tail = [*clamp_stages(operation.act), store(out)]
    if kind not in _AS_STAGES:
        return _broadcast(low, node, kind, a, b, tail)
    channels = out.shape[-1]
    for x, other, swapped in ((a, b, False), (b, a, True)):
        constant = _channel_constant(other, channels)
        if constant is not None and x.data is None and x.shape == out.shape:
            if kind == "sub":
                first = [Stage("scale", (np.full(channels, -1, np.float32),))] if swapped else []
                return low.read(node, x, [*first, Stage("shift", (constant if swapped else -constant,)), *tail])
            return low.read(node, x, [Stage("scale" if kind == "mul" else "shift", (constant,)), *tail])
    if kind != "sub" and a.data is None and b.data is None:
        if a.shape == b.shape:
            x, other = _later_first(low, a, b)
            return low.read(node, x, [Stage(kind, (other,)), *tail])
        for x, other in ((a, b), (b, a)):
            if x.shape == out.shape and len(x.shape) == 4 and _per_image(x, other):
                return low.read(node, x, [Stage(f"{kind}_image", (other,)), *tail])
    _broadcast(low, node, kind, a, b, tail)
    return None


def _per_image(x: Tensor, other: Tensor) -> bool:
    """Whether `other` has a value for each image and channel of x, lined up from the last axis as in NumPy."""
    return (1,) * (4 - len(other.shape)) + other.shape == (image_shape(x)[0], 1, 1, x.shape[-1])


def _later_first(low: Lowered, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The operand that is computed later streams: only it can be fused with its producer."""
    place = {low.root(tensor): number for number, step in enumerate(low.steps) for tensor in step.writes}
    return (a, b) if place.get(low.root(a), -1) >= place.get(low.root(b), -1) else (b, a)


def _channel_constant(tensor: Tensor, channels: int) -> NDArray[np.float32] | None:
    """[c] when a constant is one value or differs along the last axis alone."""
    data = tensor.data
    if data is None or not (data.size == 1 or data.size == data.shape[-1] == channels):
        return None
    return np.broadcast_to(data.reshape(-1), (channels,)).astype(np.float32)


def _broadcast(low: Lowered, node: Node, kind: str, a: Tensor, b: Tensor, tail: list[Stage]) -> None:
    a, b = low.computed(node, a), low.computed(node, b)
    shape = (1,) * (4 - len(node.output.shape)) + node.output.shape
    strides = [_strides(tensor, shape) for tensor in (a, b)]
    arguments: tuple[Argument, ...] = (a, b, _BROADCASTS[kind], *strides[0], *strides[1], *shape)
    low.stream(node, "broadcast", arguments, shape[-1], tail)


def _strides(tensor: Tensor, shape: tuple[int, ...]) -> list[int]:
    own = (1,) * (4 - len(tensor.shape)) + tensor.shape
    strides, step = [0] * 4, 1
    for axis in (3, 2, 1, 0):
        strides[axis] = step if own[axis] == shape[axis] and own[axis] > 1 else 0
        step *= own[axis]
    return strides


def _image_strides(tensor: Tensor, out: Tensor) -> list[int]:
    """Of an operand that broadcasts to `out`, for n h w c of out's record."""
    strides = _strides(tensor, (1,) * (4 - len(out.shape)) + out.shape)
    return [strides[2], 0, 0, strides[3]] if len(out.shape) == 2 else strides


def _elementwise_i8(low: Lowered, node: Node, operation: Elementwise) -> None:
    a, b = node.inputs
    if operation.kind in ("minimum", "maximum"):
        one = quantize_multiplier(1.0)
        return _binary_i8(low, node, operation.kind, Clamp(), (0, *one, *one, *one))
    fixed = binary_requantization(operation.kind, scale_of(a), scale_of(b), scale_of(node.output))
    _binary_i8(low, node, operation.kind, operation.act, (fixed.left_shift, *fixed.a, *fixed.b, *fixed.out))
    return None


def _binary_i8(low: Lowered, node: Node, kind: str, act: Clamp, fixed: tuple[int, ...]) -> None:
    out = node.output
    a, b = (low.computed(node, tensor) for tensor in node.inputs)
    strides = [*_image_strides(a, out), *_image_strides(b, out)]
    bounds = act_bounds_i8(act, scale_of(out), out.zero_point)
    low.direct(node, "binary_i8", a, out, b, _BROADCASTS[kind], *strides, *bounds, *fixed)


def unary(low: Lowered, node: Node, operation: Unary) -> None:
    x, out, kind = node.inputs[0], node.output, operation.kind
    if out.in_floats:
        if kind not in ("abs", "logistic", "clamp"):
            raise ModelError(f"its {kind} is of int8, which cannot be run; convert the model with it in floats.")
        table = onnx_table(kind, operation.act, (scale_of(x), x.zero_point), (scale_of(out), out.zero_point))
        return low.direct(node, "table_i8", x, out, table)
    if out.dtype == "i8":
        return low.direct(node, "table_i8", x, out, unary_table(operation, x, out))
    match kind:
        case "clamp":
            change = clamp_stages(operation.act)
        case "neg":
            change = [Stage("scale", (np.full(x.shape[-1], -1, np.float32),))]
        case _:
            change = [Stage(kind)]
    low.read(node, x, [*change, store(out)])
    return None


def prelu(low: Lowered, node: Node, operation: PRelu) -> None:
    x, alpha = node.inputs
    if x.dtype == "i8":
        above = unary_requantization(scale_of(x), scale_of(node.output))
        below = slope_requantization(scale_of(x), scale_of(alpha), scale_of(node.output))
        return _binary_i8(low, node, "prelu", Clamp(), (0, 0, 0, *below, *above))
    constant = _channel_constant(alpha, x.shape[-1])
    if constant is None:
        return _broadcast(low, node, "prelu", x, alpha, [store(node.output)])
    low.read(node, x, [Stage("prelu", (constant,)), store(node.output)])
    return None


def softmax(low: Lowered, node: Node, operation: Softmax) -> None:
    x = node.inputs[0]
    if x.dtype == "i8":
        return low.direct(node, "softmax_i8", x, node.output, softmax_exponentials(operation.beta, scale_of(x)))
    low.stream(node, "softmax", (x, float(operation.beta)), x.shape[-1], [store(node.output)])
    return None
