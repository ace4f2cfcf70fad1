"""int8 models in QDQ form: as onnxruntime computes them in floats, node by node, and on the native engine.

A value that is within a rounding of the middle of two steps may be stored as either; a step that differs anywhere else
is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.interpreter import interpret, is_sure
from bnnbench.kernels.models.onnx_file import with_integers
from bnnbench.kernels.models.plan import make_plan
from tests.kernels.engine_process import EngineProcess
from tests.kernels.onnx_models.builder import Network
from tests.kernels.onnx_models.int8_ops import OPS, SHAPE, Int8, biased
from tests.kernels.onnx_models.quantized import (
    check,
)
from tests.kernels.onnx_models.test_importer import graph, stored
from tests.kernels.test_golden_models import run
from tests.kernels.test_native_model import level_engine

__all__ = ["level_engine"]
Array = NDArray[Any]
IN_FLOATS = ("by channel", "hard swish", "leaky", "softmax")
"""What is computed in floats between Dequantize and Quantize; all else on int8."""


@pytest.mark.parametrize("name", OPS)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(data=st.data())
def test_single_ops(name: str, data: st.DataObject) -> None:
    net = Int8(lambda options: data.draw(st.sampled_from(options)))
    y = OPS[name](net, net.input())
    content = net.model(net.quantized(y)).SerializeToString()
    found = check(content, net.inputs())
    floats = [node.op for node in found.nodes if {node.inputs[0].dtype, node.output.dtype} == {"f32"}]
    assert bool(floats) == (name in IN_FLOATS), floats


@pytest.mark.parametrize("name", ["conv", "depthwise", "dense", "add", "mul", "average pool", "mean", "sigmoid", "pad"])
def test_single_ops_on_the_native_engine(name: str, level_engine: EngineProcess) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        net = Int8(lambda options, rng=rng: options[rng.integers(len(options))])  # type: ignore[misc]
        found = graph(net.model(net.quantized(OPS[name](net, net.input()))).SerializeToString())
        x = stored(net.inputs())
        assert run(level_engine, make_plan(found).to_bytes(), x).tobytes() == interpret(found, [x]).outputs[0].tobytes()


def weights_of_floats(net: Int8, x: str) -> str:
    """As PyTorch exports them: stored as floats, quantized in the graph."""
    scales, zeros = net.rng.uniform(0.002, 0.01, 5).astype(np.float32), np.zeros(5, np.int8)
    whole = net.op("QuantizeLinear", net.floats(5, 8, 3, 3), scales, zeros, axis=0)
    return net.op("Conv", x, net.op("DequantizeLinear", whole, scales, zeros, axis=0))


def weights_of_uint8(net: Int8, x: str) -> str:
    """With zero point 128 they are int8."""
    whole = net.rng.integers(0, 256, (5, 8, 3, 3)).astype(np.uint8)
    return net.op("Conv", x, net.op("DequantizeLinear", whole, np.float32(0.01), np.uint8(128)))


def columns(net: Int8, x: str) -> str:
    """Weights of a dense layer as they are multiplied, a scale for each column."""
    whole = net.rng.integers(-128, 128, (336, 9)).astype(np.int8)
    scales = net.rng.uniform(0.002, 0.01, 9).astype(np.float32)
    weights = net.op("DequantizeLinear", whole, scales, np.zeros(9, np.int8), axis=1)
    return net.op("Gemm", net.op("Flatten", x), weights, net.floats(9, 1).reshape(9))


def without_zero_point(net: Int8, x: str) -> str:
    """uint8 with zero point 0."""
    scale = np.float32(0.05)
    return net.op("Relu", net.op("DequantizeLinear", net.op("QuantizeLinear", x, scale), scale))


@pytest.mark.parametrize("write", [weights_of_floats, weights_of_uint8, columns, without_zero_point])
def test_other_ways_to_write_it(write: Callable[[Int8, str], str]) -> None:
    net = Int8(lambda options: options[-1])
    found = check(net.model(net.quantized(write(net, net.input()))).SerializeToString(), net.inputs())
    assert {node.inputs[0].dtype for node in found.nodes} == {"f32", "i8"}
    assert [node.op for node in found.nodes if node.inputs[0].dtype == "f32"] == ["QuantizeLinear"]


def off_centre(net: Int8, x: str) -> str:
    """Weights that do not fit into int8 about their zero point."""
    whole = net.rng.integers(0, 256, (5, 8, 3, 3)).astype(np.uint8)
    return net.op("Conv", x, net.op("DequantizeLinear", whole, np.float32(0.01), np.uint8(7)))


def by_input_channel(net: Int8, x: str) -> str:
    scales = np.linspace(0.001, 0.01, 8, dtype=np.float32)
    whole = net.rng.integers(-128, 128, (5, 8, 3, 3)).astype(np.int8)
    return net.op("Conv", x, net.op("DequantizeLinear", whole, scales, np.zeros(8, np.int8), axis=1))


def used_twice(net: Int8, x: str) -> str:
    """The sum's floats are needed, too."""
    y = net.op("Add", x, x)
    return net.op("Add", net.quantized(y), y)


@pytest.mark.parametrize("write", [off_centre, by_input_channel, used_twice])
def test_what_int8_cannot_hold_is_computed_in_floats(write: Callable[[Int8, str], str]) -> None:
    net = Int8(lambda options: options[0])
    found = check(net.model(net.quantized(write(net, net.input()))).SerializeToString(), net.inputs())
    assert any({node.inputs[0].dtype, node.output.dtype} == {"f32"} for node in found.nodes)


def test_a_float_output_of_whole_numbers() -> None:
    """No QuantizeLinear behind the last layer."""
    net = Int8(lambda options: options[-1])
    y = net.op("Relu", net.op("Conv", net.input(), net.weights(5, 8, 3, 3), biased(net, 5)))
    found = check(net.model(y).SerializeToString(), net.inputs())
    assert [node.op for node in found.nodes] == ["QuantizeLinear", "Conv"]


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (
            lambda net: net.op("QuantizeLinear", "x", net.floats(8, 1).reshape(8), np.zeros(8, np.int8), axis=1),
            "node 0 (QuantizeLinear) cannot be imported: its scale has 8 numbers; one is supported",
        ),
        (
            lambda net: net.op("QuantizeLinear", "x", np.float32(-1), np.int8(0)),
            "node 0 (QuantizeLinear) cannot be imported: its scale is -1",
        ),
        (
            lambda net: net.op("QuantizeLinear", "x", np.float32(1), np.int32(0)),
            "its zero point is int32; int8 and uint8 are supported",
        ),
        (
            lambda net: net.op("QuantizeLinear", "x", np.float32(1), output_dtype=5),
            "its output_dtype is 5; int8 and uint8 are supported",
        ),
        (
            lambda net: net.op("DequantizeLinear", net.op("QuantizeLinear", "x", np.float32(1)), np.float32(2)),
            "node 1 (DequantizeLinear) cannot be imported: its scale, zero point or type is not that with which",
        ),
        (
            lambda net: net.op("DequantizeLinear", "x", np.float32(1)),
            "node 0 (DequantizeLinear) cannot be imported: its input is neither constant nor made by QuantizeLinear",
        ),
        (
            lambda net: net.op("MaxPool", net.op("QuantizeLinear", "x", np.float32(1)), kernel_shape=[2, 2]),
            "node 1 (MaxPool) cannot be imported: it works on whole numbers, without DequantizeLinear before it",
        ),
        (
            lambda net: net.op("QuantizeLinear", "x", np.full((8, 1, 1), 1, np.float32), block_size=2),
            "it has scales for blocks, which is not supported",
        ),
    ],
)
def test_what_is_not_supported_is_said_with_its_place(write: Callable[[Network], str], said: str) -> None:
    net = Network(SHAPE)
    with pytest.raises(ModelError) as error:
        graph(net.model(write(net)).SerializeToString())
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_values_at_a_half_are_not_sure() -> None:
    """There onnxruntime's sums of floats may fall on either side."""
    net = Int8(lambda options: options[0])  # scale 1, zero point -128 as uint8
    found = graph(net.model(net.quantized(net.op("Add", net.input(), net.quantized("x")))).SerializeToString())
    whole = np.full(SHAPE, 3, np.float32)
    for x, sure in ((whole, True), (whole + 0.5, False)):
        assert is_sure(found, interpret(found, [stored(x)], keep=True).values) == sure


def test_steps_that_differ_elsewhere_are_wrong() -> None:
    net = Int8(lambda options: options[0])
    content = net.model(net.quantized(net.op("Add", net.input(), net.quantized("x")))).SerializeToString()
    found, x = graph(content), np.full(SHAPE, 3.25, np.float32)
    last = found.nodes[-2].output
    other = np.full(last.shape, -128 + 6, np.int8)
    assert interpret(found, [stored(x)], bits={last.name: other}).flips == ()
    (flips,) = interpret(found, [stored(x)], bits={last.name: other + np.int8(1)}).flips
    assert (flips.unsure, flips.wrong) == (0, last.shape[0] * 6 * 7 * 8)


def test_files_are_left_alone_but_for_their_outputs() -> None:
    net = Int8(lambda options: options[0])
    content = net.model(net.quantized(net.input())).SerializeToString()
    whole, names = with_integers(content)
    before, after = onnx.load_model_from_string(content).graph, onnx.load_model_from_string(whole).graph
    assert names == [node.output[0] for node in before.node if node.op_type == "QuantizeLinear"]
    assert [port.name for port in after.output] == [before.output[0].name, *names]
    assert after.node == before.node
