"""int8 models in QDQ form: as onnxruntime computes them in floats, node by node, and on the native engine.

A value that is within a rounding of the middle of two steps may be stored as either; a step that differs anywhere else
is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.graph import BinaryConv2d, Conv2d, Dense, DepthwiseConv2d, Graph
from bnnbench.kernels.models.interpreter import interpret, is_sure
from bnnbench.kernels.models.onnx_file import with_integers
from bnnbench.kernels.models.plan import make_plan
from tests.kernels.engine_process import EngineProcess
from tests.kernels.onnx_models.builder import Network
from tests.kernels.onnx_models.quantized import FITTED, NETWORKS, SHOWN, fitted, images, quantized, session
from tests.kernels.onnx_models.test_importer import graph, stored
from tests.kernels.test_golden_models import run
from tests.kernels.test_native_model import level_engine
from tests.kernels.trace_replay import differences

__all__ = ["level_engine"]
Array = NDArray[Any]
SHAPE = (1, 8, 6, 7)
WAYS: Mapping[str, Mapping[str, Any]] = {
    "uint8, weights by channel": {},
    "int8": {"activation_type": QuantType.QInt8, "per_channel": False},
    "symmetric": {"activation_type": QuantType.QInt8, "extra_options": {"ActivationSymmetric": True}},
    "uint8 weights": {"weight_type": QuantType.QUInt8, "extra_options": {"WeightSymmetric": True}},
}


def network(name: str, way: str) -> bytes:
    pixels, _ = images()
    return quantized(fitted(name), [pixels[place : place + 1] for place in range(SHOWN)], **WAYS[way])


def steps_of_onnxruntime(content: bytes, x: Array) -> tuple[Array, dict[str, Array]]:
    """Its output, and what its QuantizeLinear made, as int8 and NHWC by name."""
    whole, names = with_integers(content)
    output, *found = session(whole).run(None, {"x": x})
    as_int8 = [(array.view(np.uint8) ^ (128 if array.dtype == np.uint8 else 0)).view(np.int8) for array in found]
    return output, {name: stored(array) for name, array in zip(names, as_int8, strict=True)}


def check(content: bytes, x: Array) -> Graph:
    """Every step is onnxruntime's, but for those that are too close to call; and then the output is."""
    found = graph(content)
    output, steps = steps_of_onnxruntime(content, x)
    fitting = {node.output.name: node.output.shape for node in found.nodes}
    taken = {name: array for name, array in steps.items() if fitting.get(name) == array.shape}
    result = interpret(found, [stored(x)], bits=taken)
    assert [flip for flip in result.flips if flip.wrong] == []
    assert np.allclose(result.outputs[0], stored(output), rtol=0, atol=1e-5 * np.abs(output).max())
    return found


@pytest.mark.timeout(200)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_classify_real_images_as_onnxruntime_does(name: str, way: str) -> None:
    content, (pixels, classes) = network(name, way), images()
    count = 200
    x, right = pixels[FITTED : FITTED + count], classes[FITTED : FITTED + count]
    found = graph(content, count)
    weighted = [node for node in found.nodes if isinstance(node.operation, Conv2d | DepthwiseConv2d | Dense)]
    assert {node.inputs[0].dtype for node in weighted} == {"i8"}
    assert any(isinstance(node.operation, BinaryConv2d) for node in found.nodes) == (name == "beside_binary")
    mine, theirs = interpret(found, [stored(x)]).outputs[0], session(content).run(None, {"x": x})[0]
    assert np.array_equal(mine.argmax(axis=1), theirs.argmax(axis=1))
    assert (mine.argmax(axis=1) == right).mean() > 0.6  # the networks do classify
    step = found.nodes[-1].inputs[0].scale
    assert step is not None
    off = np.abs(mine - theirs) / step
    assert off.max() < 3.1
    assert (off > 0.5).mean() < 0.01
    check(content, x[:1])


@pytest.mark.timeout(300)
def test_networks_on_every_level(level_engine: EngineProcess) -> None:
    """To the last bit: whole numbers, then floats in one order."""
    pixels, _ = images()
    for name in NETWORKS:
        found = graph(network(name, "uint8, weights by channel"))
        plan, x = make_plan(found).to_bytes(), stored(pixels[FITTED : FITTED + 1])
        assert differences(level_engine, plan, [x]) == [], name
        if name != "beside_binary":  # signs of floats there
            assert run(level_engine, plan, x).tobytes() == interpret(found, [x]).outputs[0].tobytes(), name


Pair = tuple[Any, Any]


class Int8(Network):
    """Nodes with QuantizeLinear and DequantizeLinear around them; numbers are drawn."""

    def __init__(self, choose: Callable[[Sequence[Any]], Any]) -> None:
        super().__init__(SHAPE, seed=choose(range(1000)))
        self._choose = choose
        self.steps: tuple[float, float] = (1.0, 0.0)

    def numbers(self) -> Pair:
        """A scale, often a power of two so that halves occur, and a zero point, often at an end."""
        scale, is_signed = self._choose([1.0, 0.5, 0.25, 0.0371, 0.0123, 0.2, 1 / 255]), self._choose([False, True])
        zero = self._choose([-128, 0, 127, 3, -77])
        return np.float32(scale), np.int8(zero) if is_signed else np.uint8(zero + 128)

    def quantized(self, x: str, numbers: Pair | None = None) -> str:
        scale, zero = numbers or self.numbers()
        return self.op("DequantizeLinear", self.op("QuantizeLinear", x, scale, zero), scale, zero)

    def input(self) -> str:
        scale, zero = self.numbers()
        self.steps = (float(scale), float(zero) - (128 if zero.dtype == np.uint8 else 0))
        return self.quantized("x", (scale, zero))

    def weights(self, *shape: int) -> str:
        """int8 with its extremes, by channel or not."""
        by_channel = self._choose([False, True])
        whole = self.rng.choice(np.array([-128, -127, -1, 0, 1, 55, 127], np.int8), shape)
        scales = (2.0 ** -self.rng.integers(5, 9, shape[0])).astype(np.float32) if by_channel else np.float32(0.0078125)
        return self.op("DequantizeLinear", whole, scales, np.zeros(scales.shape, np.int8), axis=0)

    def inputs(self) -> Array:
        """Every step and the halves between, and values that are far too large."""
        scale, zero = self.steps
        halves = self.rng.integers(2 * (-128 - zero) - 4, 2 * (127 - zero) + 5, SHAPE) / 2
        x = (halves * scale).astype(np.float32)
        x.reshape(-1)[:2] = 1e30, -1e30
        return x


def pooled(op: str, **attributes: Any) -> Callable[[Int8, str], str]:
    window: dict[str, Any] = {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1], **attributes}
    return lambda net, x: net.op(op, x, **window)


def biased(net: Int8, channels: int) -> str:
    """An int32 bias as the quantizer writes it."""
    whole = net.rng.integers(-3000, 3000, channels).astype(np.int32)
    return net.op("DequantizeLinear", whole, np.float32(net.steps[0] * 0.0078125))


OPS: Mapping[str, Callable[[Int8, str], str]] = {
    "conv": lambda net, x: net.op("Conv", x, net.weights(5, 8, 3, 3), biased(net, 5), pads=[1, 0, 2, 1]),
    "strided": lambda net, x: net.op("Relu", net.op("Conv", x, net.weights(5, 8, 1, 1), strides=[2, 2])),
    "depthwise": lambda net, x: net.op("Conv", x, net.weights(16, 1, 3, 3), group=8, pads=[1] * 4, dilations=[2, 2]),
    "groups": lambda net, x: net.op("Conv", x, net.weights(6, 4, 3, 3), biased(net, 6), group=2),
    "clipped": lambda net, x: net.op(
        "Clip", net.op("Conv", x, net.weights(5, 8, 3, 3)), np.array(-0.3, np.float32), np.array(2.5, np.float32)
    ),
    "dense": lambda net, x: net.op("Gemm", net.op("Flatten", x), net.weights(9, 336), biased(net, 9), transB=1),
    "matmul": lambda net, x: net.op(
        "MatMul", net.op("Flatten", x), net.op("Transpose", net.weights(9, 336), perm=[1, 0])
    ),
    "add": lambda net, x: net.op("Add", x, net.quantized("x")),
    "added twice": lambda net, x: net.op("Relu", net.op("Add", x, x)),
    "mul": lambda net, x: net.op("Mul", x, net.quantized("x")),
    "by channel": lambda net, x: net.op("Mul", x, net.floats(1, 8, 1, 1)),
    "max pool": pooled("MaxPool"),
    "average pool": pooled("AveragePool"),
    "average with padding": pooled("AveragePool", count_include_pad=1),
    "global average": lambda net, x: net.op("GlobalAveragePool", x),
    "mean": lambda net, x: net.op("ReduceMean", x, axes=[1], keepdims=0),
    "relu": lambda net, x: net.op("Relu", x),
    "sigmoid": lambda net, x: net.op("Sigmoid", x),
    "hard swish": lambda net, x: net.op("HardSwish", x),
    "leaky": lambda net, x: net.op("LeakyRelu", x, alpha=0.1),
    "softmax": lambda net, x: net.op("Softmax", x, axis=-1),
    "concat": lambda net, x: net.op("Concat", x, net.quantized(net.op("Relu", x)), axis=1),
    "transpose": lambda net, x: net.op("Transpose", x, perm=[0, 2, 3, 1]),
    "reshape": lambda net, x: net.op("Reshape", x, np.array([1, 12, 4, 7])),
    "slice": lambda net, x: net.op("Slice", x, np.array([2]), np.array([5]), np.array([1])),
    "pad": lambda net, x: net.op("Pad", x, np.array([0, 0, 1, 0, 0, 0, 0, 2])),
    "nothing": lambda net, x: x,
}
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
