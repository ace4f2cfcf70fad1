"""Speed of the 3x3 binary convolutions: `make bench`, alone on a quiet machine.

Every benchmark's `extra_info` has GOPS and, for the native engine, the share of the popcount roof that the same
process measured just before; pytest-benchmark's own options (--benchmark-json, --benchmark-compare) work on them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest
from engine_process import HOST, EngineProcess, hello
from pytest_benchmark.fixture import BenchmarkFixture

from bnnbench.kernels.engines.numba import NumbaEngine
from bnnbench.kernels.ops import BConv2d, data_bytes, make_data
from bnnbench.kernels.reference.run import run_jit
from bnnbench.kernels.toolchain import build_native, build_numba

pytestmark = pytest.mark.speed

SHAPES = [BConv2d(h=h, w=h, c=c, oc=c, kh=3, kw=3, out="f32") for h, c in [(56, 64), (28, 128), (14, 256), (7, 512)]]
ROUNDS = 15
BLOCK_NS = 20_000_000
WARMUP_NS = 300_000_000
AVX512_SHARE = 0.85
"""Of the roof: what the native engine must reach on a machine with AVX-512 VPOPCNTDQ."""


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


def load(engine: EngineProcess, spec: BConv2d) -> int:
    """Loads and warms up; iterations that fill a block."""
    (engine.folder / "data").write_bytes(data_bytes(make_data(spec, 0)))
    engine.client.load("case", {**spec.protocol_items(), "data": "data"})
    ran = engine.client.run("case", samples=1, warmup_ns=WARMUP_NS, min_sample_ns=BLOCK_NS, limit_ns=10**11)
    return ran.iterations or 1


def block(engine: EngineProcess, iterations: int) -> float:
    """ns per iteration of one block."""
    return engine.client.run("case", samples=1, iterations=iterations, limit_ns=10**11).samples_ns[0]


@pytest.mark.parametrize("spec", SHAPES, ids=lambda spec: spec.name)
def test_native(benchmark: BenchmarkFixture, native: EngineProcess, spec: BConv2d) -> None:
    """On AVX-512 at least 85 % of the roof; roof and convolution take turns, so that both see the same machine."""
    isa = hello(native).isa
    iterations = load(native, spec)
    shares = []

    def one_round() -> None:
        roof = native.client.peak(limit_ns=50_000_000).popcount_gops or 0.0
        shares.append(2 * spec.macs_1bit / block(native, iterations) / roof)

    benchmark.pedantic(one_round, rounds=ROUNDS)
    share = median(shares)
    benchmark.extra_info |= {"isa": isa, "share_of_roof": round(share, 3), "rounds": ROUNDS}
    print(f"\n{spec.name} {isa}: {share:.1%} of the popcount roof")
    if isa == "avx512":
        assert share >= AVX512_SHARE


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
