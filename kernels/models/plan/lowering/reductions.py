"""Pools, means and other reductions to steps."""

from __future__ import annotations

from math import prod

import numpy as np

from ....errors import ModelError
from ...graph import Node, Tensor
from ...onnx_quantization import average_ratio
from ...operations import BinaryMaxPool2d, Mean, Pool2d, Reduce, Window
from ...quantization import act_bounds_i8, mean_requantization
from ..steps import Argument, Stage
from .lowered import Lowered
from .shared import clamp_stages, like, permute, scale_of, store, store_any, window_numbers


def pool2d(low: Lowered, node: Node, operation: Pool2d) -> None:
    x, (_, h, w, c) = node.inputs[0], node.output.shape
    kind = int(operation.kind == "average")
    if node.output.in_floats and operation.kind == "average":
        return _average_i8(low, node, x, node.output, operation.window)
    if x.dtype == "i8":
        bounds = act_bounds_i8(operation.act, scale_of(node.output), node.output.zero_point)
        return low.direct(node, "pool_i8", x, node.output, *window_numbers(operation.window), kind, *bounds)
    stages = [*clamp_stages(operation.act), store(node.output)]
    low.stream(node, "pool", (x, h, w, *window_numbers(operation.window), kind), c, stages)
    return None


def _average_i8(low: Lowered, node: Node, x: Tensor, out: Tensor, window: Window) -> None:
    ratio = float(average_ratio(scale_of(x), scale_of(out)))
    low.direct(node, "average_i8", x, out, *window_numbers(window), ratio)


def bmaxpool(low: Lowered, node: Node, operation: BinaryMaxPool2d) -> None:
    low.direct(node, "bmaxpool", node.inputs[0], node.output, *window_numbers(operation.window))


def mean(low: Lowered, node: Node, operation: Mean) -> None:
    x, out = node.inputs[0], node.output
    if len(x.shape) != 4 or operation.axes != (1, 2):
        x, out = _as_image_to_average(low, node, operation)
    _, h, w, c = x.shape
    if out.in_floats:
        return _average_i8(low, node, x, out, Window(h, w))
    if x.dtype == "i8":
        fixed = mean_requantization(scale_of(x), scale_of(out), h * w)
        return low.direct(node, "mean_i8", x, out, *fixed)
    low.stream(node, "pool", (x, 1, 1, *window_numbers(Window(h, w)), 1), c, [store(out)])
    return None


def reduce(low: Lowered, node: Node, operation: Reduce) -> None:
    x, out = node.inputs[0], node.output
    if len(x.shape) != 4 or operation.axes != (1, 2):
        x, out = _as_image_to_average(low, node, operation)
    (_, h, w, c), stored = x.shape, [store_any(out)]
    window = window_numbers(Window(h, w))
    if x.dtype == "i8":
        if operation.kind != "max":
            raise ModelError(f"its {operation.kind} is of int8, which cannot be run; convert the model without it.")
        return low.direct(node, "pool_i8", x, out, *window, 0, -128, 127)
    if operation.kind == "sum":
        ones = np.ones((h, w, c), np.float16)
        arguments: tuple[Argument, ...] = (x, 1, 1, c, *window, 1, ones.itemsize, ones, np.zeros(c, np.float32))
        return low.stream(node, "depthwise", arguments, c, stored)
    if operation.kind == "min":
        minus = Stage("scale", (np.full(c, -1, np.float32),))
        negative = like(x, f"{node.output.name} of what is negative", x.shape)
        low.read(node, x, [minus, store(negative)])
        x, stored = negative, [minus, *stored]
    low.stream(node, "pool", (x, 1, 1, *window, 0), c, stored)
    return None


def _as_image_to_average(low: Lowered, node: Node, operation: Mean | Reduce) -> tuple[Tensor, Tensor]:
    """What is averaged as the height of images of one column and one channel, each kept value an image."""
    x, out = low.computed(node, node.inputs[0]), node.output
    kept = [axis for axis in range(len(x.shape)) if axis not in operation.axes]
    perm = (*kept, *operation.axes)
    if perm != tuple(range(len(x.shape))):
        moved = like(x, f"{x.name} with what is averaged last", tuple(x.shape[axis] for axis in perm))
        permute(low, node, x, moved, perm)
        x = moved
    count = prod(x.shape[len(kept) :])
    means = like(out, out.name, (prod(out.shape), 1, 1, 1))
    low.aliases[out] = means
    return low.view(x, (prod(out.shape), count, 1, 1)), means
