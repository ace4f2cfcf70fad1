"""Ops that make images of other sizes by moving values, and the channel shuffle."""

from __future__ import annotations

from ..graph import Concat, Reshape, Tensor, Transpose
from .call import Call
from .values import Value

MAX_FACTOR = 64


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


def resize(call: Call) -> Value:
    """Resize and Upsample to whole multiples, nearest."""
    x = call.value(0)
    image = call.image()
    n, h, w, c = image.shape
    old = call.op == "Upsample" or call.version < 11
    mode = call.text("mode", "nearest")
    rule = call.text("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    nearest = call.text("nearest_mode", "floor" if old else "round_prefer_floor")
    if mode != "nearest":
        call.fail(f"its mode is {mode!r}; nearest is supported.")
    factors = _factors(call, x, old)
    halves = rule in ("half_pixel", "pytorch_half_pixel") and nearest.startswith("round")
    exact = halves or (rule == "asymmetric" and nearest == "floor")
    if not exact or any(factor not in range(1, MAX_FACTOR + 1) for factor in factors):
        call.fail(f"it scales by {factors} with {rule} and {nearest}; whole multiples are supported.")
    up, wide = (int(factor) for factor in factors)
    builder, name = call.builder, call.name
    if wide > 1:
        seen = builder.add(Reshape(), [image], (n * h * w, 1, c), f"{name} pixels")
        image = builder.add(Concat(1), [seen] * wide, (n * h * w, wide, c), f"{name} wider")
    if up > 1:
        seen = builder.add(Reshape(), [image], (n * h, 1, w * wide * c), f"{name} lines")
        image = builder.add(Concat(1), [seen] * up, (n * h, up, w * wide * c), f"{name} higher")
    return call.made(Reshape(), [image], (n, h * up, w * wide, c))


def _factors(call: Call, x: Value, is_old: bool) -> tuple[float, float]:
    place = 1 if is_old else 2
    if call.has(place) and call.value(place).shape != (0,):
        scales = call.floats(place, "scales").reshape(-1).tolist()
    elif call.has(3):
        own = call.builder.of_file(x.shape)
        scales = [size / old for size, old in zip(call.integers(3, "sizes"), own, strict=False)]
    else:
        given = call.attributes.get("scales")
        scales = [float(item) for item in given] if isinstance(given, list) else []
    if call.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        call.fail("it keeps the ratio of its sides, which is not supported.")
    if len(scales) != 4 or scales[:2] != [1.0, 1.0]:
        call.fail(f"its scales are {scales}.")
    return scales[2], scales[3]


def channel_shuffle(call: Call, x: Value, groups: int) -> Value:
    """Channels `group, place` become `place, group`, as (n, groups, c / groups, h, w) transposed does."""
    n, c, h, w = x.shape
    image = call.builder.ordered(x, (0, 2, 3, 1))
    moved = _swapped(call, image, (n * h * w, groups, c // groups))
    return call.made(Reshape(), [moved], (n, h, w, c))
