"""Random graphs compute what onnxruntime computes, and what the native engine computes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.interpreter import interpret
from bnnbench.kernels.models.interpreter.signs import UNSURE, relative
from bnnbench.kernels.models.operations import BitQuantize
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.toolchain import build_native
from tests.kernels.engine_process import HOST, EngineProcess
from tests.kernels.onnx_models.random_networks import networks
from tests.kernels.onnx_models.test_importer import Array, graph, ran, stored
from tests.kernels.test_native_model import level_engine
from tests.kernels.trace_replay import differences

__all__ = ["level_engine"]
TOLERANCE = 1e-5
"""Of the largest value that is computed on the way."""
Drawn = tuple[bytes, tuple[int, ...], list[str]]


def image(shape: tuple[int, ...], seed: int) -> Array:
    """Multiples of an eighth, and a bit more."""
    return (np.random.default_rng(seed).integers(-16, 17, shape) / 8 + 1 / 64).astype(np.float32)


def clear(found: Graph, values: dict[str, Array]) -> bool:
    """Whether no sign hangs on a rounding, or is one of 0, and nothing overflows."""
    margins = [
        relative(values[node.inputs[0].name]).min()
        for node in found.nodes
        if isinstance(node.operation, BitQuantize) and node.inputs[0].dtype == "f32"
    ]
    floats = [array for array in values.values() if array.dtype == np.float32]
    return min(margins, default=1) > UNSURE and all(np.isfinite(array).all() for array in floats)


def compared(drawn: Drawn, seed: int, counts: Counter[str]) -> Graph | None:
    """The graph of a file that is read; its outputs are those of onnxruntime. None where it is refused."""
    content, shape, _ = drawn
    x = image(shape, seed)
    try:
        found = graph(content)
    except ModelError as error:
        counts["refused"] += 1
        counts[str(error).split("cannot be imported: ")[-1][:40]] += 1
        return None
    result = interpret(found, [stored(x)], keep=True)
    if not clear(found, dict(result.values)):
        counts["unsure"] += 1
        return None
    try:
        right = ran(content, x)
    except Exception as error:
        assume("onnxruntime" not in type(error).__module__)
        raise
    mine = result.outputs[0].transpose(0, 3, 1, 2) if right.ndim == 4 else result.outputs[0]
    assert mine.shape == (right.shape or (1,))
    largest = max(np.abs(array).max() for array in result.values.values() if array.dtype == np.float32)
    assert np.abs(mine - right).max() <= TOLERANCE * largest
    counts["equal"] += 1
    return found


def check(most: int, **options: Any) -> Counter[str]:
    counts: Counter[str] = Counter()

    @settings(max_examples=most, deadline=None, suppress_health_check=[*HealthCheck], **options)
    @given(drawn=networks(), seed=st.integers(0, 3))
    def one(drawn: Drawn, seed: int) -> None:
        compared(drawn, seed, counts)

    one()
    return counts


def test_a_few_hundred() -> None:
    counts = check(400, derandomize=True)
    assert counts["equal"] > 200, counts


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[*HealthCheck])
@given(drawn=networks())
def test_a_batch_is_images_one_after_the_other(drawn: Drawn) -> None:
    """Or it is refused, where an op works across the batch."""
    content, shape, _ = drawn
    try:
        alone, together = graph(content), graph(content, 3)
    except ModelError:
        return
    images = [image(shape, seed) for seed in range(3)]
    found = interpret(together, [stored(np.concatenate(images))]).outputs[0]
    each = np.concatenate([interpret(alone, [stored(one)]).outputs[0] for one in images])
    assert found.shape == each.shape
    np.testing.assert_array_equal(found, each)


def steps_of(engine: EngineProcess, most: int) -> None:
    """Random graphs, each step of which the engine computes as NumPy does."""

    @settings(max_examples=most, deadline=None, derandomize=True, suppress_health_check=[*HealthCheck])
    @given(drawn=networks(), seed=st.integers(0, 3))
    def one(drawn: Drawn, seed: int) -> None:
        try:
            found = graph(drawn[0])
        except ModelError:
            return
        assert differences(engine, make_plan(found).to_bytes(), [stored(image(drawn[1], seed))]) == []

    one()


def test_the_native_engine(tmp_path: Path) -> None:
    with EngineProcess([build_native(HOST).path], tmp_path) as engine:
        steps_of(engine, 100)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_isa_level(level_engine: EngineProcess) -> None:
    steps_of(level_engine, 300)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_thousands() -> None:
    counts = check(20_000, database=None)
    print(counts.most_common(20))
    assert counts["equal"] > 10_000, counts
