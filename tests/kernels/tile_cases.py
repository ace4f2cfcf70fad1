"""Binary products at every width and height of a micro-kernel's tile, against matrix products of +-1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from engine_process import EngineProcess, compute

from bnnbench.kernels.data import data_bytes, make_data
from bnnbench.kernels.ops import BConv2d
from bnnbench.kernels.reference import oracle
from bnnbench.kernels.targets import MicroKernel

_OUTPUTS = ("i32", "f32", "bits")


def assert_every_tile_is_right(engine: EngineProcess, products: Sequence[MicroKernel]) -> None:
    """Heights of a tile, all widths and one channel less, words that are no whole fours, or fill bytes' counts."""
    assert products
    specs = [
        BConv2d(h=1, w=pixels, c=c, oc=kernel.channels - less, kh=1, kw=1, out=out)  # type: ignore[arg-type]
        for kernel in products
        for pixels in _heights(kernel.pixels)
        for c in (32, 7 * 32, 32 * 32)
        for less in (0, 1)
        for out in _OUTPUTS
    ]
    # By name: each at every width, also where the engine would take another.
    specs += [
        BConv2d(h=2, w=9, c=96, oc=oc, kh=3, kw=3, out=out, kernel=kernel.name)  # type: ignore[arg-type]
        for kernel in products
        for oc in (1, 24, 32, 70, 128)
        for out in _OUTPUTS
    ]
    # More words than counts of 16 bits hold.
    specs += [BConv2d(h=1, w=one.pixels + 1, c=4097 * 32, oc=one.channels, kh=1, kw=1) for one in products]
    # The same where a segment ends before they are full, and not at a whole four of them.
    specs.append(BConv2d(h=1, w=9, c=1018 * 32, oc=8, kh=1, kw=3, dw=2, pad="valid"))
    for spec in specs:
        arrays = make_data(spec, 3)
        if spec.c > 4096 * 32:  # all bits differ: as much as there is to count
            arrays["x"][:], arrays["filter"][:] = 0xFFFFFFFF, 0
        expected = _product(spec, arrays) if spec.kw == 1 else oracle.run(spec, arrays)
        assert compute(engine, spec, data_bytes(arrays)).tobytes() == expected.tobytes(), spec.name


def _heights(pixels: int) -> Iterable[int]:
    """All up to two tiles; of tall ones those about every quarter of the first, and of the second the ends."""
    if pixels <= 8:
        return range(1, 2 * pixels + 1)
    quarter = pixels // 4
    near = {quarter * i + step for i in range(5) for step in (-1, 0, 1)} | {2 * pixels - 1, 2 * pixels}
    return sorted(near - {-1, 0})


def _product(spec: BConv2d, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """A 1x1 convolution by a matrix product of +-1: the oracle would take minutes for so many."""

    def signs(words: np.ndarray) -> np.ndarray:
        bits = np.unpackbits(words.reshape(-1, spec.c // 32).view(np.uint8), axis=1, bitorder="little")
        return 1 - 2 * bits.astype(np.int32)

    dots = signs(arrays["x"]) @ signs(arrays["filter"]).T
    if spec.out == "i32":
        return dots.astype("<i4")
    if spec.out == "f32":
        return (dots.astype("<f4") * arrays["multiplier"]).astype("<f4") + arrays["bias"]
    bits = (spec.c - dots > 2 * arrays["threshold"].astype(np.int64)).astype(np.uint8)
    padded = np.pad(bits, ((0, 0), (0, -spec.oc % 32)))
    return np.packbits(padded, axis=1, bitorder="little").view("<u4")
