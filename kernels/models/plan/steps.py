"""Steps and stages of a plan, as docs/plans.md has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from numpy.typing import NDArray

from ..graph import Node, Tensor

STREAMS: Mapping[str, int] = {
    "read": 0,
    "conv": 1,
    "depthwise": 2,
    "pool": 3,
    "bconv": 4,
    "softmax": 5,
    "unpack": 6,
    "broadcast": 7,
    "interpolate": 8,
}
"""Kinds of steps that produce f32 pixels for their stages (of an i8 x: whole numbers)."""

DIRECT: Mapping[str, int] = {
    "bconv_bits": 16,
    "bmaxpool": 17,
    "pack": 18,
    "place": 19,
    "slice": 20,
    "transpose": 21,
    "pool_i8": 22,
    "binary_i8": 23,
    "softmax_i8": 24,
    "table_i8": 25,
    "mean_i8": 26,
    "constant": 27,
    "average_i8": 28,
    "gather": 29,
}
"""Kinds of steps that write one tensor themselves: the second argument."""

STAGES: Mapping[str, int] = {
    "scale": 0,
    "shift": 1,
    "clamp": 2,
    "add": 3,
    "mul": 4,
    "add_image": 5,
    "mul_image": 6,
    "prelu": 7,
    "abs": 8,
    "logistic": 9,
    "add_i8": 10,
    "mul_i8": 11,
    "hard_swish": 12,
    "tanh": 13,
    "exp": 14,
    "sqrt": 15,
    "store": 16,
    "store_bits": 17,
    "store_i8": 18,
    "round_i8": 19,
    "store_requantized": 20,
    "store_requantized_once": 21,
    "store_i8_even": 22,
    "round_i8_even": 23,
    "rsqrt": 24,
}

Argument = Tensor | int | float | NDArray[Any]
"""A word of a record: the number of a tensor, an integer, a float's bits, or the place of a constant."""


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """One change or store of a stream's values; `arguments` in the file's order."""

    kind: str
    arguments: tuple[Argument, ...] = ()

    @property
    def stores(self) -> bool:
        """Whether it writes its tensor, the first argument."""
        return self.kind.startswith("store")

    @property
    def tensor(self) -> Tensor | None:
        """What it reads or writes."""
        first = self.arguments[0] if self.arguments else None
        return first if isinstance(first, Tensor) else None


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One record of the program. `nodes` are what it computes of the graph; `channels` those of its stream.

    `macs_1bit` and `macs_32bit` count every tap, also one on padding.
    """

    kind: str
    nodes: tuple[Node, ...]
    arguments: tuple[Argument, ...]
    stages: tuple[Stage, ...] = ()
    channels: int = 0
    macs_1bit: int = 0
    macs_32bit: int = 0

    @property
    def streams(self) -> bool:
        return self.kind in STREAMS

    @property
    def shape(self) -> tuple[int, ...]:
        """n h w c of its stream."""
        x = self.arguments[0]
        assert self.streams
        assert isinstance(x, Tensor)
        if self.kind == "broadcast":
            return tuple(size for size in self.arguments[-4:] if isinstance(size, int))
        n, h, w, _ = image_shape(x)
        if self.kind in ("conv", "depthwise", "pool", "bconv", "interpolate"):
            h, w = (size for size in self.arguments[1:3] if isinstance(size, int))
        return n, h, w, self.channels

    @property
    def reads(self) -> list[Tensor]:
        """Every tensor that it reads."""
        own = [
            argument
            for place, argument in enumerate(self.arguments)
            if isinstance(argument, Tensor) and (self.streams or place != 1)
        ]
        if self.kind == "constant":
            own = []
        return own + [stage.tensor for stage in self.stages if stage.tensor is not None and not stage.stores]

    @property
    def writes(self) -> list[Tensor]:
        """Every tensor that it writes, in order."""
        own = [] if self.streams else [self.arguments[1]]
        stored = [stage.tensor for stage in self.stages if stage.stores]
        return [item for item in (*own, *stored) if isinstance(item, Tensor)]

    @property
    def name(self) -> str:
        """For people: the ops and their place in the model."""
        words = [node.op for node in self.nodes]
        return f"op{self.nodes[0].index} {' + '.join(words)}" if words else self.kind

    @property
    def multiplies_int8(self) -> bool:
        """Whether its products are those of int8 instructions; a depthwise convolution's are of f32."""
        first = self.arguments[0] if self.arguments else None
        return self.kind == "conv" and isinstance(first, Tensor) and first.dtype == "i8"


def store_of(tensor: Tensor) -> str:
    """The stage that stores f32 values in a tensor of floats or int8."""
    if tensor.dtype == "f32":
        return "store"
    return "store_i8_even" if tensor.in_floats else "store_i8"


def image_shape(tensor: Tensor) -> tuple[int, int, int, int]:
    """n, h, w, c of a tensor of any rank up to 4, as its record has them."""
    match tensor.shape:
        case (n, h, w, c):
            return n, h, w, c
        case (h, w, c):
            return 1, h, w, c
        case (n, c):
            return n, 1, 1, c
        case (c,):
            return 1, 1, 1, c
    raise AssertionError(tensor.shape)


def pixels(tensor: Tensor) -> int:
    """Rows of channels."""
    return prod(tensor.shape[:-1])
