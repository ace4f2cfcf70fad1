"""Convolutions and dense layers to steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...graph import Node, Tensor
from ...hybrid import Weighted, real_weights
from ...onnx_quantization import product_scales
from ...operations import BinaryConv2d, Conv2d, Dense, DepthwiseConv2d, Window
from ...quantization import act_bounds_i8, conv_requantization, dense_requantization
from ..steps import Argument, Stage, pixels
from .lowered import Lowered
from .shared import clamp_stages, f32, scale_of, store, store_any, stored_floats, window_numbers


def _requantized(node: Node, operation: Weighted, oc: int) -> Stage:
    assert operation.weight_scales is not None
    out = node.output
    scales = scale_of(node.inputs[0]), operation.weight_scales, scale_of(out)
    bias = np.zeros(oc, np.int32) if operation.bias is None else np.ascontiguousarray(operation.bias, np.int32)
    low, high = act_bounds_i8(operation.act, scale_of(out), out.zero_point)
    if isinstance(operation, Dense):
        return Stage("store_requantized_once", (out, low, high, bias, dense_requantization(*scales)))
    return Stage("store_requantized", (out, low, high, bias, *conv_requantization(*scales)))


def _scaled(node: Node, operation: Weighted) -> list[Stage]:
    """Exact sums of int8 products as ONNX has them: in floats."""
    assert operation.weight_scales is not None
    scales = product_scales(scale_of(node.inputs[0]), operation.weight_scales)
    shift = [] if operation.bias is None else [Stage("shift", (f32(operation.bias, len(scales)),))]
    return [Stage("scale", (scales,)), *shift, *clamp_stages(operation.act), store_any(node.output)]


def _finish(node: Node, operation: Weighted, oc: int) -> tuple[list[Stage], Argument]:
    """The stages after a convolution, and its bias argument."""
    if node.inputs[0].dtype == "i8":
        in_floats = node.output.in_floats or node.output.dtype == "f32"
        return _scaled(node, operation) if in_floats else [_requantized(node, operation, oc)], 0
    return [*clamp_stages(operation.act), store(node.output)], f32(operation.bias, oc)


def _weights(node: Node, operation: Weighted) -> tuple[int, NDArray[Any]]:
    """Bytes of each, and the weights: of int8 input in int8, of floats as `stored_floats`."""
    whole = node.inputs[0].dtype == "i8"
    weights = operation.weights if whole else stored_floats(real_weights(operation))
    return weights.itemsize, weights


def conv2d(low: Lowered, node: Node, operation: Conv2d) -> None:
    x, (_, h, w, oc) = node.inputs[0], node.output.shape
    stages, bias = _finish(node, operation, oc)
    arguments = (x, h, w, oc, *window_numbers(operation.window), operation.groups, *_weights(node, operation), bias)
    macs = pixels(node.output) * operation.weights.size
    low.stream(node, "conv", arguments, oc, stages, macs_32bit=macs)


def depthwise(low: Lowered, node: Node, operation: DepthwiseConv2d) -> None:
    x, (_, h, w, oc) = node.inputs[0], node.output.shape
    stages, bias = _finish(node, operation, oc)
    arguments = (x, h, w, oc, *window_numbers(operation.window), operation.multiplier, *_weights(node, operation), bias)
    low.stream(node, "depthwise", arguments, oc, stages, macs_32bit=pixels(node.output) * operation.weights.size)


def dense(low: Lowered, node: Node, operation: Dense) -> None:
    oc, depth = operation.weights.shape
    rows = pixels(node.output)
    x = low.view(node.inputs[0], (rows, 1, 1, depth))
    stages, bias = _finish(node, operation, oc)
    weight_bytes, weights = _weights(node, operation)
    row = weights.reshape(oc, 1, 1, depth)
    arguments = (x, 1, 1, oc, *window_numbers(Window(1, 1)), 1, weight_bytes, row, bias)
    low.stream(node, "conv", arguments, oc, stages, macs_32bit=rows * operation.weights.size)


def bconv(low: Lowered, node: Node, operation: BinaryConv2d) -> None:
    spec, x, out = operation.spec, node.inputs[0], node.output
    _, out_h, out_w, _ = out.shape
    common = (*window_numbers(operation.window), spec.groups, spec.pad_value)
    macs = out_h * out_w * spec.n * spec.oc * spec.dot_length
    if spec.out == "bits":
        assert operation.threshold is not None
        low.direct(node, "bconv_bits", x, out, *common, operation.filter, operation.threshold, macs_1bit=macs)
        return
    multiplier, bias, stored = f32(operation.multiplier, spec.oc), operation.shifted_bias, out
    if out.dtype == "i8":
        multiplier, bias = operation.stored_as(scale_of(out), out.zero_point)
        stored = Tensor(out.name, out.shape, "i8", 1.0, 0)
        low.aliases[stored] = out
    numbers = (*common, *spec.clamp)
    arguments: tuple[Argument, ...] = (x, out_h, out_w, spec.oc, *numbers, operation.filter, multiplier, bias)
    low.stream(node, "bconv", arguments, spec.oc, [store_any(stored)], macs_1bit=macs)
