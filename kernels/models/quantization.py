"""TFLite's integer arithmetic for int8 tensors, as its reference kernels do it: what is right for its ops.

Source: TensorFlow Lite's quantization specification, and what LiteRT 2.3 computes with its reference kernels
(`OpResolverType.BUILTIN_REF`), which tests compare for every pair of int8 values. Its optimised kernels round
otherwise on some processors: those ways are in `kernels/models/interpreter/variants.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, frexp, inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .fixed_point import exp_of_negative, high_multiply, reciprocal, shifted_right
from .operations import Clamp

_INT32_MAX, _INT32_MIN = 2**31 - 1, -(2**31)


def quantize_multiplier(real: float) -> tuple[int, int]:
    """(q31, shift) with real ~ q31 / 2^31 * 2^shift; shift > 0 is to the left. A scale of 0 gives (0, 0)."""
    if real == 0.0:
        return 0, 0
    mantissa, shift = frexp(real)
    q31 = round_half_away(mantissa * 2**31)
    if q31 == 2**31:
        q31, shift = q31 // 2, shift + 1
    if shift < -31:
        return 0, 0
    return (_INT32_MAX, 30) if shift > 30 else (q31, shift)


def round_half_away(value: float) -> int:
    """To the nearest integer, halves away from zero."""
    size, whole = abs(value), floor(abs(value))
    return (whole + (size - whole >= 0.5)) * (1 if value >= 0 else -1)


def requantize(values: NDArray[Any], multiplier: Any, shift: Any) -> NDArray[np.int64]:
    """`values` times `multiplier / 2^31 * 2^shift`, in fixed point: -> int64 array of int32 range.

    `values` of int32 range; `multiplier` (not negative) and `shift` scalars or arrays that broadcast. Shift to the
    left (wrapping to 32 bits), doubling high multiply with halves up, shift to the right with halves away from zero.
    """
    shift = np.asarray(shift, np.int64)
    x = values.astype(np.int64) << np.maximum(shift, 0)
    x = (x + 2**31) % 2**32 - 2**31
    return shifted_right(high_multiply(x, multiplier), np.maximum(-shift, 0))


def requantize_once(values: NDArray[Any], factor: Any) -> NDArray[np.int64]:
    """`values`, wrapped to 32 bits, times `factor`, in f64, to the nearest, halves away from zero: FULLY_CONNECTED.

    `factor` scalar or an array that broadcasts. -> int64 array, limited to int32 range.
    """
    x = (values.astype(np.int64) + 2**31) % 2**32 - 2**31
    product = np.clip(x.astype(np.float64) * np.asarray(factor, np.float64), _INT32_MIN, _INT32_MAX)
    whole = np.trunc(product)
    return np.asarray(whole + np.trunc(2 * (product - whole)), np.int64)


def act_bounds_i8(clamp: Clamp, scale: float, zero_point: int) -> tuple[int, int]:
    """A fused activation as inclusive bounds on stored values."""
    low, high = -128, 127
    if clamp.low > -inf:
        low = max(low, zero_point + round_half_away(float(np.float32(clamp.low) / np.float32(scale))))
    if clamp.high < inf:
        high = min(high, zero_point + round_half_away(float(np.float32(clamp.high) / np.float32(scale))))
    return low, high


def conv_requantization(
    input_scale: float, weight_scales: NDArray[np.float32], output_scale: float
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Per output channel: (multiplier i32[oc], shift i32[oc])."""
    pairs = [quantize_multiplier(float(input_scale) * float(scale) / float(output_scale)) for scale in weight_scales]
    return np.array([q for q, _ in pairs], np.int32), np.array([s for _, s in pairs], np.int32)


def dense_requantization(
    input_scale: float, weight_scales: NDArray[np.float32], output_scale: float
) -> NDArray[np.float64]:
    """Per output channel of FULLY_CONNECTED: f64[oc], each step of its computation rounded to f64."""
    return float(input_scale) * weight_scales.astype(np.float64) / float(output_scale)


def mean_requantization(input_scale: float, output_scale: float, count: int) -> tuple[int, int]:
    """(multiplier, shift) from a sum of `count` centred values to their mean."""
    multiplier, shift = quantize_multiplier(float(input_scale) / float(output_scale))
    headroom = max(min(count.bit_length() - 1, 32, 31 + shift), 0)
    return (multiplier << headroom) // count, shift - headroom


@dataclass(frozen=True, slots=True)
class BinaryRequantization:
    """Fixed-point constants of an int8 ADD, SUB or MUL."""

    left_shift: int
    a: tuple[int, int]
    b: tuple[int, int]
    out: tuple[int, int]


def binary_requantization(kind: str, a_scale: float, b_scale: float, out_scale: float) -> BinaryRequantization:
    """ADD and SUB bring both operands to twice the larger scale with 20 bits of headroom; MUL scales the product."""
    if kind == "mul":
        one = quantize_multiplier(1.0)
        return BinaryRequantization(0, one, one, quantize_multiplier(_ratio_f32(out_scale, a_scale, b_scale)))
    twice = 2.0 * max(float(a_scale), float(b_scale))
    return BinaryRequantization(
        20,
        quantize_multiplier(float(a_scale) / twice),
        quantize_multiplier(float(b_scale) / twice),
        quantize_multiplier(twice / ((1 << 20) * float(out_scale))),
    )


def rescaling(input_scale: float, output_scale: float) -> tuple[int, int]:
    """(multiplier, shift) of QUANTIZE from int8 to int8."""
    return quantize_multiplier(float(input_scale) / float(output_scale))


def unary_requantization(input_scale: float, output_scale: float) -> tuple[int, int]:
    """(multiplier, shift) of ABS, RELU and its relatives, and of PRELU where it is not negative."""
    return quantize_multiplier(_ratio_f32(output_scale, input_scale))


def slope_requantization(input_scale: float, slope_scale: float, output_scale: float) -> tuple[int, int]:
    """(multiplier, shift) of PRELU where x is negative; of LEAKY_RELU, whose `slope_scale` is the slope."""
    return quantize_multiplier(_ratio_f32(output_scale, input_scale, slope_scale))


def _ratio_f32(divisor: float, *factors: float) -> float:
    """A product over a scale, each step rounded to f32, as these kernels prepare their factor."""
    product = np.float32(factors[0])
    for factor in factors[1:]:
        product = np.float32(product * np.float32(factor))
    return float(np.float32(product / np.float32(divisor)))


UNIT_SCALE, UNIT_ZERO_POINT = 1 / 256, -128
"""Of outputs from 0 to 1: what TensorFlow Lite wants of LOGISTIC and SOFTMAX."""


def softmax_exponentials(beta: float, scale: float) -> NDArray[np.int32]:
    """i32[256], Q0.31: exp(-beta * scale * steps) for 0 to 255 steps below the largest; 0 where it is out of range."""
    real = min(beta * scale * 2.0**26, 2.0**31 - 1.0)
    multiplier, shift = quantize_multiplier(real)
    if shift < 0:  # TFLite wants a factor above one
        multiplier, shift = 0, 0
    least = floor(31 * 2.0**26 / 2.0**shift)
    steps = np.arange(256)
    inside = steps <= least
    scaled = high_multiply(-np.where(inside, steps, 0) * 2**shift, multiplier)
    return np.where(inside, exp_of_negative(scaled), 0).astype(np.int32)


def softmax_i8(stored: NDArray[Any], exponentials: NDArray[np.int32]) -> NDArray[np.int8]:
    """Over the last axis: stored i8 -> stored i8 of scale 1 / 256 and zero point -128."""
    x = stored.astype(np.int64)
    powers = exponentials.astype(np.int64)[x.max(axis=-1, keepdims=True) - x]
    total = shifted_right(powers, 12).sum(axis=-1, keepdims=True)  # Q12.19
    bits = np.frexp(total.astype(np.float64))[1].astype(np.int64)  # its highest bit is bits - 1
    headroom = 32 - bits
    inverse = reciprocal(((total << headroom) & 0xFFFFFFFF) - 2**31)
    steps = shifted_right(high_multiply(inverse, powers), 12 - headroom + 31 - 8)
    return np.clip(steps - 128, -128, 127).astype(np.int8)


def quantize(values: NDArray[Any], scale: float, zero_point: int, low: int = -128) -> NDArray[Any]:
    """f32 to i8, or with `low` 0 to u8: `round(value / scale) + zero_point`, halves away from zero, saturated."""
    with np.errstate(all="ignore"):
        scaled = values.astype(np.float32) / np.float32(scale)
    steps = np.sign(scaled) * np.floor(np.abs(scaled.astype(np.float64)) + 0.5)
    limited = np.clip(np.nan_to_num(steps, posinf=1e9, neginf=-1e9) + zero_point, low, low + 255)
    return np.asarray(limited, np.int8 if low else np.uint8)


def dequantize(values: NDArray[Any], scale: float, zero_point: int) -> NDArray[np.float32]:
    """i8 or u8 to f32: `scale * (value - zero_point)`."""
    return np.float32(scale) * (values.astype(np.int32) - zero_point).astype(np.float32)
