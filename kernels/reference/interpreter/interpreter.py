"""Runs a graph node by node, unfused: what every engine's whole models are compared with.

Floats are summed in float64 and rounded to f32 by each op; binary and int8 ops are exact. An engine that adds in
another order may give a value within a rounding of zero the other sign, and everything behind that bit differs. So a
caller may hand in an engine's bits: they are taken where the reference itself is unsure of the sign, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...models.graph import (
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
    Graph,
    Mean,
    Node,
    Pad,
    Pool2d,
    PRelu,
    Quantize,
    Reshape,
    Slice,
    Softmax,
    Tensor,
    Transpose,
    Unary,
)
from ...models.quantization import dequantize, quantize
from ...packing import pack, unpack
from .. import oracle
from . import floats, integers
from .windows import pool

Array = NDArray[Any]

UNSURE = 1e-5
"""Of a tensor's largest absolute value: a sign nearer to zero than this may be the other one in a right engine."""


@dataclass(frozen=True, slots=True)
class SignFlips:
    """One tensor of bits against another engine's: how many differ where the reference is unsure, and elsewhere."""

    tensor: str
    unsure: int
    wrong: int


@dataclass(frozen=True, slots=True)
class Result:
    """Outputs in storage form (bits as u32 words); `values` by tensor name when kept; `flips` where bits differed."""

    outputs: tuple[Array, ...]
    values: Mapping[str, Array]
    flips: tuple[SignFlips, ...]


def interpret(
    graph: Graph, inputs: Sequence[Array], *, keep: bool = False, bits: Mapping[str, Array] | None = None
) -> Result:
    """`inputs` in the order and shapes of the graph's. `bits`: another engine's tensors of bits by name."""
    values = {id(tensor): np.asarray(array) for tensor, array in zip(graph.inputs, inputs, strict=True)}
    last_use = {id(tensor): place for place, node in enumerate(graph.nodes) for tensor in node.inputs}
    kept = {id(tensor) for tensor in graph.outputs}
    named: dict[str, Array] = {}
    flips: list[SignFlips] = []
    for place, node in enumerate(graph.nodes):
        operands = [tensor.data if tensor.data is not None else values[id(tensor)] for tensor in node.inputs]
        value = _run(node, operands)
        if bits is not None and node.output.name in bits and isinstance(node.operation, BitQuantize):
            value, flip = _with_bits(node, operands[0], value, bits[node.output.name])
            if flip.unsure or flip.wrong:
                flips.append(flip)
        assert value.shape == node.output.storage_shape, (node.op, value.shape, node.output)
        values[id(node.output)] = value
        if keep:
            named[node.output.name] = value
        for tensor in node.inputs:
            if last_use[id(tensor)] == place and id(tensor) not in kept and tensor.data is None:
                values.pop(id(tensor), None)
    return Result(tuple(values[id(tensor)] for tensor in graph.outputs), named, tuple(flips))


def _with_bits(node: Node, x: Array, own: Array, other: Array) -> tuple[Array, SignFlips]:
    differs = unpack(own ^ other, node.output.shape[-1]) < 0
    unsure = np.abs(x) <= UNSURE * np.abs(x).max() if x.dtype == np.float32 else np.zeros(x.shape, bool)
    taken = differs & unsure
    swap = pack(np.where(taken, -1.0, 1.0).astype(np.float32))
    return own ^ swap, SignFlips(node.output.name, int(taken.sum()), int((differs & ~unsure).sum()))


def _run(node: Node, operands: Sequence[Array]) -> Array:
    operation, x = node.operation, operands[0]
    compute = integers if x.dtype == np.int8 else floats
    match operation:
        case Conv2d():
            return compute.conv2d(node, operation, x)
        case DepthwiseConv2d():
            return compute.depthwise_conv2d(node, operation, x)
        case Dense():
            return compute.dense(node, operation, x)
        case Pool2d():
            return compute.pool2d(node, operation, x)
        case Mean():
            return compute.mean(node, operation, x)
        case Elementwise():
            if x.dtype == np.int8:
                return integers.elementwise(node, operation, x, operands[1])
            return floats.elementwise(operation, x, operands[1])
        case Unary():
            return floats.unary(operation, x)
        case PRelu():
            return floats.prelu(x, operands[1])
        case Softmax():
            if x.dtype == np.int8:
                return integers.softmax(node, operation, x)
            return floats.softmax(operation, x).astype(np.float32)
        case BinaryConv2d():
            return _binary_convolution(node, operation, x)
        case BinaryMaxPool2d():
            signs = unpack(x, node.inputs[0].shape[-1])
            return pack(pool(signs, operation.window, *node.output.shape[1:3])[0].astype(np.float32))
        case BitQuantize():
            return pack(np.where(x < _zero(node.inputs[0]), -1.0, 1.0).astype(np.float32))
        case BitDequantize():
            return _stored(node.output, unpack(x, node.output.shape[-1]).astype(np.float32))
        case Quantize():
            return integers.rescaled(node, x) if x.dtype == np.int8 else _stored(node.output, x)
        case Dequantize():
            return dequantize(x, integers.scale_of(node.inputs[0]), node.inputs[0].zero_point)
        case _:
            return _move(node, operands)


def _move(node: Node, operands: Sequence[Array]) -> Array:
    operation, x = node.operation, operands[0]
    match operation:
        case Concat():
            joined = np.concatenate(operands, axis=operation.axis)
            return joined if joined.dtype == np.int8 else floats.clamped(joined, operation.act)
        case Slice():
            box = (slice(b, b + size) for b, size in zip(operation.start, node.output.shape, strict=True))
            return x[tuple(box)]
        case Pad():
            sizes = zip(operation.before, x.shape, node.output.shape, strict=True)
            margins = [(before, whole - size - before) for before, size, whole in sizes]
            return np.pad(x, margins, constant_values=x.dtype.type(operation.value))
        case Transpose():
            return np.ascontiguousarray(x.transpose(operation.perm))
        case Reshape():
            return x.reshape(node.output.shape)
    raise AssertionError(f"the interpreter has no {type(operation).__name__}")


def _binary_convolution(node: Node, operation: BinaryConv2d, x: Array) -> Array:
    arrays = {"x": x, "filter": operation.filter}
    for name in ("multiplier", "bias", "threshold"):
        array = getattr(operation, name)
        if array is not None:
            arrays[name] = array
    out = oracle.run(operation.spec, arrays)
    return _stored(node.output, out) if operation.spec.out == "f32" else out


def _zero(tensor: Tensor) -> int:
    return tensor.zero_point if tensor.dtype == "i8" else 0


def _stored(tensor: Tensor, values: Array) -> Array:
    """f32 values as the tensor stores them."""
    if tensor.dtype == "i8":
        return quantize(values, integers.scale_of(tensor), tensor.zero_point)
    return values.astype(np.float32)
