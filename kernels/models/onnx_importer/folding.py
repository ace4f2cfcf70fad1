"""Ops whose operands are all constant: computed once, in NumPy, and never larger than a file may make them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import quantization
from .call import Call
from .expansion import expanded
from .qonnx import bit_width, bounds
from .reductions import REDUCTIONS
from .values import Value

Array = NDArray[Any]
_TYPES: Mapping[int, str] = {1: "f4", 3: "i1", 6: "i4", 7: "i8", 9: "?", 10: "f2", 11: "f8", 2: "u1"}
"""Of TensorProto.DataType."""


def elementwise(compute: Callable[..., Array]) -> Callable[[Call], Array]:
    """A function of values that broadcast."""

    def fold(call: Call) -> Array:
        arrays = [call.constant(place, "operand") for place in range(len(call.inputs))]
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        call.builder.charge(8 * prod(shape))
        with np.errstate(all="ignore"):
            found = np.asarray(compute(*arrays))
        return found.astype(arrays[0].dtype) if found.dtype.kind == "f" and arrays[0].dtype.kind == "f" else found

    return fold


def _divided(a: Array, b: Array) -> Array:
    return a / b if a.dtype.kind == "f" else np.floor_divide(a, np.where(b == 0, 1, b))


def _cast(call: Call) -> Array:
    name = _TYPES.get(call.integer("to", 0, 0, 64))
    if name is None:
        call.fail("it casts to a type that is not supported.")
    data = call.constant(0, "input")
    call.builder.charge(8 * data.size)
    with np.errstate(all="ignore"):
        return data.astype(name)


def _reshape(call: Call) -> Array:
    data, wanted = call.constant(0, "input"), call.listed("shape", 1) or []
    sizes = [data.shape[place] if size == 0 and place < data.ndim else size for place, size in enumerate(wanted)]
    return data.reshape(sizes)


def _transpose(call: Call) -> Array:
    data = call.constant(0, "input")
    return data.transpose(call.numbers("perm", data.ndim, range(data.ndim)[::-1], 0, max(data.ndim - 1, 0)))


def _unsqueeze(call: Call) -> Array:
    data, axes = call.constant(0, "input"), call.listed("axes", 1) or []
    rank, sizes = data.ndim + len(axes), iter(data.shape)
    places = call.axes(axes, rank)
    return data.reshape([1 if axis in places else next(sizes) for axis in range(rank)])


def _squeeze(call: Call) -> Array:
    data, axes = call.constant(0, "input"), call.listed("axes", 1)
    return data.squeeze(None if axes is None else call.axes(axes, data.ndim))


def _concat(call: Call) -> Array:
    arrays = [call.constant(place, "operand") for place in range(len(call.inputs))]
    call.builder.charge(sum(array.nbytes for array in arrays))
    return np.concatenate(arrays, call.axis(call.integer("axis", 0, -8, 8), arrays[0].ndim))


def _gather(call: Call) -> Array:
    data, places = call.constant(0, "input"), call.constant(1, "indices")
    axis = call.axis(call.integer("axis", 0, -8, 8), data.ndim)
    call.builder.charge(8 * places.size * max(data.size // max(data.shape[axis], 1), 1))
    return data.take(places, axis)


def _slice(call: Call) -> Array:
    data = call.constant(0, "input")
    starts, ends = call.listed("starts", 1) or [], call.listed("ends", 2) or []
    given = call.listed("axes", 3)
    axes = range(len(starts)) if given is None else [call.axis(axis, data.ndim) for axis in given]
    steps = call.integers(4, "steps") if call.has(4) else [1] * len(starts)
    box = [slice(None)] * data.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        box[axis] = slice(start, None if step < 0 and end < -data.shape[axis] else end, step)
    return data[tuple(box)]


def _constant_of_shape(call: Call) -> Array:
    sizes = call.integers(0, "shape")
    value = call.attributes.get("value")
    fill = value.reshape(-1)[0] if isinstance(value, np.ndarray) and value.size == 1 else np.float32(0)
    if min(sizes, default=1) < 0:
        call.fail(f"its shape is {sizes}.")
    call.builder.charge(8 * prod(sizes))
    return np.full(sizes, fill)


def _quant(call: Call) -> Array:
    """QONNX Quant of constants."""
    x, scale, zero = (call.constant(place, "operand").astype(np.float64) for place in range(3))
    bits, signed, narrow = bit_width(call), call.integer("signed", 1, 0, 1), call.integer("narrow", 0, 0, 1)
    if not (scale > 0).all():
        call.fail("its scale is not positive.")
    call.builder.charge(8 * prod(np.broadcast_shapes(x.shape, scale.shape, zero.shape)))
    if bits == 1 and signed:
        return np.asarray(np.where(x / scale + zero >= 0, scale, -scale), np.float32)
    mode = call.text("rounding_mode", "ROUND").upper()
    known: Mapping[str, Callable[[Array], Array]] = {"ROUND": np.round, "CEIL": np.ceil, "FLOOR": np.floor}
    rounding = known.get(mode)
    if rounding is None:
        call.fail(f"its rounding_mode is {mode!r}.")
    low, high = bounds(bits, bool(signed), bool(narrow))
    return np.asarray((rounding(np.clip(x / scale + zero, low, high)) - zero) * scale, np.float32)


def _bipolar(x: Array, scale: Array) -> Array:
    return np.where(x >= 0, scale, -scale)


def _clip(call: Call) -> Array:
    data = call.constant(0, "input")
    bounds = [
        call.constant(place, name) if call.has(place) else call.attributes.get(name)
        for place, name in ((1, "min"), (2, "max"))
    ]
    return data if bounds == [None, None] else np.clip(data, *bounds).astype(data.dtype)  # type: ignore[arg-type]


FOLDERS: Mapping[str, Callable[[Call], Array]] = {
    "Add": elementwise(np.add),
    "Sub": elementwise(np.subtract),
    "Mul": elementwise(np.multiply),
    "Div": elementwise(_divided),
    "Pow": elementwise(np.power),
    "Neg": elementwise(np.negative),
    "Abs": elementwise(np.abs),
    "Sqrt": elementwise(np.sqrt),
    "Exp": elementwise(np.exp),
    "Log": elementwise(np.log),
    "Tanh": elementwise(np.tanh),
    "Sign": elementwise(np.sign),
    "Round": elementwise(np.round),
    "Floor": elementwise(np.floor),
    "Ceil": elementwise(np.ceil),
    "Min": elementwise(np.minimum),
    "Max": elementwise(np.maximum),
    "Not": elementwise(np.logical_not),
    "And": elementwise(np.logical_and),
    "Or": elementwise(np.logical_or),
    "Equal": elementwise(np.equal),
    "Greater": elementwise(np.greater),
    "GreaterOrEqual": elementwise(np.greater_equal),
    "Less": elementwise(np.less),
    "LessOrEqual": elementwise(np.less_equal),
    "Where": elementwise(np.where),
    "BipolarQuant": elementwise(_bipolar),
    "Identity": elementwise(np.array),
    "Clip": _clip,
    "Cast": _cast,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Concat": _concat,
    "Gather": _gather,
    "Slice": _slice,
    "ConstantOfShape": _constant_of_shape,
    "Expand": expanded,
    **REDUCTIONS,
    "Quant": _quant,
    "IntQuant": _quant,
    "QuantizeLinear": quantization.quantize_constant,
    "DequantizeLinear": quantization.dequantize_constant,
}
"""Op -> its value of constants."""


def folded(call: Call) -> Value:
    """The constant that an op of constants is."""
    fold = FOLDERS.get(call.op)
    if fold is None:
        call.fail("all of its inputs are constant, which is not supported.")
    try:
        return Value((found := fold(call)).shape, data=found, steps=quantization.steps_of_constant(call))
    except (ValueError, IndexError, TypeError, OverflowError, MemoryError) as error:
        call.fail(f"its constants do not go together ({str(error).splitlines()[0][:120]}).")
