"""How evenly threads share the steps of QuickNets and MobileNets, and what they gain: `pytest -m speed -s FILE`.

The division is the engine's own, for more threads than this machine may have; gains are measured up to its cores.
Weights are made up, because only shapes matter. Alone on a quiet machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import get_args

import pytest

from bnnbench.kernels.engines.division import imbalance
from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.plan import ExecutionPlan, make_plan
from bnnbench.kernels.models.tflite_file import parse
from bnnbench.kernels.toolchain import build_native
from tests.kernels.engine_process import HOST, EngineProcess, hello
from tests.kernels.mobilenets import MODELS, Kind
from tests.kernels.model_builder import PATH
from tests.kernels.quicknets import QUICKNETS, quicknet

pytestmark = pytest.mark.speed

THREADS = (2, 4, 8)
ROUNDS = 15
_LIMIT_NS = 10**11


def _quicknet(name: str) -> Graph:
    model, output = quicknet(name)
    return model.graph(output)


def _mobilenet(name: str, kind: Kind) -> Graph:
    return import_model(parse(MODELS[name](kind, 224), PATH), 1)


GRAPHS: dict[str, Callable[[], Graph]] = {
    **{name: partial(_quicknet, name) for name in QUICKNETS},
    **{f"{name} {kind}": partial(_mobilenet, name, kind) for name in MODELS for kind in get_args(Kind)},
}
"""What the engine runs, by what it is called here."""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    with EngineProcess([build_native(HOST).path], tmp_path) as started:
        yield started


def load(engine: EngineProcess, name: str) -> ExecutionPlan:
    plan = make_plan(GRAPHS[name]())
    (engine.folder / "plan").write_bytes(plan.to_bytes())
    engine.client.load("m", {"plan": "plan"})
    return plan


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", GRAPHS)
def test_imbalance_of_every_step(engine: EngineProcess, name: str) -> None:
    """Work of the busiest thread over the mean. Steps weigh in the whole as much as they take on one thread."""
    plan = load(engine, name)
    engine.client.profile("m", runs=5, limit_ns=_LIMIT_NS)
    ns = [median(op.ns) for op in engine.client.profile("m", runs=ROUNDS, limit_ns=_LIMIT_NS).ops]
    divided = {threads: engine.client.divide("m", threads).steps for threads in THREADS}
    print(f"\n{name:44} {'time':>9}  {'units':>6}" + "".join(f"  {threads} threads" for threads in THREADS))
    for number, step in enumerate(plan.steps):
        bounds = [imbalance(divided[threads][number], threads) for threads in THREADS]
        shown = "".join(f"  {bound:9.3f}" for bound in bounds)
        print(f"{number:3} {step.name:40} {ns[number] / 1e3:6.1f} µs  {divided[THREADS[0]][number].units:6}{shown}")
    for threads in THREADS:
        bounds = [imbalance(step, threads) for step in divided[threads]]
        whole = sum(time * bound for time, bound in zip(ns, bounds, strict=True)) / sum(ns)
        print(f"{name}: {threads} threads are at most {threads / whole:.2f} times as fast as one ({whole:.3f})")
        assert 1 <= whole <= threads
        assert all(1 <= bound <= threads for bound in bounds)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", GRAPHS)
def test_gains_of_this_machine(engine: EngineProcess, name: str) -> None:
    """1, 2, 4 .. threads up to the CPUs, in turns; the ratio of each round to one thread's time."""
    load(engine, name)
    most = hello(engine).max_threads or 1
    counts = [threads for threads in (1, 2, 4, 8, 16, 32, 64) if threads <= most]
    if counts[-1] == 1:
        pytest.skip("one CPU")
    times: dict[int, list[float]] = {threads: [] for threads in counts}
    for _ in range(ROUNDS + 1):
        for threads, taken in times.items():
            ran = engine.client.run("m", samples=1, min_sample_ns=20_000_000, threads=threads, limit_ns=_LIMIT_NS)
            taken += ran.samples_ns
    gains = {
        threads: median(one / several for one, several in zip(times[1][1:], taken[1:], strict=True))
        for threads, taken in times.items()
    }
    print(
        f"\n{name}: "
        + ", ".join(f"{threads} thread{'s' * (threads > 1)} {gain:.2f}x" for threads, gain in gains.items())
    )
    assert all(gain > 0 for gain in gains.values())
