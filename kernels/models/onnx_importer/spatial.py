"""Blocks of pixels that channels become, and the channel shuffle."""

from __future__ import annotations

from ..graph import Tensor
from ..operations import Reshape, Transpose
from .call import Call
from .values import Value


def depth_to_space(call: Call) -> Value:
    """DepthToSpace, DCR and CRD."""
    block, x = call.integer("blocksize", 0, 1, 64), call.image()
    n, h, w, c = x.shape
    if c % (block * block):
        call.fail(f"its input has {c} channels for blocks of {block}.")
    deep = c // (block * block)
    mode = call.text("mode", "DCR")
    if mode not in ("DCR", "CRD"):
        call.fail(f"its mode is {mode!r}.")
    builder, name = call.builder, call.name
    if mode == "CRD":
        x = _swapped(call, x, (n * h * w, deep, block * block))
    rows = builder.add(Reshape(), [x], (n * h, w, block, block * deep), f"{name} blocks")
    moved = builder.add(Transpose((0, 2, 1, 3)), [rows], (n * h, block, w, block * deep), f"{name} lines")
    return call.made(Reshape(), [moved], (n, h * block, w * block, deep))


def _swapped(call: Call, x: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Channels in rows and columns, the other way round."""
    rows, first, second = shape
    seen = call.builder.add(Reshape(), [x], shape, f"{call.name} parts")
    return call.builder.add(Transpose((0, 2, 1)), [seen], (rows, second, first), f"{call.name} swapped")


def channel_shuffle(call: Call, x: Value, groups: int) -> Value:
    """Channels `group, place` become `place, group`, as (n, groups, c / groups, h, w) transposed does."""
    n, c, h, w = x.shape
    image = call.builder.ordered(x, (0, 2, 3, 1))
    moved = _swapped(call, image, (n * h * w, groups, c // groups))
    return call.made(Reshape(), [moved], (n, h, w, c))
