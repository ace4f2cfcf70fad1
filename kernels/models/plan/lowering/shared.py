"""What several lowerings need: stages, and where axes stand in a record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...graph import Node, Tensor
from ...operations import Clamp, Window
from ..steps import Stage, store_of
from .lowered import Lowered


def window_numbers(window: Window) -> tuple[int, ...]:
    w = window
    return (w.kh, w.kw, w.sh, w.sw, w.dh, w.dw, w.pad_top, w.pad_left)


def clamp_stages(act: Clamp) -> list[Stage]:
    return [] if act.does_nothing else [Stage("clamp", (float(act.low), float(act.high)))]


def store(tensor: Tensor, channel: int = 0) -> Stage:
    return Stage("store", (tensor, channel))


def store_any(out: Tensor) -> Stage:
    return Stage(store_of(out), (out, 0))


def f32(array: NDArray[Any] | None, count: int) -> NDArray[np.float32]:
    return np.zeros(count, np.float32) if array is None else np.ascontiguousarray(array, np.float32)


def stored_floats(weights: NDArray[np.float32]) -> NDArray[np.float16] | NDArray[np.float32]:
    """f32 weights in f16 where each of them has the same value in it, so that nothing that is computed changes."""
    with np.errstate(over="ignore"):
        halves = weights.astype(np.float16)
    same = np.array_equal(halves.astype(np.float32).view(np.uint32), np.ascontiguousarray(weights).view(np.uint32))
    return halves if same else weights


def scale_of(tensor: Tensor) -> float:
    assert tensor.scale is not None, tensor.name
    return tensor.scale


def like(tensor: Tensor, name: str, shape: tuple[int, ...]) -> Tensor:
    return replace(tensor, name=name, shape=shape)


def axes_in_record(tensor: Tensor) -> tuple[int, ...]:
    """Where a tensor's axes stand among n h w c."""
    return {1: (3,), 2: (0, 3), 3: (1, 2, 3), 4: (0, 1, 2, 3)}[len(tensor.shape)]


def spread(tensor: Tensor, values: tuple[int, ...]) -> list[int]:
    spread = [0] * 4
    for axis, value in zip(axes_in_record(tensor), values, strict=True):
        spread[axis] = value
    return spread


def permute(low: Lowered, node: Node, x: Tensor, out: Tensor, perm: tuple[int, ...]) -> None:
    positions = axes_in_record(out)
    moved = list(range(4))
    for axis, source in enumerate(perm):
        moved[positions[axis]] = positions[source]
    low.direct(node, "transpose", x, out, *moved)
