"""How far floats may be off follows from the model. LiteRT and the native engine, which sum in f32, are the judges."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bnnbench.harness.workload.explained import explained
from bnnbench.harness.workload.model import ModelWorkload
from bnnbench.harness.workload.output_match import FLOAT_TOLERANCE
from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.interpreter import UNSURE, interpret, is_sure, tolerances
from bnnbench.kernels.models.interpreter.rounding import TIMES, rounding_errors
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.toolchain import build_native
from tests.kernels.engine_process import HOST, EngineProcess
from tests.kernels.judges import Judge
from tests.kernels.model_builder import Builder

Array = NDArray[Any]
pytestmark = pytest.mark.timeout(120)
WIDTH = 64


def matrices(pairs: int, condition: float, seed: int = 5) -> list[Array]:
    """Dense weights, each second one about the inverse of the one before: what rounding does is as large as
    `condition` says, and the values stay as they are."""
    rng = np.random.default_rng(seed)
    found: list[Array] = []
    for _ in range(pairs):
        left, right = (np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0] for _ in range(2))
        sizes = np.geomspace(1, condition, WIDTH)
        found += [(left * sizes) @ right, (right.T / sizes) @ left.T]
    return [array.astype(np.float32) for array in found]


def chain(weights: list[Array], ends_in_signs: bool = False) -> Builder:
    b = Builder()
    x = b.input((1, WIDTH))
    for array in weights:
        x = b.op("FULLY_CONNECTED", [x, b.constant(array)], b.tensor((1, WIDTH)), "FullyConnectedOptions")
    if ends_in_signs:
        x = b.op("LceQuantize", [x], b.tensor((1, WIDTH // 32), "int32"))
    b.outputs = [x]
    return b


def image(seed: int = 3) -> Array:
    return np.random.default_rng(seed).uniform(-1, 1, (1, WIDTH)).astype(np.float32)


def share(off: Array, graph: Graph, x: Array) -> float:
    """How far it is off, by the reference's largest value."""
    (right,) = interpret(graph, [x]).outputs
    return float(np.abs(off.astype(np.float64) - right).max() / np.abs(right).max())


@pytest.fixture
def native(tmp_path: Path) -> Iterator[EngineProcess]:
    with EngineProcess([build_native(HOST).path], tmp_path) as process:
        yield process


@pytest.fixture
def litert(tmp_path: Path) -> Iterator[Judge]:
    judge = Judge("litert", tmp_path)
    yield judge
    judge.close()


def by_native(engine: EngineProcess, graph: Graph, x: Array) -> Array:
    (engine.folder / "plan").write_bytes(make_plan(graph).to_bytes())
    (engine.folder / "x").write_bytes(x.tobytes())
    engine.client.load("m", {"plan": "plan"})
    engine.client.input("m", "x")
    engine.client.run("m", samples=1, iterations=1, limit_ns=10**10)
    engine.client.output("m", "out")
    engine.client.unload("m")
    return np.frombuffer((engine.folder / "out").read_bytes(), np.float32).reshape(1, WIDTH)


def allowed(graph: Graph, x: Array) -> float:
    values = interpret(graph, [x], keep=True).values
    return tolerances(graph, values)[graph.outputs[0].name]


def test_three_layers_keep_the_usual_tolerance() -> None:
    graph = chain(matrices(2, 2.0)[:3]).graph()
    assert allowed(graph, image()) == UNSURE


def test_the_float64_run_is_that_of_numpy() -> None:
    """Layer by layer in float64 by NumPy alone, against the reference's f32."""
    weights, x = matrices(4, 300.0), image()
    graph = chain(weights).graph()
    values = interpret(graph, [x], keep=True).values
    exact = x.astype(np.float64)
    for array, node, error in zip(weights, graph.nodes, rounding_errors(graph, values).values(), strict=True):
        exact = exact @ array.T.astype(np.float64)
        rounded = values[node.output.name]
        assert error == pytest.approx(np.abs(rounded - exact).max() / np.abs(rounded).max(), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(("pairs", "condition"), [(1, 10.0), (3, 100.0), (40, 30.0), (100, 10.0), (150, 20.0)])
def test_right_engines_stay_within_and_wrong_ones_do_not(
    pairs: int, condition: float, native: EngineProcess, litert: Judge
) -> None:
    """300 layers, too. An engine is wrong here by one weight of one layer."""
    weights, x = matrices(pairs, condition), image()
    builder = chain(weights)
    graph = builder.graph()
    limit = allowed(graph, x)
    judged = litert.outputs(builder.content(), [x])
    assert not isinstance(judged, str), judged
    for off in (by_native(native, graph, x), judged[0]):
        assert share(off, graph, x) <= limit
    spoiled = weights[len(weights) // 2].copy()
    spoiled[3, 5] *= 1.5
    other = chain([*weights[: len(weights) // 2], spoiled, *weights[len(weights) // 2 + 1 :]]).graph()
    assert share(by_native(native, other, x), graph, x) > limit


def test_long_models_need_more_than_the_usual(native: EngineProcess) -> None:
    """With 1e-5 a right engine would be called wrong here, which is what this is for."""
    graph, x = chain(matrices(100, 100.0)).graph(), image()
    off = share(by_native(native, graph, x), graph, x)
    assert UNSURE < off <= allowed(graph, x)


def test_the_gate_takes_what_a_right_engine_gives(native: EngineProcess) -> None:
    """By the workload, whose engine is another's, and by the explanation, which is for engines that can be traced."""
    builder = chain(matrices(100, 100.0))
    workload = ModelWorkload("long", builder.model(), 0)
    x = workload.input(0)
    off = by_native(native, workload.graph, x)
    assert UNSURE == FLOAT_TOLERANCE < share(off, workload.graph, x)
    for traced in (True, False):
        assert workload.compare(off.tobytes(), 0, traced).wrong is None
    assert explained(workload.graph, x, {}, off.tobytes()).wrong is None
    worse = off + 3 * allowed(workload.graph, x) * np.abs(off).max()
    for traced in (True, False):
        assert workload.compare(worse.tobytes(), 0, traced).wrong is not None
    assert explained(workload.graph, x, {}, worse.tobytes()).wrong is not None


def test_bits_of_another_engine_are_taken_where_the_reference_is_unsure() -> None:
    """A bit that turns within the tolerance of a long chain is no fault; in a short one, it is."""
    weights = matrices(100, 100.0)
    for length, is_right in ((len(weights), True), (2, False)):
        graph = chain(weights[:length], ends_in_signs=True).graph()
        for x in map(image, range(400)):
            values = interpret(graph, [x], keep=True).values
            signed, last = graph.nodes[-1].inputs[0], graph.outputs[0]
            distance = np.abs(values[signed.name][0]) / np.abs(values[signed.name]).max()
            place = int(distance.argmin())
            if 2 * UNSURE < distance[place] < 6e-5:
                break
        bits = values[last.name].copy()
        bits[0, place // 32] ^= np.uint32(1 << (place % 32))
        within = tolerances(graph, values)[signed.name] >= distance[place]
        assert within == is_right
        found = explained(graph, x, {last.name: bits.reshape(-1)}, bits.tobytes())
        assert (found.wrong is None, found.count) == (is_right, int(is_right))


def test_an_error_that_is_small_by_chance_does_not_narrow_what_follows() -> None:
    weights, x = matrices(100, 100.0), image()
    one = np.zeros((1, WIDTH), np.float32)
    one[0, 0] = 1
    b = chain(weights)
    out = b.op("FULLY_CONNECTED", [b.outputs[0], b.constant(one)], b.tensor((1, 1)), "FullyConnectedOptions")
    graph = b.graph(out)
    values = interpret(graph, [x], keep=True).values
    limits = list(tolerances(graph, values).values())
    assert limits == sorted(limits)
    assert limits[-1] >= TIMES * max(rounding_errors(graph, values).values())


def test_a_sign_behind_many_layers_is_unsure_within_as_much() -> None:
    weights = matrices(100, 100.0)
    short, long = chain(weights[:2], ends_in_signs=True).graph(), chain(weights, ends_in_signs=True).graph()
    x = next(each for each in map(image, range(50)) if is_sure(short, interpret(short, [each], keep=True).values))
    values = interpret(long, [x], keep=True).values
    (signed,) = long.nodes[-1].inputs
    within = tolerances(long, values)[signed.name]
    near = np.abs(values[signed.name]).min() / np.abs(values[signed.name]).max() <= within
    assert within > UNSURE
    assert is_sure(long, values) == (not near)


def test_nothing_is_divided_by_zero() -> None:
    graph = chain(matrices(2, 10.0)).graph()
    zeros = np.zeros((1, WIDTH), np.float32)
    values = interpret(graph, [zeros], keep=True).values
    assert set(tolerances(graph, values).values()) == {UNSURE}
    infinite = np.full((1, WIDTH), np.inf, np.float32)
    with np.errstate(all="ignore"):
        values = interpret(graph, [infinite], keep=True).values
        assert all(np.isfinite(each) for each in tolerances(graph, values).values())


def test_a_mean_of_a_large_image_is_not_off_by_thousands_of_roundings(native: EngineProcess) -> None:
    """The worst case of sums one by one: 65,536 equal values, of which each sum is rounded the same way."""
    b = Builder()
    x = b.input((1, 256, 256, WIDTH))
    axes = b.constant(np.array([1, 2], np.int32))
    graph = b.graph(b.op("MEAN", [x, axes], b.tensor((1, WIDTH)), "ReducerOptions", keep_dims=False))
    given = np.broadcast_to(np.linspace(0.1, 0.9, WIDTH, dtype=np.float32), (1, 256, 256, WIDTH)).copy()
    off = by_native(native, graph, given)
    assert np.abs(off / given[0, 0, 0].astype(np.float64) - 1).max() < 2e-5
    one_by_one = np.add.accumulate(given[0].reshape(-1, WIDTH), axis=0, dtype=np.float32)[-1] / np.float32(65_536)
    assert np.abs(one_by_one / given[0, 0, 0].astype(np.float64) - 1).max() > 1e-4
