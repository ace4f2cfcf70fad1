"""Ops that give two values: signs in the ways in which people and exporters write them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..operations import Clamp, Elementwise
from .call import Call
from .values import Clipped, IsZero, Signed, TwoValued, Value

_LARGEST = 3e38
"""Times any normal number, it is beyond 1."""


def sign(call: Call) -> Value:
    """Sign; of 0 it is 0 in ONNX, and +1 here unless the builder keeps zeros."""
    x = call.value(0)
    if call.builder.keeps_zeros and x.two is None:
        stored = call.builder.floats(x)
        largest = call.builder.constant(np.array([_LARGEST]))
        made = call.like(Elementwise("mul", Clamp(-1.0, 1.0)), [stored.tensor, largest], stored, x.shape)
    else:
        made = two_valued(call, x, 1.0, -1.0)
    return made if x.two is not None else replace(made, made_of=Signed(x))


def bipolar_quant(call: Call) -> Value:
    """QONNX BipolarQuant: scale where x is not negative, else -scale."""
    scale = call.floats(1, "scale")
    if scale.size != 1 or not scale.reshape(-1)[0] > 0:
        call.fail("its scale is not one positive number.")
    size = float(scale.reshape(-1)[0])
    return two_valued(call, call.value(0), size, -size)


def multi_threshold(call: Call) -> Value:
    """FINN's MultiThreshold with one threshold for each channel, or one for all: x >= threshold."""
    x, thresholds = call.value(0), call.floats(1, "thresholds", rank=2)
    layout = call.text("data_layout", "NCHW" if len(x.shape) == 4 else "NC")
    if thresholds.shape[1] != 1 or layout not in ("NCHW", "NC"):
        call.fail("it has more than one threshold, or images that are not NCHW; one threshold is supported.")
    if len(thresholds) > 1 and len(x.shape) not in (2, 4):
        call.fail(f"it has thresholds for each channel of {len(x.shape)} dimensions; 2 and 4 are supported.")
    scale, bias = call.number("out_scale", 1.0), call.number("out_bias", 0.0)
    steps = thresholds[:, 0].reshape((1, -1) + (1,) * (len(x.shape) - 2)) if len(thresholds) > 1 else thresholds[0]
    return two_valued(call, shifted(call, x, -steps), scale + bias, bias)


def compared(op: str) -> Callable[[Call], Value]:
    """Greater, GreaterOrEqual, Less, LessOrEqual of a computed value and a constant: 1 where it is true, else 0."""

    def convert(call: Call) -> Value:
        a, b = call.value(0), call.value(1)
        kind = op
        if a.is_constant:
            a, b = b, a
            kind = {"Greater": "Less", "Less": "Greater", "GreaterOrEqual": "LessOrEqual"}.get(op, "GreaterOrEqual")
        if b.data is None or b.data.dtype.kind != "f":
            call.fail("it compares two computed values; one of them must be constant.")
        threshold = np.asarray(b.data, np.float32)
        # x >= t as it stands; x < t is its opposite. x <= t is t - x >= 0, and x > t the opposite of that.
        if kind in ("GreaterOrEqual", "Less"):
            true, false = (1.0, 0.0) if kind == "GreaterOrEqual" else (0.0, 1.0)
            return two_valued(call, shifted(call, a, -threshold), true, false)
        true, false = (1.0, 0.0) if kind == "LessOrEqual" else (0.0, 1.0)
        return two_valued(call, shifted(call, negative(call, a), threshold), true, false)

    return convert


def equal(call: Call) -> Value:
    """Equal of a Sign and 0: what Where makes another number of."""
    for value, other in ((call.value(0), call.value(1)), (call.value(1), call.value(0))):
        match value.made_of:
            case Signed() if other.data is not None and other.data.size == 1 and not other.data.any():
                return Value(value.shape, made_of=IsZero(value))
    return call.fail("it compares others than a Sign and 0.")


def where(call: Call) -> Value:
    """Where of a comparison and two constant numbers, or of +1 and a Sign where that is 0."""
    condition = call.value(0, "condition")
    match condition.made_of:
        case IsZero(Value(made_of=Signed(source)) as signs) if call.value(2) is signs:
            if _number(call, 1, condition.shape) != 1:
                call.fail("it makes others than 1 of a Sign that is 0.")
            return two_valued(call, source, 1.0, -1.0)
    if condition.two is None:
        call.fail("its condition is not a comparison with a constant.")
    true, false = (_number(call, place, condition.shape) for place in (1, 2))
    two = condition.two
    return Value(condition.shape, two=replace(two, high=_of(two.high, true, false), low=_of(two.low, true, false)))


def round_(call: Call) -> Value:
    """Round of a value that was clipped to 0 and 1: 1 above a half, which rounds to 0."""
    match call.value(0).made_of:
        case Clipped(value, 0.0, 1.0):
            half = np.array(0.5, np.float32)
            return two_valued(call, shifted(call, negative(call, value), half), 0.0, 1.0)
        case _:
            return call.fail("only values that a Clip keeps from 0 to 1 can be rounded.")


def two_valued(call: Call, source: Value, high: float, low: float) -> Value:
    """By the sign of a value. That of two values is theirs."""
    two = source.two
    if two is not None:
        first, second = (high if value >= 0 else low for value in (two.high, two.low))
        return Value(source.shape, two=replace(two, high=first, low=second))
    return Value(source.shape, two=TwoValued(high, low, source, made_by=(call.builder.index, call.op)))


def mapped(value: Value, compute: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Value:
    """A function of a value of two numbers has two numbers."""
    two = value.two
    assert two is not None
    high, low = compute(np.array([two.high, two.low], np.float32)).tolist()
    return Value(value.shape, two=replace(two, high=high, low=low))


def shifted(call: Call, x: Value, offset: NDArray[np.float32]) -> Value:
    """x + offset, which may not make it larger."""
    if np.broadcast_shapes(x.shape, offset.shape) != x.shape:
        call.fail(f"its constant has shape {list(offset.shape)} for an input of shape {list(x.shape)}.")
    if not offset.any():
        return x
    stored = call.builder.floats(x)
    operand = call.builder.constant(call.builder.aligned(offset, stored, len(x.shape)))
    return call.like(Elementwise("add"), [stored.tensor, operand], stored, x.shape)


def negative(call: Call, x: Value) -> Value:
    """-x."""
    stored = call.builder.floats(x)
    operand = call.builder.constant(np.array([-1.0]))
    return call.like(Elementwise("mul"), [stored.tensor, operand], stored, x.shape)


def _number(call: Call, place: int, shape: tuple[int, ...]) -> float:
    """A constant operand that is one number, also one that is repeated up to a shape."""
    data = call.constant(place, "value")
    if data.dtype.kind not in "fiu" or not data.size or (data != data.reshape(-1)[0]).any():
        call.fail("it chooses between others than two constant numbers.")
    if np.broadcast_shapes(data.shape, shape) != shape:
        call.fail(f"its values have shape {list(data.shape)} for a condition of shape {list(shape)}.")
    return float(data.reshape(-1)[0])


def _of(truth: float, true: float, false: float) -> float:
    return true if truth else false
