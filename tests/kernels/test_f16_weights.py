"""Weights that f16 holds exactly: half the bytes in a plan, and the same bits in every output."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.interpreter import interpret
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.models.plan.lowering import convolutions
from bnnbench.kernels.models.plan.lowering.shared import stored_floats
from bnnbench.kernels.models.plan.plan_file import encode
from bnnbench.kernels.models.plan.plan_layout import KINDS
from bnnbench.kernels.models.plan.plan_reader import read_plan
from bnnbench.kernels.models.tflite_file import parse
from bnnbench.kernels.toolchain import build_native
from tests.kernels.engine_process import HOST, EngineProcess
from tests.kernels.onnx_models.builder import Network
from tests.kernels.onnx_models.test_importer import TOLERANCE, far, graph, ran
from tests.kernels.plan_cases import CASES

from .judges import Judge
from .mobilenets import mobilenet_v1
from .model_builder import PATH, Builder
from .narrow_weights import with_f16_weights
from .plan_cases import f32, step, store, window
from .quicknets import QUICKNETS, quicknet
from .test_dynamic_range import WINDOW, is_near
from .test_golden_models import run
from .test_native_model import level_engine, refused, sealed

__all__ = ["level_engine"]
Array = NDArray[Any]
SMALLEST, LARGEST = 2.0**-24, 65504.0
PALETTES = {
    "subnormals": [SMALLEST, -SMALLEST, 3 * SMALLEST, 1023 * SMALLEST, -(2.0**-14), 0.0, -0.0],
    "largest": [LARGEST, -LARGEST, 65472.0, 0.0],
    "usual": [1.0, -1.0, 0.5, -0.0999755859375, 3.0, 1.0009765625, -0.0],
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    with EngineProcess([build_native(HOST).path], tmp_path_factory.mktemp("engine")) as process:
        yield process


@pytest.fixture(scope="module", params=["litert", "litert-reference"])
def judge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    one = Judge(request.param, tmp_path_factory.mktemp("judge"))
    yield one
    one.close()


@st.composite
def models(draw: st.DrawFn) -> Builder:
    """One op whose weights are f16 constants behind a DEQUANTIZE, as converters write them."""
    op = draw(st.sampled_from(["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, c, oc = draw(st.integers(1, 3)), draw(st.sampled_from([1, 3, 8, 17, 32])), draw(st.sampled_from([1, 5, 16, 70]))
    h, w, k = draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(st.integers(1, 3))
    options: dict[str, Any] = {"fused_activation_function": draw(st.integers(0, 3))}
    shape: tuple[int, ...] = (n, h, w, c)
    out: tuple[int, ...] = (n, h, w, oc)
    weights: tuple[int, ...] = (oc, k, k, c)
    if op == "FULLY_CONNECTED":
        shape, weights, out = (n, c), (oc, c), (n, oc)
    else:
        options |= WINDOW | {"padding": 0, "stride_w": 1}
        if op == "DEPTHWISE_CONV_2D":
            oc = c * draw(st.integers(1, 2))
            weights, out = (1, k, k, oc), (n, h, w, oc)
            options["depth_multiplier"] = oc // c
    b = Builder()
    x = b.input(shape)
    stored = rng.choice(PALETTES[draw(st.sampled_from(sorted(PALETTES)))], weights).astype(np.float16)
    filters = b.op("DEQUANTIZE", [b.constant(stored)], b.tensor(weights), "DequantizeOptions")
    bias = b.constant(np.zeros(oc, np.float32))
    kind = {"CONV_2D": "Conv2D", "DEPTHWISE_CONV_2D": "DepthwiseConv2D", "FULLY_CONNECTED": "FullyConnected"}[op]
    b.outputs = [b.op(op, [x, filters, bias], b.tensor(out), f"{kind}Options", **options)]
    return b


def with_f32_weights(one: Graph) -> bytes:
    """Its plan, but every weight has 4 bytes."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(convolutions, "stored_floats", lambda weights: weights)
        return make_plan(one).to_bytes()


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(b=models(), seed=st.integers(0, 99))
def test_outputs_are_litert_s_and_those_of_f32_weights(
    engine: EngineProcess, judge: Judge, b: Builder, seed: int
) -> None:
    content = b.content()
    one = import_model(parse(content, PATH))
    x = np.random.default_rng(seed).normal(0, 1, one.inputs[0].shape).astype(np.float32)
    plan = make_plan(one)
    assert read_plan(plan.to_bytes()).steps[0].arguments["weight_bytes"] == 2
    found = run(engine, plan.to_bytes(), x)
    assert found.tobytes() == run(engine, with_f32_weights(one), x).tobytes()
    theirs = judge.outputs(content, [x])
    assert not isinstance(theirs, str), theirs
    assert is_near(theirs[0], found.reshape(one.outputs[0].shape), one, x)
    assert is_near(found, interpret(one, [x]).outputs[0], one, x)


def test_every_number_of_f16(level_engine: EngineProcess) -> None:
    """All 65,536 as weights of one input of 1, with a bias that keeps the sign of a zero."""
    numbers = np.arange(2**16, dtype=np.uint16).view(np.float16)
    x, out, bias = f32("x", 1, 1, 1, 1), f32("out", 1, 1, 1, len(numbers)), np.full(len(numbers), -0.0, np.float32)
    given, right = np.ones(1, np.float32), numbers.astype(np.float32)
    for kind, shape in (("conv", (-1, 1, 1, 1)), ("depthwise", (1, 1, -1))):
        factor = 1 if kind == "conv" else len(numbers)
        arguments = (x, 1, 1, len(numbers), *window(1, 1), factor, 2, numbers.reshape(shape), bias)
        only = [step(kind, *arguments, stages=[store(out)])]
        found = run(level_engine, encode(only, [x], [out], {x: 0, out: 64}, 64 + 4 * len(numbers)), given)
        is_number = ~np.isnan(right)
        assert found[is_number].tobytes() == right[is_number].tobytes(), kind
        assert np.isnan(found[~is_number]).all(), kind


@pytest.mark.parametrize("value", [SMALLEST, 1023 * SMALLEST, LARGEST, -LARGEST, -0.0, 0.0, 1 + 2**-10, np.inf])
def test_what_f16_holds_is_stored_in_it(value: float) -> None:
    stored = stored_floats(np.array([1, value], np.float32))
    assert stored.dtype == np.float16
    assert stored.astype(np.float32).tobytes() == np.array([1, value], np.float32).tobytes()


@pytest.mark.parametrize("value", [SMALLEST / 2, 1.5 * SMALLEST, 1 + 2**-11, 65505.0, 65520.0, 1e30, -1e-40, 0.1])
@pytest.mark.filterwarnings("error")
def test_one_weight_that_f16_lacks_keeps_all_of_them(value: float) -> None:
    weights = np.array([1, value], np.float32)
    assert stored_floats(weights) is weights


def test_a_nan_keeps_its_bits() -> None:
    odd = np.array([0x7FC00001], np.uint32).view(np.float32)
    assert stored_floats(odd).tobytes() == odd.tobytes()


def test_a_plan_of_f16_weights_is_half_as_large(engine: EngineProcess) -> None:
    """MobileNetV1, of small images."""
    one = with_f16_weights(parse(mobilenet_v1("f32", size=32), PATH)).graph()
    small, large = make_plan(one).to_bytes(), with_f32_weights(one)
    assert 0.5 < len(small) / len(large) < 0.51
    x = np.random.default_rng(1).normal(0, 1, one.inputs[0].shape).astype(np.float32)
    assert run(engine, small, x).tobytes() == run(engine, large, x).tobytes()


def test_f16_constants_of_onnx(engine: EngineProcess) -> None:
    net, rng = Network((1, 8, 6, 6)), np.random.default_rng(4)
    weights = net.op("Cast", rng.normal(0, 0.3, (16, 8, 3, 3)).astype(np.float16), to=1)
    content: bytes = net.model(net.op("Conv", "x", weights, pads=[1] * 4)).SerializeToString()
    one, x = graph(content), rng.normal(0, 1, (1, 8, 6, 6)).astype(np.float32)
    plan = make_plan(one).to_bytes()
    assert [step.arguments.get("weight_bytes") for step in read_plan(plan).steps if step.kind == "conv"] == [2]
    found = run(engine, plan, np.ascontiguousarray(x.transpose(0, 2, 3, 1))).reshape(1, 6, 6, 16).transpose(0, 3, 1, 2)
    assert far(found, ran(content, x)) < TOLERANCE


def changed(plan: bytes, weight_bytes: int) -> bytes:
    """The plan of one step, with another number of bytes for each of its weights."""
    body = bytearray(plan[64:])
    tensors, inputs, outputs = struct.unpack_from("<III", body, 16)
    first = 64 + 4 * (12 * tensors + inputs + outputs)
    kind = KINDS[struct.unpack_from("<I", body, first)[0]]
    place = [*kind.arguments].index("weight_bytes")
    struct.pack_into("<I", body, first + 4 * (5 + place), weight_bytes % 2**32)
    return sealed(bytes(body))


@pytest.mark.parametrize(
    "name", ["conv 1x1", "conv 1x1 of f16", "depthwise x1 of f16", "conv i8 1x1 5", "depthwise i8"]
)
def test_other_bytes_of_a_weight_are_refused(engine: EngineProcess, name: str) -> None:
    (plan,) = (case.plan for case in CASES if case.name == name)
    own = read_plan(plan).steps[0].arguments["weight_bytes"]
    assert changed(plan, own) == plan
    for other in {-(2**31), -2, -1, 0, 1, 2, 3, 4, 5, 8, 2**31 - 1} - ({1} if own == 1 else {2, 4}):
        assert f"the bytes of a weight are {other}" in (refused(engine, changed(plan, other)) or ""), other
        with pytest.raises(ModelError, match=f"has weights of {other} bytes for") as refusal:
            read_plan(changed(plan, other))
        assert "\n" not in str(refusal.value)


def test_f32_weights_beyond_the_end_of_the_data_are_refused(engine: EngineProcess) -> None:
    """f16 ones, last in the file, that are said to be f32."""
    x, out = f32("x", 1, 1, 1, 64), f32("out", 1, 1, 1, 64)
    weights = np.random.default_rng(5).normal(0, 1, (64, 1, 1, 64)).astype(np.float16)
    arguments = (x, 1, 1, 64, *window(1, 1), 1, 2, weights, weights.reshape(-1)[:128].view(np.float32))
    plan = encode([step("conv", *arguments, stages=[store(out)])], [x], [out], {x: 0, out: 256}, 512)
    assert refused(engine, plan) is None
    assert "the weights do not lie in the plan's data" in (refused(engine, changed(plan, 4)) or "")
    with pytest.raises(ModelError, match="lies outside its data"):
        read_plan(changed(plan, 4))


@pytest.mark.parametrize("name", QUICKNETS)
def test_quicknets_of_benchmarks_have_f32_weights(name: str) -> None:
    """As trained ones have, so that their times are those of trained ones."""
    model, output = quicknet(name)
    steps = make_plan(model.graph(output)).steps
    assert {step.arguments[13] for step in steps if step.kind in ("conv", "depthwise")} == {4}
