"""What an ONNX model consists of, by its graph: a row per operation of it, named after the ONNX node it is of."""

from __future__ import annotations

from dataclasses import fields
from math import prod
from typing import Any

import numpy as np

from ..description import ConstantBytes, Description, OpRow, Part, Port, peak_live_bytes
from ..graph import Node, Tensor
from ..model import ModelFile, TensorRef
from ..operations import BinaryConv2d, Conv2d, Dense, DepthwiseConv2d, Operation
from .importer import import_onnx
from .values import channels_last


def describe_onnx(model: ModelFile) -> Description:
    """Rows and totals of the graph. Raises ModelError where there is none."""
    graph = import_onnx(model)
    rows = tuple(_row(node) for node in graph.nodes)
    kinds = ConstantBytes().by_kind()
    for node in graph.nodes:
        for kind, array in _constants(node):
            kinds[kind] += array.nbytes
    return Description(
        rows=rows,
        inputs=tuple(map(_port, graph.inputs, model.inputs)),
        outputs=tuple(map(_port, graph.outputs, model.outputs)),
        subgraphs=(Part("main", (), len(rows), is_run=True),),
        macs_1bit=sum(row.macs_1bit for row in rows),
        macs_32bit=sum(row.macs_32bit for row in rows),
        parameter_bytes=sum(kinds.values()),
        parameters_1bit=sum(row.parameters_1bit for row in rows),
        parameters_other=sum(row.parameters_other for row in rows),
        bytes_by_kind=ConstantBytes(**kinds),
        peak_bytes=peak_live_bytes(graph),
        peak_unknown="",
    )


def _row(node: Node) -> OpRow:
    one_bit, others = _macs(node)
    found = _constants(node)
    return OpRow(
        index=node.index,
        subgraph=0,
        op=node.op,
        inputs=", ".join(map(_text, node.inputs)),
        outputs=_text(node.output),
        options=f"as={type(node.operation).__name__}",
        macs_1bit=one_bit,
        macs_32bit=others,
        parameter_bytes=sum(array.nbytes for _, array in found),
        parameters_1bit=_bits(node.operation),
        parameters_other=sum(array.size for kind, array in found if kind != "bits"),
    )


def _macs(node: Node) -> tuple[int, int]:
    """Of one bit, and others."""
    pixels = prod(node.output.shape[:-1])
    match node.operation:
        case BinaryConv2d(spec):
            return pixels * spec.oc * spec.dot_length, 0
        case Conv2d(weights=weights) | Dense(weights=weights) | DepthwiseConv2d(weights=weights):
            return 0, pixels * weights.size
    return 0, 0


def _bits(operation: Operation) -> int:
    match operation:
        case BinaryConv2d(spec):
            return spec.oc * spec.dot_length
    return 0


def _constants(node: Node) -> list[tuple[str, np.ndarray[Any, Any]]]:
    """Arrays with their kind of `ConstantBytes`; scales of int8 weights are no parameters."""
    found = [("float32", tensor.data) for tensor in node.inputs if tensor.data is not None]
    for field in fields(node.operation):
        array = getattr(node.operation, field.name)
        if isinstance(array, np.ndarray) and field.name != "weight_scales":
            found.append(("bits" if field.name == "filter" else array.dtype.name, array))
    return found


def _port(tensor: Tensor, ref: TensorRef) -> Port:
    order = channels_last(len(tensor.shape))
    open_axes = tuple(place for place, axis in enumerate(order) if axis in ref.open_axes)
    return Port(tensor.name, "float32", tensor.shape, open_axes=open_axes)


def _text(tensor: Tensor) -> str:
    dtype = {"f32": "float32", "bits": "bits", "i8": "int8", "i32": "int32"}[tensor.dtype]
    return f"{dtype}[{','.join(map(str, tensor.shape))}]"
