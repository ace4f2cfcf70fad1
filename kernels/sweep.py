"""A seeded sweep of small odd shapes over every op: what all implementations must agree on, bit for bit."""

from __future__ import annotations

import random
from typing import Literal

from .errors import KernelError
from .ops import Act, BConv2d, BGemm, BitPack, BMaxPool2d, KernelSpec, Pad

SEED = 20
"""Of the draws."""
CHANNELS = [1, 31, 32, 33, 64, 70, 96, 128]
FILTERS = [1, 2, 7, 31, 32, 33, 65]
IMAGES = [(1, 1), (1, 7), (2, 2), (3, 3), (5, 4), (4, 9), (7, 7), (8, 5)]
_PADS: tuple[Pad, ...] = ("same", "valid")
_OUTPUTS: list[Literal["i32", "f32", "bits"]] = ["i32", "f32", "bits"]
_ACTS: list[Act] = ["none", "relu", "relu6", "relu_n1_to_1"]
_DTYPES: list[Literal["f32", "i8"]] = ["f32", "i8"]
MAX_MACS = 250_000
"""Keeps the whole sweep under 40 s in CPython."""


def sweep() -> list[KernelSpec]:
    """At least 300 different cases, the same every time."""
    random_source = random.Random(SEED)  # noqa: S311  # a fixed sweep, no secret
    cases: dict[KernelSpec, None] = dict.fromkeys(_fixed())
    draws = [(_bconv2d, 200), (_bgemm, 40), (_bitpack, 30), (_bmaxpool2d, 40)]
    for draw, wanted in draws:
        goal = len(cases) + wanted
        while len(cases) < goal:
            try:
                spec = draw(random_source)
            except KernelError:
                continue  # a window that does not fit
            if spec.macs_1bit <= MAX_MACS:
                cases[spec] = None
    return list(cases)


def _fixed() -> list[KernelSpec]:
    """Corners a random draw could miss."""
    small = [
        BConv2d(h=h, w=w, c=c, oc=5, kh=3, kw=3, pad_value=pad_value, out="f32")
        for h, w in [(1, 1), (5, 4)]
        for c in [1, 31, 33, 70]
        for pad_value in (0, 1)
    ]
    dilated = [
        # Every tap falls on padding: the sum is empty.
        BConv2d(h=1, w=1, c=33, oc=3, kh=2, kw=2, dh=3, dw=3, pad_value=0),
        BConv2d(h=5, w=4, c=64, oc=8, kh=3, kw=3, dh=2, dw=2, pad_value=0, out="f32"),
        BConv2d(h=5, w=4, c=64, oc=8, kh=3, kw=3, dh=4, dw=4, pad_value=0),
    ]
    # Wide enough for several windows in a vector of any ISA level, with and without clipped ones.
    pools = [
        BMaxPool2d(n=2, h=h, w=w, c=c, kh=k, kw=k, sh=2, sw=2, pad=pad)
        for h, w, c in [(5, 40, 32), (4, 35, 64), (5, 20, 128), (4, 9, 256), (5, 37, 96), (6, 18, 520)]
        for k in (2, 3)
        for pad in _PADS
    ]
    return [*small, *dilated, *pools, BGemm(m=1, n=1, k=1), BGemm(m=2, n=3, k=2304, out="f32")]


def _bconv2d(source: random.Random) -> KernelSpec:
    groups = source.choice([1, 1, 1, 1, 2, 3])
    h, w = source.choice(IMAGES)
    out = source.choice(_OUTPUTS)
    return BConv2d(
        n=source.choice([1, 1, 2, 3]),
        h=h,
        w=w,
        c=source.choice(CHANNELS) if groups == 1 else 32 * groups * source.choice([1, 2]),
        oc=source.choice(FILTERS) if groups == 1 else groups * source.choice([1, 3, 16, 33]),
        kh=source.randint(1, 5),
        kw=source.randint(1, 5),
        sh=source.choice([1, 1, 2, 3]),
        sw=source.choice([1, 1, 2, 4]),
        dh=source.choice([1, 1, 2, 3]),
        dw=source.choice([1, 1, 2, 4]),
        groups=groups,
        pad=source.choice(["same", "same", "valid"]),
        pad_value=source.choice([0, 1]),
        act=source.choice(_ACTS) if out != "bits" else "none",
        out=out,
    )


def _bgemm(source: random.Random) -> KernelSpec:
    m, n = source.choice([1, 2, 5, 16]), source.choice([1, 3, 8, 17, 33])
    return BGemm(m=m, n=n, k=source.choice([*CHANNELS, 9, 255, 576, 1000]), out=source.choice(["i32", "f32"]))


def _bitpack(source: random.Random) -> KernelSpec:
    dtype = source.choice(_DTYPES)
    zero_point = source.choice([-128, -3, 0, 1, 127]) if dtype == "i8" else 0
    return BitPack(n=source.randint(1, 9), c=source.choice(CHANNELS), dtype=dtype, zero_point=zero_point)


def _bmaxpool2d(source: random.Random) -> KernelSpec:
    h, w = source.choice(IMAGES)
    return BMaxPool2d(
        n=source.choice([1, 2, 3]),
        h=h,
        w=w,
        c=source.choice(CHANNELS),
        kh=source.randint(1, 4),
        kw=source.randint(1, 4),
        sh=source.randint(1, 3),
        sw=source.randint(1, 3),
        pad=source.choice(["same", "valid"]),
    )
