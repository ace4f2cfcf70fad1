"""Runs plan files in NumPy, by docs/plans.md: plans are checked with it, and so are the engines that load them.

All tensors really live in one arena of bytes, which begins as garbage: a tensor that shares bytes with another at the
wrong time, or that is read before it is complete, gives a wrong result. Convolutions and averages are summed in
float64, integers exactly; every other operation rounds to f32 by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.models.plan.plan_reader import STORED, PlanContent, PlanStage, PlanStep, PlanTensor, read_plan

Array = NDArray[Any]


def run_plan(content: bytes, inputs: Sequence[Array]) -> list[Array]:
    """Outputs in the shapes of their records: n h w c, bits as u32 words."""
    plan = read_plan(content)
    arena = _Arena(plan)
    for tensor, values in zip(plan.inputs, inputs, strict=True):
        arena.view(tensor)[...] = np.asarray(values, STORED[tensor.dtype]).reshape(tensor.stored_shape)
    for step in plan.steps:
        if step.shape is None:
            arena.view(step.arguments["out"])[...] = _direct(arena, step)
        else:
            _run_stages(arena, step, np.asarray(_stream(arena, step)).reshape(step.shape))
    return [arena.view(tensor).copy() for tensor in plan.outputs]


class _Arena:
    def __init__(self, plan: PlanContent) -> None:
        garbage = np.random.default_rng(0).integers(0, 256, plan.arena_bytes, np.uint8)
        self.bytes = np.ascontiguousarray(garbage)

    def view(self, tensor: PlanTensor) -> Array:
        """The tensor's stored array, in the arena itself."""
        part = self.bytes[tensor.offset : tensor.offset + tensor.bytes]
        return part.view(STORED[tensor.dtype]).reshape(tensor.stored_shape)

    def reals(self, tensor: PlanTensor) -> Array:
        """Its values: f32, of i8 dequantized, of bits +1 and -1."""
        stored = self.view(tensor)
        if tensor.dtype == "i8":
            return np.float32(tensor.scale) * (stored.astype(np.int32) - tensor.zero_point).astype(np.float32)
        if tensor.dtype == "bits":
            return _signs(stored, tensor.shape[3])
        return stored.copy()


def _stream(arena: _Arena, step: PlanStep) -> Array:
    a = step.arguments
    match step.kind:
        case "read":
            return arena.reals(a["x"])[..., a["channel"] : a["channel"] + a["channels"]]
        case "conv" | "depthwise":
            whole = a["x"].dtype == "i8"
            x = arena.view(a["x"]).astype(np.float64) - (a["x"].zero_point if whole else 0)
            sums = _convolve(_taps(x, a, 0.0), a["weights"], a["groups"] if step.kind == "conv" else None, a)
            if whole and not step.stages[0].kind.startswith("store_requantized"):
                return np.rint(sums).astype(np.float32)
            return np.rint(sums).astype(np.int64) if whole else (sums + a["bias"].astype(np.float64)).astype(np.float32)
        case "pool":
            return _pool(arena.reals(a["x"]), a).astype(np.float32)
        case "bconv":
            bits = a["kh"] * a["kw"] * a["x"].shape[3] // a["groups"]
            dot = (np.clip(_dot(arena, a), a["act_low"], a["act_high"]) - bits).astype(np.float32)
            with np.errstate(all="ignore"):
                return dot * a["multiplier"] + a["bias"]
        case "softmax":
            return _softmax(arena.reals(a["x"]), a["beta"]).astype(np.float32)
        case "unpack":
            return arena.reals(a["x"])
        case "broadcast":
            x, y = (_strided(arena, a, side) for side in "ab")
            with np.errstate(all="ignore"):
                return _combined(a["op"], x, y)
        case "interpolate":
            return _interpolated(arena.view(a["x"]), a)
    raise AssertionError(step.kind)


def _combined(op: int, x: Array, y: Array) -> Array:
    linear = [x + y, x - y, x * y, np.where(x >= 0, x, x * y)]
    return np.asarray([*linear, x / y, np.where(x < y, x, y), np.where(x > y, x, y), (x - y) ** 2][op])


def _interpolated(x: Array, a: Any) -> Array:
    """Products of a value and both of its shares, summed in f32: left ones first, of these the upper one."""
    total = np.full((x.shape[0], a["out_h"], a["out_w"], x.shape[3]), -0.0, np.float32)
    for side, across in (("low", np.float32(1) - a["column_share"]), ("high", a["column_share"])):
        for end, down in (("low", np.float32(1) - a["row_share"]), ("high", a["row_share"])):
            corner = x[:, a[f"row_{end}"]][:, :, a[f"column_{side}"]]
            total = total + corner * down[:, None, None] * across[:, None]
    return total


def _run_stages(arena: _Arena, step: PlanStep, v: Array) -> None:
    for stage in step.stages:
        with np.errstate(all="ignore"):
            v = _stage(arena, stage, v)
        assert v.dtype == (np.int64 if stage.kind.startswith("store_requantized") else np.float32), stage.kind
    assert step.stages[-1].stores, step.name


_FUNCTIONS: Mapping[str, Callable[[Array], Array]] = {
    "abs": np.abs,
    "logistic": lambda v: 1.0 / (1.0 + np.exp(-v.astype(np.float64))),
    "hard_swish": lambda v: v * np.minimum(np.maximum(v + np.float32(3), np.float32(0)), np.float32(6)) / np.float32(6),
    "tanh": lambda v: np.tanh(v.astype(np.float64)),
    "exp": lambda v: np.exp(v.astype(np.float64)),
    "sqrt": np.sqrt,
    "rsqrt": lambda v: np.float32(1) / np.sqrt(v),
}


def _stage(arena: _Arena, stage: PlanStage, v: Array) -> Array:
    a, n = stage.arguments, v.shape[0]
    if stage.kind in _FUNCTIONS:
        return _FUNCTIONS[stage.kind](v).astype(np.float32)
    match stage.kind:
        case "scale":
            return v * a["values"]
        case "shift":
            return v + a["values"]
        case "clamp":
            return np.minimum(np.maximum(v, np.float32(a["low"])), np.float32(a["high"]))
        case "add" | "mul":
            assert a["tensor"].shape == v.shape, "a tensor of the stream's shape"
            other = arena.view(a["tensor"])
            return v + other if stage.kind == "add" else v * other
        case "add_i8" | "mul_i8":
            assert a["tensor"].shape == v.shape, "a tensor of the stream's shape"
            other = arena.reals(a["tensor"])
            return v + other if stage.kind == "add_i8" else v * other
        case "add_image" | "mul_image":
            assert a["tensor"].shape == (n, 1, 1, v.shape[3]), "n 1 1 channels"
            other = arena.view(a["tensor"])
            return v + other if stage.kind == "add_image" else v * other
        case "prelu":
            return np.where(v >= 0, v, v * a["values"])
        case "round_i8" | "round_i8_even":
            steps = _rounded(v, a["scale"], a["zero_point"], stage.kind)
            return np.float32(a["scale"]) * (steps.astype(np.int32) - a["zero_point"]).astype(np.float32)
    _store(arena, stage, v)
    return v


def _store(arena: _Arena, stage: PlanStage, v: Array) -> None:
    a, tensor = stage.arguments, stage.arguments["tensor"]
    rows = arena.view(tensor).reshape(-1, tensor.stored_shape[3])
    flat = v.reshape(-1, v.shape[3])
    assert len(rows) == len(flat), "the stream's pixels"
    if stage.kind == "store_bits":
        assert tensor.shape[3] == v.shape[3]
        rows[...] = _words(flat < 0)
    elif stage.kind.startswith("store_requantized"):
        if stage.kind.endswith("once"):
            steps = _requantize_once(flat + a["bias"], a["factor"])
        else:
            steps = _requantize(flat + a["bias"], a["multiplier"].astype(np.int64), a["shift"].astype(np.int64))
        rows[...] = np.clip(steps + tensor.zero_point, a["low"], a["high"])
    else:
        assert a["channel"] + v.shape[3] <= tensor.shape[3]
        values = flat if stage.kind == "store" else _rounded(flat, tensor.scale, tensor.zero_point, stage.kind)
        rows[:, a["channel"] : a["channel"] + v.shape[3]] = values


def _direct(arena: _Arena, step: PlanStep) -> Array:
    a, out = step.arguments, step.arguments["out"]
    if step.kind == "constant":
        return np.asarray(a["values"])
    x = arena.view(a["x"] if "x" in a else a["a"])
    match step.kind:
        case "bconv_bits":
            bits = a["kh"] * a["kw"] * a["x"].shape[3] // a["groups"]
            return _words(bits - _dot(arena, {**a, **_size(out)}) > 2 * a["threshold"].astype(np.int64))
        case "bmaxpool":
            return _words(_taps(arena.reals(a["x"]), {**a, **_size(out)}, -np.inf).max(axis=(0, 1)) < 0)
        case "pack":
            return _words(x < a["x"].zero_point)
        case "place":
            whole = np.full(out.shape, a["value"], x.dtype) if a["fills"] else arena.view(out)
            whole[_box(a, a["x"].shape)] = x
            return whole
        case "slice":
            return x[_box(a, out.shape)]
        case "gather":
            return x[np.ix_(*(a[f"places_{axis}"] for axis in "nhwc"))]
        case "transpose":
            return x.transpose(*(a[f"perm_{axis}"] for axis in range(4)))
    return _integers(arena, step, x)


def _integers(arena: _Arena, step: PlanStep, x: Array) -> Array:
    a, out = step.arguments, step.arguments["out"]
    match step.kind:
        case "pool_i8":
            values = _pool(x, {**a, **_size(out)}, halves_away=True)
            return np.clip(values, a["low"], a["high"])
        case "average_i8":
            return _average_i8(x.astype(np.float64) - a["x"].zero_point, {**a, **_size(out)}, out.zero_point)
        case "binary_i8":
            return _binary_i8(arena, a)
        case "softmax_i8":
            powers = a["exponentials"][x.max(axis=-1, keepdims=True).astype(int) - x] / 2.0**31
            return np.clip(np.floor(256 * powers / powers.sum(axis=-1, keepdims=True) + 0.5) - 128, -128, 127)
        case "table_i8":
            return np.asarray(a["values"])[x.astype(int) - (0 if a["x"].dtype == "u8" else -128)]
        case "mean_i8":
            return _mean_i8(x.astype(np.int64) - a["x"].zero_point, a, out)
    raise AssertionError(step.kind)


def _size(out: PlanTensor) -> dict[str, int]:
    return {"out_h": out.shape[1], "out_w": out.shape[2], "oc": out.shape[3]}


def _taps(x: Array, a: Any, outside: float) -> Array:
    """[kh, kw, n, out_h, out_w, c]: what each tap of the window sees."""
    taps = np.full((a["kh"], a["kw"], x.shape[0], a["out_h"], a["out_w"], x.shape[3]), outside, np.float64)
    for ky in range(a["kh"]):
        for kx in range(a["kw"]):
            rows = np.arange(a["out_h"]) * a["sh"] + ky * a["dh"] - a["pad_top"]
            columns = np.arange(a["out_w"]) * a["sw"] + kx * a["dw"] - a["pad_left"]
            r = np.flatnonzero((rows >= 0) & (rows < x.shape[1]))
            c = np.flatnonzero((columns >= 0) & (columns < x.shape[2]))
            taps[ky, kx][:, r[:, None], c] = x[:, rows[r][:, None], columns[c]]
    return taps


def _convolve(taps: Array, weights: Array, groups: int | None, a: Any) -> Array:
    """Float64 sums [n, out_h, out_w, oc]; `groups` None is depthwise."""
    weights = weights.astype(np.float64)
    if groups is None:
        return np.einsum("yxnhwc,yxc->nhwc", np.repeat(taps, a["multiplier"], axis=-1), weights)
    parts = zip(np.split(taps, groups, axis=-1), np.split(weights, groups), strict=True)
    return np.concatenate([np.einsum("yxnhwc,oyxc->nhwo", t, w, optimize=True) for t, w in parts], axis=-1)


def _dot(arena: _Arena, a: Any) -> Array:
    taps = _taps(arena.reals(a["x"]), a, float(a["pad_value"]))
    depth = a["x"].shape[3] // a["groups"]
    return np.rint(_convolve(taps, _signs(a["filter"], depth), a["groups"], a)).astype(np.int64)


def _pool(x: Array, a: Any, halves_away: bool = False) -> Array:
    if a["kind"] == 0:
        return _taps(x, a, -np.inf).max(axis=(0, 1))
    sums, counts = (_taps(one, a, 0.0).sum(axis=(0, 1)) for one in (x, np.ones_like(x)))
    if not halves_away:
        return sums / counts
    half = np.floor(counts / 2)
    return np.trunc((sums + np.where(sums > 0, half, -half)) / counts)


def _mean_i8(centred: Array, a: Any, out: PlanTensor) -> Array:
    values = centred.sum(axis=(1, 2), keepdims=True).reshape(out.shape)
    return np.clip(_requantize(values, a["multiplier"], a["shift"]) + out.zero_point, -128, 127)


def _average_i8(centred: Array, a: Any, zero_point: int) -> Array:
    sums, counts = (_taps(one, a, 0.0).sum(axis=(0, 1)) for one in (centred, np.ones_like(centred)))
    steps = sums.astype(np.float32) * np.float32(a["ratio"]) / counts.astype(np.float32)
    return np.clip(np.rint(steps) + zero_point, -128, 127)


def _binary_i8(arena: _Arena, a: Any) -> Array:
    sizes = dict(zip("nhwc", a["out"].shape, strict=True))
    x, y = (_strided(arena, {**a, **sizes}, side, 1).astype(np.int64) - a[side].zero_point for side in "ab")
    if a["op"] == 3:
        below = _requantize(x * y, a["b_multiplier"], a["b_shift"])
        steps = np.where(x >= 0, _requantize(x, a["out_multiplier"], a["out_shift"]), below)
        return np.clip(steps + a["out"].zero_point, a["low"], a["high"])
    if a["op"] == 2:
        total = x * y
    elif a["op"] in (5, 6):
        total = np.minimum(x, y) if a["op"] == 5 else np.maximum(x, y)
    else:
        x = _requantize(x << a["left_shift"], a["a_multiplier"], a["a_shift"])
        y = _requantize(y << a["left_shift"], a["b_multiplier"], a["b_shift"])
        total = x + y if a["op"] == 0 else x - y
    steps = _requantize(total, a["out_multiplier"], a["out_shift"]) + a["out"].zero_point
    return np.clip(steps, a["low"], a["high"])


def _requantize_once(values: Array, factor: Array) -> Array:
    """The product in f64, of which the nearest integer is taken, halves away; far beyond i8 it is limited."""
    exact = np.vectorize(lambda v, f: _halves_away(Fraction(min(max(float(v) * float(f), -1e9), 1e9))))
    return np.asarray(exact(values, factor), np.int64)


def _requantize(values: Array, multiplier: Any, shift: Any) -> Array:
    """Shift left within 32 bits, doubling high multiply (halves up), shift right (halves away)."""
    left, right = np.maximum(shift, 0), np.maximum(-np.asarray(shift), 0)
    wrapped = (values << left).astype(np.int32).astype(np.int64)
    high = (2 * wrapped * multiplier + 2**31) >> 32
    return (np.sign(high) * np.floor(np.abs(high) / 2.0**right + np.where(right > 0, 0.5, 0.0))).astype(np.int64)


def _halves_away(value: Fraction) -> int:
    return int(value + Fraction(1, 2) * (1 if value >= 0 else -1))


def _rounded(v: Array, scale: float, zero_point: int, kind: str) -> Array:
    quotient = (v / np.float32(scale)).astype(np.float64)
    whole = np.rint(quotient) if kind.endswith("even") else np.trunc(quotient + np.copysign(0.5, quotient))
    return np.clip(whole + zero_point, -128, 127).astype(np.int8)


def _softmax(x: Array, beta: float) -> Array:
    scaled = beta * x.astype(np.float64)
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _strided(arena: _Arena, a: Any, side: str, item_bytes: int = 4) -> Array:
    tensor = a[side]
    strides = [item_bytes * a[f"{side}_{axis}"] for axis in "nhwc"]
    return np.lib.stride_tricks.as_strided(arena.view(tensor), [a[axis] for axis in "nhwc"], strides).copy()


def _box(a: Any, shape: tuple[int, ...]) -> tuple[slice, ...]:
    starts = [a[f"start_{axis}"] for axis in "nhwc"]
    return tuple(slice(start, start + size) for start, size in zip(starts, shape, strict=True))


def _signs(stored: Array, channels: int) -> Array:
    """u32 words of the last axis to +1 and -1, f32."""
    lanes = stored[..., None] >> np.arange(32, dtype=np.uint32) & np.uint32(1)
    return (1 - 2 * lanes.reshape(*stored.shape[:-1], -1)[..., :channels].astype(np.float32)).astype(np.float32)


def _words(ones: Array) -> Array:
    """Booleans of the last axis to u32 words; unused bits are 0."""
    lanes = np.pad(ones, [(0, 0)] * (ones.ndim - 1) + [(0, -ones.shape[-1] % 32)])
    lanes = lanes.reshape(*ones.shape[:-1], -1, 32).astype(np.uint32)
    return np.asarray((lanes << np.arange(32, dtype=np.uint32)).sum(axis=-1, dtype=np.uint32))
