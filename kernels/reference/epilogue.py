"""What happens to the integer dot products: activation, scale and bias, or a threshold per channel.

An activation clamps the integer, before the multiplier, as Larq Compute Engine does.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def clamp(dot: Any, low: int, high: int) -> None:
    """In place: i32[rows, channels] limited to low..high."""
    lowest, highest = np.int32(low), np.int32(high)
    for row in range(dot.shape[0]):
        for channel in range(dot.shape[1]):
            dot[row, channel] = min(max(dot[row, channel], lowest), highest)


def scale_bias(dot: Any, multiplier: Any, bias: Any, out: Any, low: int, high: int) -> None:
    """`out = float32(clamp(dot)) * multiplier + bias`, each step rounded to float32.

    dot i32[rows, channels], multiplier and bias f32[channels], out f32[rows, channels].
    """
    lowest, highest = np.int32(low), np.int32(high)
    for row in range(dot.shape[0]):
        for channel in range(dot.shape[1]):
            clamped = min(max(dot[row, channel], lowest), highest)
            out[row, channel] = np.float32(clamped) * multiplier[channel] + bias[channel]


def threshold(dot: Any, thresholds: Any, out: Any, k: int) -> None:
    """Bit 1 where `k - dot > 2 * threshold`, that is where more than `threshold` of k bits differ.

    dot i32[rows, channels], thresholds i32[channels], out u32[rows, words(channels)], tail bits 0. Compared
    in 64 bits, so that thresholds at the ends of int32 mean always and never.
    """
    for row in range(dot.shape[0]):
        for word in range(out.shape[1]):
            first = word * 32
            bits = 0
            for bit in range(min(32, dot.shape[1] - first)):
                negative = k - int(dot[row, first + bit]) > 2 * int(thresholds[first + bit])
                bits |= int(negative) << bit
            out[row, word] = bits
