"""Random `.tflite` files of every op that the importer knows, in every dtype and option that it accepts.

Values are edges more often than chance would have it: halves, zeros, extremes, whole grids. Floats are small multiples
of an eighth, so that sums are exact in f32 and the order in which an engine adds does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.ops import words

from .model_builder import Builder

Array = NDArray[Any]


@dataclass
class Growing:
    """A model while it grows: `x` is the tensor that the next op takes."""

    seed: int
    dtype: str = "float32"
    rng: np.random.Generator = field(init=False)
    builder: Builder = field(default_factory=Builder)
    x: int = 0
    given: Array = field(init=False)
    exact: bool = True
    """Whether every f32 so far is exact, whatever the order of its sums."""
    bits: bool = False
    names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        shape = (1, *(int(n) for n in self.rng.integers(1, 7, 2)), int(self.rng.choice([1, 3, 8, 16, 33])))
        if self.dtype == "int8":
            self.x = self.builder.input(shape, "int8", *self.quantization())
        else:
            self.x = self.builder.input(shape)
        self.given = self.values(shape)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.builder.tensors[self.x]["shape"])

    @property
    def scale(self) -> float | None:
        scales = self.builder.tensors[self.x]["scales"]
        return None if scales is None else float(scales[0])

    @property
    def zero(self) -> int:
        return int(self.builder.tensors[self.x]["zero"])

    def one_of(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def quantization(self) -> tuple[float, int]:
        """Powers of two, at which halves occur, and others."""
        scale = self.one_of(0.5, 0.25, 1 / 64, float(np.float32(10 ** self.rng.uniform(-2.5, -0.3))))
        return scale, int(self.one_of(0, -128, 127, int(self.rng.integers(-128, 128))))

    def values(self, shape: Sequence[int]) -> Array:
        """A grid, constants, extremes or anything."""
        count, kind = prod(shape), int(self.rng.integers(4))
        if self.dtype == "int8":
            steps = [
                np.resize(self.rng.permutation(256) - 128, count),
                np.full(count, self.rng.integers(-128, 128)),
                self.rng.choice([-128, -127, -1, 0, 1, 127], count),
                self.rng.integers(-128, 128, count),
            ][kind]
            return steps.astype(np.int8).reshape(shape)
        reals = [
            np.resize(np.arange(-64, 65) / 8, count),
            np.full(count, self.rng.integers(-16, 17) / 8),
            self.rng.choice([-16.0, -0.0, 0.0, 0.125, 16.0], count),
            self.rng.integers(-64, 65, count) / 8,
        ][kind]
        return reals.astype(np.float32).reshape(shape)

    def numbers(self, *shape: int) -> Array:
        """f32 constants."""
        return (self.rng.integers(-8, 9, shape) / 4).astype(np.float32)

    def constant(self, shape: Sequence[int]) -> int:
        """An operand of x's dtype, with a scale of its own."""
        if self.dtype == "int8":
            return self.builder.constant(self.values(shape), *self.quantization())
        return self.builder.constant(self.numbers(*shape))

    def add(
        self,
        name: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        kind: str | None = None,
        *,
        same: bool = False,
        unit: bool = False,
        dtype: str | None = None,
        outputs: int = 1,
        **options: Any,
    ) -> None:
        """An op whose first output is the next x. `same`: in x's own quantization, `unit`: from 0 to 1."""
        dtype = dtype or self.dtype
        scale: tuple[float | None, int] = (None, 0)
        if dtype == "int8":
            scale = (self.scale, self.zero) if same else (1 / 256, -128) if unit else self.quantization()
        made = [
            self.builder.tensor(tuple(shape), "int32" if dtype == "bits" else dtype, *scale) for _ in range(outputs)
        ]
        self.builder.op(name, list(inputs), made, kind, **options)
        self.x, self.dtype = made[int(self.rng.integers(outputs))], dtype
        self.names.append(name)

    def act(self) -> dict[str, int]:
        return {"fused_activation_function": int(self.rng.integers(4))}

    def window(self, kernel: tuple[int, int], dilated: bool) -> tuple[dict[str, int], tuple[int, int]]:
        """Options of a window on x, and its output's size."""
        strides, padding = [int(s) for s in self.rng.integers(1, 3, 2)], int(self.rng.integers(2))
        dilations = [int(d) for d in self.rng.integers(1, 3, 2)] if dilated else [1, 1]
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
        if any(r > size for r, size in zip(reach, self.shape[1:3], strict=True)):
            padding = 0
        if max(dilations) > 1:
            strides = [1, 1]  # what TensorFlow's own converters make
        options = {"padding": padding, "stride_h": strides[0], "stride_w": strides[1]}
        if dilated:
            options |= {"dilation_h_factor": dilations[0], "dilation_w_factor": dilations[1]}
        sizes = [
            -(-size // s) if padding == 0 else (size - r) // s + 1
            for size, s, r in zip(self.shape[1:3], strides, reach, strict=True)
        ]
        return options, (sizes[0], sizes[1])


def _convolution(m: Growing, depthwise: bool) -> None:
    c = m.shape[3]
    kernel = (int(m.rng.integers(1, 4)), int(m.rng.integers(1, 4)))
    oc = c * m.one_of(1, 2) if depthwise else m.one_of(1, 5, 16, 34)
    options, size = m.window(kernel, dilated=True)
    shape = (1, *kernel, oc) if depthwise else (oc, *kernel, c)
    inputs = [m.x, *_weights(m, shape, oc, 3 if depthwise else 0)]
    if depthwise:
        options["depth_multiplier"] = oc // c
    name, kind = ("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions") if depthwise else ("CONV_2D", "Conv2DOptions")
    m.add(name, inputs, (m.shape[0], *size, oc), kind, **options, **m.act())


def _weights(m: Growing, shape: tuple[int, ...], oc: int, axis: int, per_channel: bool = True) -> list[int]:
    """Weights and, now and then, a bias."""
    biased = bool(m.rng.integers(2))
    if m.dtype == "float32":
        return [m.builder.constant(m.numbers(*shape)), *([m.builder.constant(m.numbers(oc))] if biased else [])]
    assert m.scale is not None
    scales = [float(np.float32(s)) for s in m.rng.choice([0.5, 0.25, 0.0371, 0.0123], oc if per_channel else 1)]
    stored = m.rng.choice([-127, -64, -1, 0, 1, 2, 64, 127, int(m.rng.integers(-127, 128))], shape).astype(np.int8)
    weights = m.builder.constant(stored, scales, axis=axis)
    products = [float(np.float32(m.scale) * np.float32(s)) for s in scales]
    bias = m.rng.integers(-2000, 2000, oc).astype(np.int32)
    return [weights, *([m.builder.constant(bias, products)] if biased else [])]


def _dense(m: Growing) -> None:
    depth, oc, keeps = m.shape[-1], m.one_of(1, 5, 16), bool(m.rng.integers(2))
    shape = (*m.shape[:-1], oc) if keeps else (prod(m.shape[:-1]), oc)
    inputs = [m.x, *_weights(m, (oc, depth), oc, 0, per_channel=False)]
    m.add("FULLY_CONNECTED", inputs, shape, "FullyConnectedOptions", keep_num_dims=keeps, **m.act())


def _pool(m: Growing, name: str) -> None:
    kernel = (int(m.rng.integers(1, 4)), int(m.rng.integers(1, 4)))
    options, size = m.window(kernel, dilated=False)
    shape = (m.shape[0], *size, m.shape[3])
    sizes = {"filter_height": kernel[0], "filter_width": kernel[1]}
    m.add(name, [m.x], shape, "Pool2DOptions", same=True, **options, **sizes, **m.act())
    m.exact &= name == "MAX_POOL_2D"


def _elementwise(m: Growing, name: str) -> None:
    shape = m.shape
    other = m.one_of(shape, (1,), shape[-1:], (*shape[:-1], 1), tuple(1 if i % 2 else n for i, n in enumerate(shape)))
    operands = [m.x, m.x if m.rng.integers(5) == 0 else m.constant(other)]
    if m.rng.integers(2):
        operands.reverse()
    m.add(name, operands, shape, f"{name.capitalize()}Options", **m.act())


def _unary(m: Growing, name: str) -> None:
    m.add(name, [m.x], m.shape, unit=name == "LOGISTIC")
    m.exact &= name != "LOGISTIC"


def _of_int8(m: Growing, name: str, kind: str | None = None, **options: Any) -> None:
    """An op that is known of int8 alone."""
    if m.dtype == "float32":
        _quantize(m)
    m.add(name, [m.x], m.shape, kind, **options)


def _hard_swish(m: Growing) -> None:
    if m.dtype == "float32":
        _quantize(m)
    m.add("HARD_SWISH", [m.x], m.shape, "HardSwishOptions", same=m.one_of(True, False))
    out = m.builder.tensors[m.x]
    out["scales"] = [max(out["scales"][0], m.builder.tensors[m.builder.ops[-1]["inputs"][0]]["scales"][0] / 100)]


def _min_max(m: Growing, name: str) -> None:
    if m.dtype == "float32":
        _quantize(m)
    shape = m.shape
    other = m.one_of(shape, (1,), shape[-1:], (*shape[:-1], 1), tuple(1 if i % 2 else n for i, n in enumerate(shape)))
    operands = [m.x, m.builder.constant(m.values(other), m.scale, m.zero)]
    if m.rng.integers(2):
        operands.reverse()
    m.add(name, operands, shape, "MaximumMinimumOptions", same=True)


def _prelu(m: Growing) -> None:
    shape = m.shape
    slopes = m.one_of(shape[1:], (*[1] * (len(shape) - 2), shape[-1]), shape[-1:]) if len(shape) > 1 else shape
    m.add("PRELU", [m.x, m.constant(slopes)], shape)


def _softmax(m: Growing) -> None:
    m.add("SOFTMAX", [m.x], m.shape, "SoftmaxOptions", unit=True, beta=m.one_of(1.0, 0.5, 2.0))
    m.exact = False


def _mean(m: Growing) -> None:
    rank = len(m.shape)
    axes = m.one_of((1, 2), (rank - 1,), (1,), (0, 1)) if rank == 4 else (rank - 1,)
    keeps = bool(m.rng.integers(2)) or len(axes) == rank
    shape = [1 if axis in axes else n for axis, n in enumerate(m.shape) if keeps or axis not in axes]
    stored = m.builder.constant(np.array(axes, np.int32))
    m.add("MEAN", [m.x, stored], shape, "ReducerOptions", same=bool(m.rng.integers(2)), keep_dims=keeps)
    m.exact = False


def _reshaped(m: Growing, shape: Sequence[int]) -> None:
    wanted = m.builder.constant(np.array(shape, np.int32))
    m.add("RESHAPE", [m.x, wanted], shape, "ReshapeOptions", same=True)


def _reshape(m: Growing) -> None:
    n, *rest = m.shape
    _reshaped(m, m.one_of((n, prod(rest)), (n, 1, 1, prod(rest)), (n, *reversed(rest))))


def _through_shape(m: Growing) -> None:
    """The new shape is computed of the old one's, as some converters write it."""
    b, rank = m.builder, len(m.shape)
    shape = b.op("SHAPE", [m.x], b.tensor((rank,), "int32"), "ShapeOptions", out_type=2)
    zero, one = (b.constant(np.array([n], np.int32)) for n in (0, 1))
    first = b.tensor((), "int32")
    b.op("STRIDED_SLICE", [shape, zero, one, one], first, "StridedSliceOptions", shrink_axis_mask=1)
    rest = b.constant(np.array(prod(m.shape[1:]), np.int32))
    packed = b.op("PACK", [first, rest], b.tensor((2,), "int32"), "PackOptions", values_count=2)
    m.add("RESHAPE", [m.x, packed], (m.shape[0], prod(m.shape[1:])), "ReshapeOptions", same=True)


def _squeeze(m: Growing) -> None:
    ones = [axis for axis, size in enumerate(m.shape) if size == 1 and axis]
    if not ones or len(m.shape) < 3:
        return _expand_dims(m)
    m.add("SQUEEZE", [m.x], np.delete(m.shape, ones[0]).tolist(), "SqueezeOptions", same=True, squeeze_dims=[ones[0]])
    return None


def _expand_dims(m: Growing) -> None:
    if len(m.shape) > 3:
        _reshaped(m, (m.shape[0], prod(m.shape[1:])))
    axis = int(m.rng.integers(1, len(m.shape)))
    stored = m.builder.constant(np.array([axis], np.int32))
    m.add("EXPAND_DIMS", [m.x, stored], [*m.shape[:axis], 1, *m.shape[axis:]], "ExpandDimsOptions", same=True)


def _concatenation(m: Growing) -> None:
    axis = int(m.rng.integers(1, len(m.shape)))
    shape = list(m.shape)
    shape[axis] = int(m.rng.integers(1, 4))
    if m.dtype == "int8":
        other = m.builder.constant(m.values(shape), m.scale, m.zero)
    else:
        other = m.builder.constant(m.numbers(*shape))
    parts = [m.x, other, m.x] if m.rng.integers(2) else [other, m.x]
    shape[axis] = sum(m.builder.tensors[part]["shape"][axis] for part in parts)
    m.add("CONCATENATION", parts, shape, "ConcatenationOptions", same=True, axis=axis - m.one_of(0, len(shape)))


def _pad(m: Growing, name: str) -> None:
    margins = np.array([[0, 0], *m.rng.integers(0, 3, (len(m.shape) - 1, 2))], np.int32)
    inputs = [m.x, m.builder.constant(margins)]
    if name == "PADV2":
        if m.dtype == "int8":
            inputs.append(m.builder.constant(m.values((1,)), m.scale, m.zero))
        else:
            inputs.append(m.builder.constant(m.numbers(1)))
    shape = [size + int(a) + int(b) for size, (a, b) in zip(m.shape, margins, strict=True)]
    m.add(name, inputs, shape, f"Pad{name[3:]}Options", same=True)


def _split(m: Growing, name: str) -> None:
    axis = len(m.shape) - 1
    size = m.shape[axis]
    parts = 3 if size % 3 == 0 else 1
    shape = [*m.shape[:-1], size // parts]
    stored = m.builder.constant(np.array(axis, np.int32))
    if name == "SPLIT":
        m.add("SPLIT", [stored, m.x], shape, "SplitOptions", same=True, outputs=parts, num_splits=parts)
        return
    sizes = m.builder.constant(np.array([size // parts] * parts, np.int32))
    m.add("SPLIT_V", [m.x, sizes, stored], shape, "SplitVOptions", same=True, outputs=parts, num_splits=parts)


def _slice(m: Growing, name: str) -> None:
    begin = [0, *(int(m.rng.integers(size)) for size in m.shape[1:])]
    shape = [m.shape[0], *(int(m.rng.integers(1, n - b + 1)) for n, b in zip(m.shape[1:], begin[1:], strict=True))]
    ends = [b + s for b, s in zip(begin, shape, strict=True)]
    first, second, ones = (m.builder.constant(np.array(v, np.int32)) for v in (begin, ends, [1] * len(shape)))
    if name == "STRIDED_SLICE":
        m.add(name, [m.x, first, second, ones], shape, "StridedSliceOptions", same=True, begin_mask=1, end_mask=1)
        return
    sizes = [-1 if end == whole else size for size, end, whole in zip(shape, ends, m.shape, strict=True)]
    m.add(name, [m.x, first, m.builder.constant(np.array(sizes, np.int32))], shape, "SliceOptions", same=True)


def _transpose(m: Growing) -> None:
    perm = [0, *(m.rng.permutation(len(m.shape) - 1) + 1).tolist()]
    stored = m.builder.constant(np.array(perm, np.int32))
    m.add("TRANSPOSE", [m.x, stored], [m.shape[axis] for axis in perm], "TransposeOptions", same=True)


def _quantize(m: Growing) -> None:
    m.add("QUANTIZE", [m.x], m.shape, "QuantizeOptions", dtype="int8")


def _dequantize(m: Growing) -> None:
    if m.dtype == "float32":
        _quantize(m)
    m.add("DEQUANTIZE", [m.x], m.shape, "DequantizeOptions", dtype="float32")
    m.exact = False  # one multiply, which another engine may do otherwise


def _pack_signs(m: Growing) -> None:
    if m.dtype == "bits":
        return
    x, stored = m.x, (*m.shape[:-1], words(m.shape[-1]))
    shape = m.shape
    m.add("LceQuantize", [x], stored, dtype="bits")
    m.bits, m.builder.tensors[m.x]["real"] = True, shape


def _lce_dequantize(m: Growing) -> None:
    dtype = m.dtype
    _pack_signs(m)
    m.add("LceDequantize", [m.x], m.builder.tensors[m.x]["real"], dtype=dtype)


def _lce_pool(m: Growing) -> None:
    dtype = m.dtype
    _pack_signs(m)
    n, h, w, c = m.builder.tensors[m.x]["real"]
    s, k = int(m.rng.integers(1, 3)), int(m.rng.integers(1, 4))
    padding = int(m.rng.integers(2)) if k <= min(h, w) else 0
    out = [-(-size // s) if padding == 0 else (size - k) // s + 1 for size in (h, w)]
    options = {"padding": padding, "stride_height": s, "stride_width": s, "filter_height": k, "filter_width": k}
    m.add("LceBMaxPool2d", [m.x], (n, *out, words(c)), dtype="bits", **options)
    m.add("LceDequantize", [m.x], (n, *out, c), dtype=dtype)


def _lce_convolution(m: Growing) -> None:
    dtype = m.dtype
    _pack_signs(m)
    n, h, w, c = m.builder.tensors[m.x]["real"]
    s, k, oc = int(m.rng.integers(1, 3)), int(m.rng.integers(1, 4)), m.one_of(8, 32, 40)
    padding = int(m.rng.integers(2)) if k <= min(h, w) else 0
    out = [-(-size // s) if padding == 0 else (size - k) // s + 1 for size in (h, w)]
    filters = m.rng.integers(0, 2**32, (oc, k, k, words(c)), np.uint32)
    if c % 32:
        filters[..., -1] &= np.uint32((1 << c % 32) - 1)
    options = {
        "channels_in": c,
        "dilation_height_factor": 1,
        "dilation_width_factor": 1,
        "padding": padding,
        "stride_height": s,
        "stride_width": s,
        "pad_values": int(m.rng.integers(2)) if padding == 0 else 0,
        "fused_activation_function": int(m.rng.integers(4)),
    }
    stored = m.builder.constant(filters.view(np.int32))
    if m.rng.integers(3) == 0:
        thresholds = m.builder.constant(m.rng.integers(0, k * k * c + 1, oc).astype(np.int32))
        options["fused_activation_function"] = 0
        m.add("LceBconv2d", [m.x, stored, -1, -1, thresholds], (n, *out, words(oc)), dtype="bits", **options)
        m.add("LceDequantize", [m.x], (n, *out, oc), dtype=dtype)
        return
    scales = [m.builder.constant(m.numbers(oc)) for _ in range(2)]
    m.add("LceBconv2d", [m.x, stored, *scales, -1], (n, *out, oc), dtype=dtype, **options)


ANY, IMAGE, FLOATS = "any", "image", "floats"
ROUNDING = ("QUANTIZE", "DEQUANTIZE", "TANH", "HARD_SWISH", "LEAKY_RELU", "MINIMUM", "MAXIMUM")
"""Ops before which floats are rounded to int8."""
MAKERS: dict[str, tuple[str, Callable[[Growing], None]]] = {
    "CONV_2D": (IMAGE, lambda m: _convolution(m, depthwise=False)),
    "DEPTHWISE_CONV_2D": (IMAGE, lambda m: _convolution(m, depthwise=True)),
    "FULLY_CONNECTED": (ANY, _dense),
    "LceBconv2d": (IMAGE, _lce_convolution),
    "LceBMaxPool2d": (IMAGE, _lce_pool),
    "LceQuantize": (IMAGE, _lce_dequantize),
    "LceDequantize": (IMAGE, _lce_dequantize),
    "MAX_POOL_2D": (IMAGE, lambda m: _pool(m, "MAX_POOL_2D")),
    "AVERAGE_POOL_2D": (IMAGE, lambda m: _pool(m, "AVERAGE_POOL_2D")),
    "ADD": (ANY, lambda m: _elementwise(m, "ADD")),
    "SUB": (ANY, lambda m: _elementwise(m, "SUB")),
    "MUL": (ANY, lambda m: _elementwise(m, "MUL")),
    "ABS": (ANY, lambda m: _unary(m, "ABS")),
    "LOGISTIC": (ANY, lambda m: _unary(m, "LOGISTIC")),
    "RELU": (ANY, lambda m: _unary(m, "RELU")),
    "RELU6": (ANY, lambda m: _unary(m, "RELU6")),
    "RELU_N1_TO_1": (ANY, lambda m: _unary(m, "RELU_N1_TO_1")),
    "RELU_0_TO_1": (ANY, lambda m: _unary(m, "RELU_0_TO_1")),
    "TANH": (ANY, lambda m: _of_int8(m, "TANH")),
    "HARD_SWISH": (ANY, _hard_swish),
    "LEAKY_RELU": (
        ANY,
        lambda m: _of_int8(m, "LEAKY_RELU", "LeakyReluOptions", alpha=float(m.one_of(0.0, 0.25, 0.2, 1.0, 1.7, -0.3))),
    ),
    "MINIMUM": (ANY, lambda m: _min_max(m, "MINIMUM")),
    "MAXIMUM": (ANY, lambda m: _min_max(m, "MAXIMUM")),
    "PRELU": (ANY, _prelu),
    "SOFTMAX": (ANY, _softmax),
    "MEAN": (ANY, _mean),
    "QUANTIZE": (ANY, _quantize),
    "DEQUANTIZE": (ANY, _dequantize),
    "RESHAPE": (ANY, _reshape),
    "SQUEEZE": (ANY, _squeeze),
    "EXPAND_DIMS": (ANY, _expand_dims),
    "CONCATENATION": (ANY, _concatenation),
    "PAD": (ANY, lambda m: _pad(m, "PAD")),
    "PADV2": (ANY, lambda m: _pad(m, "PADV2")),
    "SPLIT": (ANY, lambda m: _split(m, "SPLIT")),
    "SPLIT_V": (ANY, lambda m: _split(m, "SPLIT_V")),
    "SLICE": (ANY, lambda m: _slice(m, "SLICE")),
    "STRIDED_SLICE": (ANY, lambda m: _slice(m, "STRIDED_SLICE")),
    "TRANSPOSE": (ANY, _transpose),
    "SHAPE": (ANY, _through_shape),
    "PACK": (ANY, _through_shape),
}
"""Op -> what it needs of x, and how it is added. Rows of `random_float_models` would change what each seed makes."""


def one_op(make: Callable[[Growing], None], dtype: str, seed: int) -> Growing:
    """A model of the op, with helpers where it needs some."""
    m = Growing(seed, dtype)
    make(m)
    m.builder.outputs = [m.x]
    return m


def chain(seed: int, length: int = 3, makers: Mapping[str, tuple[str, Callable[[Growing], None]]] = MAKERS) -> Growing:
    """A model of several ops, each on the result of the one before."""
    m = Growing(seed, "int8" if seed % 2 else "float32")
    while len(m.names) < length:
        name = m.one_of(*makers)
        needs, make = makers[name]
        rounds = name in ROUNDING or name.startswith("Lce")
        if (needs == IMAGE and len(m.shape) != 4) or len(m.shape) < 2 or (rounds and not m.exact):
            name, make = "RELU", MAKERS["RELU"][1]
        make(m)
    m.builder.outputs = [m.x]
    return m
