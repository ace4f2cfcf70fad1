"""From nodes to steps: a row for each operation, nothing fused yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ....errors import ModelError
from ...graph import Graph, Node
from ...operations import (
    BinaryConv2d,
    BinaryMaxPool2d,
    BitDequantize,
    BitQuantize,
    Concat,
    Conv2d,
    Dense,
    DepthwiseConv2d,
    Dequantize,
    Elementwise,
    Mean,
    Pad,
    Pool2d,
    PRelu,
    Quantize,
    Reduce,
    Reshape,
    Slice,
    Softmax,
    Transpose,
    Unary,
)
from ...places import Gather, Interpolate
from . import convolutions, elementwise, movement, number_formats, reductions
from .lowered import Lowered

LOWERINGS: Mapping[type, Callable[[Lowered, Node, Any], None]] = {
    Conv2d: convolutions.conv2d,
    DepthwiseConv2d: convolutions.depthwise,
    Dense: convolutions.dense,
    BinaryConv2d: convolutions.bconv,
    Pool2d: reductions.pool2d,
    BinaryMaxPool2d: reductions.bmaxpool,
    Mean: reductions.mean,
    Reduce: reductions.reduce,
    Elementwise: elementwise.elementwise,
    Unary: elementwise.unary,
    PRelu: elementwise.prelu,
    Softmax: elementwise.softmax,
    Concat: movement.concat,
    Slice: movement.slice,
    Gather: movement.gather,
    Interpolate: movement.interpolate,
    Pad: movement.pad,
    Transpose: movement.transpose,
    Reshape: movement.reshape,
    BitQuantize: number_formats.bit_quantize,
    BitDequantize: number_formats.bit_dequantize,
    Quantize: number_formats.quantize,
    Dequantize: number_formats.dequantize,
}
"""Operation -> how it is done."""


def lower(graph: Graph) -> Lowered:
    """Raises ModelError for what has no plan."""
    low = Lowered()
    for node in graph.nodes:
        try:
            LOWERINGS[type(node.operation)](low, node, node.operation)
        except ModelError as error:
            raise ModelError(f"{graph.source}: op {node.index} ({node.op}) has no plan: {error}") from error
    return low
