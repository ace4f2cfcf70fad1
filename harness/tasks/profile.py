"""Where a model's time goes: every step against the roof that binds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bnnbench.devices.closest import there_is_no
from bnnbench.kernels.counters import COUNTERS
from bnnbench.kernels.engines import ENGINES
from bnnbench.kernels.engines.client import EngineClient
from bnnbench.kernels.engines.replies import Peaks, Profile
from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.models.formats import graph_of, read_model
from bnnbench.kernels.models.model import ModelFile
from bnnbench.kernels.models.plan import ExecutionPlan, make_plan
from bnnbench.kernels.models.plan.work import work_of
from bnnbench.kernels.models.shapes import with_shapes
from bnnbench.results.statistics.level import level
from bnnbench.results.trust import device_trust

from ..bench.one_off import one_off
from ..bench.reach import Tell
from ..bench.surroundings import distrusted
from ..errors import CallError
from ..suite.shape_words import shapes_of
from .caches import caches_on
from .op_times import EngineOps, op_times, require_engines
from .side_by_side import OpGroup, side_by_side
from .step_roof import step_roof

_PEAK_NS = 1_000_000_000
_LIMIT_NS = 600_000_000_000


@dataclass(frozen=True, slots=True)
class OpTime:
    """One step of the plan. Times are medians over the runs, in ns, with their intervals.

    `roof` is what binds it (popcount, int8, f32 or the memory level that its bytes fit in), `roof_ns` the least time
    that the roofs allow, `over_roof_ns` the rest of its time, and `roof_share` how close it comes: `roof_ns / time_ns`.
    None where no roof was measured. `roofs_ns` has the terms of `roof_ns` and those that do not bind, `operations` the
    f32 operations beside the products. `counters` are medians over runs of their own, in which each step is followed by
    a reading.
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
    operations: int = 0
    roof_ns: float | None = None
    over_roof_ns: float | None = None
    roofs_ns: dict[str, float] = field(default_factory=dict)
    counters: dict[str, float] | None = None


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """`sum_ns` is the steps' times added up, `total_ns` that of the whole inference, both medians with their intervals;
    `roof_ns` is the sum of the steps' roofs and `roof_share` its share of `total_ns`, None where no roof was measured;
    `fastest_ns` adds up each step's fastest run, which other load on the machine affects least, as it does the roofs;
    `doubts` are words for what speaks against times on the device, and `trust` is the grade that this leaves.

    `counters_cost` is what a reading costs and is part of each count: `ns`, and what it adds to each counter.
    `counters_error` says why a counter that was asked for has no figures. `others` are other engines' times of ops, and
    `side_by_side` those of the same ops: of `native`, then of each of these."""

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
    counters_cost: dict[str, float] | None = None
    counters_error: str | None = None
    roof_ns: float | None = None
    roof_share: float | None = None
    fastest_ns: float | None = None
    others: tuple[EngineOps, ...] = ()
    side_by_side: tuple[OpGroup, ...] = ()


def profile(
    model: Path,
    *,
    device: str,
    inventory: Path | None,
    threads: int,
    runs: int,
    tell: Tell,
    counters: Sequence[str] = (),
    shapes: Sequence[str] = (),
    engines: Sequence[str] = (),
) -> ModelProfile:
    """By the native engine, and ops by the other `engines`. Raises ModelError, CallError and what `one_off` raises."""
    if counters and threads > 1:
        raise CallError("counters are read on one thread: leave --threads out, or --counters.")
    file = with_shapes(read_model(model), shapes_of(shapes))
    others = require_engines(engines, file)
    plan = make_plan(graph_of(file))
    native = ENGINES["native"]
    with one_off(device, inventory, native, threads, "bnnbench profile", tell, times=True) as one:
        (blob,) = one.lease.folder.blobs([plan.to_bytes()])
        loaded = one.client.load("model", {"plan": blob})
        before = one.client.peak(threads=threads, limit_ns=_PEAK_NS)
        one.client.profile("model", runs=max(runs // 4, 1), threads=threads, limit_ns=_LIMIT_NS)  # warm-up
        timed = one.client.profile("model", runs=runs, threads=threads, limit_ns=_LIMIT_NS)
        counted = _counted(one.client, runs, counters)
        peaks = _highest(before, one.client.peak(threads=threads, limit_ns=_PEAK_NS))
        sizes = caches_on(one.lease.transport)
    if any(op.index >= len(plan.steps) for op in timed.ops):
        raise EngineError(f"engine 'native' answered profile with steps that the plan of {model.name} does not have.")
    total = level(timed.total_ns)
    counts = {} if counted is None else {op.index: op.counters for op in counted.ops if op.counters}
    ops = []
    for op in timed.ops:
        step, took = plan.steps[op.index], level(op.ns)
        time_ns = max(took.value, 1.0)
        work = work_of(step)
        roof = step_roof(work, peaks, sizes)
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
                bytes_moved=work.bytes_moved,
                operations=work.operations,
                roof=roof.name if roof else None,
                roof_ns=roof.ns if roof else None,
                over_roof_ns=time_ns - roof.ns if roof else None,
                roof_share=roof.ns / time_ns if roof else None,
                roofs_ns=roof.parts_ns if roof else {},
                counters={name: median(values) for name, values in counts.get(op.index, {}).items()} or None,
            )
        )
    sums = level([sum(times) for times in zip(*(op.ns for op in timed.ops), strict=True)])
    roofs = [op.roof_ns for op in ops if op.roof_ns is not None]
    compared = [
        op_times(name, file, device=device, inventory=inventory, threads=threads, runs=runs, tell=tell)
        for name in others
    ]
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
        counters_cost=counted.counters_cost if counted else None,
        counters_error=counted.counters_error if counted else None,
        roof_ns=sum(roofs) if roofs else None,
        roof_share=sum(roofs) / total.value if roofs else None,
        fastest_ns=sum(min(op.ns) for op in timed.ops),
        others=tuple(compared),
        side_by_side=_beside(file, plan, ops, compared),
    )


def _beside(
    file: ModelFile, plan: ExecutionPlan, ops: Sequence[OpTime], others: Sequence[EngineOps]
) -> tuple[OpGroup, ...]:
    if not others:
        return ()
    own = [(tuple(node.index for node in plan.steps[op.index].nodes), op.time_ns) for op in ops]
    ops_by_number = {op.index: op.name for op in file.ops if op.subgraph == 0}
    # Constants have numbers in ONNX, and are no ops.
    names = [ops_by_number.get(number, "Constant") for number in range(max(ops_by_number, default=-1) + 1)]
    return tuple(side_by_side(names, [own, *([(op.ops, op.time_ns) for op in other.ops] for other in others)]))


def counter_names(words: str | None) -> list[str]:
    """What `--counters` asks for, names between commas. Raises CallError for one that is none."""
    if words is None:
        return []
    names = list(dict.fromkeys(filter(None, map(str.strip, words.split(",")))))
    for name in names:
        if name not in COUNTERS:
            raise CallError(f"{there_is_no('counter', name, COUNTERS)}.")
    if not names:
        raise CallError(f"--counters is empty; name some of: {', '.join(COUNTERS)}.")
    return names


def rates(counters: Mapping[str, float]) -> dict[str, float]:
    """What two counters say together: `ipc`, instructions per cycle, and `mpki`, misses of the last cache per 1000
    instructions. Without those that lack a counter."""
    cycles, instructions, misses = (counters.get(name) for name in ("cycles", "instructions", "cache_misses"))
    found = {}
    if instructions is not None and cycles:
        found["ipc"] = instructions / cycles
    if misses is not None and instructions:
        found["mpki"] = 1000 * misses / instructions
    return found


def _counted(client: EngineClient, runs: int, counters: Sequence[str]) -> Profile | None:
    """In runs of their own, so that times are without readings. Raises EngineError."""
    return client.profile("model", runs=runs, limit_ns=_LIMIT_NS, counters=counters) if counters else None


def save_trace(done: ModelProfile, title: str, device: str, path: Path) -> None:
    """Writes the steps as a trace for Chrome or Perfetto. Raises OSError."""
    from bnnbench.results.export.chrome_trace import spans

    steps = ((op.name, op.time_ns, _shown(op)) for op in done.ops)
    path.write_text(spans(title, device, steps) + "\n", "utf-8")


def _shown(op: OpTime) -> dict[str, object]:
    counts = {} if op.counters is None else {**op.counters, **rates(op.counters)}
    return {"kernel": op.kernel, "gops": op.gops, "roof": op.roof, "over_roof_ns": op.over_roof_ns, **counts}


def _highest(a: Peaks, b: Peaks) -> Peaks:
    """Of two measurements of one roof the higher counts: a busy moment only lowers it."""

    def larger(x: float | None, y: float | None) -> float | None:
        return max((value for value in (x, y) if value is not None), default=None)

    first, second = a.read_gb_s or {}, b.read_gb_s or {}
    reads = {level: larger(first.get(level), second.get(level)) or 0.0 for level in {**first, **second}}
    return Peaks(
        popcount_gops=larger(a.popcount_gops, b.popcount_gops),
        fma_gflops=larger(a.fma_gflops, b.fma_gflops),
        int8_gops=larger(a.int8_gops, b.int8_gops),
        read_gb_s=reads or None,
        clock_hz=larger(a.clock_hz, b.clock_hz),
    )
