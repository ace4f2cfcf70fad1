"""Hand-made plans: every kind of step and every stage at least once, in odd shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.models.graph import Tensor
from bnnbench.kernels.models.plan.plan_file import encode
from bnnbench.kernels.models.plan.steps import Stage, Step
from bnnbench.kernels.models.quantization import softmax_exponentials
from bnnbench.kernels.ops import words

Array = NDArray[Any]


DENSE = "dense of many channels"
"""What the names of cases begin with whose steps have few pixels and many channels."""


@dataclass(frozen=True)
class PlanCase:
    """A plan and its inputs; `exact` when no rounding may differ between engines."""

    name: str
    plan: bytes
    inputs: list[Array]
    exact: bool = False


_ALL: dict[str, PlanCase] = {}


def f32(name: str, *shape: int) -> Tensor:
    return Tensor(name, shape, "f32")


def i8(name: str, *shape: int, scale: float = 0.05, zero_point: int = -3) -> Tensor:
    return Tensor(name, shape, "i8", scale, zero_point)


def bits(name: str, *shape: int) -> Tensor:
    return Tensor(name, shape, "bits")


def case(name: str, steps: Sequence[Step], exact: bool = False, seed: int = 1) -> None:
    """Inputs are what no step writes, outputs what none reads; no two tensors share bytes."""
    order = dict.fromkeys(one for step in steps for one in (*step.reads, *step.writes))
    made = {one for step in steps for one in step.writes}
    read = {one for step in steps for one in step.reads}
    inputs = [one for one in order if one not in made]
    offsets, end = {}, 0
    for one in order:
        offsets[one] = end
        end += -(-one.bytes // 64) * 64
    if not inputs:  # a plan has one
        inputs = [f32("unused", 1)]
        offsets[inputs[0]], end = end, end + 64
    outputs = [one for one in order if one in made and one not in read]
    content = encode(steps, inputs, outputs, offsets, end)
    rng = np.random.default_rng(seed)
    _ALL[name] = PlanCase(name, content, [values(one, rng) for one in inputs], exact)


def values(tensor: Tensor, rng: np.random.Generator) -> Array:
    """Small multiples of 1/8, so that most sums are exact; of bits, with the unused ones 0."""
    if tensor.dtype == "i8":
        return rng.integers(-128, 128, tensor.shape).astype(np.int8)
    if tensor.dtype == "u8":
        return rng.integers(0, 256, tensor.shape).astype(np.uint8)
    if tensor.dtype == "i32":
        return rng.integers(-1000, 1000, tensor.shape).astype(np.int32)
    if tensor.dtype == "bits":
        return signs(rng, *tensor.shape)
    return (rng.integers(-40, 41, tensor.shape) / 8).astype(np.float32)


def signs(rng: np.random.Generator, *shape: int) -> Array:
    """Words of random signs."""
    packed = rng.integers(0, 2**32, (*shape[:-1], words(shape[-1])), np.uint32)
    if shape[-1] % 32:
        packed[..., -1] &= np.uint32((1 << shape[-1] % 32) - 1)
    return packed


def reals(seed: int, *shape: int) -> Array:
    return (np.random.default_rng(seed).integers(-24, 25, shape) / 8).astype(np.float32)


def step(kind: str, *arguments: Any, stages: Sequence[Stage] = ()) -> Step:
    return Step(kind, (), arguments, tuple(stages))


def store(tensor: Tensor, channel: int = 0) -> Stage:
    return Stage("store", (tensor, channel))


def window(
    kh: int, kw: int, sh: int = 1, sw: int = 1, dh: int = 1, dw: int = 1, top: int = 0, left: int = 0
) -> tuple[int, ...]:
    return kh, kw, sh, sw, dh, dw, top, left


def _stages() -> None:
    """Every stage, after streams of channels that fill no vector."""
    for c in (1, 16, 37, 96):
        shape = (2, 3, 4, c)
        x, a, m, out = f32("x", *shape), f32("a", *shape), f32("m", *shape), f32("out", *shape)
        image, factor = f32("image", 2, 1, 1, c), f32("factor", 2, 1, 1, c)
        signed, wide, small = bits("signed", *shape), f32("wide", 2, 3, 4, c + 5), i8("small", 2, 3, 4, c + 3)
        chain = [
            Stage("scale", (reals(1, c),)),
            Stage("shift", (reals(2, c),)),
            Stage("add", (a,)),
            Stage("store_bits", (signed,)),
            Stage("prelu", (reals(3, c),)),
            Stage("mul", (m,)),
            Stage("add_image", (image,)),
            store(wide, 3),
            Stage("mul_image", (factor,)),
            Stage("clamp", (-30.0, float("inf"))),
            Stage("abs"),
            Stage("store_i8", (small, 2)),
            Stage("round_i8", (0.25, -7)),
            store(out),
        ]
        case(f"stages {c}", [step("read", x, 0, c, stages=chain)], exact=True)
        p, q, even = i8("p", *shape, zero_point=-128), i8("q", *shape), i8("even", 2, 3, 4, c + 1, zero_point=127)
        steps = [
            Stage("add_i8", (q,)),
            Stage("store_i8_even", (even, 1)),
            Stage("round_i8_even", (0.25, 11)),
            Stage("mul_i8", (p,)),
            store(out),
        ]
        case(f"stages of i8 {c}", [step("read", x, 0, c, stages=steps)], exact=True)
        soft = f32("soft", *shape)
        case(f"logistic {c}", [step("read", x, 0, c, stages=[Stage("logistic"), store(soft)])])
        _functions(c)


def _functions(c: int) -> None:
    """Functions of single values, each behind others that make its operands fit."""
    x = f32("x", 2, 3, 4, c)
    a, b, d, e, h = (f32(name, 2, 3, 4, c) for name in ("a", "b", "d", "e", "h"))
    chain = [Stage("hard_swish"), store(h), Stage("abs"), Stage("sqrt"), store(a), Stage("rsqrt"), store(b)]
    case(f"hard_swish and roots {c}", [step("read", x, 0, c, stages=chain)], exact=True)
    case(f"tanh and exp {c}", [step("read", x, 0, c, stages=[Stage("tanh"), store(d), Stage("exp"), store(e)])])


def _streams() -> None:
    x, out = f32("x", 2, 5, 4, 40), f32("out", 2, 5, 4, 21)
    case("read channels", [step("read", x, 7, 21, stages=[store(out)])], exact=True)
    q, d = i8("q", 3, 7, 33), f32("d", 3, 7, 33)
    case("read i8", [step("read", q, 0, 33, stages=[store(d)])], exact=True)
    b, u = bits("b", 2, 3, 3, 70), f32("u", 2, 3, 3, 70)
    case("unpack", [step("unpack", b, stages=[store(u)])], exact=True)
    s, t = f32("s", 5, 37), f32("t", 5, 37)
    case("softmax", [step("softmax", s, 0.75, stages=[store(t)])])
    one, many = f32("one", 2, 1, 3, 1), f32("many", 1, 4, 3, 9)
    ops = ("add", "sub", "mul", "prelu", "div", "minimum", "maximum", "squared_difference")
    for number, op in enumerate(ops):
        o = f32("o", 2, 4, 3, 9)
        arguments = (many, one, number, 0, 27, 9, 1, 3, 0, 1, 0, 2, 4, 3, 9)
        case(f"broadcast {op}", [step("broadcast", *arguments, stages=[store(o)])], exact=True)
    x, k, odd = f32("x", 1, 2, 2, 6), f32("k", 1, 2, 2, 3), f32("odd", 1, 2, 2, 3)
    arguments = (x, k, 0, 24, 12, 6, 2, 12, 6, 3, 1, 1, 2, 2, 3)
    case("broadcast strided", [step("broadcast", *arguments, stages=[store(odd)])], exact=True)


def between(size: int, *positions: float) -> tuple[Array, Array, Array]:
    """low, high and share of positions on an axis."""
    low = np.clip(np.floor(positions), 0, size - 1).astype(np.int32)
    high = np.clip(np.ceil(positions), 0, size - 1).astype(np.int32)
    return low, high, np.array(positions, np.float32) - low.astype(np.float32)


def _places() -> None:
    """Values read by tables of places."""
    for c in (1, 16, 37):
        x, out, signed = f32("x", 2, 3, 5, c), f32("out", 2, 7, 2, c), bits("signed", 2, 7, 2, c)
        rows, columns = between(3, -0.25, 0, 1 / 3, 0.5, 1, 1.9, 2.25), between(5, 1.1, 3.7)
        stages = [Stage("clamp", (-3.0, 3.0)), Stage("store_bits", (signed,)), store(out)]
        case(f"interpolate {c}", [step("interpolate", x, 7, 2, *rows, *columns, stages=stages)], exact=True)
        plain = [step("interpolate", x, 7, 2, *rows, *columns, stages=[store(out)])]
        case(f"interpolate alone {c}", plain, exact=True)
    for dtype in ("f32", "i8", "i32"):
        x = Tensor("x", (2, 3, 5, 7), dtype, 0.5, 1)
        n, h, w = (np.array(places, np.int32) for places in ([1, 0, 1], [2], [4, 4, 0, 1]))
        for name, places in (("some", [6, 0, 0, 3]), ("together", [2, 3, 4]), ("one", [6]), ("back", [6, 5, 4])):
            c = np.array(places, np.int32)
            out = Tensor("out", (3, 1, 4, len(c)), dtype, 0.5, 1)
            case(f"gather {dtype} {name}", [step("gather", x, out, n, h, w, c)], exact=True)


def _windows() -> None:
    x = f32("x", 2, 9, 8, 21)
    for name, w, h, width in (("3x3", window(3, 3, 2, 2, top=1, left=0), 5, 4), ("2x3", window(2, 3, 1, 2), 8, 3)):
        for kind, what in enumerate(("max", "average")):
            out = f32("out", 2, h, width, 21)
            case(f"{what} pool {name}", [step("pool", x, h, width, *w, kind, stages=[store(out)])], exact=what == "max")
    for multiplier in (1, 2):
        oc = 21 * multiplier
        out, both = f32("out", 2, 9, 8, oc), bits("both", 2, 9, 8, oc)
        w = window(3, 3, dh=2, dw=2, top=2, left=2)
        arguments = (x, 9, 8, oc, *w, multiplier, 4, reals(4, 3, 3, oc), reals(5, oc))
        stages = [Stage("store_bits", (both,)), store(out)]
        case(f"depthwise x{multiplier}", [step("depthwise", *arguments, stages=stages)])
        halves = (x, 9, 8, oc, *w, multiplier, 2, reals(4, 3, 3, oc).astype(np.float16), reals(5, oc))
        case(f"depthwise x{multiplier} of f16", [step("depthwise", *halves, stages=stages)])

    for stride, height, width in ((1, 9, 8), (2, 5, 4)):
        for c in (21, 48):
            x = f32("x", 2, 9, 8, c)
            w = window(3, 3, stride, stride, top=1, left=2 - stride)
            arguments = (x, height, width, c, *w, 1, 4, reals(4, 3, 3, c), reals(5, c))
            _epilogues(f"depthwise 3x3 {stride} {c}", "depthwise", arguments, (2, height, width, c))


def _epilogues(name: str, kind: str, arguments: tuple[Any, ...], shape: tuple[int, ...]) -> None:
    """What convolutions do by themselves, sums and limits before one store: here to channels of a larger tensor."""
    other, wide = f32("other", *shape), f32("wide", *shape[:3], shape[3] + 19)
    add, clamp = Stage("add", (other,)), Stage("clamp", (-0.5, 1.0))
    for what, before in {"clamp": [clamp], "add": [add], "add clamp": [add, clamp], "clamp add": [clamp, add]}.items():
        case(f"{name} {what}", [step(kind, *arguments, stages=[*before, store(wide, 3)])])


def _convolutions() -> None:
    shapes = (  # name, n h w c, oc, window, out h w, groups
        ("1x1", (2, 3, 5, 24), 33, window(1, 1), (3, 5), 1),
        ("3x3 same", (1, 7, 6, 5), 17, window(3, 3, top=1, left=1), (7, 6), 1),
        ("3x3 stride 2", (2, 9, 9, 3), 8, window(3, 3, 2, 2, top=1, left=0), (5, 5), 1),
        ("dilated", (1, 9, 8, 4), 6, window(3, 2, dh=3, dw=2, top=3, left=1), (9, 8), 1),
        ("grouped", (1, 5, 5, 12), 30, window(3, 3, top=1, left=1), (5, 5), 3),
        ("dense", (4, 1, 1, 100), 75, window(1, 1), (1, 1), 1),
    )
    for name, (n, h, w, c), oc, k, (out_h, out_w), groups in shapes:
        x, out, wide = f32("x", n, h, w, c), f32("out", n, out_h, out_w, oc), f32("wide", n, out_h, out_w, oc + 2)
        weights = reals(6, oc, k[0], k[1], c // groups)
        arguments = (x, out_h, out_w, oc, *k, groups, 4, weights, reals(7, oc))
        case(f"conv {name}", [step("conv", *arguments, stages=[store(out)])])
        halves = (x, out_h, out_w, oc, *k, groups, 2, weights.astype(np.float16), reals(7, oc))
        case(f"conv {name} of f16", [step("conv", *halves, stages=[store(out)])])
        case(f"conv {name} stages", [step("conv", *arguments, stages=[Stage("abs"), store(wide, 2)])])
        _epilogues(f"conv {name}", "conv", arguments, (n, out_h, out_w, oc))
        for zero_point in (-128, 5):
            _integer_convolution(
                f"conv i8 {name} {zero_point}", (n, h, w, c), oc, k, (out_h, out_w), groups, zero_point
            )
    # More products than f32 sums exactly: 32 * 128 * 255 * 127 > 2^24.
    _integer_convolution("conv i8 long", (1, 1, 4, 4096), 3, window(1, 1), (1, 4), 1, -128, large=True)
    _integer_convolution("dense i8", (5, 1, 1, 100), 75, window(1, 1), (1, 1), 1, 5, once=True)
    _integer_convolution("dense i8 long", (1, 1, 4, 4096), 3, window(1, 1), (1, 4), 1, -128, large=True, once=True)
    _integer_depthwise("depthwise i8", 2, large=False)
    _integer_depthwise("depthwise i8 long", 1, large=True)
    _convolutions_in_floats()
    _dense()
    _binary_dense()


def _convolutions_in_floats() -> None:
    """Whole sums as floats; some are more than f32 holds exactly."""
    for name, c in (("", 24), (" at the limit", 518), (" long", 4096), (" longer", 9000)):
        large = c > 500
        x, out, real = (
            i8("x", 1, 2, 3, c, zero_point=-128),
            i8("out", 1, 2, 3, 5, zero_point=7),
            f32("real", 1, 2, 3, 5),
        )
        weights = _small_weights(16, 5, 1, 1, c, large=large)
        stages = [Stage("scale", (reals(17, 5),)), Stage("shift", (reals(18, 5),)), store(real)]
        arguments = (x, 2, 3, 5, *window(1, 1), 1, 1, weights, 0)
        case(f"conv i8 in floats{name}", [step("conv", *arguments, stages=stages)], exact=True)
        scales = [Stage("scale", (reals(19, 5) / np.float32(c * 1000),)), Stage("store_i8_even", (out, 0))]
        case(f"conv i8 to even{name}", [step("conv", *arguments, stages=scales)], exact=True)
    for size, large in ((3, False), (24, True)):
        x, out = i8("x", 1, 26, 25, 3, zero_point=-128), i8("out", 1, 26, 25, 6)
        weights = _small_weights(20, size, size, 6, large=large)
        stages = [Stage("scale", (reals(21, 6) / np.float32(size * 500),)), Stage("store_i8_even", (out, 0))]
        arguments = (x, 26, 25, 6, *window(size, size, top=size // 2, left=1), 2, 1, weights, 0)
        case(f"depthwise i8 to even {size}", [step("depthwise", *arguments, stages=stages)], exact=True)


def _dense() -> None:
    """Of so few pixels that threads share channels, and large enough to be shared."""
    c, oc = 1100, 203
    weights, start = _small_weights(22, oc, 1, 1, c), reals(23, oc)
    for n in (1, 3):
        shape = (n, 1, 1, oc)
        x, q = f32("x", n, 1, 1, c), i8("x", n, 1, 1, c, zero_point=-128)
        a, small, odd, wide = (
            f32("a", *shape),
            i8("small", *shape),
            i8("odd", n, 1, 1, oc + 3),
            f32("wide", n, 1, 1, oc + 5),
        )
        image, factor, signed, out = (
            f32("image", *shape),
            f32("factor", *shape),
            bits("signed", *shape),
            f32("out", *shape),
        )
        chain = [
            Stage("scale", (reals(24, oc),)),
            Stage("shift", (reals(25, oc),)),
            Stage("add", (a,)),
            Stage("prelu", (reals(26, oc),)),
            Stage("add_i8", (small,)),
            Stage("add_image", (image,)),
            Stage("mul_image", (factor,)),
            store(wide, 4),
            Stage("store_i8", (odd, 2)),
            Stage("abs"),
            store(out),
        ]
        real = (x, 1, 1, oc, *window(1, 1), 1, 4, reals(27, oc, 1, 1, c), start)
        integer = (q, 1, 1, oc, *window(1, 1), 1, 1, weights, 0)
        case(f"{DENSE} {n}", [step("conv", *real, stages=[store(out)])])
        case(f"{DENSE} {n} stages", [step("conv", *real, stages=chain)])
        case(f"{DENSE} {n} to bits", [step("conv", *real, stages=[Stage("store_bits", (signed,)), store(out)])])
        halves = (x, 1, 1, oc, *window(1, 1), 1, 2, reals(27, oc, 1, 1, c).astype(np.float16), start)
        case(f"{DENSE} {n} of f16", [step("conv", *halves, stages=[store(out)])])
        _epilogues(f"{DENSE} {n}", "conv", real, shape)
        case(f"{DENSE} {n} i8 in floats", [step("conv", *integer, stages=[store(out)])], exact=True)
        case(f"{DENSE} {n} i8 stages", [step("conv", *integer, stages=chain)])
        for once in (False, True):
            stages = [_requantized(i8("q", *shape, zero_point=7), oc, once)]
            case(f"{DENSE} {n} i8{' once' * once}", [step("conv", *integer, stages=stages)], exact=True)


def _binary_dense() -> None:
    """Likewise: stages in the tiles, behind them, and none; channels that fill words, and that do not."""
    c = 16384
    for n, oc in ((1, 288), (3, 288), (1, 299)):
        shape, name = (n, 1, 1, oc), f"{DENSE} {n} binary {oc}"
        x, out, wide, signed, a = (
            *(bits("x", n, 1, 1, c), f32("out", *shape), f32("wide", n, 1, 1, oc + 5)),
            *(bits("signed", *shape), f32("a", *shape)),
        )
        filters = signs(np.random.default_rng(28), oc, 1, 1, c)
        start = (x, 1, 1, oc, *window(1, 1), 1, 1, -(2**31), 2**31 - 1, filters, reals(29, oc), reals(30, oc))
        case(name, [step("bconv", *start, stages=[store(out)])], exact=True)
        case(f"{name} stages", [step("bconv", *start, stages=[Stage("abs"), store(wide, 4)])], exact=True)
        fused = [Stage("add", (a,)), Stage("store_bits", (signed,)), store(out)]
        case(f"{name} fused{'' if oc % 32 == 0 else ' to bits'}", [step("bconv", *start, stages=fused)], exact=True)
        threshold = np.random.default_rng(31).integers(c // 2 - 60, c // 2 + 60, oc).astype(np.int32)
        only_bits = step("bconv_bits", x, signed, *window(1, 1), 1, 1, filters, threshold)
        case(f"{name} only {'signs' if oc % 32 == 0 else 'to bits'}", [only_bits], exact=True)


def _requantized(out: Tensor, oc: int, once: bool = False) -> Stage:
    rng = np.random.default_rng(8)
    bias = rng.integers(-3000, 3000, oc).astype(np.int32)
    multiplier = rng.integers(2**30, 2**31 - 1, oc).astype(np.int32)
    shift = rng.integers(-9, -5, oc).astype(np.int32)
    if once:  # many sums lie on halves of a fifth
        factor = np.where(rng.random(oc) < 0.5, np.ldexp(multiplier / 2**31, shift), 0.1 * rng.integers(1, 9, oc))
        return Stage("store_requantized_once", (out, -100, 110, bias, factor))
    return Stage("store_requantized", (out, -100, 110, bias, multiplier, shift))


def _small_weights(seed: int, *shape: int, large: bool = False) -> Array:
    low = 120 if large else -127
    return np.random.default_rng(seed).integers(low, 128, shape).astype(np.int8)


def _integer_convolution(
    name: str,
    shape: tuple[int, int, int, int],
    oc: int,
    k: tuple[int, ...],
    size: tuple[int, int],
    groups: int,
    zero_point: int,
    large: bool = False,
    once: bool = False,
) -> None:
    x, out = i8("x", *shape, zero_point=zero_point), i8("out", shape[0], *size, oc, zero_point=7)
    weights = _small_weights(9, oc, k[0], k[1], shape[3] // groups, large=large)
    stage = _requantized(out, oc, once)
    case(name, [step("conv", x, *size, oc, *k, groups, 1, weights, 0, stages=[stage])], exact=True)


def _integer_depthwise(name: str, multiplier: int, large: bool) -> None:
    size = 24 if large else 3
    x = i8("x", 1, 26, 25, 3, zero_point=-128 if large else 11)
    oc = 3 * multiplier
    out = i8("out", 1, 26, 25, oc)
    w = window(size, size, top=size // 2, left=1)
    weights = _small_weights(10, size, size, oc, large=large)
    arguments = (x, 26, 25, oc, *w, multiplier, 1, weights, 0)
    case(name, [step("depthwise", *arguments, stages=[_requantized(out, oc)])], exact=True)


def _binary() -> None:
    shapes = (
        ("1x1", (2, 3, 5, 64), 40, window(1, 1), (3, 5), 1),
        ("same", (1, 7, 6, 33), 17, window(3, 3, top=1, left=1), (7, 6), 1),
        ("stride", (2, 9, 9, 96), 64, window(3, 3, 2, 2, top=1, left=0), (5, 5), 1),
        ("dilated", (1, 9, 8, 32), 6, window(3, 2, dh=3, dw=2, top=3, left=1), (9, 8), 1),
        ("grouped", (1, 5, 5, 128), 36, window(3, 3, top=1, left=1), (5, 5), 2),
        ("groups of bytes", (1, 5, 5, 64), 48, window(3, 3), (3, 3), 2),
        ("many taps outside", (1, 2, 2, 32), 5, window(5, 5, top=3, left=2), (4, 3), 1),
        ("long", (1, 1, 1, 2**23 + 32), 2, window(1, 1), (1, 1), 1),
    )
    for name, (n, h, w, c), oc, k, (out_h, out_w), groups in shapes:
        filters = signs(np.random.default_rng(11), oc, k[0], k[1], c // groups)
        for pad_value in (0, 1) if name != "long" else (1,):
            x, out, signed = bits("x", n, h, w, c), f32("out", n, out_h, out_w, oc), bits("signed", n, out_h, out_w, oc)
            more = f32("more", n, out_h, out_w, oc)
            scales = (reals(12, oc), reals(13, oc))
            for low, high, stages in (
                (-(2**31), 2**31 - 1, [store(out)]),
                (0, 6, [Stage("add", (more,)), Stage("store_bits", (signed,)), store(out)]),
            ):
                arguments = (x, out_h, out_w, oc, *k, groups, pad_value, low, high, filters, *scales)
                label = f"bconv {name} pad{pad_value} {len(stages)}"
                case(label, [step("bconv", *arguments, stages=stages)], exact=True)
            half = k[0] * k[1] * c // groups // 2
            threshold = np.random.default_rng(14).integers(half // 2, half + 9, oc).astype(np.int32)
            arguments = (x, signed, *k, groups, pad_value, filters, threshold)
            case(f"bconv_bits {name} pad{pad_value}", [step("bconv_bits", *arguments)], exact=True)


def _movement() -> None:
    x, out = bits("x", 2, 7, 6, 70), bits("out", 2, 4, 3, 70)
    case("bmaxpool", [step("bmaxpool", x, out, *window(3, 2, 2, 2, top=1, left=0))], exact=True)
    # Several windows in a vector; the last lacks one column as SAME has it, then two, then the first lacks one.
    for name, w, left, out_w in (("same", 36, 0, 18), ("two", 36, 1, 19), ("both", 37, 1, 19)):
        for c in (32, 64, 128, 256):
            x, out = bits("x", 1, 5, w, c), bits("out", 1, 3, out_w, c)
            pool = step("bmaxpool", x, out, *window(3, 3, 2, 2, top=1, left=left))
            case(f"bmaxpool {name} {c}", [pool], exact=True)
    q, packed = i8("q", 2, 3, 45, zero_point=4), bits("packed", 2, 3, 45)
    case("pack", [step("pack", q, packed)], exact=True)
    for dtype, value in (("f32", -1.5), ("i8", -7), ("i32", 9)):
        c = 5
        part, whole = Tensor("part", (1, 2, 3, c), dtype, 0.5, 1), Tensor("whole", (2, 4, 5, 2 * c), dtype, 0.5, 1)
        word = int(np.float32(value).view(np.int32)) if dtype == "f32" else value
        case(f"place {dtype}", [step("place", part, whole, 1, 1, 1, 2, 1, word)], exact=True)
        flat = Tensor("flat", (2, 4, 5, c), dtype, 0.5, 1)
        case(f"place whole pixels {dtype}", [step("place", part, flat, 1, 2, 0, 0, 1, word)], exact=True)
        cut = Tensor("cut", (1, 2, 2, c // 2), dtype, 0.5, 1)
        case(f"slice {dtype}", [step("slice", whole, cut, 1, 0, 3, 3)], exact=True)
        first = Tensor("first", (1, 2, 3, c), dtype, 0.5, 1)
        second = Tensor("second", (1, 2, 3, c), dtype, 0.5, 1)
        both = Tensor("both", (1, 2, 3, 2 * c), dtype, 0.5, 1)
        joined = [step("place", first, both, 0, 0, 0, 0, 0, 0), step("place", second, both, 0, 0, 0, c, 0, 0)]
        case(f"joined {dtype}", joined, exact=True)
        turned = Tensor("turned", (2 * c, 2, 5, 4), dtype, 0.5, 1)
        case(f"transpose {dtype}", [step("transpose", whole, turned, 3, 0, 2, 1)], exact=True)
    constant = f32("constant", 3, 7)
    case("constant", [step("constant", constant, constant, reals(15, 3, 7))], exact=True)


def _integers() -> None:
    x = i8("x", 2, 9, 8, 70)
    for kind, what in enumerate(("max", "average")):
        out = i8("out", 2, 5, 4, 70)
        w = window(3, 3, 2, 2, top=1, left=0)
        case(f"{what} pool i8", [step("pool_i8", x, out, *w, kind, -120, 100)], exact=True)
    for ratio in (1.0, 0.37, 60.0):
        out = i8("out", 2, 5, 4, 70, zero_point=-3)
        w = window(3, 3, 2, 2, top=1, left=0)
        case(f"average i8 by {ratio}", [step("average_i8", x, out, *w, ratio)], exact=True)
    b, image, out = i8("b", 2, 9, 8, 70, scale=0.1, zero_point=9), i8("image", 2, 1, 1, 70), i8("out", 2, 9, 8, 70)
    fixed = (1518500250, -1, 1073741824, 0, 1700000000, -18)
    whole, each, point = (9 * 8 * 70, 8 * 70, 70, 1), (70, 0, 0, 1), (0, 0, 0, 0)
    for op, what in enumerate(("add", "sub")):
        case(f"{what} i8", [step("binary_i8", x, out, b, op, *whole, *whole, -128, 127, 20, *fixed)], exact=True)
        case(f"{what} image i8", [step("binary_i8", x, out, image, op, *whole, *each, -50, 60, 20, *fixed)], exact=True)
        case(f"{what} from i8", [step("binary_i8", image, out, x, op, *each, *whole, -50, 60, 20, *fixed)], exact=True)
        case(f"{what} one i8", [step("binary_i8", x, out, image, op, *whole, *point, -50, 60, 20, *fixed)], exact=True)
    one = (2**30, 1)
    last = (0, *one, *one, 1800000000, -7)
    case("mul i8", [step("binary_i8", x, out, b, 2, *whole, *whole, -128, 127, *last)], exact=True)
    for op, what in ((5, "minimum"), (6, "maximum")):
        case(
            f"{what} i8", [step("binary_i8", x, out, b, op, *whole, *whole, -90, 127, 0, *one, *one, *one)], exact=True
        )
    slopes = (0, 0, 0, 1234567890, -6, 1734567890, 0)
    case("prelu i8", [step("binary_i8", x, out, image, 3, *whole, *each, -128, 127, *slopes)], exact=True)
    table = np.random.default_rng(16).integers(-128, 128, 256).astype(np.int8)
    case("table i8", [step("table_i8", x, out, table)], exact=True)
    bytes_in, bytes_out = (Tensor(name, x.shape, "u8", 0.05, 250) for name in ("bytes in", "bytes out"))
    case("table i8 to u8", [step("table_i8", x, bytes_out, table.view(np.uint8))], exact=True)
    case("table u8 to i8", [step("table_i8", bytes_in, out, table)], exact=True)
    case("table u8", [step("table_i8", bytes_in, bytes_out, table.view(np.uint8))], exact=True)
    case("mean i8", [step("mean_i8", x, i8("mean", 2, 1, 1, 70), 1990000000, -6)], exact=True)
    soft = i8("soft", 2, 9, 8, 70, scale=1 / 256, zero_point=-128)
    case("softmax i8", [step("softmax_i8", x, soft, softmax_exponentials(1.0, 0.05))])


def _sharing() -> None:
    """A tensor that takes an input's place when that is no longer needed: the next run needs the input again."""
    x, y, z = f32("x", 1, 4, 4, 16), f32("y", 1, 4, 4, 16), f32("z", 1, 4, 4, 16)
    steps = [step("read", x, 0, 16, stages=[Stage("abs"), store(y)])]
    steps.append(step("read", y, 0, 16, stages=[Stage("shift", (reals(1, 16),)), store(z)]))
    content = encode(steps, [x], [z], {x: 0, y: 1024, z: 0}, 2048)
    _ALL["sharing"] = PlanCase("sharing", content, [values(x, np.random.default_rng(2))], exact=True)


@cache
def cases() -> list[PlanCase]:
    for make in (_stages, _streams, _places, _windows, _convolutions, _binary, _movement, _integers, _sharing):
        make()
    return list(_ALL.values())


CASES = cases()
