"""Rules about the work of an inference: what computes more, or waits longer, than it would have to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

import numpy as np

from ...ops import words
from ..graph import Node, Tensor
from ..model import Op, TensorRef
from ..operations import BinaryConv2d, Conv2d, Dense
from .finding import Place
from .rates import Rates
from .subject import Subject
from .weights import is_binary

_TOO_MUCH = 0.30
"""Share of the work that a stem or a head may take."""
_WORTH_IT = 0.02
"""Share of the work below which a stem or head is as small as it gets."""
_STREAMED = 0.45
"""Share of the second cache's read speed that steps reach that read two tensors from it and write one."""
_MAKE_SIGNS = ("LceDequantize", "SIGN", "SELECT", "SELECT_V2")
"""Ops that Larq's sign becomes in a .tflite file."""
_KEEP_SIGNS = ("MAX_POOL_2D", "PAD", "PADV2", "RESHAPE")
_MOST_BETWEEN = 8
_WORD = 32
"""Bits in which channels are packed."""
_LEAST_SHARE = 0.01
"""Share of the work of a step that waits for memory, below which nothing is said."""


def float_convolutions(subject: Subject) -> Iterator[Place]:
    """Spatial convolutions in f32 that have binary ones before and behind them.

    1x1 convolutions are left alone: published binary networks have them in float on purpose, where channels change.
    """
    places = {id(node): place for place, node in enumerate(subject.graph.nodes)}
    binary = [places[id(node)] for node in subject.of_kind(BinaryConv2d)]
    for node in subject.of_kind(Conv2d):
        weights = node.operation.weights  # type: ignore[union-attr]
        if not binary or not binary[0] < places[id(node)] < binary[-1]:
            continue
        if weights.dtype != np.float32 or prod(weights.shape[1:3]) == 1 or is_binary(weights):
            continue
        gain = _as_binary(subject, node)
        if gain > 0:
            yield Place(node.index, node.op, f"{_macs(subject, node):,} MACs in float32", gain)


def unpacked_weights(subject: Subject) -> Iterator[Place]:
    """CONV_2D of signs whose float weights have one size in each output channel: what a converter that does not know
    binary layers makes of them. A first layer, whose input is no signs, is not meant."""
    makers = {tensor.index: op for op in subject.model.ops for tensor in op.outputs if tensor and op.subgraph == 0}
    for op in subject.model.ops:
        x, weights = op.input(0), op.input(1)
        if op.name != "CONV_2D" or op.subgraph or x is None or weights is None or not is_binary(weights.data):
            continue
        signs = _maker_of_signs(makers, x)
        if signs is None:
            continue
        node = subject.node(op.index)
        macs = (op.outputs[0].elements if op.outputs[0] else 0) * prod(weights.shape[1:])
        rates = subject.rates
        cost = macs * rates.float_mac if node is None else subject.cost(node)
        size = 4 * weights.elements
        packed = 4 * prod(weights.shape[:3]) * words(weights.shape[3]) + 8 * weights.shape[0]
        detail = f"weights are of one size, and op {signs.index} ({signs.name}) makes signs of its input"
        yield Place(op.index, op.name, detail, max(cost - macs * rates.binary_mac, 0.0), max(size - packed, 0))


def partial_words(subject: Subject) -> Iterator[Place]:
    """Binary convolutions with channels that are no multiple of 32: the rest of the last word is computed too, as are
    the lanes of a vector that no output channel needs."""
    for node in subject.of_kind(BinaryConv2d):
        spec = node.operation.spec  # type: ignore[union-attr]
        used = 1.0
        details = []
        for what, channels in (("input", spec.c // spec.groups), ("output", spec.oc)):
            padded = _WORD * words(channels)
            used *= channels / padded
            if channels != padded:
                details.append(f"{channels} of {padded} {what} channels")
        if not details:
            continue
        number = subject.step(node)
        fused = [] if number is None else [each for each in subject.plan.steps[number].nodes if each is not node]
        work = max(subject.cost(node) - sum(map(subject.stage_cost, fused)), 0.0)
        yield Place(node.index, node.op, ", ".join(details), work * (1 - used))


def large_stem(subject: Subject) -> Iterator[Place]:
    """What comes before the first binary convolution, against QuickNet's stem of the same result."""
    first = next(subject.of_kind(BinaryConv2d), None)
    if first is None or len(subject.graph.inputs) != 1:
        return
    end = subject.step(first) or 0
    cost = sum(map(subject.cost_of, range(end)))
    x, out = subject.graph.inputs[0], first.inputs[0]
    if cost <= _TOO_MUCH * subject.total or len(x.shape) != 4:
        return
    macs = sum(step.macs_32bit for step in subject.plan.steps[:end])
    gain = cost * (1 - _stem_macs(x, out) / macs) if macs else 0.0
    node = subject.graph.nodes[0]
    if gain > _WORTH_IT * subject.total:
        yield Place(node.index, node.op, f"up to op {first.index}: {_percent(cost / subject.total)} of the work", gain)


def large_head(subject: Subject) -> Iterator[Place]:
    """What comes after the last binary convolution. Without a dense layer over an image, the cost is what is above
    the share that is fine."""
    last = max(subject.of_kind(BinaryConv2d), key=lambda node: subject.step(node) or 0, default=None)
    if last is None:
        return
    begin = (subject.step(last) or 0) + 1
    cost = sum(map(subject.cost_of, range(begin, len(subject.plan.steps))))
    if cost <= _TOO_MUCH * subject.total:
        return
    for node in subject.of_kind(Dense):
        pixels = _flattened_pixels(subject, node)
        if pixels > 1 and (subject.step(node) or 0) >= begin:
            detail = f"a dense layer over {pixels} pixels; the head is {_percent(cost / subject.total)} of the work"
            yield Place(node.index, node.op, detail, subject.cost(node) * (1 - 1 / pixels))
            return
    first = subject.plan.steps[begin].nodes[0]
    detail = f"to the end: {_percent(cost / subject.total)} of the work"
    yield Place(first.index, first.op, detail, cost - _TOO_MUCH * subject.total)


def out_of_cache(subject: Subject) -> Iterator[Place]:
    """Steps that move more than the second cache holds, and for which that is what takes the time."""
    rates = subject.rates
    for number, step in enumerate(subject.plan.steps):
        tensors = {id(tensor): tensor.bytes for tensor in (*step.reads, *step.writes)}
        moved = sum(tensors.values())
        waits = moved * rates.byte_of(moved)
        computes = step.macs_32bit * rates.float_mac + step.macs_1bit * rates.binary_mac
        cost = subject.cost_of(number)
        if moved <= rates.l2_bytes or waits <= computes or cost < _LEAST_SHARE * subject.total or not step.nodes:
            continue
        gain = _in_cache(rates, moved, cost)
        if gain > 0:
            detail = f"tensors of {moved:,} bytes, the second cache has {rates.l2_bytes:,}"
            yield Place(step.nodes[0].index, step.nodes[0].op, detail, gain)


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def _in_cache(rates: Rates, moved: int, cost: float) -> float:
    """What a step that waits for memory would save with tensors in the second cache: at least the ratio of the two
    read speeds, and more where it is slower than such steps are there."""
    if rates.steps is None:
        return moved * (rates.byte_of(moved) - rates.byte)
    if not rates.byte:
        return 0.0
    return max(cost - moved * rates.byte / _STREAMED, cost * (1 - rates.byte / rates.byte_of(moved)))


def _macs(subject: Subject, node: Node) -> int:
    number = subject.step(node)
    return 0 if number is None else subject.plan.steps[number].macs_32bit


def _as_binary(subject: Subject, node: Node) -> float:
    """What a convolution would save as a binary one."""
    return subject.cost(node) - _macs(subject, node) * subject.rates.binary_mac


def _maker_of_signs(makers: Mapping[int, Op], tensor: TensorRef) -> Op | None:
    """The op that makes +1 and -1 of what comes to a convolution, also before a max pool, padding or reshape."""
    op = makers.get(tensor.index)
    for _ in range(_MOST_BETWEEN):
        if op is None or op.name in _MAKE_SIGNS:
            return op
        x = op.input(0)
        if op.name not in _KEEP_SIGNS or x is None:
            return None
        op = makers.get(x.index)
    return None


def _stem_macs(x: Tensor, out: Tensor) -> int:
    """Of QuickNet's stem to the size of `out`; of one 3x3 convolution where the image is not four times as large."""
    (_, in_h, _, in_c), (n, h, w, c) = x.shape, out.shape
    if in_h < 4 * h:
        return n * h * w * 9 * in_c * c
    return n * h * w * (4 * 9 * in_c * 8 + 9 * 8 + 8 * c)


def _flattened_pixels(subject: Subject, node: Node) -> int:
    """Of the image whose values a dense layer reads one by one; 1 where it reads one value of each channel."""
    source = subject.source(node.inputs[0])
    shape = node.inputs[0].shape if source is None else source.output.shape
    if len(shape) != 4 or prod(shape[1:]) != node.operation.weights.shape[1]:  # type: ignore[union-attr]
        return 1
    return shape[1] * shape[2]
