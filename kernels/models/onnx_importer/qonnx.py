"""QONNX Quant of computed values: signs where it has one bit, else steps that are computed in f32."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..graph import Tensor
from ..operations import Clamp, Elementwise, Unary
from .call import Call
from .signs import two_valued
from .values import Stored, Value

_ROUNDS = 1.5 * 2**23
"""f32 of this size are whole numbers: added and taken away again, it rounds to the nearest, halves to even."""
MAX_BITS = 16


def bounds(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    """The smallest and the largest step of so many bits."""
    if signed:
        return -(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1
    return 0, 2**bits - 1 - narrow


def bit_width(call: Call) -> int:
    """The number of bits of a Quant. Raises ModelError."""
    given = call.floats(3, "bit width")
    if given.size != 1 or not 1 <= given.reshape(-1)[0] <= 32 or given.reshape(-1)[0] % 1:
        call.fail("its bit width is no whole number from 1 to 32.")
    return int(given.reshape(-1)[0])


def quant(call: Call) -> Value:
    """Quant: `(round(clip(x / scale + zero_point)) - zero_point) * scale`; of one signed bit scale or -scale."""
    x, scale, zero = call.value(0), call.floats(1, "scale"), call.floats(2, "zero point")
    bits = bit_width(call)
    signed, narrow = bool(call.integer("signed", 1, 0, 1)), bool(call.integer("narrow", 0, 0, 1))
    if not scale.size or not (scale > 0).all():
        call.fail("its scale is not positive.")
    if bits == 1 and signed:
        if scale.size != 1 or zero.any():
            call.fail("it has one bit, and several scales or a zero point.")
        size = float(scale.reshape(-1)[0])
        return two_valued(call, x, size, -size)
    if bits > MAX_BITS or call.text("rounding_mode", "ROUND").upper() not in ("ROUND", "HALF_EVEN"):
        call.fail(f"it has {bits} bits, or rounds otherwise than ROUND; up to {MAX_BITS} bits are supported.")
    for numbers in (scale, zero):
        if np.broadcast_shapes(x.shape, numbers.shape) != x.shape:
            call.fail(f"its scale or zero point has shape {list(numbers.shape)} for an input of {list(x.shape)}.")
    return _steps(call, x, scale, zero, bounds(bits, signed, narrow))


def _steps(
    call: Call, x: Value, scale: NDArray[np.float32], zero: NDArray[np.float32], limits: tuple[int, int]
) -> Value:
    builder = call.builder
    stored = builder.floats(x)

    def computed(kind: str, numbers: NDArray[np.float32], nothing: float) -> None:
        nonlocal stored
        if (numbers != nothing).any():
            operand = builder.constant(builder.aligned(numbers, stored, len(x.shape)))
            stored = _with(call, Elementwise(kind), [operand], stored)  # type: ignore[arg-type]

    computed("mul", np.float32(1) / scale, 1.0)
    computed("add", zero, 0.0)
    stored = _with(call, Unary("clamp", Clamp(*map(float, limits))), [], stored)
    computed("add", np.full((1,) * len(x.shape), _ROUNDS, np.float32), 0.0)
    computed("sub", np.full((1,) * len(x.shape), _ROUNDS, np.float32), 0.0)
    computed("sub", zero, 0.0)
    computed("mul", scale, 1.0)
    return Value(x.shape, stored=stored)


def _with(call: Call, operation: Elementwise | Unary, operands: list[Tensor], stored: Stored) -> Stored:
    out = call.builder.add(operation, [stored.tensor, *operands], stored.tensor.shape, call.name)
    return Stored(out, stored.order, stored.gather, stored.whole)
