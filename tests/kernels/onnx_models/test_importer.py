"""ONNX models become graphs that compute what onnxruntime computes, and what the native engine computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.formats import FORMATS, graph_of
from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.interpreter import interpret
from bnnbench.kernels.models.onnx_file import parse_onnx
from bnnbench.kernels.models.operations import BinaryConv2d, BitDequantize, Transpose
from bnnbench.kernels.models.plan import make_plan
from tests.kernels.engine_process import EngineProcess
from tests.kernels.onnx_models.builder import Network
from tests.kernels.onnx_models.cases import BINARY, CASES, SHAPE, build, one
from tests.kernels.onnx_models.qonnx import in_onnx
from tests.kernels.test_native_model import level_engine
from tests.kernels.trace_replay import differences

__all__ = ["level_engine"]
Array = NDArray[Any]
TOLERANCE = 1e-5
"""Of the largest value."""


def graph(content: bytes, batch: int = 1) -> Graph:
    return graph_of(parse_onnx(content, Path("model.onnx")), batch)


def ran(content: bytes, x: Array) -> Array:
    """What onnxruntime makes of an input."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.log_severity_level = 4
    session = onnxruntime.InferenceSession(in_onnx(content), settings, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: x})
    return np.asarray(found)


def stored(x: Array) -> Array:
    """An image as the graph has it."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if x.ndim == 4 else x


def computed(found: Graph, x: Array) -> Array:
    (y,) = interpret(found, [stored(x)]).outputs
    return y.transpose(0, 3, 1, 2) if y.ndim == 4 else y


def inputs(shape: tuple[int, ...] = SHAPE) -> dict[str, Array]:
    """Random values, and edges: large ones, halves, a constant. Zeros are another test's: of them ONNX's sign is 0."""
    rng = np.random.default_rng(7)
    return {
        "random": rng.uniform(-1, 1, shape).astype(np.float32),
        "large": (rng.choice([-1, 1], shape) * 1e4).astype(np.float32),
        "halves": (rng.integers(-3, 3, shape) + 0.5).astype(np.float32) / 2,
        "constant": np.full(shape, 0.75, np.float32),
    }


def far(mine: Array, theirs: Array) -> float:
    """The largest difference, of the largest value."""
    assert mine.shape == theirs.shape
    return float(np.abs(mine - theirs).max() / max(np.abs(theirs).max(), 1e-30))


@pytest.mark.parametrize("name", CASES)
def test_it_computes_what_others_compute(name: str) -> None:
    content = build(name)
    found = graph(content)
    for what, x in inputs().items():
        assert far(computed(found, x), ran(content, x)) < TOLERANCE, what
    assert any(isinstance(node.operation, BinaryConv2d) for node in found.nodes) == (name in BINARY)


@pytest.mark.parametrize("name", BINARY)
def test_nothing_is_turned_or_made_float_again(name: str) -> None:
    kinds = [type(node.operation) for node in graph(build(name)).nodes]
    assert not {Transpose, BitDequantize} & {*kinds}


@pytest.mark.timeout(300)
def test_the_native_engine_computes_each_step(level_engine: EngineProcess) -> None:
    wrong = {}
    for name in CASES:
        found = graph(build(name))
        wrong[name] = differences(level_engine, make_plan(found).to_bytes(), [stored(inputs()["random"])])
    assert {name: steps for name, steps in wrong.items() if steps} == {}


@pytest.mark.parametrize("name", ["ReAct block", "binary dense", "dense by shape", "classifier", "turned"])
def test_batches(name: str) -> None:
    content = build(name, "N")
    x = np.random.default_rng(3).uniform(-1, 1, (3, *SHAPE[1:])).astype(np.float32)
    found = computed(graph(content, 3), x)
    each = [computed(graph(content), x[place : place + 1]) for place in range(3)]
    assert np.array_equal(found, np.concatenate(each))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_binary_convolutions_of_any_shape(data: st.DataObject) -> None:
    draw = data.draw
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    size = draw(st.tuples(st.integers(4, 9), st.integers(4, 9)))
    groups = draw(st.sampled_from([1, 2]))
    depth = 32 if groups == 2 else draw(st.integers(1, 70))
    pads = draw(st.lists(st.integers(0, min(3, *kernel)), min_size=4, max_size=4))
    strides = draw(st.lists(st.integers(1, 3), min_size=2, max_size=2))
    net = Network((1, depth * groups, *size), seed=draw(st.integers(0, 99)))
    weights = net.binary(4 * groups, depth, *kernel)
    signs = net.op("Sign", "x")
    content = net.model(net.op("Conv", signs, weights, pads=pads, strides=strides, group=groups)).SerializeToString()
    x = net.rng.uniform(-1, 1, (1, depth * groups, *size)).astype(np.float32)
    found = graph(content)
    assert any(isinstance(node.operation, BinaryConv2d) for node in found.nodes)
    assert far(computed(found, x), ran(content, x)) < TOLERANCE


def test_the_sign_of_zero_is_told_apart() -> None:
    """ONNX's Sign(0) is 0; a bit is +1 there. Comparisons say themselves what becomes of it."""
    x = np.zeros(SHAPE, np.float32)
    content = build("Sign")
    assert not ran(content, x).any()
    assert computed(graph(content), x).any()
    as_written = FORMATS["onnx"].as_written(parse_onnx(content, Path("model.onnx")))
    for values in (x, *inputs().values()):
        assert far(computed(as_written, values), ran(content, values)) < TOLERANCE
    for name in ("Where >", "Where <", "BipolarQuant", "Where <="):
        content = build(name)
        assert far(computed(graph(content), x), ran(content, x)) < TOLERANCE


@pytest.mark.parametrize("keeps", [0, 1])
def test_a_mean_over_no_axes_is_over_all(keeps: int) -> None:
    net = Network(SHAPE, opset=18)
    found = net.op("ReduceMean", "x", np.zeros(0, np.int64), noop_with_empty_axes=keeps, keepdims=1)
    content = net.model(net.op("Add", "x", found)).SerializeToString()
    x = inputs()["random"]
    assert far(computed(graph(content), x), ran(content, x)) < TOLERANCE


def test_all_ops_that_are_missing_are_named_at_once() -> None:
    net = Network(SHAPE)
    y = net.op("LSTM", net.op("Erf", net.op("Erf", "x")))
    with pytest.raises(ModelError) as error:
        graph(net.model(net.op("Relu", y)).SerializeToString())
    assert str(error.value) == (
        "model.onnx cannot be imported: 2 ops are missing: 2 x Erf (first: node 0), 1 x LSTM (node 2); measure it "
        "unverified with -e onnxruntime, or export it without these."
    )


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (
            lambda net: net.op("Resize", "x", "", one(2.5), mode="cubic"),
            "node 0 (Resize) cannot be imported: its mode",
        ),
        (lambda net: net.op("Add", "x", np.zeros((3, 1, 1), np.float32)), "shape mismatch"),
        (lambda net: net.op("Conv", "x", "x"), "its weights is computed by the model"),
        (lambda net: net.op("Round", "x"), "only values that a Clip keeps"),
        (
            lambda net: net.op(
                *("Resize", "x", "", np.array([1, 1, 2, 2], np.float32)),
                coordinate_transformation_mode="tf_crop_and_resize",
                nearest_mode="floor",
            ),
            "its mode is 'nearest' with tf_crop_and_resize and floor",
        ),
        (lambda net: net.op("Resize", "x", "", np.array([1, 1, 2**40, 1], np.float32)), "its scales are"),
        (lambda net: net.op("Resize", "x", "", np.array([1, 1, 2**19, 1], np.float32)), "it makes an image of"),
        (lambda net: net.op("Resize", "x", "", np.array([1, 2, 1, 1], np.float32)), "its scales are"),
        (
            lambda net: net.op("Where", net.op("Less", net.op("Flatten", "x"), np.ones((1, 5))), one(1), one(-1)),
            "shape mismatch",
        ),
        (
            lambda net: net.op("Greater", net.op("GlobalAveragePool", "x"), np.ones((8, 2, 2))),
            "its constant has shape [8, 2, 2] for an input of shape [1, 8, 1, 1]",
        ),
        (
            lambda net: net.op("MultiThreshold", "x", np.ones((3, 1)), out_scale=2.0, out_bias=-1.0),
            "shape mismatch",
        ),
        (lambda net: net.op("Concat", axis=1), "its input is missing"),
        (lambda net: net.op("DepthToSpace", "x", blocksize=2, mode="\x85\nCRD"), r"its mode is '\x85\nCRD'"),
        (
            lambda net: net.op("MaxPool", "x", kernel_shape=[1, 1], strides=[3, 1], auto_pad="SAME_UPPER"),
            "padding would be negative",
        ),
        (lambda net: net.op("Log", "x"), "it is supported for constant inputs only"),
        (lambda net: net.op("Quant", "x", one(1), one(0), one(17)), "it has 17 bits"),
        (lambda net: net.op("Reshape", "x", np.array([7, -1])), "does not fit [1, 8, 9, 10]"),
        (lambda net: net.op("Mul", "x", np.array([np.nan], np.float32)), "infinite numbers or NaN"),
    ],
)
def test_what_is_not_supported_is_said_with_its_place(write: Any, said: str) -> None:
    net = Network(SHAPE)
    with pytest.raises(ModelError) as error:
        graph(net.model(write(net)).SerializeToString())
    assert said in str(error.value)
    assert "\n" not in str(error.value)
