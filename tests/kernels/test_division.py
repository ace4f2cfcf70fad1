"""How evenly threads share the steps of a model: the engine's own division, and a bound by hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from bnnbench.kernels.engines.division import imbalance, sizes
from bnnbench.kernels.engines.replies import DividedStep
from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.models.formats import graph_of, read_model
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.toolchain import build_native
from tests.kernels.engine_process import HOST, EngineProcess
from tests.kernels.quicknets import quicknet

GOLDEN = Path(__file__).parents[1] / "golden"
LARGER = Path(os.environ.get("BNNBENCH_GOLDEN") or "none")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    with EngineProcess([build_native(HOST).path], tmp_path) as process:
        yield process


@pytest.mark.parametrize(
    ("units", "parts", "threads", "right"),
    [
        (784, 16, 4, 1.0),
        (49, 4, 4, 13 * 4 / 49),  # 12, 12, 12, 13
        (49, 8, 8, 7 * 8 / 49),
        (10, 1, 4, 4.0),  # one thread's alone
        (3, 8, 8, 8 / 3),  # five have nothing to do
        (0, 4, 4, 1.0),
        (5, 3, 2, 3 * 2 / 5),  # 1, then 2 and 2: the first takes the last part too
    ],
)
def test_the_busiest_thread(units: int, parts: int, threads: int, right: float) -> None:
    assert imbalance(DividedStep(units=units, parts=parts), threads) == pytest.approx(right)


def test_whatever_the_parts_no_division_is_worse_than_its_largest_part() -> None:
    """Graham's bound of lists of work: at most the mean and the largest part."""
    for units, parts, threads in product((1, 23, 24, 49, 100, 3136), (2, 3, 7, 16, 32), (2, 3, 4, 8)):
        step = DividedStep(units=units, parts=parts)
        assert sum(sizes(step)) == units
        assert max(sizes(step)) - min(sizes(step)) <= 1
        busiest = imbalance(step, threads) * units / threads
        assert max(sizes(step), default=0) <= busiest + 1e-9
        assert busiest <= units / threads + max(sizes(step)) + 1e-9


def divisions(engine: EngineProcess, path: Path, threads: list[int]) -> dict[int, list[DividedStep]]:
    plan = make_plan(graph_of(read_model(path)))
    (engine.folder / "plan").write_bytes(plan.to_bytes())
    engine.client.load("m", {"plan": "plan"})
    found = {count: engine.client.divide("m", count).steps for count in threads}
    engine.client.unload("m")
    assert all(len(steps) == len(plan.steps) for steps in found.values())
    return found


def test_the_engine_divides_for_more_threads_than_there_are(engine: EngineProcess, tmp_path: Path) -> None:
    model, output = quicknet("QuickNetSmall")
    path = tmp_path / "small.tflite"
    path.write_bytes(model.content(output))
    found = divisions(engine, path, [1, 4, 8, 1024])
    assert {step.parts for step in found[1]} == {1}
    units = [step.units for step in found[4]]
    assert 56 * 56 in units
    assert units == [step.units for step in found[8]]
    for threads in (4, 8, 1024):
        shared = [step for step in found[threads] if step.parts > 1]
        assert shared
        assert all(threads <= step.parts <= 4 * threads for step in shared)
        assert all(step.parts == threads or min(sizes(step)) >= 24 for step in shared)
    alone = [step.units for step in found[8] if step.parts == 1]
    assert 1 in alone  # the pool, of one pixel
    dense = found[8][-2]  # before the softmax: of one pixel too, but threads share its channels
    assert dense.units >= 1000 // 64
    assert imbalance(dense, 2) < 1.1
    largest = max(found[8], key=lambda step: step.units)
    assert imbalance(largest, 8) < 1.01
    if (LARGER / "QuickNetSmall.tflite").exists():
        assert divisions(engine, LARGER / "QuickNetSmall.tflite", [4, 8]) == {count: found[count] for count in (4, 8)}


@pytest.mark.parametrize(("id", "threads"), [("m", 0), ("m", 1025), ("nix", 2)])
def test_a_wrong_request_is_refused(engine: EngineProcess, id: str, threads: int) -> None:
    (engine.folder / "plan").write_bytes(make_plan(graph_of(read_model(GOLDEN / "tiny_larq.tflite"))).to_bytes())
    engine.client.load("m", {"plan": "plan"})
    with pytest.raises(EngineError, match="refused divide"):
        engine.client.divide(id, threads)
