"""The importer: every op it knows, batches, and files that lie."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.operations import (
    BinaryConv2d,
    Clamp,
    Conv2d,
    Dense,
    Elementwise,
    Mean,
    Pad,
    Reshape,
    Slice,
    Window,
)
from bnnbench.kernels.models.tflite_file import parse, read

from .model_builder import PATH, Builder

GOLDEN = Path(__file__).parents[1] / "golden"
TINY = sorted(path.stem for path in GOLDEN.glob("*.tflite"))
CONV = {
    "padding": 0,
    "stride_h": 1,
    "stride_w": 1,
    "dilation_h_factor": 1,
    "dilation_w_factor": 1,
    "fused_activation_function": 0,
}
POOL = {
    "padding": 1,
    "stride_h": 2,
    "stride_w": 2,
    "filter_height": 2,
    "filter_width": 2,
    "fused_activation_function": 1,
}


def weights(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).normal(0, 1, shape).astype(np.float32)


def ints(*values: int) -> np.ndarray[Any, Any]:
    return np.array(values, np.int32)


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("batch", [1, 4])
def test_golden_models(name: str, batch: int) -> None:
    model = read(GOLDEN / f"{name}.tflite")
    graph = import_model(model, batch)
    assert [node.index for node in graph.nodes] == [op.index for op in model.ops]
    assert [tensor.shape[1:] for tensor in graph.outputs] == [ref.shape[1:] for ref in model.outputs]
    assert {tensor.shape[0] for tensor in (*graph.inputs, *graph.outputs)} == {batch}
    for node in graph.nodes:
        assert node.output.shape[0] == batch
        if isinstance(node.operation, BinaryConv2d):
            assert node.operation.spec.n == batch
    names = [node.output.name for node in graph.nodes] + [tensor.name for tensor in graph.inputs]
    assert len(set(names)) == len(names)


def test_same_padding_is_tflites_and_groups_follow_from_the_depth() -> None:
    b = Builder()
    x = b.input((1, 8, 7, 12))
    options = CONV | {"stride_h": 2, "stride_w": 2, "fused_activation_function": 3}
    b.op("CONV_2D", [x, b.constant(weights(6, 3, 5, 4)), -1], b.tensor((1, 4, 4, 6)), "Conv2DOptions", **options)
    (node,) = b.graph(len(b.tensors) - 1).nodes
    assert isinstance(node.operation, Conv2d)
    # 8 rows by 2: one padded row, below; 7 columns by 2 with 5 taps: four, two of them on the left.
    assert node.operation.window == Window(3, 5, 2, 2, 1, 1, 0, 2)
    assert (node.operation.groups, node.operation.bias, node.operation.act) == (3, None, Clamp(0.0, 6.0))


def _simple(op: str, out: tuple[int, ...], kind: str | None = None, *operands: Any, **options: Any) -> Builder:
    b = Builder()
    x = b.input((1, 4, 6, 8))
    b.outputs = [
        b.op(op, [x, *(b.constant(operand) for operand in operands)], b.tensor(out), kind, **options),
    ]
    return b


WORKING: dict[str, Callable[[], Builder]] = {
    "depthwise": lambda: _simple(
        "DEPTHWISE_CONV_2D",
        (1, 4, 6, 16),
        "DepthwiseConv2DOptions",
        weights(1, 3, 3, 16),
        weights(16),
        **CONV,
        depth_multiplier=2,
    ),
    "max pool": lambda: _simple("MAX_POOL_2D", (1, 2, 3, 8), "Pool2DOptions", **POOL),
    "average pool": lambda: _simple("AVERAGE_POOL_2D", (1, 2, 3, 8), "Pool2DOptions", **POOL),
    "dense of rank 4": lambda: _simple("FULLY_CONNECTED", (24, 5), "FullyConnectedOptions", weights(5, 8)),
    "dense of an image": lambda: _simple("FULLY_CONNECTED", (1, 5), "FullyConnectedOptions", weights(5, 192)),
    "dense that keeps": lambda: _simple(
        "FULLY_CONNECTED", (1, 4, 6, 5), "FullyConnectedOptions", weights(5, 8), weights(5), keep_num_dims=True
    ),
    "add a scalar": lambda: _simple("ADD", (1, 4, 6, 8), "AddOptions", np.float32(2.0)),
    "mul channels": lambda: _simple("MUL", (1, 4, 6, 8), "MulOptions", weights(8)),
    "sub image": lambda: _simple("SUB", (1, 4, 6, 8), "SubOptions", weights(4, 1, 8)),
    "softmax": lambda: _simple("SOFTMAX", (1, 4, 6, 8), "SoftmaxOptions", beta=1.0),
    "pad": lambda: _simple("PAD", (1, 7, 7, 8), None, np.array([[0, 0], [1, 2], [0, 1], [0, 0]], np.int32)),
    "padv2": lambda: _simple(
        "PADV2", (1, 7, 7, 8), None, np.array([[0, 0], [1, 2], [0, 1], [0, 0]], np.int32), np.float32([3.5])
    ),
    "slice": lambda: _simple("SLICE", (1, 2, 6, 3), None, ints(0, 1, 0, 5), ints(1, 2, -1, 3)),
    "strided slice": lambda: _simple(
        "STRIDED_SLICE",
        (1, 2, 6, 8),
        "StridedSliceOptions",
        ints(0, 1, 0, 0),
        ints(0, -1, 6, 8),
        ints(1, 1, 1, 1),
        begin_mask=1,
        end_mask=1,
    ),
    "prelu": lambda: _simple("PRELU", (1, 4, 6, 8), None, weights(1, 1, 8)),
    "logistic": lambda: _simple("LOGISTIC", (1, 4, 6, 8)),
    "abs": lambda: _simple("ABS", (1, 4, 6, 8)),
    "relu": lambda: _simple("RELU", (1, 4, 6, 8)),
    "relu6": lambda: _simple("RELU6", (1, 4, 6, 8)),
    "relu_n1_to_1": lambda: _simple("RELU_N1_TO_1", (1, 4, 6, 8)),
    "reshape": lambda: _simple("RESHAPE", (1, 24, 8), "ReshapeOptions", ints(1, -1, 8), new_shape=[1, -1, 8]),
    "mean": lambda: _simple("MEAN", (1, 8), "ReducerOptions", ints(1, -2)),
    "mean that keeps": lambda: _simple("MEAN", (1, 1, 1, 8), "ReducerOptions", ints(1, 2), keep_dims=True),
    "transpose": lambda: _simple("TRANSPOSE", (1, 8, 4, 6), None, ints(0, 3, 1, 2)),
}


@pytest.mark.parametrize("name", WORKING)
@pytest.mark.parametrize("batch", [1, 3])
def test_every_simple_op(name: str, batch: int) -> None:
    builder = WORKING[name]()
    graph = builder.graph(batch=batch)
    stored = builder.tensors[builder.outputs[0]]["shape"]
    assert graph.outputs[0].shape == (stored[0] * batch, *stored[1:])
    assert graph.nodes[-1].op == builder.ops[0]["name"]


def test_options_of_simple_ops() -> None:
    def operation(name: str) -> Any:
        return WORKING[name]().graph().nodes[-1].operation

    assert operation("mean") == Mean((1, 2), keep_dims=False)
    assert operation("relu").act == Clamp(0.0, inf)
    assert operation("padv2") == Pad((0, 1, 0, 0), 3.5)
    assert operation("slice") == Slice((0, 1, 0, 5))
    assert operation("strided slice") == Slice((0, 1, 0, 0))
    assert operation("transpose").perm == (0, 3, 1, 2)
    assert operation("max pool").window == Window(2, 2, 2, 2)
    assert isinstance(operation("dense of rank 4"), Dense)


def test_split_squeeze_expand_and_concatenation() -> None:
    b = Builder()
    x = b.input((1, 1, 6, 8))
    parts = [b.tensor((1, 1, 6, 4)), b.tensor((1, 1, 6, 4))]
    b.op("SPLIT", [b.constant(np.int32(-1)), x], parts, "SplitOptions", num_splits=2)
    uneven = [b.tensor((1, 1, 6, 1)), b.tensor((1, 1, 6, 3))]
    b.op("SPLIT_V", [parts[1], b.constant(ints(1, -1)), b.constant(ints(3))], uneven, "SplitVOptions", num_splits=2)
    joined = b.op("CONCATENATION", [uneven[1], parts[0]], b.tensor((1, 1, 6, 7)), "ConcatenationOptions", axis=-1)
    squeezed = b.op("SQUEEZE", [joined], b.tensor((1, 6, 7)), "SqueezeOptions", squeeze_dims=[1])
    out = b.op("EXPAND_DIMS", [squeezed, b.constant(np.int32(-1))], b.tensor((1, 6, 7, 1)), "ExpandDimsOptions")
    for batch in (1, 2):
        nodes = b.graph(out, batch=batch).nodes
        assert [node.op for node in nodes] == [
            "SPLIT",
            "SPLIT",
            "SPLIT_V",
            "SPLIT_V",
            "CONCATENATION",
            "SQUEEZE",
            "EXPAND_DIMS",
        ]
        starts = [node.operation.start for node in nodes if isinstance(node.operation, Slice)]
        assert starts == [(0, 0, 0, 0), (0, 0, 0, 4), (0, 0, 0, 0), (0, 0, 0, 1)]
        assert nodes[-1].output.shape == (batch, 6, 7, 1)


@pytest.mark.parametrize("per_axis", [False, True])
def test_dequantized_constants_are_folded(per_axis: bool) -> None:
    b = Builder()
    x = b.input((1, 4))
    stored = np.array([[1, -2, 3, -4], [5, 6, -7, 8]], np.int8)
    scales: Any = [0.5, 0.25] if per_axis else 0.5
    real = b.op("DEQUANTIZE", [b.constant(stored, scales)], b.tensor((2, 4)))
    half = b.op("DEQUANTIZE", [b.constant(np.array([1.5, -2.0], np.float16))], b.tensor((2,)))
    out = b.op("FULLY_CONNECTED", [x, real, half], b.tensor((1, 2)), "FullyConnectedOptions")
    (node,) = b.graph(out).nodes
    assert isinstance(node.operation, Dense)
    assert np.array_equal(node.operation.weights, stored * np.reshape(scales, (-1, 1)))
    assert node.operation.bias is not None
    assert node.operation.bias.tolist() == [1.5, -2.0]


def test_a_vector_of_each_image_broadcasts_over_its_own_image() -> None:
    b = Builder()
    x = b.input((1, 4, 6, 8))
    gate = b.op("MEAN", [x, b.constant(ints(1, 2))], b.tensor((1, 8)), "ReducerOptions")
    out = b.op("MUL", [x, gate], b.tensor((1, 4, 6, 8)), "MulOptions")
    graph = b.graph(out, batch=5)
    assert isinstance(graph.nodes[-1].operation, Elementwise)
    assert [tensor.shape for tensor in graph.nodes[-1].inputs] == [(5, 4, 6, 8), (5, 1, 1, 8)]
    assert isinstance(graph.nodes[-2].operation, Reshape)


def test_rows_that_broadcast_are_not_mistaken_for_images() -> None:
    """(4, 8) against (4, 4, 8) broadcasts over the first axis, which a batch would change."""
    b = Builder()
    x = b.input((4, 4, 8))
    rows = b.op("MEAN", [x, b.constant(ints(1))], b.tensor((4, 8)), "ReducerOptions")
    b.op("ADD", [x, rows], b.tensor((4, 4, 8)), "AddOptions")
    assert len(b.graph(len(b.tensors) - 1).nodes) == 2
    with pytest.raises(ModelError, match=r"op 1 \(ADD\).*across the batch"):
        b.graph(batch=4)


@pytest.mark.parametrize(
    ("op", "out", "kind", "operands", "options"),
    [
        ("TRANSPOSE", (4, 1, 6, 8), None, [ints(1, 0, 2, 3)], {}),
        ("MEAN", (4, 6, 8), "ReducerOptions", [ints(0)], {}),
        ("SLICE", (1, 4, 6, 8), None, [ints(0, 0, 0, 0), ints(1, 4, 6, 8)], {}),
        ("PAD", (2, 4, 6, 8), None, [np.array([[1, 0], [0, 0], [0, 0], [0, 0]], np.int32)], {}),
    ],
)
def test_what_a_batch_cannot_do_is_said(
    op: str, out: tuple[int, ...], kind: str | None, operands: list[Any], options: dict[str, Any]
) -> None:
    builder = _simple(op, out, kind, *operands, **options)
    assert builder.graph().outputs[0].shape == out
    if op == "SLICE":  # the whole batch is not a cut
        assert builder.graph(batch=2).outputs[0].shape == (2, 4, 6, 8)
        return
    with pytest.raises(ModelError, match=rf"made\.tflite: op 0 \({op}\) cannot be imported: .*batch"):
        builder.graph(batch=2)


NONSENSE: dict[str, tuple[Callable[[], Builder], str]] = {
    "unknown op": (lambda: _simple("CUMSUM", (1, 4, 6, 8)), "op is not supported"),
    "wrong output": (lambda: _simple("ABS", (1, 4, 6, 9)), r"shape \[1, 4, 6, 9\] where \[1, 4, 6, 8\] follows"),
    "negative size": (lambda: _simple("RESHAPE", (1, -4, -48)), "has a different number of values"),
    "reshape that says two things": (
        lambda: _simple("RESHAPE", (1, 24, 8), None, ints(1, 12, 16)),
        r"\[1, 12, 16\] where its output has \[1, 24, 8\]",
    ),
    "huge": (
        lambda: _simple("PAD", (1, 2**24, 2**24, 8), None, np.array([[0, 0], [0, 2**24 - 4], [0, 2**24 - 6], [0, 0]])),
        "2 GiB",
    ),
    "float16 weights": (
        lambda: _simple("CONV_2D", (1, 4, 6, 2), "Conv2DOptions", weights(2, 1, 1, 8).astype(np.float16), **CONV),
        "weights is float16|weights are float16",
    ),
    "weights of NaN": (
        lambda: _simple("CONV_2D", (1, 4, 6, 2), "Conv2DOptions", np.full((2, 1, 1, 8), np.nan, np.float32), **CONV),
        "NaN",
    ),
    "depth": (
        lambda: _simple("CONV_2D", (1, 4, 6, 2), "Conv2DOptions", weights(2, 1, 1, 3), **CONV),
        "3 channels deep",
    ),
    "stride 0": (
        lambda: _simple("CONV_2D", (1, 4, 6, 2), "Conv2DOptions", weights(2, 1, 1, 8), **(CONV | {"stride_h": 0})),
        "stride_h is 0",
    ),
    "activation": (
        lambda: _simple("ADD", (1, 4, 6, 8), "AddOptions", weights(8), fused_activation_function=4),
        "activation 4",
    ),
    "window": (
        lambda: _simple("MAX_POOL_2D", (1, 1, 1, 8), "Pool2DOptions", **(POOL | {"filter_height": 9})),
        "does not fit an image of 4",
    ),
    "bias": (
        lambda: _simple("FULLY_CONNECTED", (24, 5), "FullyConnectedOptions", weights(5, 8), weights(4)),
        "4 numbers for 5",
    ),
    "broadcast": (lambda: _simple("MUL", (1, 4, 6, 8), "MulOptions", weights(7)), "do not go together"),
    "permutation": (lambda: _simple("TRANSPOSE", (1, 4, 6, 8), None, ints(0, 1, 1, 2)), "permutation"),
    "axes": (lambda: _simple("MEAN", (1, 8), "ReducerOptions", ints(1, 7)), "axes are"),
    "box": (lambda: _simple("SLICE", (1, 4, 6, 8), None, ints(0, 0, 0, 5), ints(1, 4, 6, 8)), "it takes"),
    "beta": (lambda: _simple("SOFTMAX", (1, 4, 6, 8), "SoftmaxOptions", beta=float("nan")), "beta is nan"),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_what_makes_no_sense_is_one_sentence_with_its_place(name: str) -> None:
    make, message = NONSENSE[name]
    with pytest.raises(ModelError, match=message) as caught:
        make().graph()
    text = str(caught.value)
    assert text.startswith("made.tflite: op 0 (")
    assert text.endswith(".")
    assert text.count(". ") == 0
    assert ";" in text


def _two_ops() -> tuple[Builder, int, int, int]:
    b = Builder()
    x, y, z = b.input((1, 8)), b.tensor((1, 8)), b.tensor((1, 8))
    return b, x, y, z


def test_order_and_doubled_results() -> None:
    b, x, y, z = _two_ops()
    b.op("ADD", [x, z], y, "AddOptions")
    b.op("ABS", [y], z)
    with pytest.raises(ModelError, match=r"op 0 \(ADD\).*'t2' is used before anything computes it"):
        b.graph(z)
    b, x, y, z = _two_ops()
    b.op("ABS", [x], y)
    b.op("RELU", [x], y)
    with pytest.raises(ModelError, match=r"op 1 \(RELU\).*'t1' has a value already"):
        b.graph(y)
    b, x, y, z = _two_ops()
    b.op("ABS", [x], x)
    with pytest.raises(ModelError, match="has a value already"):
        b.graph(x)
    b, x, y, z = _two_ops()
    constant = b.constant(weights(1, 8))
    b.op("ABS", [x], constant)
    with pytest.raises(ModelError, match="has a value already"):
        b.graph(constant)
    b, x, y, z = _two_ops()
    b.op("ABS", [x], y)
    with pytest.raises(ModelError, match="'t2' is computed by no op"):
        b.graph(z)


@pytest.mark.parametrize(
    ("scale", "zero", "message"),
    [(0.0, 0, "scale 0"), (float("nan"), 0, "scale nan"), (-1.0, 0, "scale -1"), (0.1, 200, "zero point 200")],
)
def test_quantization_that_makes_no_sense(scale: float, zero: int, message: str) -> None:
    for name in ("input", "output"):
        b = Builder()
        good, bad = (0.1, 0), (scale, zero)
        x = b.input((1, 8), "int8", *(bad if name == "input" else good))
        out = b.op("QUANTIZE", [x], b.tensor((1, 8), "int8", *(good if name == "input" else bad)))
        with pytest.raises(ModelError, match=message):
            b.graph(out)


def test_scales_of_int8_weights_and_biases() -> None:
    def conv(scales: list[float], bias_scales: list[float], axis: int = 0) -> Builder:
        b = Builder()
        x = b.input((1, 2, 2, 3), "int8", 0.5)
        filters = b.constant(np.ones((2, 1, 1, 3), np.int8), scales, axis=axis)
        bias = b.constant(np.ones(2, np.int32), bias_scales)
        out = b.tensor((1, 2, 2, 2), "int8", 0.5)
        b.outputs = [b.op("CONV_2D", [x, filters, bias], out, "Conv2DOptions", **CONV)]
        return b

    (node,) = conv([0.1, 0.2], [0.05, 0.1]).graph().nodes
    assert isinstance(node.operation, Conv2d)
    assert node.operation.weight_scales is not None
    assert np.allclose(node.operation.weight_scales, [0.1, 0.2])
    for builder, message in [
        (conv([0.1, 0.2, 0.3], [0.05, 0.1]), "no scale for each output channel"),
        (conv([0.1, 0.2], [0.05, 0.1], axis=3), "along axis 3"),
        (conv([0.1, 0.0], [0.05, 0.0]), "zero, negative"),
        (conv([0.1, 0.2], [0.05, 0.9]), "other scales than its input and weights"),
    ]:
        with pytest.raises(ModelError, match=message):
            builder.graph()


def test_a_large_constant_named_by_many_ops_is_read_once() -> None:
    b = Builder()
    value = b.input((1, 2**18))
    large = b.constant(weights(2**18))
    for _ in range(400):
        value = b.op("ADD", [value, large], b.tensor((1, 2**18)), "AddOptions")
    started = time.monotonic()
    graph = b.graph(value)
    assert time.monotonic() - started < 2
    constants = [node.inputs[1].data for node in graph.nodes]
    assert all(data is constants[0] or np.shares_memory(data, constants[0]) for data in constants if data is not None)


def test_constants_may_not_be_folded_again_and_again() -> None:
    b = Builder()
    x = b.input((1, 2**17))
    half = b.constant(weights(1, 2**17).astype(np.float16))
    value = x
    for _ in range(50):
        real = b.op("DEQUANTIZE", [half], b.tensor((1, 2**17)))
        value = b.op("ADD", [value, real], b.tensor((1, 2**17)), "AddOptions")
    with pytest.raises(ModelError, match="more constants than the file can hold"):
        b.graph(value)


def test_names_are_unique_in_the_graph() -> None:
    b = Builder()
    value = b.input((1, 8))
    b.tensors[value]["name"] = "same"
    for _ in range(5):
        value = b.op("ABS", [value], b.tensor((1, 8), name="same"))
    graph = b.graph(value)
    assert len({tensor.name for tensor in (*graph.inputs, *(node.output for node in graph.nodes))}) == 6


def test_names_out_of_a_file_stay_on_one_line() -> None:
    b = Builder()
    x = b.input((1, 8))
    out = b.op("ABS", [x], b.tensor((1, 8), name="two\nlines"))
    assert b.graph(out).nodes[0].output.name == "two?lines"
    unknown = b.op("Odd\n" + 200 * "x", [out], b.tensor((1, 8)))
    with pytest.raises(ModelError, match=r"op 1 \(Odd\?x{76}\.\.\.\)"):
        b.graph(unknown)
    missing = b.tensor((1, 8), name="a\rb")
    b = replace(b, ops=b.ops[:1])
    with pytest.raises(ModelError, match=r"'a\?b' is computed by no op"):
        b.graph(missing)


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_models_give_a_graph_or_one_sentence(data: st.DataObject) -> None:
    content = bytearray((GOLDEN / f"{data.draw(st.sampled_from(TINY))}.tflite").read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.one_of(st.integers(0, 255), st.sampled_from([0, 1, 127, 128, 255])))
    started = time.monotonic()
    try:
        graph = import_model(parse(bytes(content), PATH), data.draw(st.sampled_from([1, 4])))
        assert isinstance(graph, Graph)
        assert sum(tensor.bytes for node in graph.nodes for tensor in node.inputs if tensor.data is not None) < 2**26
    except ModelError as error:
        text = str(error)
        assert text.startswith(str(PATH))
        assert text.endswith(".")
        assert "\n" not in text
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("batch", [0, -1, 10**9])
def test_batches_that_make_no_sense(batch: int) -> None:
    with pytest.raises(ModelError, match=f"batch {batch}; choose 1 to"):
        import_model(read(GOLDEN / "tiny_larq.tflite"), batch)
