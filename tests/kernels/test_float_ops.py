"""Ops of comparison models in their corners: native, reference and LiteRT's reference kernels give the same bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bnnbench.kernels.errors import EngineError, ModelError
from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.interpreter import interpret
from bnnbench.kernels.models.operations import Slice
from bnnbench.kernels.models.places import Gather, Interpolate
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.models.plan.plan_file import encode
from bnnbench.kernels.models.sparse_constants import SparseRows, dense
from bnnbench.kernels.models.tflite_file import parse
from bnnbench.kernels.toolchain import build_native
from tests.kernels.engine_process import HOST, EngineProcess

from .judges import Judge
from .model_builder import PATH, Builder
from .plan_cases import f32, step, store
from .random_float_models import ALL_MAKERS
from .random_models import chain, one_op
from .test_every_op import run_native, wrong_on_native

Array = NDArray[Any]
COMMON = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
EDGES = (0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 0.5, 2.9999998, -2.9999998, 1e-30, -1e-30, 1e30, -1e30, 3e38, np.inf, -np.inf)
FUNCTIONS = ("HARD_SWISH", "NEG", "SQRT", "RSQRT", "SQUARE", "LEAKY_RELU")
PAIRS = ("DIV", "MINIMUM", "MAXIMUM", "SQUARED_DIFFERENCE")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    with EngineProcess([build_native(HOST).path], tmp_path_factory.mktemp("engine")) as process:
        yield process


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    one = Judge("litert-reference", tmp_path_factory.mktemp("judge"))
    yield one
    one.close()


def edges(count: int, seed: int) -> Array:
    """Anything, with numbers of `EDGES` now and then."""
    rng = np.random.default_rng(seed)
    values = (rng.standard_normal(count) * 10 ** rng.uniform(-3, 3, count)).astype(np.float32)
    at = rng.integers(0, count, count // 2)
    values[at] = rng.choice(np.array(EDGES, np.float32), len(at))
    return values


def equal(found: Array, right: Array) -> bool:
    """Of zeros of either sign, and of what is no number, one is as good as the other."""
    return np.array_equal(found.reshape(-1), right.reshape(-1), equal_nan=True)


def one_op_model(name: str, shape: tuple[int, ...], kind: str | None = None, **options: Any) -> Builder:
    b = Builder()
    x = b.input(shape)
    b.outputs = [b.op(name, [x], b.tensor(shape), kind, **options)]
    return b


def all_agree(engine: EngineProcess, judge: Judge, b: Builder, given: Array, *, limited: bool = False) -> None:
    """`limited`: TensorFlow Lite makes the largest f32 of infinite results of arithmetic."""
    content = b.content()
    graph = import_model(parse(content, PATH))
    right = interpret(graph, [given]).outputs[0]
    native = run_native(engine, graph, given)
    assert native.tobytes() == right.tobytes() or equal(native, right), (native, right)
    theirs = judge.outputs(content, [given])
    assert not isinstance(theirs, str), theirs
    most = np.finfo(np.float32).max
    right = np.clip(right, -most, most) if limited else right
    assert equal(theirs[0], right), (theirs[0], right)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_equal_on_every_edge(name: str, engine: EngineProcess, judge: Judge) -> None:
    kind, options = ("LeakyReluOptions", {"alpha": 0.1}) if name == "LEAKY_RELU" else (None, {})
    for channels in (1, 5, 37):
        shape = (2, 3, 4, channels)
        given = edges(24 * channels, channels).reshape(shape)
        all_agree(engine, judge, one_op_model(name, shape, kind, **options), given)


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_are_equal_on_every_edge(name: str, engine: EngineProcess, judge: Judge) -> None:
    for place, other in enumerate(((2, 3, 4, 5), (5,), (1,), (2, 1, 1, 5))):
        values = edges(int(np.prod(other)), 7 + place).reshape(other)
        values = np.where(np.isfinite(values), values, np.float32(2.5))  # infinite constants are refused
        for swapped in (False, True):
            b = Builder()
            operands = [b.input((2, 3, 4, 5)), b.constant(values)]
            kind = "DivOptions" if name == "DIV" else None
            b.outputs = [b.op(name, operands[::-1] if swapped else operands, b.tensor((2, 3, 4, 5)), kind)]
            all_agree(engine, judge, b, edges(120, place).reshape(2, 3, 4, 5), limited=name == "DIV")


@given(
    st.sampled_from(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 13), st.integers(1, 13)),
    st.sampled_from(((False, False), (True, False), (False, True), (True, True))),
    st.sampled_from((1, 3, 17)),
    st.integers(0, 99),
)
@settings(COMMON, max_examples=80)
def test_images_of_any_size_are_equal(
    engine: EngineProcess,
    judge: Judge,
    name: str,
    size: tuple[int, int],
    wanted: tuple[int, int],
    rules: tuple[bool, bool],
    channels: int,
    seed: int,
) -> None:
    aligned, halves = rules if name != "RESIZE_BILINEAR" or not all(rules) else (True, False)
    b, options = Builder(), {"align_corners": aligned, "half_pixel_centers": halves}
    x = b.input((2, *size, channels))
    kind = "ResizeBilinearOptions" if name == "RESIZE_BILINEAR" else "ResizeNearestNeighborOptions"
    inputs = [x, b.constant(np.array(wanted, np.int32))]
    b.outputs = [b.op(name, inputs, b.tensor((2, *wanted, channels)), kind, **options)]
    given = np.random.default_rng(seed).standard_normal((2, *size, channels)).astype(np.float32)
    all_agree(engine, judge, b, given)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
@settings(COMMON, max_examples=150)
def test_any_chain_of_all_ops_equals_the_reference(engine: EngineProcess, seed: int, length: int) -> None:
    assert wrong_on_native(engine, [chain(seed, length, ALL_MAKERS)]) == []


@pytest.mark.parametrize(("name", "function"), [("TANH", np.tanh), ("EXP", np.exp)])
def test_functions_are_near_everywhere(name: str, function: Callable[[Array], Array], engine: EngineProcess) -> None:
    """Relative errors, also where results are small; beyond the largest f32 there is infinity."""
    size = 10.0 ** np.linspace(-12, 1.9, 20_000)
    given = np.concatenate([size, -size, [0.0, 0.625, 88.8, -110.0, np.inf, -np.inf, np.nan]]).astype(np.float32)
    b = one_op_model(name, (1, len(given)))
    found = run_native(engine, b.graph(*b.outputs), given.reshape(1, -1)).astype(np.float64)
    with np.errstate(over="ignore"):
        right = function(given.astype(np.float64))
        rounded = right.astype(np.float32)
    assert np.array_equal(np.isinf(found), np.isinf(rounded))
    assert np.array_equal(np.isnan(found), np.isnan(rounded))
    finite = np.isfinite(rounded)
    gap = np.abs(found[finite] - right[finite])
    assert (gap <= 5e-7 * np.abs(right[finite]) + 1e-37).all()


def test_a_mean_of_everything_is_one_number(engine: EngineProcess, judge: Judge) -> None:
    b = Builder()
    axes = b.constant(np.array([0, 1, 2], np.int32))
    b.outputs = [b.op("MEAN", [b.input((2, 4, 8)), axes], b.tensor(()), "ReducerOptions", keep_dims=False)]
    all_agree(engine, judge, b, (np.arange(64) / 8).astype(np.float32).reshape(2, 4, 8))


def test_places_outside_of_the_tensor_are_refused(engine: EngineProcess) -> None:
    """They stand in the data of a plan, which is only numbers elsewhere."""
    x, out, real = f32("x", 1, 3, 4, 5), f32("out", 1, 2, 2, 2), f32("real", 1, 2, 2, 5)
    n, two, share = np.zeros(1, np.int32), np.array([0, 1], np.int32), np.zeros(2, np.float32)
    for bad in (-1, 3, 2**31 - 1, -(2**31)):
        wrong = np.array([0, bad], np.int32)
        for steps, output in (
            ([step("gather", x, out, n, wrong, two, two)], out),
            ([step("interpolate", x, 2, 2, two, wrong, share, two, two, share, stages=[store(real)])], real),
            ([step("interpolate", x, 2, 2, wrong, two, share, two, two, share, stages=[store(real)])], real),
        ):
            (engine.folder / "plan").write_bytes(encode(steps, [x], [output], {x: 0, output: 256}, 512))
            with pytest.raises(EngineError, match=f"place 1 of 3 is {bad}"):
                engine.client.load("m", {"plan": "plan"})


def test_sparse_constants_must_fit_their_shape() -> None:
    starts, places, values = np.array([0, 1, 1, 3]), np.array([2, 0, 3], np.uint8), np.array([5, 6, 7], np.float32)
    found = dense(SparseRows(starts, places), values, (3, 4))
    assert found.tolist() == [[0, 0, 5, 0], [0, 0, 0, 0], [6, 0, 0, 7]]
    wrong = [
        (starts[:-1], places, values),
        (np.array([0, 2, 1, 3]), places, values),
        (np.array([1, 1, 1, 3]), places, values),
        (starts, np.array([2, 0, 4]), values),
        (starts, np.array([2, -1, 3]), values),
        (starts, places, values[:2]),
        (np.zeros(0, np.int32), places, values),
    ]
    for rows in wrong:
        with pytest.raises(ModelError, match="places that do not fit"):
            dense(SparseRows(*rows[:2]), rows[2], (3, 4))


def test_a_small_file_cannot_ask_for_large_constants() -> None:
    b = Builder()
    weights = np.float32(np.eye(512, 250) * (np.arange(250) == 7))
    whole = b.op("DENSIFY", [b.sparse(weights)], b.tensor(weights.shape), "DensifyOptions")
    b.outputs = [b.op("FULLY_CONNECTED", [b.input((1, 250)), whole], b.tensor((1, 512)), "FullyConnectedOptions")]
    with pytest.raises(ModelError, match="more constants than the file can hold"):
        b.graph()


@pytest.mark.parametrize(("strides", "same"), [((2, 2), True), ((1, 3), True), ((3, 2), False)])
def test_transposed_convolutions_are_alike(
    strides: tuple[int, int], same: bool, engine: EngineProcess, judge: Judge
) -> None:
    """MediaPipe's op, which LiteRT does not know, is TRANSPOSE_CONV with a bias."""
    rng = np.random.default_rng(1)
    weights, bias, given = (rng.integers(-8, 9, shape) / 4 for shape in ((3, 2, 3, 5), 3, (2, 4, 6, 5)))
    size = [n * s if same else (n - 1) * s + k for n, s, k in zip((4, 6), strides, (2, 3), strict=True)]
    b, mediapipe = Builder(), Builder()
    x, stored = b.input((2, 4, 6, 5)), [b.constant(np.float32(array)) for array in (weights, bias)]
    wanted = b.constant(np.array((2, *size, 3), np.int32))
    options = {"padding": 0 if same else 1, "stride_h": strides[0], "stride_w": strides[1]}
    out = b.tensor((2, *size, 3))
    b.outputs = [b.op("TRANSPOSE_CONV", [wanted, stored[0], x, stored[1]], out, "TransposeConvOptions", **options)]
    all_agree(engine, judge, b, np.float32(given))
    y, stored = mediapipe.input((2, 4, 6, 5)), [mediapipe.constant(np.float32(array)) for array in (weights, bias)]
    raw = np.array([options["padding"] + 1, *strides[::-1]], "<i4").tobytes()
    made = mediapipe.tensor((2, *size, 3))
    mediapipe.outputs = [mediapipe.op("Convolution2DTransposeBias", [y, *stored], made, raw=raw)]
    right, found = (interpret(one.graph(*one.outputs), [np.float32(given)]).outputs[0] for one in (b, mediapipe))
    assert right.tobytes() == found.tobytes()


def sliced(begin: list[int], end: list[int], strides: list[int], shape: tuple[int, ...], **options: int) -> Builder:
    b = Builder()
    x = b.input((1, 6, 5, 4))
    stored = [b.constant(np.array(numbers, np.int32)) for numbers in (begin, end, strides)]
    b.outputs = [b.op("STRIDED_SLICE", [x, *stored], b.tensor(shape), "StridedSliceOptions", **options)]
    return b


def operations(graph: Graph) -> list[type]:
    return [type(node.operation) for node in graph.nodes]


@pytest.mark.parametrize(
    ("begin", "count", "stride", "masks", "taken"),
    [
        (1, 2, 1, {}, [1, 2]),
        (3, 3, 1, {"end_mask": 2}, [3, 4, 5]),
        (5, -3, -2, {}, [5, 3]),
        (7, -2, -1, {}, [5, 4]),
        (-9, 2, 1, {}, [0, 1]),
        (3, 2, 1, {"begin_mask": 2}, [0, 1]),
        (0, -4, -1, {"begin_mask": 2}, [5, 4, 3, 2]),
    ],
)
def test_ends_that_count_from_where_a_slice_really_begins(
    begin: int, count: int, stride: int, masks: dict[str, int], taken: list[int], engine: EngineProcess, judge: Judge
) -> None:
    """Behind limits and the mask of begins."""
    shape = (1, len(taken), 5, 4)
    b = sliced([0, begin, 0, 0], [1, count, 5, 4], [1, stride, 1, 1], shape, offset=True, **masks)
    given = np.arange(120, dtype=np.float32).reshape(1, 6, 5, 4)
    all_agree(engine, judge, b, given)
    assert interpret(b.graph(), [given]).outputs[0].tobytes() == given[:, taken].tobytes()


@pytest.mark.parametrize(
    ("begin", "count", "stride", "mask", "says"),
    [
        (4, 3, 1, 0, "counts from its begin to 7 of an axis of 6"),
        (1, -3, -1, 0, "counts from its begin to -2 of"),
        (-9, 1, -1, 0, "takes nothing of axis 1"),
        (3, 0, 1, 0, "takes nothing of axis 1"),
        (1, 2, 1, 2, "to an end that its mask takes away"),
    ],
)
def test_ends_that_count_to_elsewhere_are_refused(begin: int, count: int, stride: int, mask: int, says: str) -> None:
    """With both a count and a mask of ends, LiteRT has room for the count and writes up to the axis's end."""
    with pytest.raises(ModelError, match=says):
        sliced([0, begin], [1, count], [1, stride], (1, 1, 5, 4), offset=True, end_mask=mask).graph()


def test_a_slice_without_strides_stays_a_box() -> None:
    assert operations(sliced([0, 1], [1, 3], [1, 1], (1, 2, 5, 4)).graph()) == [Slice]
    assert operations(sliced([0, 1], [1, 5], [1, 2], (1, 2, 5, 4)).graph()) == [Gather]


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (lambda: sliced([0], [1], [0], (1, 6, 5, 4)), "do not go together"),
        (lambda: sliced([0, 4], [1, 2], [1, 1], (1, 2, 5, 4)), "takes nothing of axis 1"),
        (lambda: sliced([0, 6], [1, 7], [1, 1], (1, 5, 4), shrink_axis_mask=2), "takes number 6 of 6"),
        (lambda: sliced([0] * 2, [1] * 2, [1] * 2, (1, 6, 5, 4), ellipsis_mask=3), "more than one ellipsis"),
        (lambda: sliced([0] * 5, [1] * 5, [1] * 5, (1, 1, 1, 1), ellipsis_mask=1), "stands for no axis"),
        (lambda: sliced([0] * 5, [1] * 5, [1] * 5, (1, 1, 1, 1)), "parts of 5 axes"),
    ],
)
def test_slices_that_are_refused(model: Callable[[], Builder], says: str) -> None:
    with pytest.raises(ModelError, match=says) as refusal:
        model().graph()
    assert str(refusal.value).count("\n") == 0


def test_a_batch_is_what_its_images_are() -> None:
    computed, refused = 0, list[str]()
    for _, make in ALL_MAKERS.values():
        for dtype, seed in (("float32", 3), ("int8", 4), ("float32", 5)):
            m = one_op(make, dtype, seed)
            model = parse(m.builder.content(), PATH)
            try:
                several = import_model(model, batch=3)
            except ModelError as refusal:
                refused.append(str(refusal))
                continue
            images = [m.given, m.given[:, ::-1].copy(), np.roll(m.given, 1, axis=-1)]
            alone = [interpret(import_model(model), [image]).outputs[0] for image in images]
            together = interpret(several, [np.concatenate(images)]).outputs[0]
            assert together.tobytes() == np.concatenate(alone).tobytes(), m.names
            computed += 1
    assert computed > 150
    assert all("batch" in text or "do not go together" in text for text in refused), refused


def test_slices_leave_the_batch_alone() -> None:
    whole = sliced([0, 1], [1, 5], [1, 2], (1, 2, 5, 4))
    assert whole.graph(batch=3).outputs[0].shape == (3, 2, 5, 4)
    first = sliced([0, 1], [1, 5], [1, 2], (2, 5, 4), shrink_axis_mask=1)
    assert first.graph().outputs[0].shape == (2, 5, 4)
    with pytest.raises(ModelError, match="cuts the batch"):
        first.graph(batch=3)


@pytest.mark.parametrize(
    ("size", "options", "says"),
    [
        ([0, 3], {}, "its size is"),
        ([3], {}, "its size is"),
        ([2, 3], {"align_corners": True, "half_pixel_centers": True}, "contradict"),
    ],
)
def test_images_that_are_refused(size: list[int], options: dict[str, bool], says: str) -> None:
    b = Builder()
    inputs = [b.input((1, 4, 4, 2)), b.constant(np.array(size, np.int32))]
    out = b.tensor((1, *(size * 2)[:2], 2))
    b.outputs = [b.op("RESIZE_BILINEAR", inputs, out, "ResizeBilinearOptions", **options)]
    with pytest.raises(ModelError, match=says):
        b.graph()


def test_resizing_is_fused_with_what_follows() -> None:
    b = Builder()
    resized = b.op(
        "RESIZE_BILINEAR",
        [b.input((1, 4, 4, 2)), b.constant(np.array([7, 9], np.int32))],
        b.tensor((1, 7, 9, 2)),
        "ResizeBilinearOptions",
    )
    b.outputs = [b.op("HARD_SWISH", [resized], b.tensor((1, 7, 9, 2)))]
    graph = b.graph()
    assert operations(graph)[0] is Interpolate
    (step,) = make_plan(graph).steps
    assert (step.kind, [stage.kind for stage in step.stages]) == ("interpolate", ["hard_swish", "store"])
