"""Signs to bits: bit 1 where the value is below zero, channel 0 in the lowest bit of word 0."""

from __future__ import annotations

from typing import Any

import numpy as np


def bitpack(x: Any, out: Any, zero_point: int) -> None:
    """x f32 or i8[n, c], out u32[n, words(c)]: bit 1 where x < zero_point; -0.0 and NaN are +1; tail bits 0.

    `zero_point` is 0 for f32.
    """
    # Through int32: 32-bit ARM has no instruction from int64 to float, and zig no function for it.
    limit = x.dtype.type(np.int32(zero_point))
    for row in range(x.shape[0]):
        for word in range(out.shape[1]):
            first = word * 32
            bits = 0
            for bit in range(min(32, x.shape[1] - first)):
                bits |= int(x[row, first + bit] < limit) << bit
            out[row, word] = bits
