"""The engines' 3x3 binary convolutions against each other: `make bench`, alone on a quiet machine.

Ratios are in every benchmark's `extra_info`; pytest-benchmark's own options (--benchmark-json, --benchmark-compare)
work on them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest
from engine_process import HOST, EngineProcess
from pytest_benchmark.fixture import BenchmarkFixture
from timed_engine import CLASSIC, block, load, square

from bnnbench.kernels.data import make_data
from bnnbench.kernels.engines.numba import NumbaEngine
from bnnbench.kernels.ops import BConv2d
from bnnbench.kernels.reference.run import run_jit
from bnnbench.kernels.toolchain import build_native, build_numba

pytestmark = pytest.mark.speed

SHAPES = [square(size, c, c, 3) for size, c in CLASSIC]
ROUNDS = 15


def host_isa() -> str:
    features = frozenset(Path("/proc/cpuinfo").read_text().split())
    isa = NumbaEngine().isa_for(HOST, features)
    assert isa is not None
    return isa


@pytest.fixture
def native(tmp_path: Path) -> Iterator[EngineProcess]:
    with EngineProcess([build_native(HOST).path], tmp_path) as engine:
        yield engine


@pytest.fixture
def numba(tmp_path: Path) -> Iterator[EngineProcess]:
    with EngineProcess([build_numba(HOST, host_isa()).path], tmp_path) as engine:
        yield engine


@pytest.mark.parametrize("spec", SHAPES, ids=lambda spec: spec.name)
def test_numba_ahead_of_time_against_the_jit(benchmark: BenchmarkFixture, numba: EngineProcess, spec: BConv2d) -> None:
    """In turns on one machine: the ahead-of-time binary is at least as fast as the same functions JIT-compiled."""
    iterations = load(numba, spec)
    arrays = make_data(spec, 0)
    run_jit(spec, arrays)
    ratios = []

    def one_round() -> None:
        started = time.perf_counter_ns()
        for _ in range(iterations):
            run_jit(spec, arrays)
        jit_ns = (time.perf_counter_ns() - started) / iterations
        ratios.append(jit_ns / block(numba, iterations))

    benchmark.pedantic(one_round, rounds=ROUNDS)
    ratio = median(ratios)
    benchmark.extra_info |= {"speed_over_jit": round(ratio, 3), "isa": host_isa()}
    print(f"\n{spec.name} {host_isa()}: {ratio:.2f} times the JIT's speed")
    assert ratio >= 1.0


@pytest.mark.parametrize("spec", SHAPES, ids=lambda spec: spec.name)
def test_native_against_numba(
    benchmark: BenchmarkFixture, native: EngineProcess, tmp_path: Path, spec: BConv2d
) -> None:
    """How much the hand-tiled engine gains over the readable reference."""
    (tmp_path / "numba").mkdir()
    with EngineProcess([build_numba(HOST, host_isa()).path], tmp_path / "numba") as numba:
        counts = load(native, spec), load(numba, spec)
        ratios = []

        def one_round() -> None:
            ratios.append(block(numba, counts[1]) / block(native, counts[0]))

        benchmark.pedantic(one_round, rounds=ROUNDS)
    ratio = median(ratios)
    benchmark.extra_info |= {"speed_over_numba": round(ratio, 3)}
    print(f"\n{spec.name}: native is {ratio:.2f} times as fast as numba")
    assert ratio > 1.0
