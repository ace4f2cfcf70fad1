"""Every op that the importer accepts, in every dtype and option: it loads, runs, equals the reference, and others' too.

Others are the judges: LiteRT with TFLite's reference kernels (equal), its optimised kernels and XNNPACK, and LCE (each
equal under a named variant of rounding).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.importer.importer import CONVERTERS
from bnnbench.kernels.models.interpreter import VARIANTS, interpret
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.models.tflite_file import parse
from bnnbench.kernels.toolchain import build_native
from tests.kernels.engine_process import HOST, EngineProcess

from .judges import Judge
from .model_builder import PATH
from .random_int8_models import ALL_MAKERS
from .random_models import Growing, chain, one_op

Array = NDArray[Any]
SEEDS = range(8)
CHAINS = (*range(60), 1763, 1931, 2227, 3547, 8703)
"""Seeds; the last: LceBconv2d with halves on both sides of the zero point, and DEQUANTIZE behind its i8 output."""
TOLERANCE = 1e-5
JUDGES = {
    "litert-reference": None,
    "litert-builtin": "x86",
    "litert": "xnnpack",
    "lce": "x86",
    "lce-xnnpack": "xnnpack-older",
}
"""Judge -> the variant under which it is equal; None: as it stands."""
UNEXPLAINED = {
    "litert-builtin": {1111, 1433, 2169, 2313},
    "lce": {1111, 1156, 1433, 2169, 2313},
    "lce-xnnpack": {1111, 1156, 2172, 2263, 2619},
}
"""Seeds of the longer test whose outputs nobody has explained. 1156: zero padding, filters higher than the image."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    with EngineProcess([build_native(HOST).path], tmp_path_factory.mktemp("engine")) as process:
        yield process


def imported(m: Growing) -> tuple[bytes, Graph]:
    content = m.builder.content()
    return content, import_model(parse(content, PATH))


def differs(output: Array, right: Array) -> str | None:
    """What is wrong; int8 and bits must be equal."""
    output = output.reshape(-1)
    expected = right.reshape(-1)
    if output.size != expected.size:
        return f"{output.size} values for {expected.size}"
    if expected.dtype != np.float32:
        wrong = np.flatnonzero(output != expected)
        return f"{len(wrong)} of {output.size}: {output[wrong[:3]]} for {expected[wrong[:3]]}" if len(wrong) else None
    endless = np.isinf(expected) & (output == expected)
    gap = np.abs(output.astype(np.float64) - expected, where=~endless, out=np.zeros(expected.size)).max()
    largest = np.abs(expected, where=~endless, out=np.zeros(expected.size)).max()
    return f"by {gap}" if not gap <= TOLERANCE * max(float(largest), 1e-3) else None


def run_native(engine: EngineProcess, graph: Graph, given: Array) -> Array:
    client, folder = engine.client, engine.folder
    (folder / "plan").write_bytes(make_plan(graph).to_bytes())
    (folder / "input").write_bytes(given.tobytes())
    client.load("m", {"plan": "plan"})
    client.input("m", "input")
    client.run("m", samples=1, iterations=1, limit_ns=60 * 10**9)
    client.output("m", "output")
    client.unload("m")
    dtype = {"f32": "<f4", "i8": "|i1", "i32": "<i4", "bits": "<u4"}[graph.outputs[0].dtype]
    return np.fromfile(folder / "output", dtype)


def wrong_on_native(engine: EngineProcess, models: Iterable[Growing]) -> list[str]:
    found = []
    for m in models:
        _, graph = imported(m)
        right = interpret(graph, [m.given]).outputs[0]
        trouble = differs(run_native(engine, graph, m.given), right)
        if trouble:
            found.append(f"{m.names} seed {m.seed}: {trouble}")
    return found


def judged(judge: Judge, variant: str | None, models: Iterable[Growing]) -> tuple[int, int, list[str]]:
    """How many it computed, how many not, and where it differs."""
    done, refused, found = 0, 0, []
    for m in models:
        content, graph = imported(m)
        theirs = judge.outputs(content, [m.given])
        if isinstance(theirs, str):
            refused += 1
            continue
        done += 1
        right = interpret(graph, [m.given], variant=VARIANTS[variant] if variant else None).outputs[0]
        trouble = differs(theirs[0], right)
        if trouble:
            found.append(f"{m.names} seed {m.seed}: {trouble}")
    judge.close()
    return done, refused, found


def single_ops() -> list[Growing]:
    makers = [make for _, make in ALL_MAKERS.values()]
    return [one_op(make, dtype, seed) for make in makers for dtype in ("float32", "int8") for seed in SEEDS]


def test_no_op_is_left_out() -> None:
    assert {name.split()[0] for name in ALL_MAKERS} == set(CONVERTERS)


def test_what_is_imported_runs_and_equals_the_reference(engine: EngineProcess) -> None:
    assert wrong_on_native(engine, single_ops()) == []


def test_chains_run_and_equal_the_reference(engine: EngineProcess) -> None:
    assert wrong_on_native(engine, map(chain, CHAINS)) == []


@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_chain_runs_and_equals_the_reference(engine: EngineProcess, seed: int, length: int) -> None:
    assert wrong_on_native(engine, [chain(seed, length)]) == []


@pytest.mark.parametrize("name", JUDGES)
def test_others_compute_the_same(name: str, tmp_path: Path) -> None:
    with_lce = name.startswith("lce")
    models = [m for m in [*single_ops(), *map(chain, CHAINS)] if with_lce or not m.bits]
    done, refused, found = judged(Judge(name, tmp_path), JUDGES[name], models)
    assert found == []
    assert done > 0.9 * (done + refused)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", JUDGES)
def test_others_compute_the_same_for_longer(name: str, tmp_path: Path) -> None:
    models = (m for seed in range(1000, 3000) if not (m := chain(seed, 1 + seed % 4)).bits or name.startswith("lce"))
    done, refused, found = judged(Judge(name, tmp_path), JUDGES[name], models)
    print(f"{name}: {done} models, {refused} refused")
    differing = {int(trouble.split(" seed ")[1].split(":")[0]) for trouble in found}
    assert differing == UNEXPLAINED.get(name, set()), found
