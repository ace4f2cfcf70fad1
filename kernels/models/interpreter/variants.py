"""Ways in which optimised kernels of others round int8 otherwise than TFLite's reference kernels, by name.

What is right is the reference. An engine that equals it under one of these variants is right too, and its record names
the variant. Each is what LCE's and LiteRT's own interpreters were seen to compute for every pair of int8 values: see
tests/kernels/test_int8_exactly.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fixed_point import high_multiply
from ..graph import Node
from ..int8_tables import looked_up, table_in_floats
from ..operations import Conv2d, Dense, DepthwiseConv2d, Dequantize, Elementwise, Mean, Quantize, Softmax, Unary
from ..quantization import conv_requantization, quantize, quantize_multiplier, rescaling, round_half_away
from ..stored import limits_of, scale_of
from . import hybrid_kernels, integers
from .integers import limited

Array = NDArray[Any]
Rule = Callable[[Node, Any, Sequence[Array]], Array]
"""A node's output, from the node, its operation and its operands."""

_LANES = 8


@dataclass(frozen=True, slots=True)
class Variant:
    """`rules` by the type of the operation, where its input or output is int8; `hybrid` for floats with int8 weights.
    All else is the reference's."""

    name: str
    about: str
    hybrid: Callable[[Node, Any, Array], Array]
    rules: Mapping[type, Rule] = field(default_factory=dict)


def _weighted(rounding: Callable[[Array, Node, Any], Array]) -> Rule:
    """Convolutions and dense layers: exact sums, rounded to steps."""

    def rule(node: Node, operation: Any, operands: Sequence[Array]) -> Array:
        steps = rounding(integers.sums_of(node, operation, operands[0]), node, operation)
        return limited(node.output, steps + node.output.zero_point, operation.act)

    return rule


def _up(values: Array, multiplier: Any, shift: Any) -> Array:
    """As `requantize`, but halves of the shift to the right go up."""
    shift = np.asarray(shift, np.int64)
    x, right = values.astype(np.int64) << np.maximum(shift, 0), np.maximum(-shift, 0)
    high = high_multiply((x + 2**31) % 2**32 - 2**31, multiplier)
    return np.asarray((high + ((np.int64(1) << right) >> 1)) >> right)


def _halves_up(total: Array, node: Node, operation: Any) -> Array:
    scales = scale_of(node.inputs[0]), operation.weight_scales, scale_of(node.output)
    return _up(total, *conv_requantization(*scales))


def _in_floats(total: Array, node: Node, operation: Any) -> Array:
    scales = np.float32(scale_of(node.inputs[0])) * operation.weight_scales / np.float32(scale_of(node.output))
    return _nearest(total.astype(np.float32) * scales.astype(np.float32))


def _nearest(values: Array) -> Array:
    """To whole numbers, halves to even."""
    return np.asarray(np.rint(np.clip(values, -1e9, 1e9)).astype(np.int64))


def _x86_quantize(node: Node, operation: Quantize, operands: Sequence[Array]) -> Array:
    """f32: whole vectors by the inverse scale, halves to even; the rest as the reference. 8 bits: halves up."""
    (x,), (tensor,), out = operands, node.inputs, node.output
    if tensor.dtype != "f32":
        steps = _up(x.astype(np.int64) - tensor.zero_point, *rescaling(scale_of(tensor), scale_of(out)))
        return limited(out, steps + out.zero_point)
    flat, whole = x.reshape(-1), x.size // _LANES * _LANES
    return np.concatenate(
        [
            limited(out, _by_inverse(flat[:whole], scale_of(out)) + out.zero_point),
            quantize(flat[whole:], scale_of(out), out.zero_point, limits_of(out)[0]),
        ]
    ).reshape(x.shape)


def _by_inverse(x: Array, scale: float) -> Array:
    with np.errstate(all="ignore"):
        return _nearest(np.nan_to_num(x * (np.float32(1) / np.float32(scale)), posinf=1e9, neginf=-1e9))


def _x86_dequantize(node: Node, operation: Dequantize, operands: Sequence[Array]) -> Array:
    """Scale and shift each by itself in whole vectors; the rest as the reference."""
    (x,), (tensor,) = operands, node.inputs
    scale, flat, whole = np.float32(scale_of(tensor)), x.reshape(-1), x.size // _LANES * _LANES
    first = flat[:whole].astype(np.float32) * scale + np.float32(-scale * np.float32(tensor.zero_point))
    rest = (flat[whole:].astype(np.int32) - tensor.zero_point).astype(np.float32) * scale
    return np.concatenate([first, rest]).reshape(x.shape)


def _x86_mean(node: Node, operation: Mean, operands: Sequence[Array]) -> Array:
    """Over height and width of an image that stays one: the sum as it is, and the zero points as one bias."""
    (x,), (tensor,), out = operands, node.inputs, node.output
    if not (operation.keep_dims and operation.axes == (1, 2) and x.ndim == 4):
        return integers.mean(node, operation, x)
    scale = scale_of(tensor) / scale_of(out)
    sums = x.sum(axis=(1, 2), dtype=np.int64, keepdims=True)
    steps = _up(sums, *quantize_multiplier(scale / (x.shape[1] * x.shape[2])))
    return limited(out, steps + out.zero_point - round_half_away(tensor.zero_point * scale))


def _x86_softmax(node: Node, operation: Softmax, operands: Sequence[Array]) -> Array:
    """In floats, by a table of exponentials; the sum in the order of the values."""
    (x,), (tensor,), out = operands, node.inputs, node.output
    scaled = np.float32(-scale_of(tensor) * operation.beta) * np.arange(256, dtype=np.float32)
    powers = np.exp(scaled.astype(np.float64)).astype(np.float32)[x.max(axis=-1, keepdims=True).astype(np.int64) - x]
    total = np.cumsum(powers, axis=-1, dtype=np.float32)[..., -1:]
    shares = powers * (np.float32(1) / (total * np.float32(scale_of(out))))
    return limited(out, _nearest(shares) + out.zero_point)


def _xnn_quantize(node: Node, operation: Quantize, operands: Sequence[Array]) -> Array:
    """f32: by the inverse scale, halves to even. i8: by a factor with eight bits after the point, halves up."""
    (x,), (tensor,), out = operands, node.inputs, node.output
    if tensor.dtype == "f32":
        return limited(out, _by_inverse(x, scale_of(out)) + out.zero_point)
    ratio = np.float32(scale_of(tensor)) / np.float32(scale_of(out))
    if tensor.dtype != out.dtype or not 1 / 256 <= ratio <= 128:  # which XNNPACK does not do
        return _x86_quantize(node, operation, operands)
    factor = round(256 * float(ratio))
    steps = ((x.astype(np.int64) - tensor.zero_point) * factor + 128) >> 8
    return limited(out, steps + out.zero_point)


def _xnn_elementwise(node: Node, operation: Elementwise, operands: Sequence[Array]) -> Array:
    """ADD and SUB by factors of 20 bits, halves up; MUL in floats, halves to even."""
    if operation.kind in ("minimum", "maximum"):
        return integers.elementwise(node, operation, *operands)
    (first, second), out = node.inputs, node.output
    a, b = (x.astype(np.int64) - t.zero_point for x, t in zip(operands, node.inputs, strict=True))
    scales = [np.float32(scale_of(tensor)) for tensor in (first, second, out)]
    if operation.kind == "mul":
        steps = _nearest((a * b).astype(np.float32) * np.float32(scales[0] * scales[1] / scales[2]))
        return limited(out, steps + out.zero_point, operation.act)
    factors = [scales[0] / scales[2], scales[1] / scales[2] * (1 if operation.kind == "add" else -1)]
    shift = 20 - (int(np.frexp(max(map(abs, factors)))[1]) - 1)
    left, right = (round(float(factor) * 2.0**shift) for factor in factors)
    steps = (a * left + b * right + (1 << (shift - 1))) >> shift
    return limited(out, steps + out.zero_point, operation.act)


def _xnn_unary(node: Node, operation: Unary, operands: Sequence[Array]) -> Array:
    """LOGISTIC and TANH: the stored value's halves to even."""
    (x,), (tensor,), out = operands, node.inputs, node.output
    if operation.kind in ("logistic", "tanh"):
        zero = np.float32(out.zero_point)
        table = table_in_floats(operation.kind, tensor, out, lambda v: np.rint(v.astype(np.float32) + zero) - zero)
        return looked_up(table, x)
    return _older_xnn_unary(node, operation, operands)


def _older_xnn_unary(node: Node, operation: Unary, operands: Sequence[Array]) -> Array:
    """LEAKY_RELU by factors with eight bits after the point, halves up; what these cannot hold as the reference."""
    (x,), (tensor,), out = operands, node.inputs, node.output
    above = np.float32(scale_of(tensor)) / np.float32(scale_of(out))
    below = above * np.float32(operation.alpha)
    takes = 1 / 256 <= above <= 128 and abs(below) >= 1 / 256 and -127.99609375 <= below <= 128
    if operation.kind != "leaky_relu" or not takes:
        return integers.unary(node, operation, x)
    steps = x.astype(np.int64) - tensor.zero_point
    factors = np.where(steps >= 0, round(256 * float(above)), round(256 * float(below)))
    return limited(out, ((steps * factors + 128) >> 8) + out.zero_point)


def _xnn_mean(node: Node, operation: Mean, operands: Sequence[Array]) -> Array:
    """In floats, the stored value's halves to even."""
    zero_point = node.output.zero_point
    return limited(node.output, _nearest(_means_in_floats(node, operation, operands[0]) + np.float32(zero_point)))


def _older_xnn_mean(node: Node, operation: Mean, operands: Sequence[Array]) -> Array:
    """In floats, the steps' halves to even; over height and width, or width alone: others are not XNNPACK's."""
    if operation.axes not in ((1, 2), (2,)) or operands[0].ndim != 4:
        return _x86_mean(node, operation, operands)
    return limited(node.output, _nearest(_means_in_floats(node, operation, operands[0])) + node.output.zero_point)


def _means_in_floats(node: Node, operation: Mean, x: Array) -> Array:
    (tensor,), out = node.inputs, node.output
    count = int(np.prod([x.shape[axis] for axis in operation.axes]))
    sums = (x.astype(np.int64) - tensor.zero_point).sum(axis=operation.axes).reshape(out.shape)
    scale = np.float32(np.float32(scale_of(tensor)) / np.float32(scale_of(out))) / np.float32(count)
    return np.asarray(sums.astype(np.float32) * scale)


_X86: Mapping[type, Rule] = {
    **dict.fromkeys((Conv2d, DepthwiseConv2d, Dense), _weighted(_halves_up)),
    Quantize: _x86_quantize,
    Dequantize: _x86_dequantize,
    Mean: _x86_mean,
    Softmax: _x86_softmax,
}
_XNNPACK: Mapping[type, Rule] = {
    **dict.fromkeys((Conv2d, DepthwiseConv2d, Dense), _weighted(_in_floats)),
    Quantize: _xnn_quantize,
    Elementwise: _xnn_elementwise,
    Unary: _older_xnn_unary,
    Softmax: _x86_softmax,
    Mean: _older_xnn_mean,
}
_IN_2_3: Mapping[type, Rule] = {Mean: _xnn_mean, Unary: _xnn_unary}
VARIANTS: Mapping[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant("hybrid", "TFLite's reference kernels with int8 weights of floats", hybrid_kernels.reference),
        Variant("x86", "LCE's and LiteRT's own optimised kernels on x86", hybrid_kernels.reference, _X86),
        Variant("xnnpack", "XNNPACK as LiteRT 2.3 has it", hybrid_kernels.xnnpack, {**_XNNPACK, **_IN_2_3}),
        Variant("xnnpack-older", "XNNPACK as LCE 0.16 has it", hybrid_kernels.reference, _XNNPACK),
    )
}
