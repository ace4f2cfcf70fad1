"""Convolutions and dense layers, binary ones where input and weights have two values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import KernelError
from ...ops import BConv2d
from ...packing import pack
from ..graph import Tensor
from ..operations import BinaryConv2d, Conv2d, Dense, DepthwiseConv2d, Pad, Reshape, Window
from .call import Call
from .quantization import output_steps
from .values import NO_PADDING, Padding, Stored, Value

MAX_EXTENT = 1 << 20
_ROUNDED, _RELATIVE, _MOST = 2.4e-7, 1e-6, 1e-4
"""How far two weights of one size may be apart: exporters compute them as `sign(w) * a - c + c` with c up to 1, and
round each time. `_MOST` of the size itself."""


def conv(call: Call) -> Value:
    """Conv of images."""
    x = call.value(0)
    weights = call.floats(1, "weights", rank=4)
    if len(x.shape) != 4 or x.is_constant or not weights.size:
        call.fail(f"its input has shape {list(x.shape)}, its weights {list(weights.shape)}; images are supported.")
    (n, c, h, w), (oc, depth, kh, kw) = x.shape, weights.shape
    groups = call.integer("group", 1, 1, MAX_EXTENT)
    if depth * groups != c or oc % groups:
        call.fail(f"its weights have shape {list(weights.shape)} in {groups} groups, its input {c} channels.")
    if call.numbers("kernel_shape", 2, (kh, kw), 1, MAX_EXTENT) != [kh, kw]:
        call.fail("its kernel_shape is not that of its weights.")
    bias = call.floats(2, "bias", rank=1) if call.has(2) else np.zeros(oc, np.float32)
    if bias.shape != (oc,):
        call.fail(f"its bias has {bias.size} numbers for {oc} output channels.")
    sizes = Sizes.of(call, (h, w), (kh, kw))
    apart = sizes.has_windows_of_padding((h, w), (kh, kw))
    binary = None if apart else _binary(call, x, weights, bias, sizes, groups)
    if binary is not None:
        return binary
    image = padded(call, sizes.padding) if apart else call.image()
    top, _, left, _ = NO_PADDING if apart else sizes.padding
    window = Window(kh, kw, *sizes.stride, *sizes.dilation, top, left)
    shape, steps = (n, *sizes.out, oc), output_steps(call, 1, 0)
    if depth == 1 and groups == c and c > 1:
        depthwise = weights[:, 0].transpose(1, 2, 0)
        kept = np.ascontiguousarray(depthwise)
        return call.made(DepthwiseConv2d(window, kept, bias, oc // c, weight_scales=steps), [image], shape)
    whole = np.ascontiguousarray(weights.transpose(0, 2, 3, 1))
    return call.made(Conv2d(window, whole, bias, groups=groups, weight_scales=steps), [image], shape)


def padded(call: Call, padding: Padding) -> Tensor:
    """An image with zeros around it, as NHWC."""
    n, h, w, c = (image := call.image()).shape
    above, below, left, right = padding
    shape = (n, h + above + below, w + left + right, c)
    return call.builder.add(Pad((0, above, left, 0), 0.0), [image], shape, f"{call.name} padded")


class Sizes:
    """Where a window lands: strides, dilations, padding, and the size of the output."""

    def __init__(
        self, stride: tuple[int, int], dilation: tuple[int, int], padding: Padding, out: tuple[int, int]
    ) -> None:
        self.stride, self.dilation, self.padding, self.out = stride, dilation, padding, out

    def has_windows_of_padding(self, size: tuple[int, int], kernel: tuple[int, int]) -> bool:
        """Whether a window lies in the padding so far out that engines refuse it: not even next to the image."""
        for axis in (0, 1):
            front, reach = self.padding[2 * axis], (kernel[axis] - 1) * self.dilation[axis] + 1
            if front > reach or (self.out[axis] - 1) * self.stride[axis] - front > size[axis]:
                return True
        return False

    @classmethod
    def of(cls, call: Call, size: tuple[int, int], kernel: tuple[int, int]) -> Sizes:
        """By the attributes of a Conv or a pool."""
        stride = call.numbers("strides", 2, (1, 1), 1, MAX_EXTENT)
        dilation = call.numbers("dilations", 2, (1, 1), 1, MAX_EXTENT)
        pads = call.numbers("pads", 4, NO_PADDING, 0, MAX_EXTENT)
        rule = call.text("auto_pad", "NOTSET")
        if rule not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
            call.fail(f"its auto_pad is {rule!r}.")
        ceil = call.integer("ceil_mode", 0, 0, 1)
        before, after, out = [], [], []
        for axis in (0, 1):
            reach = (kernel[axis] - 1) * dilation[axis] + 1
            front, back = (pads[axis], pads[axis + 2]) if rule == "NOTSET" else (0, 0)
            if rule.startswith("SAME"):
                total = max((-(-size[axis] // stride[axis]) - 1) * stride[axis] + reach - size[axis], 0)
                less, more = total // 2, total - total // 2
                front, back = (less, more) if rule == "SAME_UPPER" else (more, less)
            room = size[axis] + front + back - reach
            if room < 0 or reach > MAX_EXTENT:
                call.fail(f"its window of {kernel[axis]} does not fit an image of {size[axis]}.")
            places = room // stride[axis] + 1
            if ceil and room % stride[axis] and places * stride[axis] < size[axis] + front:
                places += 1  # a window that begins in the image, and ends beyond it
            before.append(front)
            after.append(back)
            out.append(places)
        padding = (before[0], after[0], before[1], after[1])
        return cls((stride[0], stride[1]), (dilation[0], dilation[1]), padding, (out[0], out[1]))


def gemm(call: Call) -> Value:
    """Gemm with constant weights."""
    if call.integer("transA", 0, 0, 1):
        call.fail("its first operand is transposed, which is not supported.")
    weights, is_turned = call.floats(1, "weights", rank=2), call.integer("transB", 0, 0, 1)
    alpha = call.number("alpha", 1.0)
    weights = (weights if is_turned else weights.T) * np.float32(alpha)
    steps = output_steps(call, 1, 1 - is_turned) if alpha == 1 else None
    bias = np.zeros(weights.shape[0], np.float32)
    if call.has(2):
        given = call.floats(2, "bias")
        if given.size not in (1, weights.shape[0]):
            call.fail(f"its bias has {given.size} numbers for {weights.shape[0]} outputs.")
        bias = (bias + given.reshape(-1)) * np.float32(call.number("beta", 1.0))
    return dense(call, call.value(0), weights, bias, steps)


def matmul(call: Call) -> Value:
    """MatMul with constant weights on its right side."""
    weights = call.floats(1, "weights", rank=2)
    return dense(call, call.value(0), weights.T, np.zeros(weights.shape[1], np.float32), output_steps(call, 1, 1))


def dense(
    call: Call,
    x: Value,
    weights: NDArray[np.float32],
    bias: NDArray[np.float32],
    steps: NDArray[np.float32] | None = None,
) -> Value:
    """`weights` [o, k] on the last axis of an operand; whole multiples of `steps` [o], if that is known."""
    units, depth = weights.shape
    if x.is_constant or not x.shape or x.shape[-1] != depth or not units:
        call.fail(f"its weights have shape {[depth, units]}, its input {list(x.shape)}.")
    if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
        call.fail("its weights or its bias overflow.")
    shape = (*x.shape[:-1], units)
    binary = _binary_dense(call, x, weights, bias)
    if binary is not None:
        return binary
    stored, kept = _rows(call, x, weights)
    out = call.builder.add(Dense(kept, bias, weight_scales=steps), [stored], shape, call.name)
    return Value(shape, stored=Stored(out, tuple(range(len(shape)))))


def _rows(call: Call, x: Value, weights: NDArray[np.float32]) -> tuple[Tensor, NDArray[np.float32]]:
    """An operand whose last axis is stored last, and the weights in the order in which it is."""
    stored = call.builder.floats(x)
    if stored.gather is not None:
        return stored.tensor, np.ascontiguousarray(weights[:, stored.gather])
    return call.builder.in_order(stored, tuple(range(len(x.shape)))), np.ascontiguousarray(weights)


def _binary(
    call: Call, x: Value, weights: NDArray[np.float32], bias: NDArray[np.float32], sizes: Sizes, groups: int
) -> Value | None:
    """A binary convolution, where it is one."""
    two, sized = x.two, _two_sized(weights)
    if two is None or not two.is_symmetric or sized is None:
        return None
    padded = sizes.padding != NO_PADDING
    if padded and two.padding != NO_PADDING:
        return None
    oc, depth, kh, kw = weights.shape
    if groups > 1 and depth % 32:
        return None
    stored = call.builder.bits(x)
    if stored.order != (0, 2, 3, 1):
        return None
    n, h, w, c = stored.tensor.shape
    filters = np.where(weights < 0, np.int8(-1), np.int8(1)).transpose(0, 2, 3, 1)
    multiplier = (sized * np.float64(two.high)).astype(np.float32)
    try:
        spec = BConv2d(
            n=n,
            h=h,
            w=w,
            c=c,
            oc=oc,
            kh=kh,
            kw=kw,
            sh=sizes.stride[0],
            sw=sizes.stride[1],
            dh=sizes.dilation[0],
            dw=sizes.dilation[1],
            groups=groups,
            pad_value=0 if padded else 1,
            out="f32",
        )
    except KernelError as error:
        call.fail(str(error))
    padding = sizes.padding if padded else two.padding
    operation = BinaryConv2d(spec, pack(np.ascontiguousarray(filters)), multiplier, bias, None, padding)
    return call.made(operation, [stored.tensor], (n, *sizes.out, oc))


def _binary_dense(call: Call, x: Value, weights: NDArray[np.float32], bias: NDArray[np.float32]) -> Value | None:
    """A dense layer of bits: a binary convolution of images of one pixel."""
    two, sized = x.two, _two_sized(weights)
    if two is None or not two.is_symmetric or sized is None or two.source is None or len(x.shape) != 2:
        return None
    stored = call.builder.bits(x)
    kept = weights if stored.gather is None else weights[:, stored.gather]
    (rows, depth), units = x.shape, len(weights)
    image = call.builder.add(Reshape(), [stored.tensor], (rows, 1, 1, depth), f"{call.name} in", "bits")
    filters = np.where(kept < 0, np.int8(-1), np.int8(1)).reshape(units, 1, 1, depth)
    multiplier = (sized * np.float64(two.high)).astype(np.float32)
    try:
        spec = BConv2d(n=rows, h=1, w=1, c=depth, oc=units, kh=1, kw=1, out="f32")
    except KernelError as error:
        call.fail(str(error))
    operation = BinaryConv2d(spec, pack(np.ascontiguousarray(filters)), multiplier, bias, None)
    found = call.builder.add(operation, [image], (rows, 1, 1, units), f"{call.name} out")
    out = call.builder.add(Reshape(), [found], (rows, units), call.name)
    return Value((rows, units), stored=Stored(out, (0, 1)))


def _two_sized(weights: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """f64[oc]: `a` of each output channel whose weights are +a and -a; None where they are not."""
    sizes = np.abs(weights.reshape(len(weights), -1).astype(np.float64))
    largest = sizes.max(axis=1)
    allowed = np.minimum(_ROUNDED + _RELATIVE * largest, _MOST * largest)
    if (largest <= 0).any() or (largest - sizes.min(axis=1) > allowed).any():
        return None
    return np.asarray(sizes.mean(axis=1))
