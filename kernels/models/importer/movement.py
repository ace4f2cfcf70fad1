"""Ops that move values and do not change them."""

from __future__ import annotations

from math import prod

import numpy as np

from ..graph import Tensor
from ..operations import Concat, Pad, Reshape, Slice, Transpose
from .scope import Scope


def reshape(scope: Scope) -> None:
    """RESHAPE: the new shape stands in a constant, in an option, or in the output alone; where they are they agree."""
    x = scope.value(0, "input", "f32", "i8")
    wanted = scope.integers(1, "new shape") if scope.has(1) else scope.op.options.get("new_shape")
    if scope.values.is_resized:
        _reshaped(scope, x, _filled(scope, x, wanted))
        return
    shape = scope.stored_output()
    if wanted and not _means(wanted, [shape[0] // scope.batch, *shape[1:]] if shape else []):
        scope.fail(f"it makes shape {list(wanted)[:8]} where its output has {list(shape)[:8]}.")
    _reshaped(scope, x, shape)


def squeeze(scope: Scope) -> None:
    """SQUEEZE: drops the named dimensions of size 1, or all of them."""
    x = scope.value(0, "input", "f32", "i8")
    sizes = (x.shape[0] // scope.batch, *x.shape[1:])
    named = scope.op.options.get("squeeze_dims") or [axis for axis, size in enumerate(sizes) if size == 1]
    axes = scope.axes(named, len(sizes)) if named else ()
    if any(sizes[axis] != 1 for axis in axes):
        scope.fail(f"it drops dimensions {list(axes)} of shape {list(sizes)}, which are not all 1.")
    _reshaped_to(scope, x, [size for axis, size in enumerate(sizes) if axis not in axes])


def expand_dims(scope: Scope) -> None:
    """EXPAND_DIMS: one more dimension of size 1."""
    x = scope.value(0, "input", "f32", "i8")
    (axis,) = scope.axes(scope.integers(1, "axis")[:1], len(x.shape) + 1)
    sizes = [x.shape[0] // scope.batch, *x.shape[1:]]
    _reshaped_to(scope, x, [*sizes[:axis], 1, *sizes[axis:]])


def concatenation(scope: Scope) -> None:
    """CONCATENATION along one axis."""
    count = len(scope.op.inputs)
    if not count:
        scope.fail("it has no inputs.")
    parts = [scope.value(position, f"input {position}", "f32", "i8") for position in range(count)]
    first = parts[0]
    (axis,) = scope.axes([scope.option("axis", -4, 3)], len(first.shape))
    if axis == 0 and scope.batch > 1:
        scope.fail("it concatenates along the batch; import the model with its own batch.")
    for part in parts:
        same = part.shape[:axis] + part.shape[axis + 1 :] == first.shape[:axis] + first.shape[axis + 1 :]
        if part.dtype != first.dtype or len(part.shape) != len(first.shape) or not same:
            scope.fail(f"its inputs {list(first.shape)} and {list(part.shape)} do not go together.")
    shape = [*first.shape[:axis], sum(part.shape[axis] for part in parts), *first.shape[axis + 1 :]]
    out = scope.output(shape, first.dtype)
    if any((part.scale, part.zero_point) != (out.scale, out.zero_point) for part in parts):
        scope.fail("its inputs and its output have different scales or zero points.")
    if not scope.act().does_nothing:
        scope.fail("it has a fused activation, which TensorFlow Lite itself does not take.")
    scope.node(Concat(axis), parts, out)


def pad(scope: Scope) -> None:
    """PAD and PADV2 with constant margins."""
    x = scope.value(0, "input", "f32", "i8")
    margins = scope.constant(1, "paddings", "int32", "int64", rank=2)
    if margins.shape != (len(x.shape), 2) or margins.min() < 0 or margins.max() > 2**24:
        scope.fail(f"its paddings are {margins.tolist() if margins.size < 20 else 'too many'}.")
    before = tuple(int(row[0]) for row in margins)
    shape = [size + int(row[0]) + int(row[1]) for size, row in zip(x.shape, margins, strict=True)]
    if scope.batch > 1 and margins[0].any():
        scope.fail("it pads the batch; import the model with its own batch.")
    value = float(x.zero_point)
    if scope.has(2):
        filling = scope.constant(2, "value", "float32" if x.dtype == "f32" else "int8")
        if filling.size != 1:
            scope.fail(f"its value is {filling.size} numbers.")
        value = float(filling.reshape(-1)[0])
    scope.node(Pad(before, value), [x], moved_output(scope, x, shape))


def split(scope: Scope) -> None:
    """SPLIT into equal parts."""
    x = scope.value(1, "input", "f32", "i8")
    parts = scope.option("num_splits", 1, 4096)
    (axis,) = scope.axes(scope.integers(0, "axis"), len(x.shape))
    if x.shape[axis] % parts:
        scope.fail(f"it splits {x.shape[axis]} into {parts} parts.")
    _parts(scope, x, axis, [x.shape[axis] // parts] * parts)


def split_v(scope: Scope) -> None:
    """SPLIT_V into parts of given sizes."""
    x = scope.value(0, "input", "f32", "i8")
    (axis,) = scope.axes(scope.integers(2, "axis"), len(x.shape))
    data = scope.constant(1, "sizes", "int32", "int64", rank=1)
    if data.size != len(scope.op.outputs):
        scope.fail(f"it has {len(scope.op.outputs)} outputs for {data.size} parts.")
    sizes = [int(size) for size in data]
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = x.shape[axis] - sum(size for size in sizes if size > 0)
    if min(sizes, default=0) < 1 or sum(sizes) != x.shape[axis]:
        scope.fail(f"it splits {x.shape[axis]} into {sizes[:8]}.")
    _parts(scope, x, axis, sizes)


def slice_(scope: Scope) -> None:
    """SLICE with constant begin and size."""
    x = scope.value(0, "input", "f32", "i8")
    begin, size = scope.integers(1, "begin"), scope.integers(2, "size")
    if len(begin) != len(x.shape) or len(size) != len(x.shape):
        scope.fail(f"its begin {begin} and size {size} are for other than {len(x.shape)} dimensions.")
    size[0] = (
        x.shape[0] if scope.batch > 1 and (begin[0], size[0]) in ((0, -1), (0, x.shape[0] // scope.batch)) else size[0]
    )
    shape = [whole - b if s == -1 else s for whole, b, s in zip(x.shape, begin, size, strict=True)]
    _box(scope, x, begin, shape)


def depth_to_space(scope: Scope) -> None:
    """DEPTH_TO_SPACE: channels that become blocks of pixels."""
    x, block, (n, h, w, c) = _image_of_blocks(scope)
    if c % (block * block):
        scope.fail(f"its input has {c} channels for blocks of {block}.")
    deep = c // block
    swapped(scope, x, (n * h, w, block, deep), (n, h * block, w * block, deep // block))


def space_to_depth(scope: Scope) -> None:
    """SPACE_TO_DEPTH: blocks of pixels that become channels."""
    x, block, (n, h, w, c) = _image_of_blocks(scope)
    if h % block or w % block:
        scope.fail(f"its input has {h} x {w} pixels for blocks of {block}.")
    shape = (n, h // block, w // block, block * block * c)
    swapped(scope, x, (n * h // block, block, w // block, block * c), shape)


def _image_of_blocks(scope: Scope) -> tuple[Tensor, int, tuple[int, ...]]:
    x = scope.value(0, "input", "f32", "i8")
    if len(x.shape) != 4:
        scope.fail(f"its input has {len(x.shape)} dimensions, not 4.")
    if x.data is not None:
        scope.fail("its input is constant; let the converter fold it.")
    return x, scope.option("block_size", 1, 4096), x.shape


def swapped(scope: Scope, x: Tensor, parts: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """x seen as `parts`, with the two axes in the middle swapped, seen as the output's shape."""
    out = moved_output(scope, x, shape)
    seen = scope.inner(x, parts, "in blocks")
    swapped = scope.inner(x, (parts[0], parts[2], parts[1], parts[3]), "in lines")
    scope.node(Reshape(), [x], seen)
    scope.node(Transpose((0, 2, 1, 3)), [seen], swapped)
    scope.node(Reshape(), [swapped], out)


def shape(scope: Scope) -> None:
    """SHAPE, which is known beforehand."""
    x = scope.value(0, "input", "f32", "i8")
    scope.fold(np.array((x.shape[0] // scope.batch, *x.shape[1:]), np.int32))


def transpose(scope: Scope) -> None:
    """TRANSPOSE by a constant permutation."""
    x = scope.value(0, "input", "f32", "i8")
    perm = scope.integers(1, "permutation")
    if sorted(perm) != list(range(len(x.shape))):
        scope.fail(f"its permutation {perm} does not fit {len(x.shape)} axes.")
    if scope.batch > 1 and perm[0] != 0:
        scope.fail("it moves the batch; import the model with its own batch.")
    scope.node(Transpose(tuple(perm)), [x], moved_output(scope, x, [x.shape[axis] for axis in perm]))


def _means(wanted: list[int], shape: list[int]) -> bool:
    """Whether a shape that may leave one size open (-1) is this one."""
    sizes_match = len(wanted) == len(shape) and all(w in (-1, s) for w, s in zip(wanted, shape, strict=True))
    return sizes_match and wanted.count(-1) <= 1


def _filled(scope: Scope, x: Tensor, wanted: list[int] | None) -> tuple[int, ...]:
    """A new shape for sizes that the user gave, one of which may be open (-1)."""
    if not wanted or wanted.count(-1) > 1 or min(wanted) < -1:
        scope.fail("its new shape is fixed in the file, so the model runs with its own sizes only.")
    known, total = prod(size for size in wanted if size != -1), prod(x.shape) // scope.batch
    sizes = [total // max(known, 1) if size == -1 else size for size in wanted]
    return (sizes[0] * scope.batch, *sizes[1:])


def _reshaped_to(scope: Scope, x: Tensor, shape: list[int]) -> None:
    """The shape that follows, which must be the output's in the file."""
    if scope.values.is_resized:
        _reshaped(scope, x, (shape[0] * scope.batch, *shape[1:]) if shape else ())
        return
    _expect(scope, shape)
    _reshaped(scope, x, scope.stored_output())


def _expect(scope: Scope, shape: list[int]) -> None:
    """The output's shape in the file must be the one that follows."""
    ref = scope.op.output(0)
    if ref is None or list(ref.shape) != shape:
        scope.fail(f"its output has shape {[] if ref is None else list(ref.shape)[:8]} where {shape} follows.")


def _reshaped(scope: Scope, x: Tensor, shape: tuple[int, ...]) -> None:
    if min(shape, default=0) < 1 or prod(shape) != prod(x.shape):
        scope.fail(f"it makes shape {list(shape)[:8]} of {list(x.shape)}, which has a different number of values.")
    scope.node(Reshape(), [x], moved_output(scope, x, shape))


def moved_output(scope: Scope, x: Tensor, shape: list[int] | tuple[int, ...], position: int = 0) -> Tensor:
    """A result that holds values of x as they are stored."""
    out = scope.output(shape, x.dtype, position)
    if (x.scale, x.zero_point) != (out.scale, out.zero_point):
        scope.fail("its input and output have different scales or zero points.")
    return out


def _box(scope: Scope, x: Tensor, start: list[int], shape: list[int]) -> None:
    if any(b < 0 or s < 1 or b + s > n for b, s, n in zip(start, shape, x.shape, strict=True)):
        scope.fail(f"it takes {shape} from {start} on of an input of shape {list(x.shape)}.")
    if scope.batch > 1 and (start[0] or shape[0] != x.shape[0]):
        scope.fail("it cuts the batch; import the model with its own batch.")
    scope.node(Slice(tuple(start)), [x], moved_output(scope, x, shape))


def _parts(scope: Scope, x: Tensor, axis: int, sizes: list[int]) -> None:
    if axis == 0 and scope.batch > 1:
        scope.fail("it splits the batch; import the model with its own batch.")
    if len(sizes) != len(scope.op.outputs):
        scope.fail(f"it has {len(scope.op.outputs)} outputs for {len(sizes)} parts.")
    starts = np.cumsum([0, *sizes[:-1]])
    for position, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        shape = [*x.shape[:axis], size, *x.shape[axis + 1 :]]
        box = [0] * len(shape)
        box[axis] = int(start)
        scope.node(Slice(tuple(box)), [x], moved_output(scope, x, shape, position))
