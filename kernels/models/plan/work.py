"""What a step of a plan has to do at least: products, operations of its stages, and bytes.

Everything is counted once and nothing is counted too high, so that a roof made of it is one that no engine can exceed:
a value that stays in registers is free, a byte that is needed twice is read once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from ..graph import ITEM_BYTES, Tensor
from .steps import Step, image_shape

STAGE_OPERATIONS: Mapping[str, int] = {
    "scale": 1,
    "shift": 1,
    "clamp": 2,
    "add": 1,
    "mul": 1,
    "add_image": 1,
    "mul_image": 1,
    "prelu": 2,
    "abs": 1,
    "logistic": 1,
    "add_i8": 3,
    "mul_i8": 3,
    "hard_swish": 5,
    "tanh": 1,
    "exp": 1,
    "sqrt": 1,
    "store": 0,
    "store_bits": 1,
    "store_i8": 3,
    "round_i8": 5,
    "store_requantized": 4,
    "store_requantized_once": 4,
    "store_i8_even": 3,
    "round_i8_even": 5,
    "rsqrt": 1,
}
"""Arithmetic operations of a stage on each value. A function such as `exp` counts as one, which is far too few: how
many it takes is a matter of the engine."""

_OWN_OPERATIONS: Mapping[str, int] = {"bconv": 2, "broadcast": 1, "interpolate": 7, "softmax": 4}
"""The same of a stream's own values beside its products: a binary convolution's multiplier and bias."""


@dataclass(frozen=True, slots=True)
class Work:
    """`operations` are those on values beside the products; two of them are one product's worth of f32 arithmetic."""

    macs_1bit: int
    macs_int8: int
    macs_f32: int
    operations: int
    bytes_read: int
    bytes_written: int

    @property
    def bytes_moved(self) -> int:
        """Of the tensors that it reads, its constants, and the tensors that it writes, each byte once."""
        return self.bytes_read + self.bytes_written


def work_of(step: Step) -> Work:
    """Products count every tap, also one on padding; bytes are only those that the step touches."""
    int8 = step.multiplies_int8
    return Work(
        macs_1bit=step.macs_1bit,
        macs_int8=step.macs_32bit if int8 else 0,
        macs_f32=0 if int8 else step.macs_32bit,
        operations=_operations(step),
        bytes_read=_read(step),
        bytes_written=_written(step),
    )


def _operations(step: Step) -> int:
    if not step.streams:
        return 0
    own = _OWN_OPERATIONS.get(step.kind, 0)
    if step.kind == "pool":
        own = prod(_integers(step)[2:4])  # the window's taps
    if step.kind == "read":
        own = 2 if _input(step).dtype == "i8" else 0
    return prod(step.shape) * (own + sum(STAGE_OPERATIONS[stage.kind] for stage in step.stages))


def _read(step: Step) -> int:
    touched = {tensor: tensor.bytes for tensor in step.reads}
    if step.kind != "constant":
        touched[_input(step)] = _of_input(step)
    constants = [argument for argument in step.arguments if isinstance(argument, np.ndarray)]
    constants += [one for stage in step.stages for one in stage.arguments if isinstance(one, np.ndarray)]
    return sum(touched.values()) + sum(constant.nbytes for constant in constants)


def _of_input(step: Step) -> int:
    """Bytes of the first tensor that are needed: all of it if it is an operand too, which has the stream's shape."""
    x = _input(step)
    match step.kind:
        case "read":
            return prod(step.shape) * ITEM_BYTES[x.dtype]
        case "slice" | "gather":
            return min(x.bytes, *(tensor.bytes for tensor in step.writes))
        case "conv" | "depthwise" | "pool" | "bconv":
            places = _integers(step)[3 if step.kind in ("conv", "depthwise", "bconv") else 2 :][:8]
            return _under_windows(x, step.shape[1:3], places)
        case _:
            return x.bytes


def _under_windows(x: Tensor, out: tuple[int, ...], window: list[int]) -> int:
    """Bytes of the pixels that any window covers: with a stride beyond the kernel some are never read."""
    kh, kw, sh, sw, dh, dw, top, left = window
    _, h, w, _ = image_shape(x)
    rows = _covered(h, out[0], kh, sh, dh, top)
    columns = _covered(w, out[1], kw, sw, dw, left)
    return x.bytes // (h * w) * rows * columns


def _covered(size: int, out: int, kernel: int, stride: int, dilation: int, pad: int) -> int:
    places = {o * stride + k * dilation - pad for o in range(out) for k in range(kernel)}
    return sum(1 for place in places if 0 <= place < size)


def _written(step: Step) -> int:
    if step.kind == "place":
        x, out = step.arguments[:2]
        assert isinstance(x, Tensor)
        assert isinstance(out, Tensor)
        return out.bytes if step.arguments[6] else x.bytes
    if not step.streams:
        return sum(tensor.bytes for tensor in step.writes)
    values = prod(step.shape)
    return sum(
        tensor.bytes if tensor.dtype == "bits" else values * ITEM_BYTES[tensor.dtype]
        for stage in step.stages
        if stage.stores and (tensor := stage.tensor) is not None
    )


def _integers(step: Step) -> list[int]:
    """The arguments that are whole numbers, in their order."""
    return [argument for argument in step.arguments if isinstance(argument, int)]


def _input(step: Step) -> Tensor:
    first = step.arguments[0]
    assert isinstance(first, Tensor)
    return first
