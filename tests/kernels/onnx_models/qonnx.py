"""QONNX's and FINN's own ops written in ops of ONNX, by their definitions, so that onnxruntime can run them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

Array = NDArray[Any]


def in_onnx(content: bytes) -> bytes:
    """A model without QONNX's ops that computes the same."""
    model = onnx.load_model_from_string(content)
    if all(not node.domain for node in model.graph.node):
        return content
    expanding = _Expanding(model)
    for node in model.graph.node:
        write = {"BipolarQuant": expanding.bipolar, "Quant": expanding.quant, "MultiThreshold": expanding.threshold}
        write.get(node.op_type, expanding.nodes.append)(node)
    del model.graph.node[:]
    model.graph.node.extend(expanding.nodes)
    found: bytes = model.SerializeToString()
    return found


class _Expanding:
    def __init__(self, model: ModelProto) -> None:
        self._graph, self.nodes = model.graph, list[NodeProto]()
        self._constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}

    def _op(self, kind: str, *operands: str | Array | float, called: str = "", **attributes: Any) -> str:
        """Adds a node; the name of its result."""
        made = called or f"expanded_{len(self.nodes)}"
        names = [item if isinstance(item, str) else self._constant(item) for item in operands]
        self.nodes.append(helper.make_node(kind, names, [made], **attributes))
        return made

    def _constant(self, data: Array | float) -> str:
        name = f"expanded_constant_{len(self._graph.initializer)}"
        self._graph.initializer.append(numpy_helper.from_array(np.asarray(data, np.float32), name))
        return name

    def bipolar(self, node: NodeProto) -> None:
        x, scale = node.input
        self._op("Where", self._op("GreaterOrEqual", x, 0.0), scale, self._op("Neg", scale), called=node.output[0])

    def quant(self, node: NodeProto) -> None:
        x, scale, zero, width = node.input
        given = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        signed, narrow = given.get("signed", 1), given.get("narrow", 0)
        bits = int(self._constants[width])
        steps = self._op("Add", self._op("Div", x, scale), zero)
        if bits == 1 and signed:
            rounded = self._op("Where", self._op("GreaterOrEqual", steps, 0.0), 1.0, -1.0)
        else:
            low, high = (-(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1 - narrow)
            rounded = self._op("Round", self._op("Clip", steps, float(low), float(high)))
        self._op("Mul", self._op("Sub", rounded, zero), scale, called=node.output[0])

    def threshold(self, node: NodeProto) -> None:
        x, thresholds = node.input
        given = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        steps = self._constants[thresholds]
        behind = [1] * (len(given.get("data_layout", b"NCHW")) - 2)
        steps = steps.reshape(1, -1, *behind) if len(steps) > 1 else steps.reshape(1)
        above = self._op("Cast", self._op("GreaterOrEqual", x, steps), to=1)
        scaled = self._op("Mul", above, given.get("out_scale", 1.0))
        self._op("Add", scaled, given.get("out_bias", 0.0), called=node.output[0])
