"""The NumPy oracle: what every engine's output is compared with.

It shares no code with the kernels: bits become +1 and -1 in float64 (exact for these integers), padding is a
value in an array, a convolution is one matrix product per tap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ops import BConv2d, BGemm, BitPack, BMaxPool2d, KernelSpec

Array = NDArray[Any]


def run(spec: KernelSpec, arrays: Mapping[str, Array]) -> Array:
    """Output of the op: dtype and shape as `spec.output`; `arrays` by name as `spec.inputs()` lists them."""
    match spec:
        case BGemm():
            dot = _signs(arrays["a"], spec.k) @ _signs(arrays["b"], spec.k).T
            return _scaled(dot, arrays) if spec.out == "f32" else dot.astype(np.int32)
        case BConv2d():
            return _finish(spec, _convolution(spec, arrays), arrays)
        case BitPack():
            return _bits(arrays["x"] < (spec.zero_point if spec.dtype == "i8" else 0))
        case BMaxPool2d():
            return _bits(_maximum(spec, _signs(arrays["x"], spec.c)) < 0)


def _signs(packed: Array, channels: int) -> Array:
    shifts = np.arange(32, dtype=np.uint32)
    bits = (packed[..., np.newaxis] >> shifts) & np.uint32(1)
    return 1.0 - 2.0 * bits.reshape(*packed.shape[:-1], -1)[..., :channels]


def _bits(negative: Array) -> Array:
    tail = -negative.shape[-1] % 32
    padded = np.pad(negative, [(0, 0)] * (negative.ndim - 1) + [(0, tail)])
    lanes = padded.reshape(*negative.shape[:-1], -1, 32).astype(np.uint32)
    return np.asarray((lanes << np.arange(32, dtype=np.uint32)).sum(axis=-1, dtype=np.uint32))


def _padding(size: int, kernel: int, stride: int, dilation: int, pad: str) -> tuple[int, int]:
    if pad == "valid":
        return 0, 0
    reach = (ceil(size / stride) - 1) * stride + (kernel - 1) * dilation + 1
    total = max(reach - size, 0)
    return total // 2, total - total // 2


def _padded(x: Array, rows: tuple[int, int], columns: tuple[int, int], value: float) -> Array:
    return np.pad(x, [(0, 0), rows, columns, (0, 0)], constant_values=value)


def _taps(x: Array, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]) -> Array:
    """[kh, kw, n, out_h, out_w, c]: what each tap sees, as views of the padded image."""
    windows = np.lib.stride_tricks.sliding_window_view(
        x, [(size - 1) * step + 1 for size, step in zip(kernel, dilation, strict=True)], axis=(1, 2)
    )
    taken = windows[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
    return np.moveaxis(taken, (4, 5), (0, 1))


def convolution(spec: BConv2d, arrays: Mapping[str, Array], padding: tuple[int, int, int, int] | None = None) -> Array:
    """i32 [n, out_h, out_w, oc]: dot products, clamped by `spec.act`; padded (above, below, left, right) where that is
    not what `spec.pad` says."""
    return _finish(replace(spec, out="i32"), _convolution(spec, arrays, padding), arrays)


def _convolution(spec: BConv2d, arrays: Mapping[str, Array], padding: tuple[int, int, int, int] | None = None) -> Array:
    rows = _padding(spec.h, spec.kh, spec.sh, spec.dh, spec.pad) if padding is None else padding[:2]
    columns = _padding(spec.w, spec.kw, spec.sw, spec.dw, spec.pad) if padding is None else padding[2:]
    image = _padded(_signs(arrays["x"], spec.c), rows, columns, float(spec.pad_value))
    filters = _signs(arrays["filter"], spec.c // spec.groups)
    taps = _taps(image, (spec.kh, spec.kw), (spec.sh, spec.sw), (spec.dh, spec.dw))
    parts = [
        sum(part[y, x] @ weights[:, y, x].T for y in range(spec.kh) for x in range(spec.kw))
        for part, weights in zip(
            np.split(taps, spec.groups, axis=-1), np.split(filters, spec.groups, axis=0), strict=True
        )
    ]
    return np.concatenate(parts, axis=-1)


def _finish(spec: BConv2d, dot: Array, arrays: Mapping[str, Array]) -> Array:
    match spec.act:
        case "relu":
            dot = np.maximum(dot, 0)
        case "relu6":
            dot = np.clip(dot, 0, 6)
        case "relu_n1_to_1":
            dot = np.clip(dot, -1, 1)
    match spec.out:
        case "f32":
            return _scaled(dot, arrays)
        case "bits":
            differing = (spec.kh * spec.kw * spec.c // spec.groups - dot) / 2
            return _bits(differing > arrays["threshold"])
        case _:
            return dot.astype(np.int32)


def _scaled(dot: Array, arrays: Mapping[str, Array]) -> Array:
    product = np.multiply(dot.astype(np.float32), arrays["multiplier"], dtype=np.float32)
    return np.add(product, arrays["bias"], dtype=np.float32)


def _maximum(spec: BMaxPool2d, signs: Array) -> Array:
    rows = _padding(spec.h, spec.kh, spec.sh, 1, spec.pad)
    columns = _padding(spec.w, spec.kw, spec.sw, 1, spec.pad)
    image = _padded(signs, rows, columns, -np.inf)
    return np.asarray(_taps(image, (spec.kh, spec.kw), (spec.sh, spec.sw), (1, 1)).max(axis=(0, 1)))
