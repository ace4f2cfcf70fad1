"""Runs a graph node by node, unfused: what every engine's whole models are compared with.

Floats are summed in float64 and rounded to f32 by each op; binary and int8 ops are exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from ..graph import Graph, Node, Tensor
from ..hybrid import is_hybrid
from ..operations import BitQuantize, Quantize
from ..stored import STORED, scale_of
from .onnx_integers import computes, unrounded
from .operations import run_node
from .rounding import tolerances
from .signs import UNSURE, SignFlips, exact_bits, half_margins, sign_margins, with_bits, with_steps
from .variants import Variant

Array = NDArray[Any]
_NO_TOLERANCES: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Result:
    """Outputs in storage form (bits as u32 words); `values` by tensor name when kept; `flips` where bits differed."""

    outputs: tuple[Array, ...]
    values: Mapping[str, Array]
    flips: tuple[SignFlips, ...]


def interpret(
    graph: Graph,
    inputs: Sequence[Array],
    *,
    keep: bool = False,
    bits: Mapping[str, Array] | None = None,
    unsure: Mapping[str, float] = _NO_TOLERANCES,
    variant: Variant | None = None,
) -> Result:
    """Outputs for `inputs`, which have the order, shapes and dtypes of the graph's.

    `keep` keeps every tensor, inputs too. `bits`: another engine's tensors of bits (u32 words) and of int8 by name;
    they are taken over where the reference is unsure of a sign or a step, see `signs.py`. `unsure` says within how much
    of a float tensor's largest value it is, by name, where that is not `UNSURE`. `variant`: a way in which others round
    int8. ModelError when `inputs` or `bits` do not fit.
    """
    values = dict(zip(map(id, graph.inputs), _checked(graph, inputs), strict=True))
    last_use = {id(tensor): place for place, node in enumerate(graph.nodes) for tensor in node.inputs}
    kept = {id(tensor) for tensor in graph.outputs}
    named = {tensor.name: values[id(tensor)] for tensor in graph.inputs} if keep else {}
    flips: list[SignFlips] = []
    for place, node in enumerate(graph.nodes):
        operands = [tensor.data if tensor.data is not None else values[id(tensor)] for tensor in node.inputs]
        value = run_node(node, operands, variant)
        if value.shape != node.output.storage_shape or value.dtype != STORED[node.output.dtype]:
            raise AssertionError(f"{node.op} gave {value.dtype}{value.shape} for {node.output}")
        if bits is not None and node.output.name in bits and _may_differ(node):
            within = unsure.get(node.inputs[0].name, UNSURE)
            value, flip = _compared(node, operands, value, bits[node.output.name], within)
            if flip.unsure or flip.wrong:
                flips.append(flip)
        values[id(node.output)] = value
        if keep:
            named[node.output.name] = value
        for tensor in node.inputs:
            if last_use[id(tensor)] == place and id(tensor) not in kept:
                values.pop(id(tensor), None)
    return Result(tuple(values[id(tensor)] for tensor in graph.outputs), named, tuple(flips))


def is_sure(graph: Graph, values: Mapping[str, Array]) -> bool:
    """Whether no sign is too close to zero, and no value that ONNX's int8 rounds too close to a half, to call;
    `values` as `interpret(..., keep=True)` returns them. Others round floats before int8 weights: never sure."""
    if any(map(is_hybrid, graph.nodes)):
        return False
    unsure = tolerances(graph, values)
    if any(margin.unsure for margin in sign_margins(graph, values, unsure)):
        return False
    for node in graph.nodes:
        if node.output.in_floats and _rounds(node):
            operands = [values[tensor.name] if tensor.data is None else tensor.data for tensor in node.inputs]
            if (half_margins(_unrounded(node, operands)) <= unsure.get(node.inputs[0].name, UNSURE)).any():
                return False
    return True


def _checked(graph: Graph, inputs: Sequence[Array]) -> list[Array]:
    if len(inputs) != len(graph.inputs):
        raise ModelError(f"the model has {len(graph.inputs)} inputs, not {len(inputs)}; give one array for each.")
    arrays = [np.ascontiguousarray(array) for array in inputs]
    for tensor, array in zip(graph.inputs, arrays, strict=True):
        _require(tensor, array, "input")
    return arrays


def _may_differ(node: Node) -> bool:
    """Whether the node's output is one in which a rounding may decide: bits, or int8 of floats."""
    return node.output.dtype == "bits" or _rounds(node)


def _rounds(node: Node) -> bool:
    """Whether it rounds floats to int8 or uint8."""
    of_floats = isinstance(node.operation, Quantize) and node.inputs[0].dtype == "f32"
    return node.output.dtype in ("i8", "u8") and (of_floats or (node.inputs[0].dtype == "i8" and computes(node)))


def _unrounded(node: Node, operands: Sequence[Array]) -> Array:
    """Steps of int8 before they are rounded."""
    if node.inputs[0].dtype == "i8":
        return unrounded(node, operands)
    with np.errstate(all="ignore"):
        return operands[0].astype(np.float64) / scale_of(node.output)


def _compared(
    node: Node, operands: Sequence[Array], own: Array, other: Array, within: float
) -> tuple[Array, SignFlips]:
    _require(node.output, other, "bits of")
    if node.output.dtype in ("i8", "u8"):
        return with_steps(node.output.name, _unrounded(node, operands), own, other, within)
    if isinstance(node.operation, BitQuantize):
        return with_bits(node.output.name, operands[0], own, other, within)
    return own, exact_bits(node.output.name, node.output.shape[-1], own, other)


def _require(tensor: Tensor, array: Array, what: str) -> None:
    dtype = np.dtype(STORED[tensor.dtype])
    if array.shape != tensor.storage_shape or array.dtype != dtype:
        raise ModelError(
            f"{what} '{tensor.name}' is {array.dtype}{list(array.shape)}; "
            f"it must be {dtype}{list(tensor.storage_shape)}."
        )
