"""Blocks of work that engines take turns with, so that a disturbance meets all of them."""

from __future__ import annotations

from engine_process import EngineProcess

from bnnbench.kernels.data import data_bytes, make_data
from bnnbench.kernels.ops import BConv2d, KernelSpec

CLASSIC = [(56, 64), (28, 128), (14, 256), (7, 512)]
"""Height and channels of the 3x3 convolutions that every comparison of binary kernels shows."""
BLOCK_NS = 20_000_000
WARMUP_NS = 300_000_000


def square(size: int, c: int, oc: int, k: int, out: str = "f32", kernel: str = "") -> BConv2d:
    """A k x k convolution of a square image; `kernel` is the micro-kernel."""
    return BConv2d(h=size, w=size, c=c, oc=oc, kh=k, kw=k, out=out, kernel=kernel)  # type: ignore[arg-type]


def load(engine: EngineProcess, spec: KernelSpec, name: str = "case", threads: int = 1) -> int:
    """Loads and warms up; iterations that fill a block."""
    (engine.folder / name).write_bytes(data_bytes(make_data(spec, 0)))
    engine.client.load(name, {**spec.protocol_items(), "data": name})
    ran = engine.client.run(
        name, samples=1, warmup_ns=WARMUP_NS, min_sample_ns=BLOCK_NS, threads=threads, limit_ns=10**11
    )
    return ran.iterations or 1


def best_of_block(engine: EngineProcess, iterations: int, name: str = "case", threads: int = 1) -> float:
    """ns per iteration of the fastest quarter of one block: what `peak` takes of a roof, too."""
    each = max(1, iterations // 4)
    return min(engine.client.run(name, samples=4, iterations=each, threads=threads, limit_ns=10**11).samples_ns)


def block(engine: EngineProcess, iterations: int, name: str = "case", threads: int = 1) -> float:
    """ns per iteration of one block."""
    ran = engine.client.run(name, samples=1, iterations=iterations, threads=threads, limit_ns=10**11)
    return ran.samples_ns[0]
