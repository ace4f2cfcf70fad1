"""From nodes to steps: a row for each operation, nothing fused yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from ..graph import (
    BinaryConv2d,
    BinaryMaxPool2d,
    BitDequantize,
    BitQuantize,
    Clamp,
    Concat,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Dequantize,
    Elementwise,
    Graph,
    Mean,
    Node,
    Pad,
    Pool2d,
    PRelu,
    Quantize,
    Reduce,
    Reshape,
    Slice,
    Softmax,
    Tensor,
    Transpose,
    Unary,
    Window,
)
from ..hybrid import Weighted, real_weights
from ..int8_tables import rescale_table, shift_table, unary_table
from ..onnx_quantization import average_ratio, product_scales
from ..onnx_quantization import table as onnx_table
from ..places import Gather, Interpolate
from ..quantization import (
    act_bounds_i8,
    binary_requantization,
    conv_requantization,
    mean_requantization,
    quantize_multiplier,
    slope_requantization,
    softmax_exponentials,
    unary_requantization,
)
from .steps import Argument, Stage, Step, image_shape, pixels, store_of

_BROADCASTS = {
    "add": 0,
    "sub": 1,
    "mul": 2,
    "prelu": 3,
    "div": 4,
    "minimum": 5,
    "maximum": 6,
    "squared_difference": 7,
}
_AS_STAGES = ("add", "sub", "mul")
"""Kinds that stages do, where the operands' shapes allow it."""


class Lowered:
    """The steps so far, and which tensors share the bytes of another (`aliases`: tensor -> the one it is a view of)."""

    def __init__(self, graph: Graph) -> None:
        self.steps: list[Step] = []
        self.aliases: dict[Tensor, Tensor] = {}
        self._constants: dict[int, Tensor] = {}
        for node in graph.nodes:
            try:
                _LOWERINGS[type(node.operation)](self, node, node.operation)
            except ModelError as error:
                raise ModelError(f"{graph.source}: op {node.index} ({node.op}) has no plan: {error}") from error

    def root(self, tensor: Tensor) -> Tensor:
        """The tensor whose bytes it shares."""
        while tensor in self.aliases:
            tensor = self.aliases[tensor]
        return tensor

    def view(self, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The same bytes as another shape."""
        if tensor.shape == shape:
            return tensor
        view = replace(tensor, shape=shape)
        self.aliases[view] = tensor
        return view

    def stream(
        self, node: Node, kind: str, arguments: tuple[Argument, ...], channels: int, stages: list[Stage], **macs: int
    ) -> None:
        """A step with stages."""
        self.steps.append(Step(kind, (node,), arguments, tuple(stages), channels, **macs))

    def read(self, node: Node, x: Tensor, stages: list[Stage]) -> None:
        """A step that only streams a tensor through stages."""
        self.stream(node, "read", (x, 0, x.shape[-1]), x.shape[-1], stages)

    def direct(self, node: Node, kind: str, *arguments: Argument, **macs: int) -> None:
        """A step that writes one tensor."""
        self.steps.append(Step(kind, (node,), arguments, (), 0, **macs))

    def computed(self, node: Node, tensor: Tensor) -> Tensor:
        """A tensor in the arena, also for a constant."""
        if tensor.data is None:
            return tensor
        if id(tensor) not in self._constants:
            place = replace(tensor, data=None)
            self.direct(node, "constant", place, place, np.ascontiguousarray(tensor.data))
            self._constants[id(tensor)] = place
        return self._constants[id(tensor)]


def _window(window: Window) -> tuple[int, ...]:
    w = window
    return (w.kh, w.kw, w.sh, w.sw, w.dh, w.dw, w.pad_top, w.pad_left)


def _clamp(act: Clamp) -> list[Stage]:
    return [] if act.does_nothing else [Stage("clamp", (float(act.low), float(act.high)))]


def _store(tensor: Tensor, channel: int = 0) -> Stage:
    return Stage("store", (tensor, channel))


def _f32(array: NDArray[Any] | None, count: int) -> NDArray[np.float32]:
    return np.zeros(count, np.float32) if array is None else np.ascontiguousarray(array, np.float32)


def _scale(tensor: Tensor) -> float:
    assert tensor.scale is not None, tensor.name
    return tensor.scale


def _requantized(node: Node, operation: Weighted, oc: int) -> Stage:
    assert operation.weight_scales is not None
    out = node.output
    multiplier, shift = conv_requantization(_scale(node.inputs[0]), operation.weight_scales, _scale(out))
    bias = np.zeros(oc, np.int32) if operation.bias is None else np.ascontiguousarray(operation.bias, np.int32)
    low, high = act_bounds_i8(operation.act, _scale(out), out.zero_point)
    kind = "store_requantized_once" if isinstance(operation, Dense) else "store_requantized"
    return Stage(kind, (out, low, high, bias, multiplier, shift))


def _scaled(node: Node, operation: Weighted) -> list[Stage]:
    """Exact sums of int8 products as ONNX has them: in floats."""
    assert operation.weight_scales is not None
    scales = product_scales(_scale(node.inputs[0]), operation.weight_scales)
    shift = [] if operation.bias is None else [Stage("shift", (_f32(operation.bias, len(scales)),))]
    return [Stage("scale", (scales,)), *shift, *_clamp(operation.act), _store_any(node.output)]


def _finish(node: Node, operation: Weighted, oc: int) -> tuple[list[Stage], Argument]:
    """The stages after a convolution, and its bias argument."""
    if node.inputs[0].dtype == "i8":
        in_floats = node.output.in_floats or node.output.dtype == "f32"
        return _scaled(node, operation) if in_floats else [_requantized(node, operation, oc)], 0
    return [*_clamp(operation.act), _store(node.output)], _f32(operation.bias, oc)


def _weights(node: Node, operation: Weighted) -> NDArray[Any]:
    """As a plan has them: of the input's dtype."""
    return operation.weights if node.inputs[0].dtype == "i8" else real_weights(operation)


def _conv2d(low: Lowered, node: Node, operation: Conv2d) -> None:
    x, (_, h, w, oc) = node.inputs[0], node.output.shape
    stages, bias = _finish(node, operation, oc)
    arguments = (x, h, w, oc, *_window(operation.window), operation.groups, _weights(node, operation), bias)
    macs = pixels(node.output) * operation.weights.size
    low.stream(node, "conv", arguments, oc, stages, macs_32bit=macs)


def _depthwise(low: Lowered, node: Node, operation: DepthwiseConv2d) -> None:
    x, (_, h, w, oc) = node.inputs[0], node.output.shape
    stages, bias = _finish(node, operation, oc)
    arguments = (x, h, w, oc, *_window(operation.window), operation.multiplier, _weights(node, operation), bias)
    low.stream(node, "depthwise", arguments, oc, stages, macs_32bit=pixels(node.output) * operation.weights.size)


def _dense(low: Lowered, node: Node, operation: Dense) -> None:
    oc, depth = operation.weights.shape
    rows = pixels(node.output)
    x = low.view(node.inputs[0], (rows, 1, 1, depth))
    stages, bias = _finish(node, operation, oc)
    weights = _weights(node, operation).reshape(oc, 1, 1, depth)
    arguments = (x, 1, 1, oc, *_window(Window(1, 1)), 1, weights, bias)
    low.stream(node, "conv", arguments, oc, stages, macs_32bit=rows * operation.weights.size)


def _bconv(low: Lowered, node: Node, operation: BinaryConv2d) -> None:
    spec, x, out = operation.spec, node.inputs[0], node.output
    _, out_h, out_w, _ = out.shape
    common = (*_window(operation.window), spec.groups, spec.pad_value)
    macs = out_h * out_w * spec.n * spec.oc * spec.dot_length
    if spec.out == "bits":
        assert operation.threshold is not None
        low.direct(node, "bconv_bits", x, out, *common, operation.filter, operation.threshold, macs_1bit=macs)
        return
    multiplier, bias, stored = _f32(operation.multiplier, spec.oc), operation.shifted_bias, out
    if out.dtype == "i8":
        multiplier, bias = operation.stored_as(_scale(out), out.zero_point)
        stored = Tensor(out.name, out.shape, "i8", 1.0, 0)
        low.aliases[stored] = out
    numbers = (*common, *spec.clamp)
    arguments: tuple[Argument, ...] = (x, out_h, out_w, spec.oc, *numbers, operation.filter, multiplier, bias)
    low.stream(node, "bconv", arguments, spec.oc, [_store_any(stored)], macs_1bit=macs)


def _store_any(out: Tensor) -> Stage:
    return Stage(store_of(out), (out, 0))


def _pool2d(low: Lowered, node: Node, operation: Pool2d) -> None:
    x, (_, h, w, c) = node.inputs[0], node.output.shape
    kind = int(operation.kind == "average")
    if node.output.in_floats and operation.kind == "average":
        return _average_i8(low, node, x, node.output, operation.window)
    if x.dtype == "i8":
        bounds = act_bounds_i8(operation.act, _scale(node.output), node.output.zero_point)
        return low.direct(node, "pool_i8", x, node.output, *_window(operation.window), kind, *bounds)
    stages = [*_clamp(operation.act), _store(node.output)]
    low.stream(node, "pool", (x, h, w, *_window(operation.window), kind), c, stages)
    return None


def _average_i8(low: Lowered, node: Node, x: Tensor, out: Tensor, window: Window) -> None:
    ratio = float(average_ratio(_scale(x), _scale(out)))
    low.direct(node, "average_i8", x, out, *_window(window), ratio)


def _bmaxpool(low: Lowered, node: Node, operation: BinaryMaxPool2d) -> None:
    low.direct(node, "bmaxpool", node.inputs[0], node.output, *_window(operation.window))


def _mean(low: Lowered, node: Node, operation: Mean) -> None:
    x, out = node.inputs[0], node.output
    if len(x.shape) != 4 or operation.axes != (1, 2):
        x, out = _as_image_to_average(low, node, operation)
    _, h, w, c = x.shape
    if out.in_floats:
        return _average_i8(low, node, x, out, Window(h, w))
    if x.dtype == "i8":
        fixed = mean_requantization(_scale(x), _scale(out), h * w)
        return low.direct(node, "mean_i8", x, out, *fixed)
    low.stream(node, "pool", (x, 1, 1, *_window(Window(h, w)), 1), c, [_store(out)])
    return None


def _reduce(low: Lowered, node: Node, operation: Reduce) -> None:
    x, out = node.inputs[0], node.output
    if len(x.shape) != 4 or operation.axes != (1, 2):
        x, out = _as_image_to_average(low, node, operation)
    (_, h, w, c), stored = x.shape, [_store_any(out)]
    window = _window(Window(h, w))
    if x.dtype == "i8":
        if operation.kind != "max":
            raise ModelError(f"its {operation.kind} is of int8, which cannot be run; convert the model without it.")
        return low.direct(node, "pool_i8", x, out, *window, 0, -128, 127)
    if operation.kind == "sum":
        ones = np.ones((h, w, c), np.float32)
        return low.stream(node, "depthwise", (x, 1, 1, c, *window, 1, ones, np.zeros(c, np.float32)), c, stored)
    if operation.kind == "min":
        minus = Stage("scale", (np.full(c, -1, np.float32),))
        negative = _like(x, f"{node.output.name} of what is negative", x.shape)
        low.read(node, x, [minus, _store(negative)])
        x, stored = negative, [minus, *stored]
    low.stream(node, "pool", (x, 1, 1, *window, 0), c, stored)
    return None


def _as_image_to_average(low: Lowered, node: Node, operation: Mean | Reduce) -> tuple[Tensor, Tensor]:
    """What is averaged as the height of images of one column and one channel, each kept value an image."""
    x, out = low.computed(node, node.inputs[0]), node.output
    kept = [axis for axis in range(len(x.shape)) if axis not in operation.axes]
    perm = (*kept, *operation.axes)
    if perm != tuple(range(len(x.shape))):
        moved = _like(x, f"{x.name} with what is averaged last", tuple(x.shape[axis] for axis in perm))
        _permute(low, node, x, moved, perm)
        x = moved
    count = prod(x.shape[len(kept) :])
    means = _like(out, out.name, (prod(out.shape), 1, 1, 1))
    low.aliases[out] = means
    return low.view(x, (prod(out.shape), count, 1, 1)), means


def _like(tensor: Tensor, name: str, shape: tuple[int, ...]) -> Tensor:
    return replace(tensor, name=name, shape=shape)


def _channel_constant(tensor: Tensor, channels: int) -> NDArray[np.float32] | None:
    """[c] when a constant is one value or differs along the last axis alone."""
    data = tensor.data
    if data is None or not (data.size == 1 or data.size == data.shape[-1] == channels):
        return None
    return np.broadcast_to(data.reshape(-1), (channels,)).astype(np.float32)


def _elementwise(low: Lowered, node: Node, operation: Elementwise) -> None:
    a, b = node.inputs
    out, kind = node.output, operation.kind
    if out.in_floats:
        x, other = _later_first(low, a, b)
        return low.read(node, x, [Stage(f"{kind}_i8", (other,)), *_clamp(operation.act), _store_any(out)])
    if out.dtype == "i8":
        return _elementwise_i8(low, node, operation)
    tail = [*_clamp(operation.act), _store(out)]
    if kind not in _AS_STAGES:
        return _broadcast(low, node, kind, a, b, tail)
    channels = out.shape[-1]
    for x, other, swapped in ((a, b, False), (b, a, True)):
        constant = _channel_constant(other, channels)
        if constant is not None and x.data is None and x.shape == out.shape:
            if kind == "sub":
                first = [Stage("scale", (np.full(channels, -1, np.float32),))] if swapped else []
                return low.read(node, x, [*first, Stage("shift", (constant if swapped else -constant,)), *tail])
            return low.read(node, x, [Stage("scale" if kind == "mul" else "shift", (constant,)), *tail])
    if kind != "sub" and a.data is None and b.data is None:
        if a.shape == b.shape:
            x, other = _later_first(low, a, b)
            return low.read(node, x, [Stage(kind, (other,)), *tail])
        for x, other in ((a, b), (b, a)):
            if x.shape == out.shape and len(x.shape) == 4 and _per_image(x, other):
                return low.read(node, x, [Stage(f"{kind}_image", (other,)), *tail])
    _broadcast(low, node, kind, a, b, tail)
    return None


def _per_image(x: Tensor, other: Tensor) -> bool:
    """Whether `other` has a value for each image and channel of x, lined up from the last axis as in NumPy."""
    return (1,) * (4 - len(other.shape)) + other.shape == (image_shape(x)[0], 1, 1, x.shape[-1])


def _later_first(low: Lowered, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The operand that is computed later streams: only it can be fused with its producer."""
    place = {low.root(tensor): number for number, step in enumerate(low.steps) for tensor in step.writes}
    return (a, b) if place.get(low.root(a), -1) >= place.get(low.root(b), -1) else (b, a)


def _broadcast(low: Lowered, node: Node, kind: str, a: Tensor, b: Tensor, tail: list[Stage]) -> None:
    a, b = low.computed(node, a), low.computed(node, b)
    shape = (1,) * (4 - len(node.output.shape)) + node.output.shape
    strides = [_strides(tensor, shape) for tensor in (a, b)]
    arguments: tuple[Argument, ...] = (a, b, _BROADCASTS[kind], *strides[0], *strides[1], *shape)
    low.stream(node, "broadcast", arguments, shape[-1], tail)


def _strides(tensor: Tensor, shape: tuple[int, ...]) -> list[int]:
    own = (1,) * (4 - len(tensor.shape)) + tensor.shape
    strides, step = [0] * 4, 1
    for axis in (3, 2, 1, 0):
        strides[axis] = step if own[axis] == shape[axis] and own[axis] > 1 else 0
        step *= own[axis]
    return strides


def _image_strides(tensor: Tensor, out: Tensor) -> list[int]:
    """Of an operand that broadcasts to `out`, for n h w c of out's record."""
    strides = _strides(tensor, (1,) * (4 - len(out.shape)) + out.shape)
    return [strides[2], 0, 0, strides[3]] if len(out.shape) == 2 else strides


def _elementwise_i8(low: Lowered, node: Node, operation: Elementwise) -> None:
    a, b = node.inputs
    if operation.kind in ("minimum", "maximum"):
        one = quantize_multiplier(1.0)
        return _binary_i8(low, node, operation.kind, Clamp(), (0, *one, *one, *one))
    fixed = binary_requantization(operation.kind, _scale(a), _scale(b), _scale(node.output))
    _binary_i8(low, node, operation.kind, operation.act, (fixed.left_shift, *fixed.a, *fixed.b, *fixed.out))
    return None


def _binary_i8(low: Lowered, node: Node, kind: str, act: Clamp, fixed: tuple[int, ...]) -> None:
    out = node.output
    a, b = (low.computed(node, tensor) for tensor in node.inputs)
    strides = [*_image_strides(a, out), *_image_strides(b, out)]
    bounds = act_bounds_i8(act, _scale(out), out.zero_point)
    low.direct(node, "binary_i8", a, out, b, _BROADCASTS[kind], *strides, *bounds, *fixed)


def _unary(low: Lowered, node: Node, operation: Unary) -> None:
    x, out, kind = node.inputs[0], node.output, operation.kind
    if out.in_floats:
        if kind not in ("abs", "logistic", "clamp"):
            raise ModelError(f"its {kind} is of int8, which cannot be run; convert the model with it in floats.")
        table = onnx_table(kind, operation.act, (_scale(x), x.zero_point), (_scale(out), out.zero_point))
        return low.direct(node, "table_i8", x, out, table)
    if out.dtype == "i8":
        return low.direct(node, "table_i8", x, out, unary_table(operation, x, out))
    match kind:
        case "clamp":
            change = _clamp(operation.act)
        case "neg":
            change = [Stage("scale", (np.full(x.shape[-1], -1, np.float32),))]
        case _:
            change = [Stage(kind)]
    low.read(node, x, [*change, _store(out)])
    return None


def _prelu(low: Lowered, node: Node, operation: PRelu) -> None:
    x, alpha = node.inputs
    if x.dtype == "i8":
        above = unary_requantization(_scale(x), _scale(node.output))
        below = slope_requantization(_scale(x), _scale(alpha), _scale(node.output))
        return _binary_i8(low, node, "prelu", Clamp(), (0, 0, 0, *below, *above))
    constant = _channel_constant(alpha, x.shape[-1])
    if constant is None:
        return _broadcast(low, node, "prelu", x, alpha, [_store(node.output)])
    low.read(node, x, [Stage("prelu", (constant,)), _store(node.output)])
    return None


def _softmax(low: Lowered, node: Node, operation: Softmax) -> None:
    x = node.inputs[0]
    if x.dtype == "i8":
        return low.direct(node, "softmax_i8", x, node.output, softmax_exponentials(operation.beta, _scale(x)))
    low.stream(node, "softmax", (x, float(operation.beta)), x.shape[-1], [_store(node.output)])
    return None


def _concat(low: Lowered, node: Node, operation: Concat) -> None:
    out, start = node.output, [0, 0, 0, 0]
    axis = _positions(out)[operation.axis]
    streams = axis == 3 and out.dtype == "f32"
    whole = out
    if not operation.act.does_nothing and not streams:
        if out.dtype != "f32":
            raise ModelError("an int8 concatenation with an activation cannot be run; convert the model without it.")
        whole = Tensor(f"{out.name} before its activation", out.shape, "f32")
    for part in (low.computed(node, tensor) for tensor in node.inputs):
        if streams:
            low.read(node, part, [*_clamp(operation.act), _store(out, start[3])])
        else:
            low.direct(node, "place", part, whole, *start, 0, 0)
        start[axis] += image_shape(part)[axis]
    if whole is not out:
        low.read(node, whole, [*_clamp(operation.act), _store(out)])


def _positions(tensor: Tensor) -> tuple[int, ...]:
    """Where a tensor's axes stand among n h w c."""
    return {1: (3,), 2: (0, 3), 3: (1, 2, 3), 4: (0, 1, 2, 3)}[len(tensor.shape)]


def _spread(tensor: Tensor, values: tuple[int, ...]) -> list[int]:
    spread = [0] * 4
    for axis, value in zip(_positions(tensor), values, strict=True):
        spread[axis] = value
    return spread


def _slice(low: Lowered, node: Node, operation: Slice) -> None:
    x, out = node.inputs[0], node.output
    start = _spread(x, operation.start)
    if x.dtype == "f32" and x.shape[:-1] == out.shape[:-1]:
        channels = out.shape[-1]
        return low.stream(node, "read", (x, start[3], channels), channels, [_store(out)])
    low.direct(node, "slice", x, out, *start)
    return None


def _gather(low: Lowered, node: Node, operation: Gather) -> None:
    x, places = node.inputs[0], [np.zeros(1, np.int32)] * 4
    for position, found in zip(_positions(x), operation.places, strict=True):
        places[position] = found
    low.direct(node, "gather", x, node.output, *places)


def _interpolate(low: Lowered, node: Node, operation: Interpolate) -> None:
    x, (_, h, w, c) = node.inputs[0], node.output.shape
    sides = [array for side in (operation.rows, operation.columns) for array in (side.low, side.high, side.share)]
    low.stream(node, "interpolate", (x, h, w, *sides), c, [_store(node.output)])


def _pad(low: Lowered, node: Node, operation: Pad) -> None:
    x = node.inputs[0]
    value = float(operation.value) if x.dtype == "f32" else int(operation.value)
    low.direct(node, "place", x, node.output, *_spread(x, operation.before), 1, value)


def _transpose(low: Lowered, node: Node, operation: Transpose) -> None:
    _permute(low, node, node.inputs[0], node.output, operation.perm)


def _permute(low: Lowered, node: Node, x: Tensor, out: Tensor, perm: tuple[int, ...]) -> None:
    positions = _positions(out)
    moved = list(range(4))
    for axis, source in enumerate(perm):
        moved[positions[axis]] = positions[source]
    low.direct(node, "transpose", x, out, *moved)


def _reshape(low: Lowered, node: Node, operation: Reshape) -> None:
    low.aliases[node.output] = node.inputs[0]


def _bit_quantize(low: Lowered, node: Node, operation: BitQuantize) -> None:
    x = node.inputs[0]
    if x.dtype == "i8":
        return low.direct(node, "pack", x, node.output)
    low.read(node, x, [Stage("store_bits", (node.output,))])
    return None


def _bit_dequantize(low: Lowered, node: Node, operation: BitDequantize) -> None:
    x = node.inputs[0]
    low.stream(node, "unpack", (x,), x.shape[-1], [_store_any(node.output)])


def _quantize(low: Lowered, node: Node, operation: Quantize) -> None:
    x, out = node.inputs[0], node.output
    if x.dtype == "f32":
        stored = _as_int8(out)
        low.read(node, x, [_store_any(stored)])
        if stored is not out:
            low.direct(node, "table_i8", stored, out, shift_table(stored, out))
        return
    if out.in_floats:
        values = onnx_table("rescale", Clamp(), (_scale(x), x.zero_point), (_scale(out), out.zero_point))
    else:
        values = rescale_table(x, out)
    low.direct(node, "table_i8", x, out, values)


def _dequantize(low: Lowered, node: Node, operation: Dequantize) -> None:
    x, stored = node.inputs[0], _as_int8(node.inputs[0])
    if stored is not x:
        low.direct(node, "table_i8", x, stored, shift_table(x, stored))
    low.read(node, stored, [_store(node.output)])


def _as_int8(tensor: Tensor) -> Tensor:
    """A uint8 tensor as int8 that stands for the same numbers; any other as it is."""
    if tensor.dtype != "u8":
        return tensor
    return Tensor(f"{tensor.name} as int8", tensor.shape, "i8", tensor.scale, tensor.zero_point - 128)


_LOWERINGS: Mapping[type, Callable[[Lowered, Node, Any], None]] = {
    Conv2d: _conv2d,
    DepthwiseConv2d: _depthwise,
    Dense: _dense,
    BinaryConv2d: _bconv,
    Pool2d: _pool2d,
    BinaryMaxPool2d: _bmaxpool,
    Mean: _mean,
    Reduce: _reduce,
    Elementwise: _elementwise,
    Unary: _unary,
    PRelu: _prelu,
    Softmax: _softmax,
    Concat: _concat,
    Slice: _slice,
    Gather: _gather,
    Interpolate: _interpolate,
    Pad: _pad,
    Transpose: _transpose,
    Reshape: _reshape,
    BitQuantize: _bit_quantize,
    BitDequantize: _bit_dequantize,
    Quantize: _quantize,
    Dequantize: _dequantize,
}
