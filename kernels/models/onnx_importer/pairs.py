"""Min, Max and Div: elementwise ops of pairs that nothing else takes over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..operations import BinaryKind, Elementwise
from .arithmetic import of_two, with_constant
from .call import Call
from .values import Value


def pairs(kind: BinaryKind) -> Callable[[Call], Value]:
    """An op of two operands that broadcast, or of several one after another; one alone is itself."""

    def convert(call: Call) -> Value:
        result = call.value(0)
        for place in range(1, len(call.inputs)):
            last = place == len(call.inputs) - 1
            part = call if last else replace(call, outputs=[f"{call.name} of {place + 1}"])
            result = _of_pair(part, kind, result, call.value(place))
        return result

    return convert


def div(call: Call) -> Value:
    """Div; by a constant it is a product."""
    divisor = call.value(1, "divisor")
    if divisor.is_constant:
        numbers = call.floats(1, "divisor")
        if (numbers == 0).any():
            call.fail("it divides by 0.")
        return with_constant(call, "mul", call.value(0), np.float32(1) / numbers)
    return _of_pair(call, "div", call.value(0), divisor)


def _of_pair(call: Call, kind: BinaryKind, a: Value, b: Value) -> Value:
    if a.data is None and b.data is None:
        return of_two(call, kind, a, b)
    x, data = (a, b.data) if b.data is not None else (b, a.data)
    if data is None or data.dtype.kind != "f":
        call.fail("its constant is not of floats.")
    if x.is_constant:
        call.fail("its first operands are constant; put them behind the computed ones.")
    if np.broadcast_shapes(x.shape, data.shape) != x.shape:
        call.fail(f"its constant has shape {list(data.shape)} for an input of shape {list(x.shape)}.")
    stored = call.builder.floats(x)
    operand = call.builder.constant(call.builder.aligned(data, stored, len(x.shape)))
    operands = [stored.tensor, operand] if x is a else [operand, stored.tensor]
    return call.like(Elementwise(kind), operands, stored, x.shape)
