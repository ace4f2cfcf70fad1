"""Binary convolution over packed NHWC activations.

Inside the image a tap of c signs adds `c - 2 * (bits that differ)` to the dot product. One-padding is a tap
whose bits are all 0; zero-padding is a tap that adds nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .popcount import add_mismatches


def bconv2d(
    x: Any,
    filters: Any,
    out: Any,
    c: int,
    groups: int,
    stride_h: int,
    stride_w: int,
    dilation_h: int,
    dilation_w: int,
    pad_top: int,
    pad_left: int,
    pad_value: int,
) -> None:
    """Integer dot products; filters are transposed to have the output channels last.

    x u32[n, h, w, words(c)], filters u32[kh, kw, words(c) / groups, oc], out i32[n, out_h, out_w, oc].
    `pad_value` 1 pads with +1, 0 leaves padded taps out of the sum; unused high bits are 0.
    """
    group_words = x.shape[3] // groups
    group_filters = out.shape[3] // groups
    for image in range(out.shape[0]):
        for out_y in range(out.shape[1]):
            for out_x in range(out.shape[2]):
                differing = out[image, out_y, out_x]
                differing[:] = 0
                taps = 0
                for y in range(filters.shape[0]):
                    in_y = out_y * stride_h - pad_top + y * dilation_h
                    for column in range(filters.shape[1]):
                        in_x = out_x * stride_w - pad_left + column * dilation_w
                        inside = 0 <= in_y < x.shape[1] and 0 <= in_x < x.shape[2]
                        if not inside and pad_value == 0:
                            continue
                        taps += 1
                        for word in range(x.shape[3]):
                            signs = x[image, in_y, in_x, word] if inside else np.uint32(0)
                            first = word // group_words * group_filters
                            add_mismatches(
                                signs,
                                filters[y, column, word % group_words, first : first + group_filters],
                                differing[first : first + group_filters],
                            )
                for channel in range(differing.shape[0]):
                    differing[channel] = taps * (c // groups) - 2 * differing[channel]
