"""Arrays of a case: random ones that look like a trained layer's, and their bytes on disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .ops import NUMPY_DTYPE, ArraySpec, BConv2d, BGemm, BitPack, BMaxPool2d, KernelSpec


def make_data(spec: KernelSpec, seed: int) -> dict[str, NDArray[Any]]:
    """Arrays by name in `data=` order: fair bits, normal scales, thresholds near the median."""
    rng = np.random.default_rng(seed)
    return {array.name: _random(spec, array, rng) for array in spec.inputs()}


def random_bits(shape: tuple[int, ...], channels: int, rng: np.random.Generator) -> NDArray[np.uint32]:
    """Packed random signs: `shape` in words, of which the last axis holds `channels` bits; the tail is 0."""
    packed = rng.integers(0, 2**32, shape, dtype=np.uint32)
    if channels % 32:
        packed[..., -1] &= np.uint32((1 << channels % 32) - 1)
    return packed


def data_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """All arrays raw, little-endian, C order, one after the other."""
    return b"".join(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes() for array in arrays.values())


def _random(spec: KernelSpec, array: ArraySpec, rng: np.random.Generator) -> NDArray[Any]:
    match array.dtype, spec:
        case "u32", _:
            return random_bits(array.shape, _channels(spec, array), rng)
        case "i8", _:
            return rng.integers(-128, 128, array.shape, dtype=np.int8)
        case "i32", BConv2d():
            # Half of all bits differ on average: thresholds there give both output bits.
            half = spec.dot_length / 2
            return np.rint(rng.normal(half, half**0.5, array.shape)).astype(NUMPY_DTYPE["i32"])
        case _:
            return rng.standard_normal(array.shape, dtype=np.float32)


def _channels(spec: KernelSpec, array: ArraySpec) -> int:
    match spec:
        case BGemm():
            return spec.k
        case BConv2d():
            return spec.c // spec.groups if array.name == "filter" else spec.c
        case BMaxPool2d() | BitPack():
            return spec.c
