"""Networks that classify Fashion-MNIST, and int8 models that onnxruntime's quantizer makes of float ones."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from bnnbench.kernels.models.datasets import open_dataset
from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.interpreter import Result, interpret
from bnnbench.kernels.models.onnx_file import with_integers
from tests.kernels.onnx_models.builder import Network
from tests.kernels.onnx_models.test_importer import graph, stored

Array = NDArray[Any]
FITTED, SHOWN = 4000, 24
"""Images with which the last layer is fitted, and with which the quantizer measures ranges."""


@cache
def images() -> tuple[Array, Array]:
    """The shipped images of Fashion-MNIST as NCHW, and their classes."""
    found = open_dataset("fashion-mnist")
    count = 5000
    return found.inputs(slice(0, count)).transpose(0, 3, 1, 2), found.labels[:count]


def residual(net: Network) -> str:
    """As ResNet: a stem, blocks around which values are added, a maximum."""
    x = net.op("Relu", net.norm(net.conv("x", net.floats(16, 1, 3, 3), pad=1, stride=2), 16))
    for channels, stride in ((16, 1), (32, 2)):
        y = net.op("Relu", net.norm(net.conv(x, net.floats(channels, 16, 3, 3), pad=1, stride=stride), channels))
        y = net.norm(net.conv(y, net.floats(channels, channels, 3, 3), pad=1), channels)
        x = x if stride == 1 else net.norm(net.conv(x, net.floats(channels, 16, 1, 1), stride=stride), channels)
        x = net.op("Relu", net.op("Add", y, x))
    return net.op("Flatten", net.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]))


def separable(net: Network) -> str:
    """As MobileNet: depthwise and pointwise convolutions, values from 0 to 6, maxima and averages."""

    def relu6(x: str) -> str:
        return net.op("Clip", x, np.array(0, np.float32), np.array(6, np.float32))

    x, depth = relu6(net.norm(net.conv("x", net.floats(16, 1, 3, 3), pad=1, stride=2), 16)), 16
    for channels, stride in ((48, 1), (96, 2)):
        x = relu6(net.norm(net.conv(x, net.floats(depth, 1, 3, 3), pad=1, stride=stride, group=depth), depth))
        x, depth = relu6(net.norm(net.conv(x, net.floats(channels, depth, 1, 1)), channels)), channels
    largest = net.op("Flatten", net.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2]))
    return net.op("Concat", largest, net.op("Flatten", net.op("GlobalAveragePool", x)), axis=1)


def beside_binary(net: Network) -> str:
    """A binary convolution between others."""
    x = net.op("Relu", net.norm(net.conv("x", net.floats(32, 1, 3, 3), pad=1, stride=2), 32))
    first, second = np.array(1, np.float32), np.array(-1, np.float32)
    signs = net.op("Where", net.op("GreaterOrEqual", x, np.array(0.4, np.float32)), first, second)
    y = net.conv(signs, net.binary(32, 32, 3, 3), pad=1)
    x = net.op("Relu", net.norm(net.conv(net.op("Add", x, y), net.floats(32, 32, 3, 3), stride=2), 32))
    return net.op("Flatten", x)


def is_binary(node: Any) -> bool:
    """Whether the quantizer is to leave a node of these networks alone."""
    return node.op_type == "Where" or (node.op_type == "Conv" and node.input[0].startswith("Where"))


NETWORKS: Mapping[str, Callable[[Network], str]] = {
    "residual": residual,
    "separable": separable,
    "beside_binary": beside_binary,
}


@cache
def fitted(name: str) -> bytes:
    """A float network: random features, and a last layer fitted to classes by least squares."""
    pixels, classes = images()

    def built(last: Callable[[Network, str], str]) -> bytes:
        net = Network(("N", 1, 28, 28), seed=11)
        return net.model(last(net, NETWORKS[name](net))).SerializeToString()

    (features,) = session(built(lambda net, x: x), optimized=True).run(None, {"x": pixels[:FITTED]})
    rows = np.hstack([features, np.ones((FITTED, 1), np.float32)]).astype(np.float64)
    wanted = 8.0 * np.eye(10)[classes[:FITTED]]
    weights = np.linalg.solve(rows.T @ rows + 3.0 * np.eye(rows.shape[1]), rows.T @ wanted).astype(np.float32)
    return built(lambda net, x: net.op("Gemm", x, weights[:-1], weights[-1]))


def session(content: bytes, optimized: bool = False) -> onnxruntime.InferenceSession:
    """onnxruntime; not `optimized`, every node is computed as the file has it: QDQ in floats."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.log_severity_level = 3
    levels = onnxruntime.GraphOptimizationLevel
    settings.graph_optimization_level = levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])


class _Shown(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, inputs: Sequence[Array]) -> None:
        self._left: Iterator[Array] = iter(inputs)

    def get_next(self) -> dict[str, Array] | None:
        found = next(self._left, None)
        return None if found is None else {"x": found}


def quantized(content: bytes, inputs: Sequence[Array], **options: Any) -> bytes:
    """In QDQ form, by onnxruntime.quantization; batch normalization is folded first. uint8 activations, int8 weights
    for each channel, unless `options` say otherwise."""
    chosen = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8, "per_channel": True, **options}
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            settings = onnxruntime.SessionOptions()
            settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
            settings.optimized_model_filepath = str(folder / "folded.onnx")
            onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
            folded = onnx.load(folder / "folded.onnx")
            for node in folded.graph.node:
                node.name = node.output[0]
            binary = [node.name for node in folded.graph.node if is_binary(node)]
            quantize_static(
                *(folded, folder / "int8.onnx", _Shown(inputs)),
                quant_format=QuantFormat.QDQ,
                nodes_to_exclude=binary,
                **chosen,
            )
            return (folder / "int8.onnx").read_bytes()
    finally:
        logging.disable(before)


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
    result = taken_over(found, x, steps)
    assert [flip for flip in result.flips if flip.wrong] == []
    assert np.allclose(result.outputs[0], stored(output), rtol=0, atol=1e-5 * np.abs(output).max())
    return found


def taken_over(found: Graph, x: Array, steps: Mapping[str, Array]) -> Result:
    """With onnxruntime's steps where they are too close to call."""
    shapes = {node.output.name: node.output.shape for node in found.nodes}
    fitting = {name: array for name, array in steps.items() if shapes.get(name) == array.shape}
    return interpret(found, [stored(x)], bits=fitting)
