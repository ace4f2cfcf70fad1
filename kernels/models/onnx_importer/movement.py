"""Ops that move values: shapes, slices, padding; most of them move nothing, as a value knows how it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from ..operations import Concat, Pad, Reshape, Slice
from .call import Call
from .spatial import channel_shuffle
from .values import NO_PADDING, IsZero, Parted, Stored, Value, channels_last, constant


def identity(call: Call) -> Value:
    """Identity, Dropout, Cast of floats: the same value."""
    return call.value(0)


def cast(call: Call) -> Value:
    """Cast of computed values: truths and floats to floats, truths to truths."""
    match call.value(0).made_of:
        case IsZero() if call.attributes.get("to") == 9:
            return call.value(0)
    if call.attributes.get("to") not in (1, 10, 11):
        call.fail("it makes others than floats of a computed value.")
    return call.value(0)


def transpose(call: Call) -> Value:
    """Transpose."""
    x = call.value(0)
    rank = len(x.shape)
    perm = call.numbers("perm", rank, range(rank)[::-1], 0, max(rank - 1, 0))
    if sorted(perm) != list(range(rank)):
        call.fail(f"its perm is {perm}.")
    if perm[:1] != [0]:
        call.needs_own_batch("it moves the batch")
    match x.made_of:
        case Parted() as parted if perm == [0, 2, 1, 3, 4]:
            n, first, second, h, w = x.shape
            return Value((n, second, first, h, w), made_of=replace(parted, is_swapped=not parted.is_swapped))
    shape = tuple(x.shape[axis] for axis in perm)
    stored = call.builder.floats(x)
    if stored.gather is not None:
        stored = Stored(call.builder.in_order(stored, tuple(range(rank))), tuple(range(rank)))
    return Value(shape, stored=replace(stored, order=tuple(perm.index(axis) for axis in stored.order), whole=None))


def reshape(call: Call) -> Value:
    """Reshape; 0 keeps a size, -1 is what is left."""
    x, wanted = call.value(0), call.listed("shape", 1)
    if wanted is None:
        call.fail("its shape is missing.")
    if not call.integer("allowzero", 0, 0, 1):
        own = call.builder.of_file(x.shape)
        wanted = [own[place] if size == 0 and place < len(own) else size for place, size in enumerate(wanted)]
    return reshaped(call, x, wanted)


def flatten(call: Call) -> Value:
    """Flatten."""
    x = call.value(0)
    axis = call.integer("axis", 1, -8, 8)
    axis = axis + len(x.shape) if axis < 0 else axis
    sizes = call.builder.of_file(x.shape)
    return reshaped(call, x, (prod(sizes[:axis]), prod(sizes[axis:])))


def squeeze(call: Call) -> Value:
    """Squeeze."""
    x = call.value(0)
    given = call.listed("axes", 1)
    sizes = call.builder.of_file(x.shape)
    rank = len(sizes)
    axes = call.axes(given, rank) if given is not None else [axis for axis in range(rank) if sizes[axis] == 1]
    if any(sizes[axis] != 1 for axis in axes):
        call.fail(f"it removes axes {list(axes)} of {list(sizes)}.")
    return reshaped(call, x, [size for axis, size in enumerate(sizes) if axis not in axes])


def unsqueeze(call: Call) -> Value:
    """Unsqueeze."""
    x, given = call.value(0), call.listed("axes", 1)
    rank = len(x.shape) + len(given or ())
    axes, sizes = call.axes(given or (), rank), iter(call.builder.of_file(x.shape))
    return reshaped(call, x, [1 if axis in axes else next(sizes) for axis in range(rank)])


def reshaped(call: Call, x: Value, wanted: Sequence[int]) -> Value:
    """The same numbers in another shape, which is the file's own."""
    shape = _shape(call, x, list(wanted))
    if shape == x.shape:
        return x
    match x.made_of:
        case Parted(image, groups, is_swapped) if shape == image.shape:
            return channel_shuffle(call, image, groups) if is_swapped else image
    if len(shape) == 5 and len(x.shape) == 4 and (shape[0], *shape[3:]) == (x.shape[0], *x.shape[2:]):
        return Value(shape, made_of=Parted(x, shape[1]))
    two = x.two
    if two is not None and two.source is not None and two.padding == NO_PADDING:
        return Value(shape, two=replace(two, source=reshaped(call, two.source, wanted)))
    stored = call.builder.floats(x)
    if len(shape) == 2 and shape[0] == x.shape[0] and stored.order[0] == 0 and stored.gather is None:
        return _flat(call, x, stored, shape)
    plain = call.builder.in_order(stored, tuple(range(len(x.shape))))
    order = channels_last(len(shape)) if sum(size > 1 for size in shape[1:]) < 2 else tuple(range(len(shape)))
    out = call.builder.add(Reshape(), [plain], [shape[axis] for axis in order], call.name)
    return Value(shape, stored=Stored(out, order))


def _flat(call: Call, x: Value, stored: Stored, shape: tuple[int, ...]) -> Value:
    """An image as a row, its numbers where they are: who needs ONNX's order sorts its weights."""
    call.builder.charge(8 * prod(x.shape[1:]))
    places = np.arange(prod(x.shape[1:])).reshape(x.shape[1:])
    gather = places.transpose([axis - 1 for axis in stored.order[1:]]).reshape(-1)
    in_order = bool((np.diff(gather) == 1).all())
    out = call.builder.add(Reshape(), [stored.tensor], shape, call.name)
    return Value(shape, stored=Stored(out, (0, 1), None if in_order else gather, None if in_order else x))


def _shape(call: Call, x: Value, wanted: list[int]) -> tuple[int, ...]:
    """Sizes with at most one -1. They are those of the file, whose batch is repeated along the first axis."""
    of_file = prod(call.builder.of_file(x.shape))
    if any(size < -1 for size in wanted) or wanted.count(-1) > 1:
        call.fail(f"its shape is {wanted}.")
    if -1 in wanted:
        rest = prod(size for size in wanted if size != -1)
        if rest == 0 or of_file % rest:
            call.fail(f"its shape {wanted} does not fit {list(x.shape)}.")
        wanted[wanted.index(-1)] = of_file // rest
    if prod(wanted) != of_file or (not wanted and call.builder.batch > 1):
        call.fail(f"its shape {wanted} does not fit {list(x.shape)}.")
    return call.builder.of_batch(wanted)


def concat(call: Call) -> Value:
    """Concat of computed values."""
    values = [call.value(place) for place in range(max(len(call.inputs), 1))]
    if len(values) == 1:
        return values[0]
    rank = len(values[0].shape)
    axis = call.axis(call.integer("axis", 1, -8, 8), rank)
    if any(value.is_constant or len(value.shape) != rank for value in values):
        call.fail("it joins constants and computed values, or values of other ranks.")
    if axis == 0:
        call.needs_own_batch("it joins along the batch")
    order = channels_last(rank)
    tensors = [call.builder.ordered(value, order) for value in values]
    shape = list(values[0].shape)
    for value in values[1:]:
        if any(a != b for place, (a, b) in enumerate(zip(shape, value.shape, strict=True)) if place != axis):
            call.fail("its operands have shapes that do not go together.")
    shape[axis] = sum(value.shape[axis] for value in values)
    out = call.builder.add(Concat(order.index(axis)), tensors, [shape[place] for place in order], call.name)
    return Value(tuple(shape), stored=Stored(out, order))


def split(call: Call) -> list[Value]:
    """Split into parts of given sizes, or equal ones."""
    x = call.value(0)
    axis = call.axis(call.integer("axis", 0, -8, 8), len(x.shape))
    sizes, parts, size = call.listed("split", 1), len(call.outputs), x.shape[axis]
    if sizes is None:
        each = -(-size // parts)
        sizes = [each] * (parts - 1) + [size - each * (parts - 1)]
    if len(sizes) != parts or sum(sizes) != size or min(sizes) < 1:
        call.fail(f"its sizes {sizes} do not add up to {size}.")
    starts = np.cumsum([0, *sizes[:-1]])
    return [
        _box(call, x, {axis: int(start)}, {axis: taken}, name)
        for start, taken, name in zip(starts, sizes, call.outputs, strict=True)
    ]


def slice_(call: Call) -> Value:
    """Slice with steps of 1."""
    x = call.value(0)
    starts, ends = call.listed("starts", 1), call.listed("ends", 2)
    if starts is None or ends is None or len(starts) != len(ends):
        call.fail("its starts and ends do not go together.")
    given = call.listed("axes", 3)
    axes = list(range(len(starts))) if given is None else [call.axis(axis, len(x.shape)) for axis in given]
    steps = call.integers(4, "steps") if call.has(4) else [1] * len(starts)
    if len(axes) != len(starts) or len(steps) != len(starts) or any(step != 1 for step in steps):
        call.fail(f"its steps are {steps}; 1 is supported.")
    first, taken = {}, {}
    for axis, start, end in zip(axes, starts, ends, strict=True):
        begin, stop, _ = slice(start, end).indices(x.shape[axis])
        if stop <= begin:
            call.fail("it takes nothing.")
        first[axis], taken[axis] = begin, stop - begin
    return _box(call, x, first, taken, call.name)


def _box(call: Call, x: Value, first: dict[int, int], taken: dict[int, int], name: str) -> Value:
    if 0 in first and (first[0] or taken[0] != x.shape[0]):
        call.needs_own_batch("it takes a part of the batch")
    shape = tuple(taken.get(axis, size) for axis, size in enumerate(x.shape))
    if shape == x.shape:
        return x
    stored = call.builder.floats(x)
    if stored.gather is not None:
        stored = Stored(call.builder.in_order(stored, (0, 1)), (0, 1))
    start = tuple(first.get(axis, 0) for axis in stored.order)
    out = call.builder.add(Slice(start), [stored.tensor], [shape[axis] for axis in stored.order], name)
    return call.builder.value(out, stored, shape)


def pad(call: Call) -> Value:
    """Pad with a constant; of two values with the higher one it becomes a convolution's own padding."""
    x = call.value(0)
    rank = len(x.shape)
    if call.text("mode", "constant") != "constant":
        call.fail("its mode is not constant.")
    pads = call.listed("pads", 1)
    if pads is None:
        call.fail("its pads are missing.")
    if call.has(3):
        axes = [call.axis(axis, rank) for axis in call.integers(3, "axes")]
        if len(pads) != 2 * len(axes):
            call.fail(f"its pads are {pads} for axes {axes}.")
        whole = [0] * (2 * rank)
        for place, axis in enumerate(axes):
            whole[axis], whole[axis + rank] = pads[place], pads[place + len(axes)]
        pads = whole
    if len(pads) != 2 * rank or min(pads) < 0 or pads[0] or pads[rank] or x.is_constant:
        call.fail(f"its pads are {pads} for an input of shape {list(x.shape)}.")
    value = call.number("value", 0.0)
    if call.has(2):
        given = call.floats(2, "value")
        value = float(given.reshape(-1)[0]) if given.size == 1 else call.fail("its value is not one number.")
    if not any(pads):
        return x
    before, after = pads[:rank], pads[rank:]
    shape = tuple(size + front + back for size, front, back in zip(x.shape, before, after, strict=True))
    two = x.two
    surrounds = rank == 4 and not (before[1] or after[1])
    if two is not None and two.padding == NO_PADDING and surrounds and value == two.high:
        return Value(shape, two=replace(two, padding=(before[2], after[2], before[3], after[3])))
    stored = call.builder.floats(x)
    if stored.gather is not None:
        call.fail("it pads a flattened image.")
    return call.like(Pad(tuple(before[axis] for axis in stored.order), value), [stored.tensor], stored, shape)


def shape(call: Call) -> Value:
    """Shape: a constant, that of the file's own batch."""
    sizes: NDArray[np.int64] = np.array(call.builder.of_file(call.value(0).shape), np.int64)
    start, end = call.integer("start", 0, -8, 8), call.integer("end", len(sizes), -8, 8)
    return constant(sizes[start:end])
