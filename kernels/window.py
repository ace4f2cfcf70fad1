"""Where a sliding window lands along one axis: TensorFlow's SAME and VALID."""

from __future__ import annotations

from typing import Literal

Pad = Literal["same", "valid"]


def extent(kernel: int, dilation: int) -> int:
    """Input positions from the first tap of a window to its last."""
    return (kernel - 1) * dilation + 1


def out_size(size: int, kernel: int, stride: int, dilation: int, pad: Pad) -> int:
    """Windows along an axis; at or below 0 when VALID finds no place for one."""
    if pad == "same":
        return -(-size // stride)
    return (size - extent(kernel, dilation)) // stride + 1


def pad_before(size: int, kernel: int, stride: int, dilation: int, pad: Pad) -> int:
    """Padded positions before the first input: half of SAME's total, rounded down."""
    if pad == "valid":
        return 0
    windows = out_size(size, kernel, stride, dilation, pad)
    return max((windows - 1) * stride + extent(kernel, dilation) - size, 0) // 2
