"""Random models of ops that most comparison models have: other sizes of images, functions, parts of tensors."""

from __future__ import annotations

from collections.abc import Callable
from math import gcd, prod
from typing import Any

import numpy as np

from .random_models import ANY, IMAGE, MAKERS, Growing


def _in_floats(m: Growing) -> None:
    if m.dtype == "int8":
        MAKERS["DEQUANTIZE"][1](m)


def _function(m: Growing, name: str) -> None:
    _in_floats(m)
    if name in ("SQRT", "RSQRT"):
        m.add("ABS", [m.x], m.shape)
    if name == "RSQRT":
        m.add("ADD", [m.x, m.builder.constant(np.array([0.125], np.float32))], m.shape, "AddOptions")
    if name == "EXP" and (m.names or m.rng.integers(2)):
        m.add("RELU_N1_TO_1", [m.x], m.shape)
    m.add(name, [m.x], m.shape)
    m.exact &= name == "NEG"


def _leaky_relu(m: Growing) -> None:
    _in_floats(m)
    m.add("LEAKY_RELU", [m.x], m.shape, "LeakyReluOptions", alpha=m.one_of(0.25, 0.0, -0.5, 1.5, 0.1))
    m.exact = False


def _binary(m: Growing, name: str) -> None:
    _in_floats(m)
    shape = m.shape
    other = m.one_of(shape, (1,), shape[-1:], (*shape[:-1], 1), tuple(1 if i % 2 else n for i, n in enumerate(shape)))
    numbers = m.numbers(*other)
    if name == "DIV":
        operands = [m.x, m.builder.constant(np.where(numbers == 0, np.float32(0.75), numbers))]
        if m.rng.integers(2):
            m.add("ABS", [m.x], shape)
            m.add("ADD", [m.x, m.builder.constant(np.array([0.5], np.float32))], shape, "AddOptions")
            operands = [m.builder.constant(numbers), m.x]
        m.add(name, operands, shape, "DivOptions", **m.act())
    else:
        operands = [m.x, m.x if m.rng.integers(6) == 0 else m.builder.constant(numbers)]
        m.add(name, operands[:: m.one_of(1, -1)], shape)
    m.exact &= name in ("MINIMUM", "MAXIMUM")


def _resize(m: Growing, name: str) -> None:
    bilinear = name == "RESIZE_BILINEAR"
    if bilinear:
        _in_floats(m)
    size = [int(m.one_of(n, 1, 2 * n, 3 * n - 1, -(-n // 2), m.rng.integers(1, 12))) for n in m.shape[1:3]]
    aligned, halves = m.one_of((False, False), (True, False), (False, True), *([] if bilinear else [(True, True)]))
    kind = "ResizeBilinearOptions" if bilinear else "ResizeNearestNeighborOptions"
    inputs, shape = [m.x, m.builder.constant(np.array(size, np.int32))], (m.shape[0], *size, m.shape[3])
    m.add(name, inputs, shape, kind, same=True, align_corners=aligned, half_pixel_centers=halves)
    m.exact &= not bilinear


def _blocks(m: Growing, name: str) -> None:
    n, h, w, c = m.shape
    if name == "DEPTH_TO_SPACE":
        block = m.one_of(*(b for b in range(1, 5) if c % (b * b) == 0))
        shape, kind = (n, h * block, w * block, c // block**2), "DepthToSpaceOptions"
    else:
        block = m.one_of(*(b for b in range(1, 7) if gcd(h, w) % b == 0))
        shape, kind = (n, h // block, w // block, c * block**2), "SpaceToDepthOptions"
    m.add(name, [m.x], shape, kind, same=True, block_size=block)


def _reduced(m: Growing, name: str) -> None:
    if name in ("SUM", "REDUCE_MIN"):
        _in_floats(m)
    rank = len(m.shape)
    axes = [axis for axis in range(rank) if m.rng.integers(2)] or [rank - 1]
    keeps = bool(m.rng.integers(2)) or len(axes) == rank
    shape = [1 if axis in axes else n for axis, n in enumerate(m.shape) if keeps or axis not in axes]
    # LCE's int8 rounds by other rules for the same axes in another order, or counted from behind.
    written = axes if m.dtype == "int8" else m.rng.permutation([axis - rank * m.one_of(0, 1) for axis in axes])
    stored = m.builder.constant(np.array(written, np.int32))
    same = name != "MEAN" or bool(m.rng.integers(2))
    m.add(name, [m.x, stored], shape, "ReducerOptions", same=same, keep_dims=keeps)
    m.exact &= name in ("REDUCE_MAX", "REDUCE_MIN")


def _strided_slice(m: Growing) -> None:
    """Every mask, and bounds that lie outside; NumPy says what is left."""
    spec: list[tuple[int, int, int]] = []
    masks = dict.fromkeys(("begin", "end", "shrink_axis", "ellipsis", "new_axis"), 0)
    index: list[Any] = []
    rank, axis, dots = len(m.shape), 0, bool(m.rng.integers(4) == 0)
    while axis < rank and m.rng.integers(8):
        bit = 1 << len(spec)
        kind = int(m.rng.integers(8))
        if kind == 0 and len(index) - axis < 1 and rank < 4:
            masks["new_axis"] |= bit
            index.append(None)
            spec.append((3, 7, 1))
        elif kind == 1 and dots and Ellipsis not in index:
            masks["ellipsis"] |= bit
            index.append(Ellipsis)
            spec.append((2, 1, 1))
            axis += int(m.rng.integers(1, rank - axis + 1))
        elif kind == 2 and axis and m.shape[axis] and rank > 2:
            first = int(m.rng.integers(-m.shape[axis], m.shape[axis]))
            masks["shrink_axis"] |= bit
            index.append(first)
            spec.append((first, first + 1, 1))
            axis += 1
        else:
            spec.append(_range_of(m, m.shape[axis], bit, masks))
            first, last, step = spec[-1]
            low = None if masks["begin"] & bit else first
            index.append(slice(low, None if masks["end"] & bit else last, step))
            axis += 1
    taken = sum(place is not None and place is not Ellipsis for place in index)
    if (Ellipsis in index and taken == rank) or not spec:
        spec, index, masks = [], [], dict.fromkeys(masks, 0)
    if not spec:
        spec, index, masks["end"] = [(0, 0, 1)], [slice(0, None)], 1
    shape = _shape_of(m, index)
    if min(shape, default=0) < 1 or len(shape) > 4:
        m.add("RELU", [m.x], m.shape, same=True)
        return
    options: dict[str, Any] = {f"{name}_mask": value for name, value in masks.items()}
    if len(spec) == rank and not (masks["ellipsis"] or masks["new_axis"]) and m.rng.integers(4) == 0:
        firsts = [first + size * (first < 0) for (first, _, _), size in zip(spec, m.shape, strict=True)]
        ends = [last + size * (last < 0) for (_, last, _), size in zip(spec, m.shape, strict=True)]
        inside = all(0 <= end <= size for end, size in zip(ends, m.shape, strict=True))
        counted = _shape_of(m, [slice(a, z, spec[i][2]) for i, (a, z) in enumerate(zip(firsts, ends, strict=True))])
        begins = all(0 <= first < size for first, size in zip(firsts, m.shape, strict=True))
        if begins and inside and counted == shape and not masks["begin"]:
            options["offset"] = True
            spec = [(a, z - a, spec[i][2]) for i, (a, z) in enumerate(zip(firsts, ends, strict=True))]
    stored = [m.builder.constant(np.array(numbers, np.int32)) for numbers in zip(*spec, strict=True)]
    m.add("STRIDED_SLICE", [m.x, *stored], shape, "StridedSliceOptions", same=True, **options)


def _shape_of(m: Growing, index: list[Any]) -> tuple[int, ...]:
    return np.empty(m.shape, np.bool_)[tuple(index)].shape


def _range_of(m: Growing, size: int, bit: int, masks: dict[str, int]) -> tuple[int, int, int]:
    step = int(m.one_of(1, 1, 2, 3, -1, -2))
    first, last = (int(n) for n in m.rng.integers(-size - 1, size + 2, 2))
    for _ in range(20):
        if range(*slice(first, last, step).indices(size)):
            break
        first, last = (int(n) for n in m.rng.integers(-size - 1, size + 2, 2))
    else:
        first, last, step = 0, size, 1
    masks["begin"] |= bit * int(m.rng.integers(3) == 0)
    masks["end"] |= bit * int(m.rng.integers(3) == 0)
    return first, last, step


def _pack(m: Growing) -> None:
    if len(m.shape) > 3:
        MAKERS["RESHAPE"][1](m)
    if len(m.shape) > 3:
        wanted = (m.shape[0], prod(m.shape[1:]))
        m.add("RESHAPE", [m.x, m.builder.constant(np.array(wanted, np.int32))], wanted, "ReshapeOptions", same=True)
    shape, axis = m.shape, int(m.rng.integers(len(m.shape) + 1))
    if m.dtype == "int8":
        other = m.builder.constant(m.values(shape), m.scale, m.zero)
    else:
        other = m.builder.constant(m.numbers(*shape))
    parts = m.one_of([m.x, other, m.x], [other, m.x], [m.x])
    out = [*shape[:axis], len(parts), *shape[axis:]]
    options = {"axis": axis - m.one_of(0, len(out)), "values_count": len(parts)}
    m.add("PACK", parts, out, "PackOptions", same=True, **options)


def _transpose_conv(m: Growing, mediapipe: bool = False) -> None:
    _in_floats(m)
    n, h, w, c = m.shape
    oc, same = m.one_of(1, 3, 8), bool(m.rng.integers(2))
    kernel, strides = (tuple(int(n) for n in m.rng.integers(1, 4, 2)) for _ in range(2))
    if m.rng.integers(3) == 0:
        strides = kernel
    size = [n * s if same else (n - 1) * s + k for n, s, k in zip((h, w), strides, kernel, strict=True)]
    if not same:  # one size more would be as good, up to the next stride
        size = [whole + int(m.rng.integers(s)) for whole, s in zip(size, strides, strict=True)]
    shape = (n, *size, oc)
    weights = m.builder.constant(m.numbers(oc, *kernel, c))
    if mediapipe:
        raw = np.array([1 if same else 2, *strides[::-1]], "<i4").tobytes()
        m.add("Convolution2DTransposeBias", [m.x, weights, m.builder.constant(m.numbers(oc))], shape, raw=raw)
        return
    inputs = [m.builder.constant(np.array(shape, np.int32)), weights, m.x]
    options = {"padding": 0 if same else 1, "stride_h": strides[0], "stride_w": strides[1]}
    if m.rng.integers(2):
        inputs.append(m.builder.constant(m.numbers(oc)))
    m.add("TRANSPOSE_CONV", inputs, shape, "TransposeConvOptions", **options, **m.act())


def _densify(m: Growing) -> None:
    """Sparse weights in float16, or in f32."""
    _in_floats(m)
    b, (*front, depth), oc = m.builder, m.shape, int(m.rng.integers(1, 9))
    dtype = m.one_of(np.float16, np.float32)
    weights = m.numbers(oc, depth).astype(dtype) * m.rng.integers(0, 2, (oc, depth)).astype(dtype)
    weights[0, 0] = 1.5
    name = np.dtype(dtype).name
    whole = b.op("DENSIFY", [b.sparse(weights)], b.tensor(weights.shape, name), "DensifyOptions")
    if dtype is np.float16:
        whole = b.op("DEQUANTIZE", [whole], b.tensor(weights.shape), "DequantizeOptions")
    m.add("FULLY_CONNECTED", [m.x, whole], (*front, oc), "FullyConnectedOptions", keep_num_dims=True)


def _mirror_pad(m: Growing) -> None:
    mode = int(m.rng.integers(2))
    margins = np.array([[0, 0], *(m.rng.integers(0, min(n + mode, 4), 2) for n in m.shape[1:])], np.int32)
    shape = [size + int(a) + int(b) for size, (a, b) in zip(m.shape, margins, strict=True)]
    m.add("MIRROR_PAD", [m.x, m.builder.constant(margins)], shape, "MirrorPadOptions", same=True, mode=mode)


def _reverse(m: Growing) -> None:
    axis = m.builder.constant(np.array([m.rng.integers(-len(m.shape), len(m.shape))], np.int32))
    m.add("REVERSE_V2", [m.x, axis], m.shape, "ReverseV2Options", same=True)


def _gather(m: Growing) -> None:
    axis = int(m.rng.integers(len(m.shape)))
    shapes = [(3,), (1,), (7,)]
    if len(m.shape) < 4:
        shapes.append((2, 3))
    if len(m.shape) > 2:
        shapes.append(())
    places = m.rng.integers(0, m.shape[axis], m.one_of(*shapes)).astype(np.int32)
    shape = [*m.shape[:axis], *places.shape, *m.shape[axis + 1 :]]
    axis -= m.one_of(0, len(m.shape))
    m.add("GATHER", [m.x, m.builder.constant(places)], shape, "GatherOptions", same=True, axis=axis)


def _unpack(m: Growing) -> None:
    axis = int(m.rng.integers(len(m.shape)))
    shape = [*m.shape[:axis], *m.shape[axis + 1 :]]
    count = m.shape[axis]
    options = {"axis": axis - m.one_of(0, len(m.shape)), "num": count}
    m.add("UNPACK", [m.x], shape, "UnpackOptions", same=True, outputs=count, **options)


FLOAT_MAKERS: dict[str, tuple[str, Callable[[Growing], None]]] = {
    "HARD_SWISH": (ANY, lambda m: _function(m, "HARD_SWISH")),
    "TANH": (ANY, lambda m: _function(m, "TANH")),
    "EXP": (ANY, lambda m: _function(m, "EXP")),
    "NEG": (ANY, lambda m: _function(m, "NEG")),
    "SQRT": (ANY, lambda m: _function(m, "SQRT")),
    "RSQRT": (ANY, lambda m: _function(m, "RSQRT")),
    "SQUARE": (ANY, lambda m: _function(m, "SQUARE")),
    "LEAKY_RELU": (ANY, _leaky_relu),
    "DIV": (ANY, lambda m: _binary(m, "DIV")),
    "MINIMUM": (ANY, lambda m: _binary(m, "MINIMUM")),
    "MAXIMUM": (ANY, lambda m: _binary(m, "MAXIMUM")),
    "SQUARED_DIFFERENCE": (ANY, lambda m: _binary(m, "SQUARED_DIFFERENCE")),
    "RESIZE_BILINEAR": (IMAGE, lambda m: _resize(m, "RESIZE_BILINEAR")),
    "RESIZE_NEAREST_NEIGHBOR": (IMAGE, lambda m: _resize(m, "RESIZE_NEAREST_NEIGHBOR")),
    "DEPTH_TO_SPACE": (IMAGE, lambda m: _blocks(m, "DEPTH_TO_SPACE")),
    "SPACE_TO_DEPTH": (IMAGE, lambda m: _blocks(m, "SPACE_TO_DEPTH")),
    "TRANSPOSE_CONV": (IMAGE, _transpose_conv),
    "Convolution2DTransposeBias": (IMAGE, lambda m: _transpose_conv(m, mediapipe=True)),
    "DENSIFY": (ANY, _densify),
    "MIRROR_PAD": (ANY, _mirror_pad),
    "REVERSE_V2": (ANY, _reverse),
    "GATHER": (ANY, _gather),
    "UNPACK": (ANY, _unpack),
    "MEAN over any axes": (ANY, lambda m: _reduced(m, "MEAN")),
    "SUM": (ANY, lambda m: _reduced(m, "SUM")),
    "REDUCE_MAX": (ANY, lambda m: _reduced(m, "REDUCE_MAX")),
    "REDUCE_MIN": (ANY, lambda m: _reduced(m, "REDUCE_MIN")),
    "STRIDED_SLICE with masks": (ANY, _strided_slice),
    "PACK of tensors": (ANY, _pack),
}
"""As `random_models.MAKERS`; some ops are there with more options than in those."""

ALL_MAKERS = MAKERS | FLOAT_MAKERS
