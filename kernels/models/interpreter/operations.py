"""One node's output from its operands, whatever the operation: the interpreter's table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...packing import pack, unpack
from ...reference import oracle
from ..graph import Node, Tensor
from ..hybrid import is_hybrid
from ..onnx_quantization import to_even
from ..operations import (
    BinaryConv2d,
    BinaryMaxPool2d,
    BitDequantize,
    BitQuantize,
    Concat,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Dequantize,
    Elementwise,
    Mean,
    Pad,
    Pool2d,
    PRelu,
    Quantize,
    Reduce,
    Reshape,
    Slice,
    Softmax,
    Transpose,
    Unary,
)
from ..places import Gather, Interpolate
from ..quantization import dequantize, quantize
from ..stored import is_8_bit, limits_of, scale_of
from . import floats, integers, onnx_integers
from .variants import Variant
from .windows import pool_max

Array = NDArray[Any]


def run_node(node: Node, operands: Sequence[Array], variant: Variant | None = None) -> Array:
    """The node's output in storage form; `operands` as its inputs say, int8 rounded as `variant` does."""
    x = operands[0]
    if x.dtype == np.int8 and onnx_integers.computes(node):
        return onnx_integers.run(node, operands)
    if variant and is_hybrid(node):
        return variant.hybrid(node, node.operation, x)
    rule = (
        variant.rules.get(type(node.operation))
        if variant and {"i8", "u8"} & {node.inputs[0].dtype, node.output.dtype}
        else None
    )
    if rule is not None:
        return rule(node, node.operation, operands)
    match node.operation:
        case BinaryConv2d() as operation:
            return _binary_convolution(node, operation, x)
        case BinaryMaxPool2d(window):
            signs = unpack(x, node.inputs[0].shape[-1])
            return pack(pool_max(signs, window, *node.output.shape[1:3]))
        case BitQuantize():
            zero = node.inputs[0].zero_point if x.dtype == np.int8 else 0
            return pack(np.where(x < x.dtype.type(zero), np.int8(-1), np.int8(1)))
        case BitDequantize():
            return _stored(node.output, unpack(x, node.output.shape[-1]).astype(np.float32))
        case Quantize():
            return integers.rescaled(node, x) if is_8_bit(x) else _stored(node.output, x)
        case Dequantize():
            return _real(node.inputs[0], x)
        case Concat() | Slice() | Gather() | Pad() | Transpose() | Reshape():
            return _move(node, operands)
    return _integers(node, operands) if x.dtype == np.int8 else _floats(node, operands)


def _floats(node: Node, operands: Sequence[Array]) -> Array:
    x = operands[0]
    match node.operation:
        case Conv2d() as operation:
            return floats.conv2d(node, operation, x)
        case DepthwiseConv2d() as operation:
            return floats.depthwise_conv2d(node, operation, x)
        case Dense() as operation:
            return floats.dense(node, operation, x)
        case Pool2d() as operation:
            return floats.pool2d(node, operation, x)
        case Mean() as operation:
            return floats.mean(node, operation, x)
        case Reduce() as operation:
            return floats.reduce(node, operation, x)
        case Elementwise() as operation:
            return floats.elementwise(operation, x, operands[1])
        case Softmax() as operation:
            return floats.softmax(operation, x).astype(x.dtype)
        case Unary() as operation:
            return floats.unary(operation, x)
        case PRelu():
            return floats.prelu(x, operands[1])
        case Interpolate() as operation:
            return floats.interpolate(operation, x)
    raise AssertionError(f"the interpreter has no {type(node.operation).__name__} of floats")


def _integers(node: Node, operands: Sequence[Array]) -> Array:
    x = operands[0]
    match node.operation:
        case Conv2d() as operation:
            return integers.conv2d(node, operation, x)
        case DepthwiseConv2d() as operation:
            return integers.depthwise_conv2d(node, operation, x)
        case Dense() as operation:
            return integers.dense(node, operation, x)
        case Pool2d() as operation:
            return integers.pool2d(node, operation, x)
        case Mean() as operation:
            return integers.mean(node, operation, x)
        case Reduce() as operation:
            return floats.reduce(node, operation, x)
        case Elementwise() as operation:
            return integers.elementwise(node, operation, x, operands[1])
        case Softmax() as operation:
            return integers.softmax(node, operation, x)
        case Unary() as operation:
            return integers.unary(node, operation, x)
        case PRelu():
            return integers.prelu(node, x, operands[1])
    raise AssertionError(f"the interpreter has no {type(node.operation).__name__} of int8")


def _move(node: Node, operands: Sequence[Array]) -> Array:
    x = operands[0]
    match node.operation:
        case Concat(axis, act):
            return floats.clamped(np.concatenate(operands, axis=axis), act)
        case Slice(start):
            box = (slice(b, b + size) for b, size in zip(start, node.output.shape, strict=True))
            return np.ascontiguousarray(x[tuple(box)])
        case Gather(places):
            return np.ascontiguousarray(x[np.ix_(*places)])
        case Pad(before, value):
            sizes = zip(before, x.shape, node.output.shape, strict=True)
            margins = [(front, whole - size - front) for front, size, whole in sizes]
            return np.pad(x, margins, constant_values=x.dtype.type(value))
        case Transpose(perm):
            return np.ascontiguousarray(x.transpose(perm))
        case Reshape():
            return x.reshape(node.output.storage_shape)
    raise AssertionError(f"the interpreter has no {type(node.operation).__name__}")


def _binary_convolution(node: Node, operation: BinaryConv2d, x: Array) -> Array:
    spec, arrays = operation.spec, {"x": x, "filter": operation.filter}
    if operation.threshold is not None:
        return oracle.run(spec, {**arrays, "threshold": operation.threshold})
    assert operation.multiplier is not None
    dots = oracle.convolution(spec, arrays, operation.padding)
    sums = (dots - spec.dot_length).astype(np.float32)
    if node.output.dtype == "i8":
        multiplier, bias = operation.stored_as(scale_of(node.output), node.output.zero_point)
        return quantize(sums * multiplier + bias, 1.0, 0)
    return sums * operation.multiplier + operation.shifted_bias


def _real(tensor: Tensor, array: Array) -> Array:
    """What a stored array stands for, in f32."""
    if is_8_bit(array):
        return dequantize(array, scale_of(tensor), tensor.zero_point)
    return array


def _stored(tensor: Tensor, values: Array) -> Array:
    """f32 values as the tensor stores them."""
    if tensor.dtype == "i8" and tensor.in_floats:
        return to_even(values, scale_of(tensor), tensor.zero_point)
    if tensor.dtype in ("i8", "u8"):
        return quantize(values, scale_of(tensor), tensor.zero_point, limits_of(tensor)[0])
    return values.astype(np.float32)
