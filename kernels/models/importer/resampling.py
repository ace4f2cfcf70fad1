"""Images of another size: RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR, by positions that are computed here.

Positions are those of TensorFlow Lite's reference kernels, each step rounded to f32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import DType, Tensor
from ..places import Between, Gather, Interpolate
from .scope import Scope

MAX_SIZE = 2**20
"""Rows or columns of an image that an op makes."""

Floats = NDArray[np.float32]


def resize_bilinear(scope: Scope) -> None:
    """RESIZE_BILINEAR to a constant size."""
    x, size, aligned, halves = _resizing(scope, "f32")
    if aligned and halves:
        scope.fail("it has half_pixel_centers and align_corners, which contradict each other.")
    rows, columns = (
        Between.at(_positions(out, into, aligned, halves), into) for out, into in zip(size, x.shape[1:3], strict=True)
    )
    scope.node(Interpolate(rows, columns), [x], scope.output((x.shape[0], *size, x.shape[3]), x.dtype))


def resize_nearest_neighbor(scope: Scope) -> None:
    """RESIZE_NEAREST_NEIGHBOR to a constant size."""
    x, size, aligned, halves = _resizing(scope, "f32", "i8")
    rows, columns = (_nearest(out, into, aligned, halves) for out, into in zip(size, x.shape[1:3], strict=True))
    out = scope.output((x.shape[0], *size, x.shape[3]), x.dtype)
    if (x.scale, x.zero_point) != (out.scale, out.zero_point):
        scope.fail("its input and output have different scales or zero points.")
    scope.node(Gather((_all(x.shape[0]), rows, columns, _all(x.shape[3]))), [x], out)


def _resizing(scope: Scope, *dtypes: DType) -> tuple[Tensor, tuple[int, int], bool, bool]:
    x = scope.value(0, "input", *dtypes)
    if len(x.shape) != 4:
        scope.fail(f"its input has {len(x.shape)} dimensions, not 4.")
    size = scope.integers(1, "size")
    if len(size) != 2 or not all(1 <= number <= MAX_SIZE for number in size):
        scope.fail(f"its size is {size}.")
    options = scope.op.options
    return x, (size[0], size[1]), bool(options.get("align_corners")), bool(options.get("half_pixel_centers"))


def _scale(count: int, size: int, aligned: bool) -> np.float32:
    """Places of the input for each of the output."""
    if aligned and count > 1:
        return np.float32(size - 1) / np.float32(count - 1)
    return np.float32(size) / np.float32(count)


def _positions(count: int, size: int, aligned: bool, halves: bool) -> Floats:
    places: Any = np.arange(count, dtype=np.float32)
    scale = _scale(count, size, aligned)
    half = np.float32(0.5)
    return np.asarray((places + half) * scale - half if halves else places * scale, np.float32)


def _nearest(count: int, size: int, aligned: bool, halves: bool) -> NDArray[np.int32]:
    """Halves away from zero where corners are aligned, else the place below."""
    positions = (np.arange(count, dtype=np.float32) + np.float32(0.5 if halves else 0)) * _scale(count, size, aligned)
    exact = positions.astype(np.float64)
    return np.clip(np.floor(exact + 0.5 if aligned else exact), 0, size - 1).astype(np.int32)


def _all(count: int) -> NDArray[np.int32]:
    return np.arange(count, dtype=np.int32)
