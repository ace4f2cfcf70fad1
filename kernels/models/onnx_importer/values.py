"""What an ONNX value is while the graph grows: a constant, a tensor of the graph, or a value of two numbers.

ONNX has images as NCHW, a graph as NHWC. A computed value therefore knows in which order its axes are stored, so that a
Transpose moves nothing, and, when it is a flattened image, which number of it is stored where.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import Tensor

NO_PADDING = (0, 0, 0, 0)
Padding = tuple[int, int, int, int]
"""Rows above and below, columns left and right."""


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """How a computed value lies in its tensor: `order[i]` is the ONNX axis of stored axis i. Of a flattened image,
    `gather[j]` is the ONNX place of what is stored at place j of the last axis, and `whole` the image."""

    tensor: Tensor
    order: tuple[int, ...]
    gather: NDArray[np.intp] | None = None
    whole: Value | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TwoValued:
    """`high` where `source` is not negative, else `low`; or by bits, `high` where the bit is 0.

    `padding` surrounds the image with `high`. `made_by` is the node that says so.
    """

    high: float
    low: float
    source: Value | None = None
    bits: Stored | None = None
    padding: Padding = NO_PADDING
    made_by: tuple[int, str] = (0, "")

    @property
    def is_symmetric(self) -> bool:
        return self.high == -self.low and self.high != 0


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """`minuend - subtrahend`: what exporters write to let a gradient pass adds the subtrahend again."""

    minuend: Value
    subtrahend: Value


@dataclass(frozen=True, slots=True, eq=False)
class Signed:
    """The Sign of `source`, which ONNX makes 0 of 0."""

    source: Value


@dataclass(frozen=True, slots=True, eq=False)
class IsZero:
    """Whether a Sign is 0."""

    sign: Value


@dataclass(frozen=True, slots=True, eq=False)
class Clipped:
    """`value` within `low` and `high`."""

    value: Value
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Parted:
    """Images whose channels are seen as `groups` of them, or, swapped, as the places in these: five axes, which are
    only a way to a channel shuffle."""

    image: Value
    groups: int
    is_swapped: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A value of the ONNX file with its shape there: one of `data`, `stored` and `two`, or only `made_of` others.
    `made_of` is how it was made, where a later op may need to know. `integers` are those of QuantizeLinear. `steps`
    are what constants are whole multiples of, f32 that broadcasts with them, where that is known."""

    shape: tuple[int, ...]
    data: NDArray[Any] | None = None
    stored: Stored | None = None
    two: TwoValued | None = None
    made_of: Difference | Signed | IsZero | Clipped | Parted | None = None
    integers: Stored | None = None
    steps: NDArray[np.float32] | None = None

    @property
    def is_constant(self) -> bool:
        return self.data is not None


def constant(data: NDArray[Any]) -> Value:
    """A constant value."""
    return Value(data.shape, data=data)


def channels_last(rank: int) -> tuple[int, ...]:
    """The order in which a graph stores a value of so many axes: images are NHWC."""
    return (0, 2, 3, 1) if rank == 4 else tuple(range(rank))


def tensors(value: Value) -> set[Tensor]:
    """The tensors of a graph that a value still needs, however it is used later."""
    found = _own(value)
    match value.made_of:
        case Difference(minuend) if minuend.two is not None:
            found |= _own(minuend)
        case Signed(needed) | Clipped(needed):
            found |= _own(needed)
        case IsZero(Value(made_of=Signed(source)) as sign):
            found |= _own(sign) | _own(source)
        case Parted(image):
            found |= tensors(image)
    return found


def _own(value: Value) -> set[Tensor]:
    """Those that a value needs if nobody asks how it was made: a long chain of ops needs no more than its end."""
    two, found = value.two, set[Tensor]()
    for stored in (value.stored, value.integers):
        if stored is not None:
            found.add(stored.tensor)
            found |= _own(stored.whole) if stored.whole is not None else set()
    if two is not None and two.bits is not None:
        found.add(two.bits.tensor)
    if two is not None and two.source is not None:
        found |= _own(two.source)
    return found
