"""Whole networks against onnxruntime and the native engine: equal within 1e-5, or each sign that differs is explained.

A sign is explained where the reference itself has a value so close to 0 that a rounding decides. Then the reference is
computed with the other's sign, and must equal its outputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.interpreter import interpret
from bnnbench.kernels.models.operations import BitQuantize
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.packing import pack
from tests.kernels.engine_process import EngineProcess
from tests.kernels.onnx_models.qonnx import in_onnx
from tests.kernels.onnx_models.test_importer import stored
from tests.kernels.test_golden_models import bits_of, close, run

Array = NDArray[Any]


def of_onnxruntime(content: bytes, found: Graph, x: Array) -> tuple[Array, dict[str, Array]]:
    """onnxruntime's output, and its signs by the names that the graph has for its tensors of bits."""
    model = onnx.load_model_from_string(in_onnx(content))
    values = {name for node in model.graph.node for name in node.output}
    signs = {
        node.output.name: node.inputs[0].name
        for node in found.nodes
        if isinstance(node.operation, BitQuantize) and node.inputs[0].name in values
    }
    known = {port.name for port in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in {*signs.values()} - known)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_outputs()]
    outputs = dict(zip(names, session.run(None, {session.get_inputs()[0].name: x}), strict=True))
    bits = {bit: pack(np.where(stored(outputs[name]) < 0, np.int8(-1), np.int8(1))) for bit, name in signs.items()}
    return np.asarray(outputs[names[0]]), bits


def explained(found: Graph, x: Array, output: Array, bits: dict[str, Array]) -> int:
    """How many signs of an engine differ from the reference; all are explained, and so is its output."""
    if close(output.reshape(-1), interpret(found, [stored(x)]).outputs[0]):
        return 0
    result = interpret(found, [stored(x)], bits=bits)
    assert result.flips, "it differs, and not because of a sign"
    assert not any(flip.wrong for flip in result.flips), result.flips
    assert close(output.reshape(-1), result.outputs[0])
    return sum(flip.unsure for flip in result.flips)


def proven_by_onnxruntime(content: bytes, found: Graph, x: Array) -> int:
    """The number of signs that onnxruntime has otherwise, each explained."""
    output, bits = of_onnxruntime(content, found, x)
    return explained(found, x, output, bits)


def proven_on(engine: EngineProcess, found: Graph, x: Array) -> int:
    """The number of signs that the native engine has otherwise, each explained."""
    plan, given = make_plan(found).to_bytes(), stored(x)
    return explained(found, x, run(engine, plan, given), bits_of(engine, found, plan, given))
