"""ONNX models, node by node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

Array = NDArray[Any]
DOMAINS = {"BipolarQuant": "qonnx.custom_op.general", "Quant": "qonnx.custom_op.general"}
DOMAINS |= {"MultiThreshold": "finn.custom_op.general"}


class Network:
    """Every method adds a node and returns the name of its result; weights come from a seed."""

    def __init__(self, shape: Sequence[int | str], seed: int = 0, opset: int = 17) -> None:
        self.rng = np.random.default_rng(seed)
        self._shape, self._opset = shape, opset
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, Array] = {}

    def op(self, kind: str, *operands: str | Array | float, outputs: int = 1, **attributes: Any) -> str:
        """Any op; what is no name becomes a constant. With several results, the names of all, joined by a space."""
        names = [item if isinstance(item, str) else self.constant(np.asarray(item)) for item in operands]
        made = [f"{kind}_{len(self._nodes)}_{place}" for place in range(outputs)]
        domain = DOMAINS.get(kind, "")
        self._nodes.append(helper.make_node(kind, names, made, domain=domain, **attributes))
        return " ".join(made)

    def constant(self, data: Array) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants[name] = data.astype(np.float32) if data.dtype == np.float64 else data
        return name

    def conv(self, x: str, weights: Array, pad: int = 0, stride: int = 1, **attributes: Any) -> str:
        return self.op("Conv", x, weights, pads=[pad] * 4, strides=[stride] * 2, **attributes)

    def norm(self, x: str, channels: int) -> str:
        """A batch normalization as after training."""
        rng = self.rng
        numbers = [rng.uniform(0.5, 1.5, channels), *rng.normal(0, 0.3, (2, channels)), rng.uniform(0.5, 2, channels)]
        return self.op("BatchNormalization", x, *(array.astype(np.float32) for array in numbers))

    def floats(self, *shape: int) -> Array:
        fan = int(np.prod(shape[1:])) or 1
        return self.rng.normal(0, 1.5 / np.sqrt(fan), shape).astype(np.float32)

    def binary(self, *shape: int) -> Array:
        """Weights +a and -a, another a for each output."""
        signs = np.where(self.rng.random(shape) < 0.5, -1, 1)
        fan = int(np.prod(shape[1:]))
        sizes = self.rng.uniform(0.5, 1.5, (shape[0],) + (1,) * (len(shape) - 1)) / np.sqrt(fan)
        return (signs * sizes).astype(np.float32)

    def model(self, output: str) -> ModelProto:
        """The whole model with one input, `x`, and one output."""
        graph = helper.make_graph(
            self._nodes,
            "network",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, self._shape)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            [numpy_helper.from_array(data, name) for name, data in self._constants.items()],
        )
        opsets = [helper.make_opsetid("", self._opset)]
        opsets += [helper.make_opsetid(domain, 1) for domain in sorted({*DOMAINS.values()})]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)
