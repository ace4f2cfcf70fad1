"""How near the native engine comes to this machine's roofs: `pytest -m speed -s tests/benchmarks/test_roofs.py`.

Roof and kernels take turns, so that a disturbance meets both, and of both the best of some blocks of 5 ms counts. What
is said is the median of the rounds. Alone on a quiet machine. `--benchmark-json` keeps the figures (`extra_info`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest
from engine_process import HOST, EngineProcess, hello
from pytest_benchmark.fixture import BenchmarkFixture
from timed_engine import CLASSIC, best_of_block, block, load, square

from bnnbench.kernels.ops import BitPack, BMaxPool2d, KernelSpec
from bnnbench.kernels.targets import ISA_LEVELS, micro_kernels
from bnnbench.kernels.toolchain import build_native

pytestmark = pytest.mark.speed

ROUNDS = 15
ROOF_NS = 100_000_000
SHAPES = [
    (112, 32, 32, 3),
    *((size, c, c, 3) for size, c in CLASSIC),
    # Transitions between blocks of BinaryDenseNet 28, then of MeliusNet 22, as binary convolutions.
    *[(28, 448, 160, 1), (14, 544, 192, 1), (7, 576, 256, 1)],
    *[(28, 320, 160, 1), (14, 480, 224, 1), (7, 480, 256, 1)],
]
"""Size, channels, filters, kernel."""
MEMORY: list[KernelSpec] = [
    BitPack(n=784, c=64),
    BitPack(n=196, c=256),
    BitPack(n=3136, c=64, dtype="i8"),
    BitPack(n=784, c=256, dtype="i8"),
    BMaxPool2d(h=112, w=112, c=64, kh=2, kw=2, sh=2, sw=2),
    BMaxPool2d(h=56, w=56, c=256, kh=2, kw=2, sh=2, sw=2),
    BMaxPool2d(h=112, w=112, c=64, kh=3, kw=3, sh=2, sw=2, pad="same"),
    BMaxPool2d(h=56, w=56, c=256, kh=3, kw=3, sh=2, sw=2, pad="same"),
]
"""126 to 226 kB of input and output: more than a first cache holds, less than a second."""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    with EngineProcess([build_native(HOST).path], tmp_path) as started:
        yield started


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
def test_convolution_against_the_popcount_roof(
    benchmark: BenchmarkFixture, engine: EngineProcess, shape: tuple[int, int, int, int]
) -> None:
    """Float and bit-packed outputs, each by the engine's own choice of micro-kernel."""
    specs = {out: square(*shape, out=out) for out in ("f32", "bits")}
    counts = {out: load(engine, spec, out) for out, spec in specs.items()}
    shares: dict[str, list[float]] = {out: [] for out in specs}

    def one_round() -> None:
        roof = engine.client.peak(limit_ns=ROOF_NS).popcount_gops or 0.0
        for out, spec in specs.items():
            shares[out].append(2 * spec.macs_1bit / best_of_block(engine, counts[out], out) / roof)

    benchmark.pedantic(one_round, rounds=ROUNDS)
    found = {out: round(median(values), 3) for out, values in shares.items()}
    ratio = median(f32 / bits for f32, bits in zip(shares["f32"], shares["bits"], strict=True))
    benchmark.extra_info |= {**found, "bits_time_over_f32": round(ratio, 3), "isa": hello(engine).isa}
    print(f"\n{specs['f32'].name:36} f32 {found['f32']:6.1%}  bits {found['bits']:6.1%}  bits over f32 {ratio:.3f}")
    assert 0 < found["f32"] < 1.1
    assert 0 < found["bits"] < 1.1


@pytest.mark.parametrize(("size", "c"), CLASSIC)
def test_every_micro_kernel(benchmark: BenchmarkFixture, engine: EngineProcess, size: int, c: int) -> None:
    """Each of the list that this machine has, by name, in turns: the engine's own choice is within 5 % of the best."""
    usable = dict.fromkeys(hello(engine).isas)
    listed = [
        one for level in ISA_LEVELS if level.triple == HOST and level.isa in usable for one in micro_kernels(level)
    ]
    names = ["", *(one.name for one in listed if "bconv2d" in one.ops)]
    counts = {name: load(engine, square(size, c, c, 3, kernel=name), name or "own") for name in names}
    times: dict[str, list[float]] = {name: [] for name in names}

    def one_round() -> None:
        for name in names:
            times[name].append(block(engine, counts[name], name or "own"))

    benchmark.pedantic(one_round, rounds=ROUNDS)
    found = {name or "own choice": median(values) for name, values in times.items()}
    benchmark.extra_info |= {name: round(ns) for name, ns in found.items()}
    print(f"\n{size}x{size}x{c}: " + ", ".join(f"{name} {ns / 1e3:.1f} µs" for name, ns in found.items()))
    behind = median(own / min(others) for own, *others in zip(*times.values(), strict=True))
    assert behind <= 1.1


@pytest.mark.parametrize("spec", MEMORY, ids=lambda spec: spec.name)
def test_memory_bound_op_against_the_second_cache(
    benchmark: BenchmarkFixture, engine: EngineProcess, spec: KernelSpec
) -> None:
    """Bytes of input and output, each once, over what reading from the second cache reaches."""
    iterations = load(engine, spec)
    shares = []

    def one_round() -> None:
        read = (engine.client.peak(limit_ns=ROOF_NS).read_gb_s or {})["l2"]
        shares.append(spec.bytes_moved / best_of_block(engine, iterations) / read)

    benchmark.pedantic(one_round, rounds=ROUNDS)
    share = median(shares)
    benchmark.extra_info |= {"share_of_l2": round(share, 3), "bytes": spec.bytes_moved}
    print(f"\n{spec.name:36} {share:.1%} of the second cache's read bandwidth, {spec.bytes_moved} bytes")
    assert share > 0.2


@pytest.mark.parametrize(("size", "c"), CLASSIC)
def test_two_threads(benchmark: BenchmarkFixture, engine: EngineProcess, size: int, c: int) -> None:
    """One thread's time over two threads', beside what the same two CPUs gain on registers alone."""
    if hello(engine).max_threads < 2:
        pytest.skip("one CPU")
    iterations = load(engine, square(size, c, c, 3), threads=2)
    gains, roofs = [], []

    def one_round() -> None:
        gains.append(best_of_block(engine, iterations) / best_of_block(engine, iterations, threads=2))
        one, two = (engine.client.peak(threads=n, limit_ns=ROOF_NS).popcount_gops or 0.0 for n in (1, 2))
        roofs.append(two / one)

    benchmark.pedantic(one_round, rounds=ROUNDS)
    gain, roof = median(gains), median(roofs)
    benchmark.extra_info |= {"gain": round(gain, 3), "gain_of_roof": round(roof, 3)}
    print(f"\n{size}x{size}x{c}: two threads {gain:.2f} times as fast as one; on registers alone {roof:.2f} times")
    assert gain > 0.8
