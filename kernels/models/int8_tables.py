"""Functions of one stored 8-bit value, as tables of all 256: what TFLite's reference kernels compute.

Source: `activations.cc`, `elementwise.cc` and `quantize.cc` of TensorFlow Lite; tests compare every table with LiteRT.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .fixed_point import shifted_right
from .graph import Tensor
from .operations import Unary
from .quantization import (
    act_bounds_i8,
    dequantize,
    quantize_multiplier,
    requantize,
    rescaling,
    slope_requantization,
    unary_requantization,
)
from .stored import STORED, limits_of, scale_of

Array = NDArray[Any]


def values_of(tensor: Tensor) -> Array:
    """All 256 stored values, in ascending order: the order of tables."""
    low, high = limits_of(tensor)
    return np.arange(low, high + 1).astype(STORED[tensor.dtype])


def looked_up(table: Array, x: Array) -> Array:
    """The table's entries for stored values."""
    return np.asarray(table[x.astype(np.int64) - np.iinfo(x.dtype).min])


def unary_table(operation: Unary, x: Tensor, out: Tensor) -> Array:
    """[256] of out's dtype: the operation on every stored value of `x`."""
    return _KINDS[operation.kind](operation, x, out)


def rescale_table(x: Tensor, out: Tensor) -> Array:
    """The same of QUANTIZE from one 8-bit tensor to another."""
    return _limited(requantize(_steps(x), *rescaling(scale_of(x), scale_of(out))), out, limits_of(out))


def shift_table(x: Tensor, out: Tensor) -> Array:
    """The same for tensors that stand for the same numbers, one stored as int8 and one as uint8."""
    return (values_of(x).astype(np.int64) - x.zero_point + out.zero_point).astype(STORED[out.dtype])


def hard_swish_factors(x: Tensor, out: Tensor) -> tuple[tuple[int, int], tuple[int, int]]:
    """((multiplier, shift) to steps of the output, the same to 3 / 2^15): of 15 bits, for values x 128."""
    fine = np.float32(np.float32(1 / 128) * np.float32(scale_of(x)))
    factors = (np.float32(fine / np.float32(scale_of(out))), np.float32(fine / np.float32(3 / 32768)))
    to_output, to_slope = ((_in_15_bits(q), shift) for q, shift in map(quantize_multiplier, map(float, factors)))
    return to_output, to_slope


def _steps(x: Tensor) -> NDArray[np.int64]:
    return values_of(x).astype(np.int64) - x.zero_point


def _limited(steps: Array, out: Tensor, limits: tuple[int, int] = (-128, 127)) -> Array:
    stored: Array = np.clip(steps + out.zero_point, *limits)
    return stored.astype(STORED[out.dtype])


def _abs(operation: Unary, x: Tensor, out: Tensor) -> Array:
    return _limited(requantize(np.abs(_steps(x)), *unary_requantization(scale_of(x), scale_of(out))), out)


def _clamp(operation: Unary, x: Tensor, out: Tensor) -> Array:
    steps = requantize(_steps(x), *unary_requantization(scale_of(x), scale_of(out)))
    return _limited(steps, out, act_bounds_i8(operation.act, scale_of(out), out.zero_point))


def _leaky_relu(operation: Unary, x: Tensor, out: Tensor) -> Array:
    """Two factors, each a Q31 multiplier and a shift. A negative slope's sign comes last, after halves went up."""
    steps = _steps(x)
    above = requantize(steps, *unary_requantization(scale_of(x), scale_of(out)))
    multiplier, shift = slope_requantization(scale_of(x), operation.alpha, scale_of(out))
    below = requantize(steps, abs(multiplier), shift) * (-1 if multiplier < 0 else 1)
    return _limited(np.where(steps >= 0, above, below), out)


def table_in_floats(kind: str, x: Tensor, out: Tensor, whole: Callable[[Array], Array]) -> Array:
    """[256] of LOGISTIC or TANH: f32, times the inverse of the output's scale, made `whole`."""
    real = _FUNCTIONS[kind](dequantize(values_of(x), scale_of(x), x.zero_point))
    scaled = (real * (np.float32(1) / np.float32(scale_of(out)))).astype(np.float64)
    return _limited(whole(scaled).clip(-1e9, 1e9), out)


def _halves_away(values: Array) -> Array:
    return np.asarray(np.sign(values) * np.floor(np.abs(values) + 0.5))


def _in_floats(operation: Unary, x: Tensor, out: Tensor) -> Array:
    return table_in_floats(operation.kind, x, out, _halves_away)


def _logistic(x: Array) -> Array:
    """Each step rounded to f32: a half of a step may hang on it."""
    with np.errstate(over="ignore"):
        return np.asarray(np.float32(1) / (np.float32(1) + np.exp(-x.astype(np.float64)).astype(np.float32)))


def _tanh(x: Array) -> Array:
    return np.tanh(x.astype(np.float64)).astype(np.float32)


def _hard_swish(operation: Unary, x: Tensor, out: Tensor) -> Array:
    """x * relu6(x + 3) / 6 in 16 bits, as the reference kernel has it.

    `slope` is relu6(x + 3) / 6 in Q0.15. It saturates as x does, in int16.
    """
    (to_output, shift), (to_slope, slope_shift) = hard_swish_factors(x, out)
    fine = _steps(x) * 128
    scaled = _high_multiply_16(fine, to_output)
    slope = _saturated(fine << (slope_shift - 1)) if slope_shift > 0 else fine
    slope = _high_multiply_16(slope, to_slope)
    slope = _saturated(slope << 1) if slope_shift > 0 else _shifted_right_16(slope, -slope_shift)
    slope = (slope + 2**15) >> 1
    product = slope * scaled
    steps = np.sign(product) * (np.abs(product) >> 15)  # towards zero
    wrapped = (_shifted_right_16(steps, -shift) + out.zero_point + 2**15) % 2**16 - 2**15
    return _limited(wrapped - out.zero_point, out)


def _in_15_bits(q31: int) -> int:
    return 2**15 - 1 if q31 >= 2**31 - 1 - 2**15 else (q31 + 2**15) >> 16


def _high_multiply_16(a: Array, b: int) -> Array:
    """The high half of twice a product of 16 bits, halves up."""
    return np.asarray((a * b + 2**14) >> 15)


def _shifted_right_16(a: Array, bits: int) -> Array:
    """`a / 2^bits`, halves away from zero; past 15 bits the kernel's mask overflows, and what is left is a sign."""
    return shifted_right(a, bits) if bits < 16 else np.where(a < 0, -1, 1)


def _saturated(a: Array) -> Array:
    return np.asarray(np.clip(a, -(2**15), 2**15 - 1))


_FUNCTIONS: Mapping[str, Callable[[Array], Array]] = {"logistic": _logistic, "tanh": _tanh}
_KINDS: Mapping[str, Callable[[Unary, Tensor, Tensor], Array]] = {
    "abs": _abs,
    "clamp": _clamp,
    "leaky_relu": _leaky_relu,
    "logistic": _in_floats,
    "tanh": _in_floats,
    "hard_swish": _hard_swish,
}
"""Kind of `Unary` -> its table: a new one is a function and a row."""
