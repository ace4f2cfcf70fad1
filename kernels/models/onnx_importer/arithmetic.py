"""Ops that compute with values: normalization, activations, elementwise ops, pools and means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from math import inf
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..graph import Node, Tensor
from ..operations import (
    BinaryConv2d,
    BinaryKind,
    Clamp,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Elementwise,
    PRelu,
    Softmax,
    Unary,
    UnaryKind,
)
from .call import Call
from .expansion import once
from .signs import mapped, negative
from .values import NO_PADDING, Clipped, Difference, Stored, Value

Kind = Literal["add", "sub", "mul"]
Array = NDArray[np.float32]
_COMPUTE: dict[Kind, Callable[[Array, Array], Array]] = {"add": np.add, "sub": np.subtract, "mul": np.multiply}


def batch_normalization(call: Call) -> Value:
    """BatchNormalization of inference, with constants."""
    if call.integer("training_mode", 0, 0, 1):
        call.fail("it is in training mode; export the model for inference.")
    scale, bias, mean, variance = (
        call.floats(place, role, rank=1).astype(np.float64)
        for place, role in enumerate(("scale", "bias", "mean", "variance"), 1)
    )
    x = call.value(0)
    if len(x.shape) < 2 or any(array.shape != (x.shape[1],) for array in (scale, bias, mean, variance)):
        call.fail(f"its constants do not fit an input of shape {list(x.shape)}.")
    epsilon = call.number("epsilon", 1e-5)
    if (variance + epsilon <= 0).any():
        call.fail("its variance is negative.")
    gain = scale / np.sqrt(variance + epsilon)
    return affine(call, x, gain, bias - mean * gain)


def affine(call: Call, x: Value, gain: NDArray[np.float64], offset: NDArray[np.float64]) -> Value:
    """`gain` and `offset` of each channel, f64[c]; what made `x`, and nothing else uses, does it meanwhile."""
    builder = call.builder
    stored = builder.floats(x)
    channels_are_last = stored.gather is None and stored.order[-1] == 1
    place = len(builder.nodes) - 1
    if channels_are_last and call.is_last[0] and place >= 0 and builder.nodes[place].output is stored.tensor:
        node = scaled(builder.nodes[place], gain, offset)
        if node is not None:
            out = builder.tensor(call.name, node.output.shape)
            builder.nodes[place] = replace(node, output=out)
            return builder.value(out, stored, x.shape)
    shape = (1, -1) + (1,) * (len(x.shape) - 2)
    value = x
    shifts = bool(offset.any())
    for kind, numbers, nothing in (("mul", gain, 1.0), ("add", offset, 0.0)):
        if (numbers != nothing).any():
            stored = builder.floats(value)
            operand = builder.constant(builder.aligned(numbers.astype(np.float32).reshape(shape), stored, len(x.shape)))
            # The last one has the name of the result.
            part = replace(call, outputs=[f"{call.name} scaled"]) if kind == "mul" and shifts else call
            value = part.like(Elementwise(kind), [stored.tensor, operand], stored, x.shape)  # type: ignore[arg-type]
    return value


def scaled(node: Node, gain: NDArray[np.float64], offset: NDArray[np.float64]) -> Node | None:
    """A node that scales and shifts its output's channels as well; None where it cannot. int8 weights stay such."""
    gain32, made = gain.astype(np.float32), node.operation
    match made:
        case BinaryConv2d(multiplier=multiplier, bias=bias) if multiplier is not None and bias is not None:
            made = replace(made, multiplier=multiplier * gain32, bias=_shifted(bias, gain, offset))
        case Conv2d(act=act, weight_scales=None) | Dense(act=act, weight_scales=None) if act.does_nothing:
            shape = (-1,) + (1,) * (made.weights.ndim - 1)
            made = replace(made, weights=made.weights * gain32.reshape(shape), bias=_shifted(made.bias, gain, offset))
        case DepthwiseConv2d(act=act, weight_scales=None) if act.does_nothing:
            made = replace(made, weights=made.weights * gain32, bias=_shifted(made.bias, gain, offset))
        case _:
            return None
    found = [value for field in fields(made) if isinstance(value := getattr(made, field.name), np.ndarray)]
    return replace(node, operation=made) if all(np.isfinite(array).all() for array in found) else None


def _shifted(bias: Array | None, gain: NDArray[np.float64], offset: NDArray[np.float64]) -> Array:
    return np.asarray((0 if bias is None else bias.astype(np.float64)) * gain + offset, np.float32)


def elementwise(kind: Kind) -> Callable[[Call], Value]:
    """Add, Sub, Mul of values that broadcast."""

    def convert(call: Call) -> Value:
        a, b = call.value(0), call.value(1)
        added = _given_back(a, b) or _given_back(b, a) if kind == "add" else None
        if added is not None:
            return added
        if a.data is not None:
            if kind == "sub":
                return with_constant(replace(call, is_last=(True,)), "add", negative(call, b), a.data)
            return with_constant(replace(call, is_last=call.is_last[::-1]), kind, b, a.data)
        if b.data is not None:
            return with_constant(call, kind, a, b.data)
        return of_two(call, kind, a, b)

    return convert


def _given_back(difference: Value, subtrahend: Value) -> Value | None:
    """`(s - y) + y` is s: exporters write it for the gradient of binarizers. Of others than signs it is computed."""
    match difference.made_of:
        case Difference(minuend, other) if other is subtrahend and minuend.two is not None:
            return minuend
    return None


def with_constant(call: Call, kind: Kind, x: Value, data: NDArray[np.float32]) -> Value:
    """A sum or product of a computed value and a constant, of which what made the value may take over a part."""
    if data.dtype.kind != "f":
        call.fail("its constant is not of floats.")
    data = np.asarray(data, np.float32)
    if np.broadcast_shapes(x.shape, data.shape) != x.shape:
        call.fail(f"its constant has shape {list(data.shape)} for an input of shape {list(x.shape)}.")
    data = once(data)
    if x.two is not None and data.size == 1 and x.two.padding == NO_PADDING:
        return mapped(x, lambda values: _COMPUTE[kind](values, data.reshape(-1)))
    per_channel = data.reshape((1,) * (len(x.shape) - data.ndim) + data.shape)
    if len(x.shape) > 1 and data.size == per_channel.shape[1] and kind in ("add", "mul", "sub"):
        numbers = np.broadcast_to(data.reshape(-1).astype(np.float64), (x.shape[1],))
        gain, offset = (numbers, 0 * numbers) if kind == "mul" else (np.ones_like(numbers), numbers)
        return affine(call, x, gain, -offset if kind == "sub" else offset)
    stored = call.builder.floats(x)
    operand = call.builder.constant(call.builder.aligned(data, stored, len(x.shape)))
    return call.like(Elementwise(kind), [stored.tensor, operand], stored, x.shape)


def of_two(call: Call, kind: BinaryKind, a: Value, b: Value) -> Value:
    """One result of two computed values that broadcast."""
    rank = max(len(a.shape), len(b.shape))
    if len(a.shape) != len(b.shape):
        call.needs_own_batch("its operands have the batch at different axes")
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        call.fail(f"its operands have shapes {list(a.shape)} and {list(b.shape)}, which do not go together.")
    first, second = call.builder.floats(a), call.builder.floats(b)
    alike = first.order == second.order and first.gather is second.gather
    if len(a.shape) == len(b.shape) and alike:
        made = call.like(Elementwise(kind), [first.tensor, second.tensor], first, shape)
    else:
        order = (0, 2, 3, 1) if rank == 4 else tuple(range(rank))
        operands = [_ranked(call, value, order) for value in (a, b)]
        out = call.builder.add(Elementwise(kind), operands, [shape[axis] for axis in order], call.name)
        made = Value(shape, stored=Stored(out, order))
    return replace(made, made_of=Difference(a, b)) if kind == "sub" else made


def _ranked(call: Call, value: Value, order: tuple[int, ...]) -> Tensor:
    """An operand with as many axes as the result has."""
    missing = len(order) - len(value.shape)
    if not missing:
        return call.builder.ordered(value, order)
    plain = call.builder.ordered(value, tuple(range(len(value.shape))))
    from ..operations import Reshape  # one way round for shapes of fewer axes

    shape = (1,) * missing + value.shape
    whole = call.builder.add(Reshape(), [plain], shape, f"{call.name} operand")
    return call.builder.in_order(Stored(whole, tuple(range(len(order)))), order)


def clip(call: Call) -> Value:
    """Clip, Relu, and the bounds of their relatives."""
    bounds = []
    for place, name, nothing in ((1, "min", -inf), (2, "max", inf)):
        if call.has(place):
            bound = call.constant(place, name)
            if bound.size != 1:
                call.fail(f"its {name} is not one number.")
            bounds.append(float(bound.reshape(-1)[0]))
        else:
            bounds.append(call.number(name, nothing) if name in call.attributes else nothing)
    return clamped(call, call.value(0), bounds[0], bounds[1])


def clamped(call: Call, x: Value, low: float, high: float) -> Value:
    """Values from `low` to `high`."""
    if x.two is not None and x.two.padding == NO_PADDING:
        return mapped(x, lambda values: np.clip(values, low, high))
    stored = call.builder.floats(x)
    made = call.like(Unary("clamp", Clamp(low, high)), [stored.tensor], stored, x.shape)
    return replace(made, made_of=Clipped(x, low, high))


def relu(call: Call) -> Value:
    """Relu."""
    return clamped(call, call.value(0), 0.0, inf)


def hard_sigmoid(call: Call) -> Value:
    """HardSigmoid."""
    return _hard_sigmoid(call, call.value(0), call.number("alpha", 0.2), call.number("beta", 0.5))


def hard_swish(call: Call) -> Value:
    """HardSwish: x * HardSigmoid(x) with alpha 1/6."""
    x = call.value(0)
    return of_two(call, "mul", x, _hard_sigmoid(call, x, 1 / 6, 0.5))


def _hard_sigmoid(call: Call, x: Value, alpha: float, beta: float) -> Value:
    alone = replace(call, is_last=(False,))
    line = with_constant(alone, "mul", x, np.array([alpha], np.float32))
    return clamped(alone, with_constant(alone, "add", line, np.array([beta], np.float32)), 0.0, 1.0)


def unary(kind: UnaryKind) -> Callable[[Call], Value]:
    """Abs, Sigmoid and their relatives."""

    def convert(call: Call) -> Value:
        x = call.value(0)
        stored = call.builder.floats(x)
        return call.like(Unary(kind), [stored.tensor], stored, x.shape)

    return convert


def neg(call: Call) -> Value:
    """Neg."""
    x = call.value(0)
    return mapped(x, np.negative) if x.two is not None and x.two.padding == NO_PADDING else negative(call, x)


def prelu(call: Call) -> Value:
    """PRelu with constant slopes."""
    x, slopes = call.value(0), call.floats(1, "slopes")
    if np.broadcast_shapes(x.shape, slopes.shape) != x.shape:
        call.fail(f"its slopes have shape {list(slopes.shape)} for an input of shape {list(x.shape)}.")
    return _prelu(call, x, slopes)


def leaky_relu(call: Call) -> Value:
    """LeakyRelu."""
    return _prelu(call, call.value(0), np.array([call.number("alpha", 0.01)], np.float32))


def _prelu(call: Call, x: Value, slopes: NDArray[np.float32]) -> Value:
    stored = call.builder.floats(x)
    alpha = call.builder.aligned(slopes, stored, len(x.shape))
    while alpha.ndim > 1 and alpha.shape[0] == 1:
        alpha = alpha[0]
    return call.like(PRelu(), [stored.tensor, call.builder.constant(alpha)], stored, x.shape)


def softmax(call: Call) -> Value:
    """Softmax over the last axis, or over one that all that follow have one place of."""
    x = call.value(0)
    rank = len(x.shape)
    axis = call.axis(call.integer("axis", 1 if call.version < 13 else -1, -8, 8), rank)
    if axis == 0:
        call.needs_own_batch("it is over the batch")
    is_last = all(size == 1 for size in x.shape[axis + 1 :])
    if not is_last or (call.version < 13 and axis != rank - 1 and any(size > 1 for size in x.shape[axis + 1 :])):
        call.fail(f"it is over axis {axis} of {list(x.shape)}; the last one is supported.")
    order = (*(place for place in range(rank) if place != axis), axis)
    tensor = call.builder.ordered(x, order)
    out = call.builder.add(Softmax(1.0), [tensor], tensor.shape, call.name)
    return Value(x.shape, stored=Stored(out, order))
