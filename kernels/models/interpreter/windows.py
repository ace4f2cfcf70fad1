"""Convolutions and pools over NHWC arrays, summed in float64."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..operations import Window

Array = NDArray[Any]
_CHUNK_VALUES = 8_000_000


def convolve(x: Array, weights: Array, window: Window, groups: int, out_h: int, out_w: int) -> NDArray[np.float64]:
    """`x` [n, h, w, c], `weights` [oc, kh, kw, c / groups], zero-padded -> float64 [n, out_h, out_w, oc]."""
    oc, kh, kw, depth = weights.shape
    out = np.empty((x.shape[0], out_h, out_w, oc), np.float64)
    matrices = weights.astype(np.float64).reshape(groups, oc // groups, -1)
    rows = max(1, _CHUNK_VALUES // (out_w * kh * kw * x.shape[3]))
    for image, result in zip(x, out, strict=True):
        padded = _padded(image.astype(np.float64), window, out_h, out_w)
        taps = [
            padded[y : y + _span(out_h, window.sh) : window.sh, z : z + _span(out_w, window.sw) : window.sw]
            for y, z in _offsets(window)
        ]
        for top in range(0, out_h, rows):
            patches = np.stack([tap[top : top + rows] for tap in taps], axis=2)  # [rows, out_w, kh * kw, c]
            height = patches.shape[0]
            for group in range(groups):
                columns = patches[..., group * depth : (group + 1) * depth].reshape(height * out_w, -1)
                part = columns @ matrices[group].T
                channels = slice(group * (oc // groups), (group + 1) * (oc // groups))
                result[top : top + rows, :, channels] = part.reshape(height, out_w, -1)
    return out


def convolve_depthwise(x: Array, weights: Array, window: Window, multiplier: int, out_h: int, out_w: int) -> Array:
    """`weights` [kh, kw, c * multiplier] -> float64 [n, out_h, out_w, c * multiplier]."""
    flat = weights.reshape(-1, weights.shape[-1]).astype(np.float64)
    out = np.zeros((x.shape[0], out_h, out_w, weights.shape[-1]), np.float64)
    for image, result in zip(x, out, strict=True):
        padded = _padded(image.astype(np.float64), window, out_h, out_w)
        for (y, z), tap in zip(_offsets(window), flat, strict=True):
            part = padded[y : y + _span(out_h, window.sh) : window.sh, z : z + _span(out_w, window.sw) : window.sw]
            result += np.repeat(part, multiplier, axis=-1) * tap
    return out


def pool_max(x: Array, window: Window, out_h: int, out_w: int) -> NDArray[np.float64]:
    """Largest of the taps inside the image: float64 [n, out_h, out_w, c]."""
    # A maximum over a rectangle is one over rows, then over columns: kh + kw passes, not kh * kw.
    rows = _along(x.astype(np.float64), 1, window.kh, window.sh, window.dh, window.pad_top, out_h, np.maximum, -np.inf)
    return _along(rows, 2, window.kw, window.sw, window.dw, window.pad_left, out_w, np.maximum, -np.inf)


def pool_sum(x: Array, window: Window, out_h: int, out_w: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums [n, out_h, out_w, c] and numbers [1, out_h, out_w, 1] of the taps inside the image."""
    ones = np.ones((1, *x.shape[1:3], 1))
    sums, counts = (
        _along(
            _along(values, 1, window.kh, window.sh, window.dh, window.pad_top, out_h, np.add, 0.0),
            *(2, window.kw, window.sw, window.dw, window.pad_left, out_w, np.add, 0.0),
        )
        for values in (x.astype(np.float64), ones)
    )
    return sums, counts


def _along(
    x: Array, axis: int, taps: int, stride: int, dilation: int, before: int, count: int, join: np.ufunc, empty: float
) -> NDArray[np.float64]:
    """One axis of a pool: `count` windows of `taps`; what lies outside is `empty`."""
    shape = list(x.shape)
    shape[axis] = count
    out = np.full(shape, empty, np.float64)
    for tap in range(taps):
        origin = tap * dilation - before
        first = max(-(origin // stride), 0)  # the first window whose tap is inside
        past = min((x.shape[axis] - 1 - origin) // stride + 1, count)
        if first < past:
            start = origin + first * stride
            box = (slice(None),) * axis
            part = x[(*box, slice(start, start + _span(past - first, stride), stride))]
            place = out[(*box, slice(first, past))]
            join(place, part, out=place)
    return out


def _span(count: int, stride: int) -> int:
    return (count - 1) * stride + 1


def _offsets(window: Window) -> Iterator[tuple[int, int]]:
    return ((y * window.dh, x * window.dw) for y in range(window.kh) for x in range(window.kw))


def _padded(image: Array, window: Window, out_h: int, out_w: int) -> Array:
    """[h, w, c] with zeros around it, up to the last tap of the last window."""
    below = _span(out_h, window.sh) + (window.kh - 1) * window.dh - window.pad_top - image.shape[0]
    right = _span(out_w, window.sw) + (window.kw - 1) * window.dw - window.pad_left - image.shape[1]
    margins = ((window.pad_top, max(below, 0)), (window.pad_left, max(right, 0)), (0, 0))
    return np.pad(image, margins)
