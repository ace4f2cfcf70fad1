"""Functions of one 8-bit value, on all 256 of them: the native engine and LiteRT, to the last byte."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.interpreter import VARIANTS, interpret
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.targets import IsaLevel
from bnnbench.kernels.toolchain import build_native
from tests.kernels.engine_process import HOST, INTEGER_LEVELS, EngineProcess

from .judges import Judge
from .model_builder import Builder
from .test_golden_models import run, started

Array = NDArray[Any]
KINDS: dict[str, str | None] = {
    "ABS": None,
    "HARD_SWISH": "HardSwishOptions",
    "LEAKY_RELU": "LeakyReluOptions",
    "LOGISTIC": None,
    "PRELU": None,
    "QUANTIZE": "QuantizeOptions",
    "RELU": None,
    "RELU6": None,
    "RELU_0_TO_1": None,
    "RELU_N1_TO_1": None,
    "TANH": None,
}
LOW = {"int8": -128, "uint8": 0}
VALUES = {dtype: np.arange(low, low + 256).astype(dtype).reshape(1, 256) for dtype, low in LOW.items()}
ROUND = settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# Powers of two, at which halves of steps occur, what converters use, and anything.
scales = st.one_of(
    st.sampled_from([1 / 256, 1 / 128, 1 / 64, 0.25, 0.5, 1.0, 3 / 32768, 6 / 255, 0.1, 2.0]),
    st.floats(-4.5, 1.5).map(lambda power: float(np.float32(10**power))),
)
steps = st.tuples(scales, st.one_of(st.sampled_from([0, 127, 128, 255]), st.integers(0, 255)))
slopes = st.one_of(st.sampled_from([0.0, 0.1, 0.25, 0.3, 1.0, -0.5, 2.0, 1e-9]), st.floats(-4, 4, width=32))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    with EngineProcess([build_native(HOST).path], tmp_path_factory.mktemp("engine")) as process:
        yield process


@pytest.fixture(scope="module", params=["litert-reference", "litert-builtin", "litert"])
def judge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Judge, str]]:
    one = Judge(request.param, tmp_path_factory.mktemp("judge"))
    yield one, request.param
    one.close()


VARIANT = {"litert-reference": None, "litert-builtin": VARIANTS["x86"], "litert": VARIANTS["xnnpack"]}


def quantized(dtype: str, step: tuple[float, int]) -> tuple[float, int]:
    """A zero point is drawn from 0 to 255."""
    return step[0], step[1] + LOW[dtype]


def table_of(op: str, x: tuple[float, int], out: tuple[float, int], alpha: float) -> Builder:
    """The op on every int8 value."""
    b = Builder()
    given = b.input((1, 256), "int8", *quantized("int8", x))
    made = (1 / 256, -128) if op == "LOGISTIC" else quantized("int8", out)
    options = {"alpha": alpha} if op == "LEAKY_RELU" else {}
    slope = [b.constant(np.array([-77], np.int8), abs(alpha) / 77 + 1e-6, 5)] if op == "PRELU" else []
    b.outputs = [b.op(op, [given, *slope], b.tensor((1, 256), "int8", *made), KINDS[op], **options)]
    return b


def imported(b: Builder) -> Graph | None:
    """None: it is refused."""
    try:
        return b.graph()
    except ModelError:
        return None


def assert_judged(judge: tuple[Judge, str], b: Builder, given: Array) -> None:
    """The judge computes the same to the last byte; what the importer refuses, it refuses."""
    one, name = judge
    graph, theirs = imported(b), one.outputs(b.content(), [given])
    if graph is None:
        assert isinstance(theirs, str)
        return
    assert not isinstance(theirs, str), theirs
    right = interpret(graph, [given], variant=VARIANT[name]).outputs[0]
    assert theirs[0].tobytes() == right.tobytes(), (theirs[0], right)


@ROUND
@given(op=st.sampled_from(sorted(KINDS)), x=steps, out=steps, alpha=slopes)
@example(op="HARD_SWISH", x=(0.5, 3), out=(0.0004, 28), alpha=0.0)
@example(op="HARD_SWISH", x=(1.0, 0), out=(1 / 128, 255), alpha=0.0)
@example(op="HARD_SWISH", x=(6 / 255, 128), out=(6 / 255, 16), alpha=0.0)
@example(op="TANH", x=(0.05, 131), out=(1 / 128, 128), alpha=0.0)
@example(op="TANH", x=(0.25, 0), out=(6 / 255, 127), alpha=0.0)
@example(op="LOGISTIC", x=(1 / 256, 0), out=(1.0, 0), alpha=0.0)
@example(op="LEAKY_RELU", x=(0.5, 128), out=(1.0, 128), alpha=0.5)
@example(op="LEAKY_RELU", x=(1 / 256, 127), out=(1 / 256, 0), alpha=-0.25)
@example(op="QUANTIZE", x=(0.001, 0), out=(0.5, 0), alpha=0.0)
def test_others_have_the_same_table(
    judge: tuple[Judge, str], op: str, x: tuple[float, int], out: tuple[float, int], alpha: float
) -> None:
    assert_judged(judge, table_of(op, x, out, alpha), VALUES["int8"])


def recoded(source: str, x: tuple[float, int], target: str, out: tuple[float, int]) -> Builder:
    """QUANTIZE or DEQUANTIZE from one dtype to another."""
    b = Builder()
    given = b.input((1, 256)) if source == "float32" else b.input((1, 256), source, *quantized(source, x))
    if target == "float32":
        b.outputs = [b.op("DEQUANTIZE", [given], b.tensor((1, 256)), "DequantizeOptions")]
    else:
        b.outputs = [b.op("QUANTIZE", [given], b.tensor((1, 256), target, *quantized(target, out)), "QuantizeOptions")]
    return b


def input_of(source: str, out: tuple[float, int]) -> Array:
    """All values, or halves of the output's steps from below the lowest to above the highest."""
    if source != "float32":
        return VALUES[source]
    return ((np.arange(-270, 242) / 2 * out[0]).astype(np.float32))[::2].reshape(1, 256)


PAIRS = [(a, b) for a in ("int8", "uint8", "float32") for b in ("int8", "uint8", "float32") if "uint8" in (a, b)]
same_or_any = st.one_of(st.none(), steps)


@ROUND
@given(pair=st.sampled_from(PAIRS), x=steps, out=same_or_any)
def test_others_recode_uint8_so_too(
    judge: tuple[Judge, str], pair: tuple[str, str], x: tuple[float, int], out: tuple[float, int] | None
) -> None:
    """Of equal steps (None), the zero points are 128 apart: what converters write."""
    assert_judged(judge, recoded(pair[0], x, pair[1], out or x), input_of(pair[0], out or x))


@ROUND
@given(op=st.sampled_from(sorted(KINDS)), x=steps, out=steps, alpha=slopes, pair=st.sampled_from(PAIRS))
def test_the_native_engine_has_the_same_table(
    engine: EngineProcess, op: str, x: tuple[float, int], out: tuple[float, int], alpha: float, pair: tuple[str, str]
) -> None:
    for made, stored in (
        (table_of(op, x, out, alpha), VALUES["int8"]),
        (recoded(pair[0], x, pair[1], out), input_of(pair[0], out)),
    ):
        graph = imported(made)
        if graph is not None:
            right = interpret(graph, [stored]).outputs[0]
            assert run(engine, make_plan(graph).to_bytes(), stored).tobytes() == right.tobytes()


@pytest.mark.parametrize("op", ["MINIMUM", "MAXIMUM"])
def test_smaller_and_larger_of_every_pair(op: str, engine: EngineProcess, judge: tuple[Judge, str]) -> None:
    b, values = Builder(), np.arange(-128, 128).astype(np.int8)
    x = b.input((256, 256), "int8", 0.1, 7)
    y = b.constant(values.reshape(256, 1), 0.1, 7)
    b.outputs = [b.op(op, [x, y], b.tensor((256, 256), "int8", 0.1, 7), "MaximumMinimumOptions")]
    given = np.tile(values, (256, 1))
    assert_judged(judge, b, given)
    right = interpret(b.graph(), [given]).outputs[0]
    assert run(engine, make_plan(b.graph()).to_bytes(), given).tobytes() == right.tobytes()


@pytest.mark.parametrize("op", ["MINIMUM", "MAXIMUM"])
@pytest.mark.parametrize("other", [0, 1, 2])
def test_smaller_and_larger_of_other_scales_are_refused(op: str, other: int) -> None:
    """TensorFlow Lite compares what is stored, so no result is right. 0 and 1 are the operands, 2 is the output."""
    scales = [0.5, 0.5, 0.5]
    scales[other] = 0.25
    b = Builder()
    operands = [b.input((1, 4), "int8", scale) for scale in scales[:2]]
    out = b.op(op, operands, b.tensor((1, 4), "int8", scales[2]), "MaximumMinimumOptions")
    with pytest.raises(ModelError, match="different scales or zero points"):
        b.graph(out)


@pytest.mark.parametrize("op", ["ADD", "SUB", "MUL", "MINIMUM", "PRELU"])
@pytest.mark.parametrize("other", [(3, 5), (5,), (3, 1), (1, 5), (1,)])
def test_rows_are_not_mixed_up(
    op: str, other: tuple[int, ...], engine: EngineProcess, judge: tuple[Judge, str]
) -> None:
    if op == "PRELU" and other[0] == 3:
        other = (1, 5)
    b, rng = Builder(), np.random.default_rng(7)
    kind = {"MINIMUM": "MaximumMinimumOptions", "PRELU": None}.get(op, f"{op.capitalize()}Options")
    x = b.input((3, 5), "int8", 0.1, 7)
    y = b.constant(rng.integers(-128, 128, other).astype(np.int8), 0.1, 7)
    b.outputs = [b.op(op, [x, y], b.tensor((3, 5), "int8", 0.1, 7), kind)]
    stored = rng.integers(-128, 128, (3, 5)).astype(np.int8)
    assert_judged(judge, b, stored)
    right = interpret(b.graph(), [stored]).outputs[0]
    assert run(engine, make_plan(b.graph()).to_bytes(), stored).tobytes() == right.tobytes()


def uint8_model() -> Builder:
    """What converters make of an int8 model with uint8 inputs and outputs."""
    b, rng = Builder(), np.random.default_rng(5)
    x = b.input((1, 6, 5, 3), "uint8", 1 / 127.5, 127)
    y = b.op("QUANTIZE", [x], b.tensor((1, 6, 5, 3), "int8", 1 / 127.5, -1), "QuantizeOptions")
    weights = b.constant(rng.integers(-127, 128, (8, 3, 3, 3)).astype(np.int8), [0.01] * 8)
    conv = {"padding": 0, "stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1}
    bias = b.constant(rng.integers(-500, 500, 8).astype(np.int32), [0.01 / 127.5] * 8)
    y = b.op("CONV_2D", [y, weights, bias], b.tensor((1, 6, 5, 8), "int8", 0.04, 3), "Conv2DOptions", **conv)
    y = b.op("HARD_SWISH", [y], b.tensor((1, 6, 5, 8), "int8", 0.03, -100), "HardSwishOptions")
    axes = b.constant(np.array([1, 2], np.int32))
    y = b.op("MEAN", [y, axes], b.tensor((1, 8), "int8", 0.01, -100), "ReducerOptions")
    y = b.op("SOFTMAX", [y], b.tensor((1, 8), "int8", 1 / 256, -128), "SoftmaxOptions", beta=1.0)
    b.outputs = [b.op("QUANTIZE", [y], b.tensor((1, 8), "uint8", 1 / 256, 0), "QuantizeOptions")]
    return b


def pixels() -> Array:
    return np.random.default_rng(6).integers(0, 256, (1, 6, 5, 3)).astype(np.uint8)


def test_a_uint8_model_by_others(judge: tuple[Judge, str]) -> None:
    assert_judged(judge, uint8_model(), pixels())


@pytest.mark.parametrize("level", INTEGER_LEVELS, ids=lambda level: f"{level.triple.split('-')[0]}-{level.isa}")
def test_a_uint8_model_on_every_level(level: IsaLevel, tmp_path_factory: pytest.TempPathFactory) -> None:
    graph = uint8_model().graph()
    with started(level, tmp_path_factory.mktemp("level")) as process:
        output = run(process, make_plan(graph).to_bytes(), pixels())
    assert output.tobytes() == interpret(graph, [pixels()]).outputs[0].tobytes()
