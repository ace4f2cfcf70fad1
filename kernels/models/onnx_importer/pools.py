"""Pools of images, and means."""

from __future__ import annotations

from dataclasses import replace

from ..operations import BinaryMaxPool2d, Mean, Pool2d, Window
from .call import Call
from .convolutions import Sizes, padded
from .values import NO_PADDING, Stored, TwoValued, Value


def max_pool(call: Call) -> Value:
    """MaxPool; of two values on their bits."""
    x = call.value(0)
    sizes, window = _pool(call, x)
    n, c = x.shape[:2]
    shape = (n, *sizes.out, c)
    two = x.two
    if two is not None and two.high > two.low and two.padding == NO_PADDING:
        bits = call.builder.bits(x)
        if bits.order == (0, 2, 3, 1):
            out = call.builder.add(BinaryMaxPool2d(window), [bits.tensor], shape, call.name, "bits")
            return Value((n, c, *sizes.out), two=TwoValued(two.high, two.low, bits=Stored(out, bits.order)))
    return call.made(Pool2d("max", window), [call.image()], shape)


def average_pool(call: Call) -> Value:
    """AveragePool, with and without the padding in its counts."""
    x = call.value(0)
    sizes, window = _pool(call, x)
    n, c = x.shape[:2]
    image = call.image()
    if call.integer("count_include_pad", 0, 0, 1) and sizes.padding != NO_PADDING:
        if call.integer("ceil_mode", 0, 0, 1):
            call.fail("it counts padding and rounds its size up, which is not supported.")
        image = padded(call, sizes.padding)
        window = replace(window, pad_top=0, pad_left=0)
    return call.made(Pool2d("average", window), [image], (n, *sizes.out, c))


def _pool(call: Call, x: Value) -> tuple[Sizes, Window]:
    if len(x.shape) != 4 or x.is_constant:
        call.fail(f"its input has shape {list(x.shape)}; images of 4 dimensions are supported.")
    if len(call.outputs) > 1:
        call.fail("it gives the places of its values, too, which is not supported.")
    kh, kw = call.numbers("kernel_shape", 2, (0, 0), 1, 1 << 12)
    sizes = Sizes.of(call, (x.shape[2], x.shape[3]), (kh, kw))
    top, below, left, right = sizes.padding
    if max(top, below) >= kh or max(left, right) >= kw:
        call.fail("its padding is as large as its window.")
    ends = [(out - 1) * stride + kernel for out, stride, kernel in zip(sizes.out, sizes.stride, (kh, kw), strict=True)]
    if call.text("auto_pad", "NOTSET").startswith("SAME") and (ends[0] < x.shape[2] or ends[1] < x.shape[3]):
        call.fail("its SAME padding would be negative, of which runtimes make different things.")
    if sizes.dilation != (1, 1):
        call.fail("its window is dilated, which is not supported.")
    return sizes, Window(kh, kw, *sizes.stride, 1, 1, top, left)


def global_average_pool(call: Call) -> Value:
    """GlobalAveragePool of images."""
    return _mean(call, (2, 3), True)


def reduce_mean(call: Call) -> Value:
    """ReduceMean over constant axes."""
    x = call.value(0)
    axes = call.reduced(len(x.shape))
    return x if not axes else _mean(call, axes, bool(call.integer("keepdims", 1, 0, 1)))


def _mean(call: Call, axes: tuple[int, ...], keeps: bool) -> Value:
    x = call.value(0)
    if len(x.shape) < 2 or axes[-1] >= len(x.shape):
        call.fail(f"its input has shape {list(x.shape)}.")
    if 0 in axes:
        call.needs_own_batch("it averages over the batch")
    stored = call.builder.floats(x)
    if stored.gather is not None:
        stored = Stored(call.builder.in_order(stored, tuple(range(len(x.shape)))), tuple(range(len(x.shape))))
    places = tuple(sorted(stored.order.index(axis) for axis in axes))
    sizes = stored.tensor.shape
    kept = [axis for axis in range(len(x.shape)) if axis not in axes]
    shape = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape) if keeps or axis not in axes)
    out_places = [1 if place in places else size for place, size in enumerate(sizes) if keeps or place not in places]
    out = call.builder.add(Mean(places, keeps), [stored.tensor], out_places or [1], call.name)
    order = stored.order if keeps else tuple(kept.index(axis) for axis in stored.order if axis in kept)
    return Value(shape, stored=Stored(out, order))
