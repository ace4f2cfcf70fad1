"""Ops that only move values to steps."""

from __future__ import annotations

import numpy as np

from ....errors import ModelError
from ...graph import Node, Tensor
from ...operations import Concat, Pad, Reshape, Slice, Transpose
from ...places import Gather, Interpolate
from ..steps import image_shape
from .lowered import Lowered
from .shared import axes_in_record, clamp_stages, permute, spread, store


def concat(low: Lowered, node: Node, operation: Concat) -> None:
    out, start = node.output, [0, 0, 0, 0]
    axis = axes_in_record(out)[operation.axis]
    streams = axis == 3 and out.dtype == "f32"
    whole = out
    if not operation.act.does_nothing and not streams:
        if out.dtype != "f32":
            raise ModelError("an int8 concatenation with an activation cannot be run; convert the model without it.")
        whole = Tensor(f"{out.name} before its activation", out.shape, "f32")
    for part in (low.computed(node, tensor) for tensor in node.inputs):
        if streams:
            low.read(node, part, [*clamp_stages(operation.act), store(out, start[3])])
        else:
            low.direct(node, "place", part, whole, *start, 0, 0)
        start[axis] += image_shape(part)[axis]
    if whole is not out:
        low.read(node, whole, [*clamp_stages(operation.act), store(out)])


def slice(low: Lowered, node: Node, operation: Slice) -> None:
    x, out = node.inputs[0], node.output
    start = spread(x, operation.start)
    if x.dtype == "f32" and x.shape[:-1] == out.shape[:-1]:
        channels = out.shape[-1]
        return low.stream(node, "read", (x, start[3], channels), channels, [store(out)])
    low.direct(node, "slice", x, out, *start)
    return None


def gather(low: Lowered, node: Node, operation: Gather) -> None:
    x, places = node.inputs[0], [np.zeros(1, np.int32)] * 4
    for position, found in zip(axes_in_record(x), operation.places, strict=True):
        places[position] = found
    low.direct(node, "gather", x, node.output, *places)


def interpolate(low: Lowered, node: Node, operation: Interpolate) -> None:
    x, (_, h, w, c) = node.inputs[0], node.output.shape
    sides = [array for side in (operation.rows, operation.columns) for array in (side.low, side.high, side.share)]
    low.stream(node, "interpolate", (x, h, w, *sides), c, [store(node.output)])


def pad(low: Lowered, node: Node, operation: Pad) -> None:
    x = node.inputs[0]
    value = float(operation.value) if x.dtype == "f32" else int(operation.value)
    low.direct(node, "place", x, node.output, *spread(x, operation.before), 1, value)


def transpose(low: Lowered, node: Node, operation: Transpose) -> None:
    permute(low, node, node.inputs[0], node.output, operation.perm)


def reshape(low: Lowered, node: Node, operation: Reshape) -> None:
    low.aliases[node.output] = node.inputs[0]
