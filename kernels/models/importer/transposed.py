"""Transposed convolutions of f32, as convolutions: of pixels where blocks do not overlap, otherwise between zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...window import out_size, pad_before
from ..graph import Tensor
from ..operations import Clamp, Conv2d, Pad, Reshape, Window
from .movement import swapped
from .scope import Scope

_MOST = 2**12


@dataclass(frozen=True, slots=True)
class _Transposed:
    """`weights` f32 [oc, kh, kw, c]; `padding` above and left of the output, which each input's window lies in."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32] | None
    act: Clamp
    strides: tuple[int, int]
    padding: tuple[int, int]
    size: tuple[int, int]


def transpose_conv(scope: Scope) -> None:
    """TRANSPOSE_CONV to a constant size."""
    x = scope.value(2, "input", "f32")
    size = scope.integers(0, "output shape")
    if len(size) != 4:
        scope.fail(f"its output shape is {size}.")
    _transposed(scope, x, (size[1], size[2]), 3)


def with_bias(scope: Scope) -> None:
    """Convolution2DTransposeBias, MediaPipe's own op: its size is that of its output."""
    x = scope.value(0, "input", "f32")
    size = scope.stored_output()
    if len(size) != 4:
        scope.fail(f"its output has {len(size)} dimensions, not 4.")
    _transposed(scope, x, (size[1], size[2]), 2)


def _transposed(scope: Scope, x: Tensor, size: tuple[int, int], bias_position: int) -> None:
    if len(x.shape) != 4 or x.data is not None:
        scope.fail(f"its input has {len(x.shape)} dimensions, or is constant.")
    weights = scope.constant(1, "weights", "float32", rank=4)
    oc, kh, kw, depth = weights.shape
    if depth != x.shape[3] or not all(1 <= k <= _MOST for k in (oc, kh, kw)):
        scope.fail(f"its weights have shape {list(weights.shape)} for an input of {x.shape[3]} channels.")
    bias = None
    if scope.has(bias_position):
        bias = scope.constant(bias_position, "bias", "float32", rank=1)
        if bias.shape != (oc,):
            scope.fail(f"its bias has {len(bias)} numbers for {oc} channels.")
    rule: Any = ("same", "valid")[scope.option("padding", 0, 1)]
    strides = scope.option("stride_h", 1, _MOST), scope.option("stride_w", 1, _MOST)
    padding = []
    for whole, part, k, stride in zip(size, x.shape[1:3], (kh, kw), strides, strict=True):
        if not 1 <= whole < 2**24 or (rule == "valid" and whole < k) or out_size(whole, k, stride, 1, rule) != part:
            scope.fail(f"it makes {whole} rows or columns of {part}, which a stride of {stride} does not.")
        padding.append(pad_before(whole, k, stride, 1, rule))
    scope.values.constants.charge(weights.nbytes)
    made = _Transposed(weights, bias, scope.act(), strides, (padding[0], padding[1]), size)
    n, h, w, _ = x.shape
    if (kh, kw) == strides and size == (h * kh, w * kw) and padding == [0, 0]:
        return _of_blocks(scope, x, made, (n, *size, oc))
    if any(before >= k for before, k in zip(padding, (kh, kw), strict=True)):
        scope.fail("its padding is as large as its window.")
    return _between_zeros(scope, x, made, (n, *size, oc))


def _of_blocks(scope: Scope, x: Tensor, made: _Transposed, shape: tuple[int, int, int, int]) -> None:
    """Each pixel becomes a block: first as channels."""
    oc, kh, kw, depth = made.weights.shape
    n, h, w, _ = x.shape
    wide = scope.inner(x, (n, h, w, kh * kw * oc), "as blocks")
    weights = np.ascontiguousarray(made.weights.transpose(1, 2, 0, 3)).reshape(kh * kw * oc, 1, 1, depth)
    bias = None if made.bias is None else np.tile(made.bias, kh * kw)
    scope.node(Conv2d(Window(1, 1), weights, bias, made.act), [x], wide)
    swapped(scope, wide, (n * h, w, kh, kw * oc), shape)


def _between_zeros(scope: Scope, x: Tensor, made: _Transposed, shape: tuple[int, int, int, int]) -> None:
    """A convolution by the turned weights, of the input with zeros between its pixels."""
    _, kh, kw, _ = made.weights.shape
    n, h, w, c = x.shape
    (down, across), (above, before) = made.strides, made.padding
    out = scope.output(shape, "f32")
    x = _spread(scope, x, (n * h, 1, 1, w * c), down, (n, h * down, w, c), "rows")
    x = _spread(scope, x, (n * h * down * w, 1, 1, c), across, (n, h * down, w * across, c), "columns")
    window = Window(kh, kw, 1, 1, 1, 1, kh - 1 - above, kw - 1 - before)
    weights = np.ascontiguousarray(made.weights[:, ::-1, ::-1])
    scope.node(Conv2d(window, weights, made.bias, made.act), [x], out)


def _spread(
    scope: Scope, x: Tensor, parts: tuple[int, int, int, int], stride: int, shape: tuple[int, ...], what: str
) -> Tensor:
    if stride == 1:
        return x
    seen = scope.inner(x, parts, f"as {what}")
    padded = scope.inner(x, (parts[0], stride, *parts[2:]), f"and zeros between {what}")
    spread = scope.inner(x, shape, f"with {what} between zeros")
    scope.node(Reshape(), [x], seen)
    scope.node(Pad((0, 0, 0, 0), 0.0), [seen], padded)
    scope.node(Reshape(), [padded], spread)
    return spread
