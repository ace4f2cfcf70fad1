"""Values from other places of their axes: MIRROR_PAD, REVERSE_V2, GATHER with constant places, UNPACK."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..graph import Tensor
from ..operations import Reshape, Slice
from ..places import Gather
from .movement import moved_output
from .scope import Scope

MAX_PLACES = 2**22
_MODES = {0: "reflect", 1: "symmetric"}  # MirrorPadMode


def mirror_pad(scope: Scope) -> None:
    """MIRROR_PAD with constant margins."""
    x = scope.value(0, "input", "f32", "i8")
    margins = scope.constant(1, "paddings", "int32", "int64", rank=2)
    mode = scope.option("mode", 0, 1, 0)
    if margins.shape != (len(x.shape), 2):
        scope.fail(f"its paddings have shape {list(margins.shape)} for {len(x.shape)} dimensions.")
    if scope.batch > 1 and margins[0].any():
        scope.fail("it pads the batch; import the model with its own batch.")
    places: dict[int, NDArray[np.int32]] = {}
    for axis, (size, row) in enumerate(zip(x.shape, margins, strict=True)):
        before, after = int(row[0]), int(row[1])
        if not 0 <= min(before, after) <= max(before, after) <= size - 1 + mode:
            scope.fail(f"its paddings {before} and {after} do not fit an axis of {size}.")
        if before or after:
            places[axis] = np.pad(np.arange(size, dtype=np.int32), (before, after), mode=_MODES[mode])  # type: ignore[call-overload]
    _gathered(scope, x, places)


def reverse(scope: Scope) -> None:
    """REVERSE_V2 along constant axes."""
    x = scope.value(0, "input", "f32", "i8")
    axes = scope.axes(scope.integers(1, "axes"), len(x.shape))
    if 0 in axes and scope.batch > 1:
        scope.fail("it reverses the batch; import the model with its own batch.")
    _gathered(scope, x, {axis: np.arange(x.shape[axis], dtype=np.int32)[::-1] for axis in axes})


def gather(scope: Scope) -> None:
    """GATHER along one axis, at constant places of any shape."""
    if scope.is_constant() and scope.ref(0, "input").dtype == "int32":
        data, at = scope.constant(0, "input", "int32", rank=1), scope.constant(1, "places", "int32", "int64")
        if at.size > len(data) or not ((at >= 0) & (at < len(data))).all():
            scope.fail(f"its places do not lie in {len(data)} numbers.")
        return scope.fold(data[at])
    x = scope.value(0, "input", "f32", "i8")
    places = scope.constant(1, "places", "int32", "int64")
    (axis,) = scope.axes([scope.option("axis", -4, 3, 0)], len(x.shape))
    if scope.option("batch_dims", -4, 4, 0):
        scope.fail("it has batch_dims, which are not supported.")
    if not 1 <= places.size <= MAX_PLACES or places.min() < 0 or places.max() >= x.shape[axis]:
        scope.fail(f"its places do not lie on axis {axis} of {list(x.shape)}.")
    if axis == 0 and scope.batch > 1:
        scope.fail("it takes parts of the batch; import the model with its own batch.")
    shape = (*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])
    return _gathered(scope, x, {axis: places.reshape(-1).astype(np.int32)}, shape)


def unpack(scope: Scope) -> None:
    """UNPACK: the parts along an axis, which they do not have any more."""
    x = scope.value(0, "input", "f32", "i8")
    (axis,) = scope.axes([scope.option("axis", -4, 3, 0)], len(x.shape))
    count = len(scope.op.outputs)
    if axis == 0 and scope.batch > 1:
        scope.fail("it splits the batch; import the model with its own batch.")
    if scope.option("num", 0, 4096, count) != x.shape[axis] or count != x.shape[axis]:
        scope.fail(f"it has {count} outputs for {x.shape[axis]} parts.")
    if x.data is not None:
        scope.fail("its input is constant; let the converter fold it.")
    for place in range(count):
        start = [0] * len(x.shape)
        start[axis] = place
        out = moved_output(scope, x, [*x.shape[:axis], *x.shape[axis + 1 :]] or [1], place)
        part = scope.inner(x, [1 if a == axis else size for a, size in enumerate(x.shape)], f"part {place}")
        scope.node(Slice(tuple(start)), [x], part)
        scope.node(Reshape(), [part], out)


def _gathered(
    scope: Scope, x: Tensor, places: dict[int, NDArray[np.int32]], shape: tuple[int, ...] | None = None
) -> None:
    """The values at `places` of some axes and all of the others, seen as `shape`."""
    whole = [places.get(axis, np.arange(size, dtype=np.int32)) for axis, size in enumerate(x.shape)]
    sizes = tuple(len(found) for found in whole)
    out = moved_output(scope, x, sizes if shape is None else shape or [1])
    part = out if out.shape == sizes else scope.inner(x, sizes, "taken")
    if part is not out and x.data is not None:
        scope.fail("its input is constant; let the converter fold it.")
    scope.node(Gather(tuple(np.ascontiguousarray(found) for found in whole)), [x], part)
    if part is not out:
        scope.node(Reshape(), [part], out)
