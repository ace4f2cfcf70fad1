"""Expand: constants that are repeated, which the graph has once."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .call import Call
from .values import Value


def expand(call: Call) -> Value:
    """Expand of a computed value to the shape that it has."""
    x, wanted = call.value(0), tuple(call.integers(1, "shape"))
    if np.broadcast_shapes(x.shape, wanted) != x.shape:
        call.fail(f"it repeats a value of shape {list(x.shape)} to {list(wanted)}; only constants can be repeated.")
    return x


def expanded(call: Call) -> NDArray[Any]:
    """Expand of a constant, as a view, which has it in memory once. A batch is not the file's, so it is not counted."""
    data, wanted = call.constant(0, "input"), call.integers(1, "shape")
    if min(wanted, default=1) < 0:
        call.fail(f"its shape is {wanted}.")
    shape = np.broadcast_shapes(data.shape, tuple(wanted))
    of_file = shape[1:] if shape and shape[0] == call.builder.batch else shape
    call.builder.charge(8 * prod(of_file))
    return np.broadcast_to(data, shape)


def once(data: NDArray[np.float32]) -> NDArray[np.float32]:
    """A constant without its repetitions by Expand, which broadcasts to the same values."""
    return data[tuple(slice(0, 1) if step == 0 else slice(None) for step in data.strides)]
