"""Floats with int8 weights: taken as floats here, and rounded at run time by others, each as a variant says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.hybrid import is_hybrid, real_weights
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.interpreter import VARIANTS, interpret, is_sure
from bnnbench.kernels.models.operations import Conv2d, Dense, DepthwiseConv2d
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.models.shipped import shipped_models
from bnnbench.kernels.models.tflite_file import parse, read
from bnnbench.kernels.toolchain import build_native
from tests.kernels.engine_process import HOST, EngineProcess

from .judges import Judge
from .model_builder import PATH, Builder
from .narrow_weights import with_dynamic_range
from .test_golden_models import run

Array = NDArray[Any]
TOLERANCE = 1e-5
JUDGES = {
    "litert-reference": "hybrid",
    "litert-builtin": "x86",
    "litert": "xnnpack",
    "lce": "x86",
    "lce-xnnpack": "xnnpack-older",
}
WINDOW = {"stride_h": 1, "dilation_h_factor": 1, "dilation_w_factor": 1}
FILLS = ("normal", "positive", "negative", "zeros", "eighths", "one large")
ROUND = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
KINDS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}


@st.composite
def models(draw: st.DrawFn) -> Builder:
    """One op with int8 weights. One scale for all is an option of converters that depthwise kernels do not know."""
    op = draw(st.sampled_from(sorted(KINDS)))
    per_channel = op == "DEPTHWISE_CONV_2D" or draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, c, oc = draw(st.integers(1, 3)), draw(st.sampled_from([1, 3, 8, 17, 32])), draw(st.sampled_from([1, 5, 16]))
    h, w, k = draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(st.integers(1, 3))
    options: dict[str, Any] = {"fused_activation_function": draw(st.integers(0, 3))}
    if op == "FULLY_CONNECTED":
        shape: tuple[int, ...] = (n, c)
        weights, out = (oc, c), (n, oc)
        options["asymmetric_quantize_inputs"] = draw(st.booleans())
    else:
        shape, stride, padding = (n, h, w, c), draw(st.integers(1, 2)), int(k <= min(h, w) and draw(st.booleans()))
        sizes = [(size - k) // s + 1 if padding else -(-size // s) for size, s in ((h, 1), (w, stride))]
        options |= WINDOW | {"padding": padding, "stride_w": stride}
        if op == "CONV_2D":
            weights, out = (oc, k, k, c), (n, *sizes, oc)
        else:
            oc = c * draw(st.integers(1, 2))
            weights, out = (1, k, k, oc), (n, *sizes, oc)
            options["depth_multiplier"] = oc // c
    b = Builder()
    x = b.input(shape)
    scales = [float(np.float32(s)) for s in rng.uniform(0.001, 0.05, weights[KINDS[op]] if per_channel else 1)]
    if draw(st.integers(0, 3)) == 0:
        scales = [scales[0]] * len(scales)
    stored = rng.choice([-127, -64, -1, 0, 1, 64, 127, int(rng.integers(-127, 128))], weights).astype(np.int8)
    filters, bias = b.constant(stored, scales, axis=KINDS[op]), b.constant(rng.normal(0, 1, oc).astype(np.float32))
    kind = {"CONV_2D": "Conv2D", "DEPTHWISE_CONV_2D": "DepthwiseConv2D", "FULLY_CONNECTED": "FullyConnected"}[op]
    b.outputs = [b.op(op, [x, filters, bias], b.tensor(out), f"{kind}Options", **options)]
    return b


def filled(b: Builder, fill: str, seed: int) -> Array:
    """An input for the model."""
    shape, rng = b.tensors[b.inputs[0]]["shape"], np.random.default_rng(seed)
    values = {
        "normal": rng.normal(0, 1, shape),
        "positive": np.abs(rng.normal(0, 3, shape)),
        "negative": -rng.random(shape),
        "zeros": np.zeros(shape),
        "eighths": rng.integers(-8, 9, shape) / 8,
        "one large": np.where(np.arange(np.prod(shape)).reshape(shape) == 0, 1000.0, rng.normal(0, 1, shape)),
    }[fill]
    return values.astype(np.float32)


def gap(theirs: Array, right: Array) -> float:
    """The largest difference, of the largest value."""
    size = max(float(np.abs(right).max()), 1e-3)
    return float(np.abs(theirs.reshape(-1).astype(np.float64) - right.reshape(-1)).max()) / size


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    with EngineProcess([build_native(HOST).path], tmp_path_factory.mktemp("engine")) as process:
        yield process


@pytest.fixture(scope="module", params=JUDGES)
def judge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Judge, str]]:
    one = Judge(request.param, tmp_path_factory.mktemp("judge"))
    yield one, request.param
    one.close()


@ROUND
@given(b=models(), fill=st.sampled_from(FILLS), seed=st.integers(0, 99))
def test_others_round_as_their_variant_does(judge: tuple[Judge, str], b: Builder, fill: str, seed: int) -> None:
    one, name = judge
    assume(not (name.startswith("lce") and equal_scales(b)))
    variant, x = JUDGES[name], filled(b, fill, seed)
    theirs = one.outputs(b.content(), [x])
    assert not isinstance(theirs, str), theirs
    right = interpret(b.graph(), [x], variant=VARIANTS[variant]).outputs[0]
    assert is_near(theirs[0], right, b.graph(), x)


def equal_scales(b: Builder) -> bool:
    """A convolution with one scale, written for each channel: LCE's TensorFlow Lite multiplies with 0."""
    scales = b.tensors[1]["scales"]
    return b.ops[0]["name"] == "CONV_2D" and len(scales) > 1 and len(set(scales)) == 1


def is_near(theirs: Array, right: Array, graph: Graph, x: Array) -> bool:
    """Within what adding floats in another order changes, also where large ones cancel out."""
    allowed = TOLERANCE * float(np.abs(right).max()) + 1e-6 * weight_of(graph) * float(np.abs(x).max())
    return bool(np.abs(theirs.reshape(right.shape).astype(np.float64) - right).max() <= allowed + 1e-30)


def weight_of(graph: Graph) -> float:
    """The largest sum of the sizes of an output channel's weights: what an input of 1 may become."""
    operation = graph.nodes[0].operation
    assert isinstance(operation, Conv2d | DepthwiseConv2d | Dense)
    axis = -1 if isinstance(operation, DepthwiseConv2d) else 0
    sizes = np.moveaxis(np.abs(real_weights(operation).astype(np.float64)), axis, 0)
    return float(sizes.reshape(sizes.shape[0], -1).sum(axis=1).max())


@ROUND
@given(b=models(), fill=st.sampled_from(FILLS), seed=st.integers(0, 99))
def test_how_far_rounding_goes(b: Builder, fill: str, seed: int) -> None:
    """As docs/method.md says: no value moves by more than a 255th of the range of its image and 0."""
    graph, x = b.graph(), filled(b, fill, seed)
    (node,) = graph.nodes
    operation = node.operation
    assert isinstance(operation, Conv2d | DepthwiseConv2d | Dense)
    step = (max(float(x.max()), 0.0) - min(float(x.min()), 0.0)) / 255
    if operation.rounds_symmetrically:
        step = max(step, float(np.abs(x).max()) / 254)  # half of a 127th
    right = interpret(graph, [x]).outputs[0]
    for variant in set(JUDGES.values()):
        other = interpret(graph, [x], variant=VARIANTS[variant]).outputs[0]
        assert np.abs(other - right).max() <= weight_of(graph) * step * 1.0001 + 1e-4


@ROUND
@given(b=models(), fill=st.sampled_from(FILLS), seed=st.integers(0, 99))
def test_the_native_engine_takes_weights_as_floats(engine: EngineProcess, b: Builder, fill: str, seed: int) -> None:
    graph, x = b.graph(), filled(b, fill, seed)
    assert any(map(is_hybrid, graph.nodes))
    right = interpret(graph, [x]).outputs[0]
    assert is_near(run(engine, make_plan(graph).to_bytes(), x), right, graph, x)


def dense(weights: str) -> Graph:
    """Two dense layers that share their weights: int8, the same through DEQUANTIZE, or float32."""
    b, rng = Builder(), np.random.default_rng(2)
    stored, scales = rng.integers(-127, 128, (8, 8)).astype(np.int8), [0.01 * (1 + channel) for channel in range(8)]
    real = stored.astype(np.float32) * np.array(scales, np.float32)[:, None]
    y = b.input((3, 8))
    shared = b.constant(real) if weights == "float32" else b.constant(stored, scales)
    if weights == "dequantized":
        shared = b.op("DEQUANTIZE", [shared], b.tensor((8, 8)), "DequantizeOptions")
    for _ in range(2):
        y = b.op("FULLY_CONNECTED", [y, shared], b.tensor((3, 8)), "FullyConnectedOptions")
    return b.graph(y)


def test_int8_weights_are_those_that_dequantize_makes() -> None:
    x = np.random.default_rng(3).normal(0, 1, (3, 8)).astype(np.float32)
    right = interpret(dense("float32"), [x]).outputs[0]
    for weights in ("int8", "dequantized"):
        graph = dense(weights)
        assert interpret(graph, [x]).outputs[0].tobytes() == right.tobytes()
        for step, same in zip(make_plan(graph).steps, make_plan(dense("float32")).steps, strict=True):
            assert step.kind == same.kind
            for one, other in zip(step.arguments, same.arguments, strict=True):
                assert not isinstance(one, np.ndarray) or one.tobytes() == np.asarray(other).tobytes()


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, np.finfo(np.float32).max, 1e-45])
@pytest.mark.filterwarnings("error")
def test_what_cannot_be_rounded_is_no_crash(value: float) -> None:
    x = np.full((3, 8), value, np.float32)
    for variant in VARIANTS.values():
        assert interpret(dense("int8"), [x], variant=variant).outputs[0].shape == (3, 8)


def test_nobody_is_sure_of_what_others_round() -> None:
    x = np.ones((3, 8), np.float32)
    for weights, sure in (("int8", False), ("dequantized", True)):
        graph = dense(weights)
        assert is_sure(graph, interpret(graph, [x], keep=True).values) is sure


@pytest.mark.parametrize("axis", [0, 1])
def test_uint8_and_float16_weights_are_dequantized(axis: int) -> None:
    b, stored = Builder(), np.array([[0, 255, 128, 7], [1, 2, 3, 4]], np.uint8)
    scales = [0.5, 0.25] if axis == 0 else [0.5, 0.25, 1.0, 2.0]
    bias = b.op("DEQUANTIZE", [b.constant(np.array([1.5, -65504.0], np.float16))], b.tensor((2,)))
    real = b.op("DEQUANTIZE", [b.constant(stored, scales, 128, axis)], b.tensor((2, 4)))
    out = b.op("FULLY_CONNECTED", [b.input((1, 4)), real, bias], b.tensor((1, 2)), "FullyConnectedOptions")
    (node,) = b.graph(out).nodes
    operation = node.operation
    assert isinstance(operation, Dense)
    shape = (-1, 1) if axis == 0 else (1, -1)
    assert np.array_equal(operation.weights, (stored.astype(np.float32) - 128) * np.reshape(scales, shape))
    assert operation.bias is not None
    assert operation.bias.tolist() == [1.5, -65504.0]


@pytest.mark.parametrize("name", ["litert-reference", "litert"])
def test_a_whole_network(name: str, tmp_path: Any) -> None:
    """Where no rounding of its layers is too close to call, the variant explains all of it."""
    content = with_dynamic_range(read(shipped_models()["quicknet_m_float"])).content()
    graph, one = import_model(parse(content, PATH)), Judge(name, tmp_path)
    gaps = []
    for seed in range(2):
        x = np.random.default_rng(seed).uniform(-1, 1, graph.inputs[0].shape).astype(np.float32)
        theirs = one.outputs(content, [x])
        assert not isinstance(theirs, str), theirs
        right, plain = (interpret(graph, [x], variant=v).outputs[0] for v in (VARIANTS[JUDGES[name]], None))
        gaps.append(gap(theirs[0], right))
        assert 1e-3 < gap(theirs[0], plain) < 0.05
    one.close()
    assert min(gaps) <= TOLERANCE


def refused(dtype: str, data: Array | None = None, inputs: str = "float32") -> str:
    """What is said of a convolution whose weights have a dtype."""
    b = Builder()
    scale = None if inputs == "float32" else 0.1
    x = b.input((1, 4, 4, 2), inputs, scale, 5)
    weights = b.tensor((2, 1, 1, 2), dtype, 0.5, data=np.zeros((2, 1, 1, 2), dtype) if data is None else data)
    options = WINDOW | {"padding": 1, "stride_w": 1}
    out = b.op("CONV_2D", [x, weights], b.tensor((1, 4, 4, 2), inputs, scale, 5), "Conv2DOptions", **options)
    with pytest.raises(ModelError) as found:
        b.graph(out)
    return str(found.value)


def test_what_is_not_supported_is_a_sentence() -> None:
    where = "made.tflite: op 0 (CONV_2D) cannot be imported: "
    assert refused("int4", np.zeros(2, np.uint8)) == (
        where + "its weights are int4, which are not supported; convert the model with int8 weights."
    )
    old = (
        where + "it computes with uint8, as models quantized by TensorFlow 1 do; convert the model again, to int8 (its "
        "inputs and outputs may be uint8)."
    )
    assert refused("uint8") == old
    assert refused("uint8", inputs="uint8") == old
    assert refused("int8", inputs="int16") == (
        "made.tflite: its input 't0' is int16; convert the model with float32, int8 or uint8 inputs."
    )


def test_int16_activations_are_refused() -> None:
    b = Builder()
    out = b.op("QUANTIZE", [b.input((1, 4))], b.tensor((1, 4), "int16", 0.1), "QuantizeOptions")
    with pytest.raises(ModelError, match=r"it computes with int16 activations, which are not supported; convert"):
        b.graph(out)


def test_int8_weights_need_symmetric_scales() -> None:
    b = Builder()
    weights = b.constant(np.zeros((2, 4), np.int8), 0.5, 3)
    out = b.op("FULLY_CONNECTED", [b.input((1, 4)), weights], b.tensor((1, 2)), "FullyConnectedOptions")
    with pytest.raises(ModelError, match="zero points other than 0"):
        b.graph(out)
