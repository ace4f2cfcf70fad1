"""Resize and Upsample: images of another size, nearest or linear, by positions that are computed here in f32."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import floor

import numpy as np
from numpy.typing import NDArray

from ..places import Between, Gather, Interpolate
from .call import Call
from .values import Value

MAX_SIZE = 2**20
Floats = NDArray[np.float32]
_HALF = np.float32(0.5)


def _half_pixel(places: Floats, scale: np.float32, size: int) -> Floats:
    return (places + _HALF) / scale - _HALF


def _pytorch_half_pixel(places: Floats, scale: np.float32, size: int) -> Floats:
    return _half_pixel(places, scale, size) if len(places) > 1 else np.zeros_like(places)


def _align_corners(places: Floats, scale: np.float32, size: int) -> Floats:
    return places * np.float32(size - 1) / np.float32(max(len(places) - 1, 1))


_RULES: Mapping[str, Callable[[Floats, np.float32, int], Floats]] = {
    "half_pixel": _half_pixel,
    "pytorch_half_pixel": _pytorch_half_pixel,
    "asymmetric": lambda places, scale, size: places / scale,
    "align_corners": _align_corners,
}
"""coordinate_transformation_mode -> positions in the input, of places in the output, the scale and the input's size."""

_NEAREST: Mapping[str, Callable[[Floats], Floats]] = {
    "round_prefer_floor": lambda positions: np.ceil(positions - _HALF),
    "round_prefer_ceil": lambda positions: np.floor(positions + _HALF),
    "floor": np.floor,
    "ceil": np.ceil,
}


def resize(call: Call) -> Value:
    """Resize and Upsample of height and width."""
    x, image = call.value(0), call.image()
    n, h, w, c = image.shape
    old = call.op == "Upsample" or call.version < 11
    mode = call.text("mode", "nearest")
    rule = call.text("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    nearest = call.text("nearest_mode", "floor" if old else "round_prefer_floor")
    if mode not in ("nearest", "linear") or rule not in _RULES or nearest not in _NEAREST:
        call.fail(f"its mode is {mode!r} with {rule} and {nearest}, which is not supported.")
    if call.integer("antialias", 0, 0, 1) or "axes" in call.attributes:
        call.fail("it has antialias or axes, which are not supported.")
    scales, sizes = _scales(call, x, old)
    if old and mode == "nearest" and min(scales) < 1:
        call.fail(f"it scales by {scales}, of which runtimes make different things in this version.")
    if not all(1 <= size <= MAX_SIZE for size in sizes):
        call.fail(f"it makes an image of {sizes[0]} x {sizes[1]}.")
    positions = [
        np.clip(_RULES[rule](np.arange(out, dtype=np.float32), scale, size), 0, size - 1).astype(np.float32)
        for out, scale, size in zip(sizes, scales, (h, w), strict=True)
    ]
    shape = (n, sizes[0], sizes[1], c)
    if mode == "linear":
        rows, columns = (Between.at(found, size) for found, size in zip(positions, (h, w), strict=True))
        return call.made(Interpolate(rows, columns), [image], shape)
    places = [_NEAREST[nearest](found).astype(np.int32) for found in positions]
    every = [np.arange(size, dtype=np.int32) for size in (n, c)]
    return call.made(Gather((every[0], places[0], places[1], every[1])), [image], shape)


def _scales(call: Call, x: Value, is_old: bool) -> tuple[list[np.float32], list[int]]:
    """Scales of height and width, f32 as onnxruntime has them, and the sizes that they make."""
    place, own, sizes = 1 if is_old else 2, call.builder.of_file(x.shape), None
    if call.has(place) and call.value(place).shape != (0,):
        scales = call.floats(place, "scales").reshape(-1).tolist()
    elif call.has(3):
        sizes = call.integers(3, "sizes")
        scales = [size / old for size, old in zip(sizes, own, strict=False)]
    else:
        given = call.attributes.get("scales")
        scales = [float(item) for item in given] if isinstance(given, list) else []
    if call.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        call.fail("it keeps the ratio of its sides, which is not supported.")
    if len(scales) != 4 or scales[:2] != [1.0, 1.0] or not all(1e-6 < scale < 1e6 for scale in scales):
        call.fail(f"its scales are {scales}.")
    rounded = [np.float32(scale) for scale in scales]
    made = (
        [floor(scale * np.float32(size)) for scale, size in zip(rounded, own, strict=True)] if sizes is None else sizes
    )
    return rounded[2:], made[2:]
