"""Parts of tensors with axes added or dropped (STRIDED_SLICE), and tensors along a new axis (PACK)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..graph import Tensor
from ..operations import Concat, Reshape, Slice
from ..places import Gather
from .movement import moved_output
from .scope import Scope

_SPECIAL = ("ellipsis", "new_axis", "shrink_axis")


@dataclass(slots=True)
class _Taken:
    """The places that are taken of each axis of the input; `shape` is the output's, with axes added and dropped."""

    places: list[range] = field(default_factory=list)
    shape: list[int] = field(default_factory=list)


def strided_slice(scope: Scope) -> None:
    """STRIDED_SLICE with constant begin, end and strides, and every mask."""
    begin, end, strides = (scope.integers(i, role) for i, role in ((1, "begin"), (2, "end"), (3, "strides")))
    if not len(begin) == len(end) == len(strides) or 0 in strides:
        scope.fail(f"its begin {begin}, end {end} and strides {strides} do not go together.")
    if scope.is_constant():
        _of_shape(scope, begin, end, strides)
        return
    x = scope.value(0, "input", "f32", "i8")
    taken = _taken(scope, (x.shape[0] // scope.batch, *x.shape[1:]), list(zip(begin, end, strides, strict=True)))
    if scope.batch > 1:
        if taken.places[0] != range(x.shape[0] // scope.batch) or taken.shape[:1] != [len(taken.places[0])]:
            scope.fail("it cuts the batch; import the model with its own batch.")
        taken.places[0] = range(x.shape[0])
        taken.shape[0] = x.shape[0]
    out = moved_output(scope, x, taken.shape or [1])
    shape = tuple(len(places) for places in taken.places)
    part = out if shape == out.shape else scope.inner(x, shape, "taken")
    if all(places.step == 1 or len(places) == 1 for places in taken.places):
        scope.node(Slice(tuple(places.start for places in taken.places)), [x], part)
    else:
        scope.node(Gather(tuple(np.array(places, np.int32) for places in taken.places)), [x], part)
    if part is not out:
        scope.node(Reshape(), [part], out)


def _taken(scope: Scope, sizes: tuple[int, ...], spec: list[tuple[int, int, int]]) -> _Taken:
    """As TensorFlow has it: an ellipsis is all axes that nothing else names, behind the last entry there is one."""
    masks = {name: scope.option(f"{name}_mask", 0, 2**31 - 1, 0) for name in ("begin", "end", *_SPECIAL)}
    marked = {name: [bool(masks[name] >> i & 1) for i in range(len(spec))] for name in masks}
    ellipses = marked["ellipsis"]
    if sum(ellipses) > 1:
        scope.fail("it has more than one ellipsis.")
    added = [new and not dots for new, dots in zip(marked["new_axis"], ellipses, strict=True)]
    named = len(spec) - sum(ellipses) - sum(added)
    if named > len(sizes):
        scope.fail(f"it takes parts of {named} axes of an input of shape {list(sizes)}.")
    if sum(ellipses) and named == len(sizes):
        scope.fail("its ellipsis stands for no axis, of which TensorFlow Lite itself makes something else.")
    taken, counts_from_begin = _Taken(), bool(scope.op.options.get("offset"))

    def whole(count: int) -> None:
        for size in sizes[len(taken.places) : len(taken.places) + count]:
            taken.places.append(range(size))
            taken.shape.append(size)

    for i, (first, last, step) in enumerate(spec):
        if ellipses[i]:
            whole(len(sizes) - named)
            continue
        if added[i]:
            taken.shape.append(1)
            continue
        size = sizes[len(taken.places)]
        first = 0 if marked["begin"][i] and marked["shrink_axis"][i] else first
        if marked["shrink_axis"][i]:
            if step < 1 or not -size <= first < size:
                scope.fail(f"it takes number {first} of {size} at stride {step}.")
            taken.places.append(range(first % size, first % size + 1))
            continue
        begin_end = None if marked["begin"][i] else first, None if marked["end"][i] else last
        places = range(*slice(*begin_end, step).indices(size))
        if counts_from_begin:  # from where it really begins, as TensorFlow Lite does
            counted = range(places.start, places.start + last, step)
            if marked["end"][i] and counted != places:
                scope.fail("it counts from its begin to an end that its mask takes away.")
            if not 0 <= counted.stop <= size:
                scope.fail(f"it counts from its begin to {counted.stop} of an axis of {size}.")
            places = counted
        if not places:
            scope.fail(f"it takes nothing of axis {len(taken.places)} of shape {list(sizes)}.")
        taken.places.append(places)
        taken.shape.append(len(places))
    whole(len(sizes) - len(taken.places))
    return taken


def _of_shape(scope: Scope, begin: list[int], end: list[int], strides: list[int]) -> None:
    """A part of a shape, which some converters compute instead of writing it down."""
    data = scope.constant(0, "input", "int32", rank=1)
    taken = _taken(scope, data.shape, list(zip(begin, end, strides, strict=True)))
    scope.fold(np.ascontiguousarray(data[list(taken.places[0])]).reshape(taken.shape))


def pack(scope: Scope) -> None:
    """PACK: a shape of constant integers, or computed tensors along a new axis."""
    count = len(scope.op.inputs)
    if not 1 <= count <= 4096:
        scope.fail(f"it packs {count} tensors.")
    if scope.is_constant():
        scope.fold(np.stack([scope.constant(place, f"input {place}", "int32", rank=0) for place in range(count)]))
        return
    parts = [scope.value(place, f"input {place}", "f32", "i8") for place in range(count)]
    first = parts[0]
    (axis,) = scope.axes([scope.option("axis", -5, 4, 0)], len(first.shape) + 1)
    if axis == 0 and scope.batch > 1:
        scope.fail("it packs along the batch; import the model with its own batch.")
    for part in parts:
        if (part.shape, part.dtype) != (first.shape, first.dtype):
            scope.fail(f"its inputs {list(first.shape)} and {list(part.shape)} do not go together.")
    out = moved_output(scope, first, [*first.shape[:axis], count, *first.shape[axis:]])
    if any((part.scale, part.zero_point) != (out.scale, out.zero_point) for part in parts):
        scope.fail("its inputs and its output have different scales or zero points.")
    shape = (*first.shape[:axis], 1, *first.shape[axis:])
    scope.node(Concat(axis), [_seen(scope, part, shape) for part in parts], out)


def _seen(scope: Scope, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The same values as another shape."""
    if x.data is not None:
        return replace(x, shape=shape, data=x.data.reshape(shape))
    seen = scope.inner(x, shape, "seen")
    scope.node(Reshape(), [x], seen)
    return seen
