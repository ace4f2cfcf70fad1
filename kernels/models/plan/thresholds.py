"""Binary convolutions of which only signs are needed: one comparison of counts in place of float arithmetic.

The signs of `stages(dot * multiplier + bias)` change once as the dot product grows, because every stage is monotone.
Where they change is found by computing exactly what the stages would, in f32, for every dot product there can be.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...ops import words
from ..graph import Tensor
from .steps import Stage, Step

_MONOTONE = {"scale", "shift", "clamp", "prelu"}
_CHUNK_VALUES = 4_000_000


def as_thresholds(step: Step) -> Step:
    """`bconv_bits` in place of a `bconv` that only stores signs; any other step as it is."""
    if step.kind != "bconv" or not step.stages or step.stages[-1].kind != "store_bits":
        return step
    changes = step.stages[:-1]
    if any(stage.kind not in _MONOTONE for stage in changes):
        return step
    if any(stage.kind == "prelu" and np.any(_constant(stage) < 0) for stage in changes):
        return step
    x, out = step.arguments[0], step.stages[-1].tensor
    assert isinstance(x, Tensor)
    assert out is not None
    if out.shape != (x.shape[0], *step.arguments[1:4]):  # a reshape lies between: the signs have another shape
        return step
    found = _find(step, changes)
    if found is None:
        return step
    filters, thresholds = found
    window, groups, pad_value = step.arguments[4:12], step.arguments[12], step.arguments[13]
    arguments = (step.arguments[0], out, *window, groups, pad_value, filters, thresholds)
    return replace(step, kind="bconv_bits", arguments=arguments, stages=(), channels=0)


def _find(step: Step, changes: tuple[Stage, ...]) -> tuple[NDArray[np.uint32], NDArray[np.int32]] | None:
    x, groups, pad_value, low, high, filters, multiplier, bias = (step.arguments[0], *step.arguments[12:19])
    assert isinstance(x, Tensor)
    assert isinstance(filters, np.ndarray)
    assert isinstance(low, int)
    assert isinstance(high, int)
    oc, kh, kw, _ = filters.shape
    group_channels = x.shape[3] // int(groups)  # type: ignore[arg-type]
    bits = kh * kw * group_channels
    filters, thresholds = filters.copy(), np.empty(oc, np.int32)
    # Taps of an odd number of channels, left out at a zero-padded border, make dot products of both parities.
    both = group_channels % 2 == 1 and pad_value == 0 and _has_border(step, x)
    dots = np.arange(-bits, bits + 1, 1 if both else 2, dtype=np.int32)
    for first in range(0, oc, max(1, _CHUNK_VALUES // len(dots))):
        channels = slice(first, min(oc, first + max(1, _CHUNK_VALUES // len(dots))))
        negative = _negative(np.clip(dots, low, high) - bits, (multiplier, bias), changes, channels)
        for offset, column in enumerate(negative.T):
            channel = first + offset
            falls = bool(column[0]) or not column.any()  # signs go from - to + as the dot product grows
            if not falls:
                filters[channel] ^= _all_bits(group_channels)
                column = column[::-1]  # of the flipped filter's dot product
            count = int(column.sum())
            if column[:count].sum() != count:
                return None  # not monotone: something overflowed
            first_positive = int(dots[count]) if count < len(dots) else bits + 2
            # Bit 1 where bits - dot > 2 t, which is dot < bits - 2 t.
            if (bits - first_positive) % 2:
                return None
            thresholds[channel] = (bits - first_positive) // 2
    return filters, thresholds


def _negative(
    dots: NDArray[np.int32], affine: tuple[Any, Any], changes: tuple[Stage, ...], channels: slice
) -> NDArray[np.bool_]:
    """[dots, channels]: where the stages give less than zero."""
    values = dots.astype(np.float32)[:, None]
    with np.errstate(all="ignore"):
        values = values * affine[0][channels] + affine[1][channels]
        for stage in changes:
            match stage.kind:
                case "scale":
                    values = values * _constant(stage)[channels]
                case "shift":
                    values = values + _constant(stage)[channels]
                case "prelu":
                    values = np.where(values >= 0, values, values * _constant(stage)[channels])
                case "clamp":
                    low, high = stage.arguments
                    values = np.clip(values, np.float32(low), np.float32(high))  # type: ignore[arg-type]
        return np.asarray(values < 0)


def _constant(stage: Stage) -> NDArray[np.float32]:
    (array,) = stage.arguments
    assert isinstance(array, np.ndarray)
    return array


def _has_border(step: Step, x: Tensor) -> bool:
    out_h, out_w = step.arguments[1:3]
    kh, kw, sh, sw, dh, dw, top, left = step.arguments[4:12]
    assert all(isinstance(value, int) for value in (out_h, out_w, kh, kw, sh, sw, dh, dw, top, left))
    _, h, w, _ = x.shape
    bottom = (out_h - 1) * sh + (kh - 1) * dh + 1 - top > h  # type: ignore[operator]
    right = (out_w - 1) * sw + (kw - 1) * dw + 1 - left > w  # type: ignore[operator]
    return bool(top or left or bottom or right)


def _all_bits(channels: int) -> NDArray[np.uint32]:
    """A tap with every real channel's bit set."""
    tap = np.full(words(channels), 0xFFFFFFFF, np.uint32)
    if channels % 32:
        tap[-1] = (1 << channels % 32) - 1
    return tap
