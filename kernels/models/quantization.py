"""TFLite's integer arithmetic for int8 tensors: scales as Q31 multipliers with shifts, and rounding as its kernels do.

Source: TensorFlow Lite's quantization specification, and what the interpreter of Larq Compute Engine 0.16 computes.
Its kernels round twice: in the high multiply, where halves go up (towards positive infinity), and in the shift to the
right. There the vectorised ones (convolutions, dense layers, ADD, SUB, QUANTIZE) let halves go up too, and the scalar
ones (MUL, MEAN) away from zero. Golden models equal LCE's bytes only with just that.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, frexp, inf
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .graph import Clamp

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
    return floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


def requantize(
    values: NDArray[Any], multiplier: Any, shift: Any, halves: Literal["up", "away"] = "up"
) -> NDArray[np.int64]:
    """`values` times `multiplier / 2^31 * 2^shift`, in fixed point: -> int64 array of int32 range.

    `values` of int32 range; `multiplier` (not negative) and `shift` scalars or arrays that broadcast. Shift to the
    left (wrapping to 32 bits), doubling high multiply, shift to the right; `halves` says how the last one rounds.
    """
    shift = np.asarray(shift, np.int64)
    x = values.astype(np.int64) << np.maximum(shift, 0)
    x = (x + 2**31) % 2**32 - 2**31
    high = (x * np.asarray(multiplier, np.int64) + 2**30) >> 31
    right = np.maximum(-shift, 0)
    half = (np.int64(1) << right) >> 1
    if halves == "away":
        half = half - (high < 0) * (right > 0)
    rounded: NDArray[np.int64] = (high + half) >> right
    return rounded


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


def mean_requantization(input_scale: float, output_scale: float, count: int) -> tuple[int, int]:
    """(multiplier, shift) from a sum of `count` centred values to their mean; to be rounded with halves away."""
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
        return BinaryRequantization(
            0, one, one, quantize_multiplier(float(a_scale) * float(b_scale) / float(out_scale))
        )
    twice = 2.0 * max(float(a_scale), float(b_scale))
    return BinaryRequantization(
        20,
        quantize_multiplier(float(a_scale) / twice),
        quantize_multiplier(float(b_scale) / twice),
        quantize_multiplier(twice / ((1 << 20) * float(out_scale))),
    )


def quantize(values: NDArray[Any], scale: float, zero_point: int) -> NDArray[np.int8]:
    """f32 to i8: `round(value / scale) + zero_point`, halves away from zero, saturated."""
    with np.errstate(all="ignore"):
        scaled = values.astype(np.float32) / np.float32(scale)
    steps = np.sign(scaled) * np.floor(np.abs(scaled.astype(np.float64)) + 0.5)
    limited = np.clip(np.nan_to_num(steps, posinf=1e9, neginf=-1e9) + zero_point, -128, 127)
    return np.asarray(limited, np.int8)


def dequantize(values: NDArray[Any], scale: float, zero_point: int) -> NDArray[np.float32]:
    """i8 to f32: `scale * (value - zero_point)`."""
    return np.float32(scale) * (values.astype(np.int32) - zero_point).astype(np.float32)
