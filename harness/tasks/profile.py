"""Where a model's time goes: every step against the roof that binds it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bnnbench.kernels.engines import ENGINES
from bnnbench.kernels.engines.replies import Peaks
from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.models.formats import graph_of, read_model
from bnnbench.kernels.models.plan import make_plan
from bnnbench.results.statistics.level import level
from bnnbench.results.trust import device_trust

from ..bench.one_off import one_off
from ..bench.reach import Tell
from ..bench.surroundings import distrusted

_PEAK_NS = 1_000_000_000
_LIMIT_NS = 600_000_000_000
_CACHE_BYTES = {"l1": 24_000, "l2": 384_000, "llc": 6_000_000}
"""What a step may move and still find in a cache of the usual size; more comes from memory."""


@dataclass(frozen=True, slots=True)
class OpTime:
    """One step of the plan. Times are medians over the runs, in ns, with their intervals.

    `roof` is what binds it (popcount, f32 or the memory level that its bytes fit in) and `roof_share` how close it
    comes: the least time that the roofs allow, divided by the time it took. None where no roof was measured.
    """

    index: int
    op: str
    name: str
    kernel: str
    time_ns: float
    low_ns: float
    high_ns: float
    share: float
    gops: float | None
    macs_1bit: int
    macs_32bit: int
    bytes_moved: int
    roof: str | None
    roof_share: float | None


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """`sum_ns` is the steps' times added up, `total_ns` that of the whole inference, both medians with their intervals;
    `doubts` are words for what speaks against times on the device, and `trust` is the grade that this leaves."""

    ops: tuple[OpTime, ...]
    total_ns: float
    total_low_ns: float
    total_high_ns: float
    sum_ns: float
    sum_low_ns: float
    sum_high_ns: float
    trust: str
    doubts: tuple[str, ...]
    runs: int
    threads: int
    peaks: Peaks
    arena_bytes: int | None
    plan_sha256: str
    engine_build: str
    isa: str | None


def profile(model: Path, *, device: str, inventory: Path | None, threads: int, runs: int, tell: Tell) -> ModelProfile:
    """By the native engine, which alone times steps. Raises ModelError and what `one_off` raises."""
    plan = make_plan(graph_of(read_model(model)))
    native = ENGINES["native"]
    with one_off(device, inventory, native, threads, "bnnbench profile", tell, times=True) as one:
        (blob,) = one.lease.folder.blobs([plan.to_bytes()])
        loaded = one.client.load("model", {"plan": blob})
        before = one.client.peak(threads=threads, limit_ns=_PEAK_NS)
        one.client.profile("model", runs=max(runs // 4, 1), threads=threads, limit_ns=_LIMIT_NS)  # warm-up
        timed = one.client.profile("model", runs=runs, threads=threads, limit_ns=_LIMIT_NS)
        peaks = _highest(before, one.client.peak(threads=threads, limit_ns=_PEAK_NS))
    if any(op.index >= len(plan.steps) for op in timed.ops):
        raise EngineError(f"engine 'native' answered profile with steps that the plan of {model.name} does not have.")
    total = level(timed.total_ns)
    ops = []
    for op in timed.ops:
        step, took = plan.steps[op.index], level(op.ns)
        time_ns = max(took.value, 1.0)
        bounds = _bounds(step.macs_1bit, step.macs_32bit, step.bytes_moved, peaks)
        roof = max(bounds, key=lambda name: bounds[name], default=None)
        macs = step.macs_1bit + step.macs_32bit
        ops.append(
            OpTime(
                index=op.index,
                op=op.op,
                name=step.name,
                kernel=op.kernel,
                time_ns=time_ns,
                low_ns=took.low,
                high_ns=took.high,
                share=time_ns / total.value,
                gops=2 * macs / time_ns if macs else None,
                macs_1bit=step.macs_1bit,
                macs_32bit=step.macs_32bit,
                bytes_moved=step.bytes_moved,
                roof=roof,
                roof_share=bounds[roof] / time_ns if roof else None,
            )
        )
    sums = level([sum(times) for times in zip(*(op.ns for op in timed.ops), strict=True)])
    grade, doubts = device_trust(distrusted(one.lease.target.spec, one.lease.target.facts))
    return ModelProfile(
        ops=tuple(ops),
        total_ns=total.value,
        total_low_ns=total.low,
        total_high_ns=total.high,
        sum_ns=sums.value,
        sum_low_ns=sums.low,
        sum_high_ns=sums.high,
        trust=grade,
        doubts=tuple(doubt.word for doubt in doubts),
        runs=runs,
        threads=threads,
        peaks=peaks,
        arena_bytes=loaded.arena_bytes,
        plan_sha256=plan.sha256,
        engine_build=one.hello.build,
        isa=one.hello.isa,
    )


def save_trace(done: ModelProfile, title: str, device: str, path: Path) -> None:
    """Writes the steps as a trace for Chrome or Perfetto. Raises OSError."""
    from bnnbench.results.export.chrome_trace import spans

    steps = ((op.name, op.time_ns, {"kernel": op.kernel, "gops": op.gops, "roof": op.roof}) for op in done.ops)
    path.write_text(spans(title, device, steps) + "\n", "utf-8")


def _bounds(macs_1bit: int, macs_32bit: int, bytes_moved: int, peaks: Peaks) -> dict[str, float]:
    """Roof -> the ns that it makes a step take at least."""
    bounds = {}
    if macs_1bit and peaks.popcount_gops:
        bounds["popcount"] = 2 * macs_1bit / peaks.popcount_gops
    if macs_32bit and peaks.fma_gflops:
        bounds["f32"] = 2 * macs_32bit / peaks.fma_gflops
    read = peaks.read_gb_s or {}
    level = next((level for level, limit in _CACHE_BYTES.items() if bytes_moved <= limit), "dram")
    if bytes_moved and read.get(level):
        bounds[level] = bytes_moved / read[level]
    return bounds


def _highest(a: Peaks, b: Peaks) -> Peaks:
    """Of two measurements of one roof the higher counts: a busy moment only lowers it."""

    def larger(x: float | None, y: float | None) -> float | None:
        return max((value for value in (x, y) if value is not None), default=None)

    first, second = a.read_gb_s or {}, b.read_gb_s or {}
    reads = {level: larger(first.get(level), second.get(level)) or 0.0 for level in {**first, **second}}
    return Peaks(
        popcount_gops=larger(a.popcount_gops, b.popcount_gops),
        fma_gflops=larger(a.fma_gflops, b.fma_gflops),
        read_gb_s=reads or None,
        clock_hz=larger(a.clock_hz, b.clock_hz),
    )
