"""Maximum of signs over a window: -1 only where every tap is -1, so the AND of the words."""

from __future__ import annotations

from typing import Any

from .taps import taps_inside


def bmaxpool2d(
    x: Any, out: Any, kernel_h: int, kernel_w: int, stride_h: int, stride_w: int, pad_top: int, pad_left: int
) -> None:
    """x u32[n, h, w, words(c)], out u32[n, out_h, out_w, words(c)]; padding takes no part."""
    for image in range(x.shape[0]):
        for out_y in range(out.shape[1]):
            top = out_y * stride_h - pad_top
            y_low, y_high = taps_inside(top, 1, kernel_h, x.shape[1])
            for out_x in range(out.shape[2]):
                left = out_x * stride_w - pad_left
                x_low, x_high = taps_inside(left, 1, kernel_w, x.shape[2])
                for word in range(out.shape[3]):
                    bits = x[image, top + y_low, left + x_low, word]
                    for y in range(y_low, y_high):
                        for column in range(x_low, x_high):
                            bits &= x[image, top + y, left + column, word]
                    out[image, out_y, out_x, word] = bits
