"""Fixed-point arithmetic in 32 bits, as TFLite's reference kernels take it from gemmlowp (`fixedpoint.h`).

Arrays are int64 that hold int32 values. A number of format Qm.f stands for `raw / 2^f`, f = 31 - m.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Raw = NDArray[np.int64]
_ONE = 2**31 - 1
"""1 in Q0.31, which has no 1."""


def high_multiply(a: Any, b: Any) -> Raw:
    """The high half of twice the product, halves up: Qm * Qn is Q(m + n). Saturates for (-2^31)^2."""
    product = np.asarray(a, np.int64) * np.asarray(b, np.int64)
    high: Raw = np.minimum((product + 2**30) >> 31, _ONE)
    return high


def shifted_right(a: Any, bits: Any) -> Raw:
    """`a / 2^bits`, to the nearest, halves away from zero."""
    a, bits = np.asarray(a, np.int64), np.asarray(bits, np.int64)
    half = ((np.int64(1) << bits) >> 1) - ((a < 0) & (bits > 0))
    shifted: Raw = (a + half) >> bits
    return shifted


def shifted_left(a: Any, bits: int) -> Raw:
    """`a * 2^bits`, saturated to 32 bits."""
    shifted: Raw = np.clip(np.asarray(a, np.int64) << bits, -(2**31), 2**31 - 1)
    return shifted


# exp(-2^k) in Q0.31, for k from -2 to 4.
_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
_EXP_EIGHTH, _THIRD = 1895147668, 715827883  # exp(-1/8) and 1/3 in Q0.31


def exp_of_negative(a: Raw) -> Raw:
    """exp(a) in Q0.31 of `a` in Q5.26, not positive: a polynomial about -1/8, then a factor for each bit."""
    quarter = 1 << 24
    rest = (a & (quarter - 1)) - quarter  # -1/4 <= rest < 0
    x = (rest << 5) + (1 << 28)
    x2 = high_multiply(x, x)
    x3, x4 = high_multiply(x2, x), high_multiply(x2, x2)
    third = high_multiply(shifted_right(x4, 2) + x3, _THIRD)
    result = _EXP_EIGHTH + high_multiply(x + shifted_right(third + x2, 1), _EXP_EIGHTH)
    bits = rest - a
    for place, power in enumerate(_POWERS):
        result = np.where(bits & (quarter << place), high_multiply(result, power), result)
    return np.where(a == 0, _ONE, result)


def reciprocal(a: Raw) -> Raw:
    """1 / (1 + a) in Q0.31 of `a` in Q0.31 from 0 to 1: Newton's method on half of it, in Q2.29."""
    half = a + _ONE
    half = (half + 1) >> 1  # not negative, so halves go up
    x = 1515870810 + high_multiply(half, -1010580540)  # 48 / 17 - 32 / 17 * half
    for _ in range(3):
        x = x + shifted_left(high_multiply(x, (1 << 29) - high_multiply(half, x)), 2)
    return shifted_left(x, 1)
