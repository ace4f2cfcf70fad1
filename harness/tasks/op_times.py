"""How long other engines take for each op of a model: `bnnbench profile --engine`.

LiteRT and onnxruntime say it themselves, by their profilers. LCE's interpreter has none that can be reached, so an op's
time is what the model takes longer with the op repeated. Both are rows of `METHODS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bnnbench.kernels.engines.client import EngineClient
from bnnbench.kernels.engines.onnx_rows import nodes_of_rows, numbered_onnx
from bnnbench.kernels.engines.op_rows import Row, ops_of_rows
from bnnbench.kernels.engines.replies import ProfiledOp
from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.models.formats import FORMATS
from bnnbench.kernels.models.model import ModelFile
from bnnbench.kernels.models.repeated_op import with_repeated_op
from bnnbench.kernels.models.shapes import file_bytes
from bnnbench.results.statistics.level import level

from ..bench.one_off import OneOff, one_off
from ..bench.reach import Tell
from ..errors import CallError
from ..plan.engines import engine_named

_LIMIT_NS = 600_000_000_000
_PILOTS, _LEAST_PAIRS, _PAIRS_OF_RUNS = 3, 5, 5
_WANTED_SHARE, _MOST_REPEATS = 0.3, 30
"""Repeats are as many as make the model take this share longer."""


@dataclass(frozen=True, slots=True)
class EngineOp:
    """Time of some ops of a model file in another engine: a median in ns with its interval. `ops` are their numbers in
    the file, empty where what is timed is none of them; `name` is what the engine calls it."""

    name: str
    ops: tuple[int, ...]
    time_ns: float
    low_ns: float
    high_ns: float


@dataclass(frozen=True, slots=True)
class EngineOps:
    """`total_ns` is the whole inference without any profiling, `sum_ns` the ops' times added up: the median of the
    runs' sums, or the sum of medians where ops were timed one after the other. `method` is a key of `METHODS`."""

    engine: str
    version: str
    method: str
    ops: tuple[EngineOp, ...]
    total_ns: float
    total_low_ns: float
    total_high_ns: float
    sum_ns: float


@dataclass(frozen=True, slots=True)
class Subject:
    """The engine `name` that has loaded a model as "model", and how often and on how many threads it is to run."""

    one: OneOff
    name: str
    model: ModelFile
    runs: int
    threads: int


Measure = Callable[[Subject], tuple[Sequence[EngineOp], float]]
"""Its ops, and `sum_ns`."""


def by_profiler(subject: Subject) -> tuple[list[EngineOp], float]:
    """The runtime's own times of its ops, in whole microseconds. Raises EngineError."""
    _, profiler = subject.one.lease.paths[subject.name]
    timed = subject.one.client.profile(
        "model", runs=subject.runs, threads=subject.threads, limit_ns=_LIMIT_NS, profiler=profiler
    )
    if not timed.ops:
        raise EngineError(f"engine '{subject.name}' has no times of ops.")
    names, held = _rows(subject.model, timed.ops)
    levels = [level(op.ns) for op in timed.ops]
    found = [
        EngineOp(name, ops, took.value, took.low, took.high)
        for name, ops, took in zip(names, held, levels, strict=True)
    ]
    return found, median(map(sum, zip(*(op.ns for op in timed.ops), strict=True)))


def _rows(model: ModelFile, timed: Sequence[ProfiledOp]) -> tuple[list[str], list[tuple[int, ...]]]:
    """What the rows of a profile are called, and the ops of the file that each holds."""
    if model.onnx:
        return [op.op for op in timed], nodes_of_rows([op.name for op in timed], model.onnx)
    ops = [op.name for op in model.ops if op.subgraph == 0]
    return [op.name for op in timed], ops_of_rows([Row(op.name, op.node) for op in timed], ops)


def by_repeats(subject: Subject) -> tuple[list[EngineOp], float]:
    """Each op in turn: what the model takes longer with the op repeated, in pairs of runs. Raises EngineError."""
    pairs = max(_LEAST_PAIRS, subject.runs // _PAIRS_OF_RUNS)
    found = []
    for op in (op for op in subject.model.ops if op.subgraph == 0):
        whole, pilot = _longer(subject, op.index, 2, _PILOTS)
        per_repeat = max(median(pilot) / 2, whole / 1000)
        more = min(_MOST_REPEATS, max(1, round(_WANTED_SHARE * whole / per_repeat)))
        _, differences = _longer(subject, op.index, more, pairs)
        took = level([difference / more for difference in differences])
        found.append(EngineOp(op.name, (op.index,), *(max(ns, 0.0) for ns in (took.value, took.low, took.high))))
    return found, sum(op.time_ns for op in found)


def _longer(subject: Subject, op: int, more: int, pairs: int) -> tuple[float, list[float]]:
    """The model's own time, and for each pair how many ns the one with `more` repeats of the op takes longer."""
    client, threads = subject.one.client, subject.threads
    with TemporaryDirectory(prefix="bnnbench-") as folder:
        path = Path(folder) / "repeated.tflite"
        path.write_bytes(with_repeated_op(file_bytes(subject.model), op, more))
        client.load("repeated", {"model": str(path)})
    try:
        _once(client, "repeated", threads)
        taken = [[_once(client, id, threads) for id in ("model", "repeated")] for _ in range(pairs)]
    finally:
        client.unload("repeated")
    own, longer = zip(*taken, strict=True)
    return median(own), [b - a for a, b in zip(own, longer, strict=True)]


def _once(client: EngineClient, id: str, threads: int) -> float:
    return client.run(id, samples=1, iterations=1, threads=threads, limit_ns=_LIMIT_NS).samples_ns[0]


METHODS: Mapping[str, Measure] = {"profiler": by_profiler, "repeats": by_repeats}
"""How times of single ops are found."""

_ENGINES = {"litert": "profiler", "onnxruntime": "profiler", "lce": "repeats", "lce-indirect": "repeats"}
"""Engines whose ops can be timed, and how."""
_REASONS = {"lce-best": "its XNNPACK leaves out repeated ops; lce-indirect has the same binary convolutions"}
"""Why those of others cannot."""


def require_engines(names: Sequence[str], model: ModelFile) -> list[str]:
    """Those beside `native`, each once. Raises CallError for one whose ops cannot be timed, or that does not read the
    model."""
    others = [name for name in dict.fromkeys(names) if name != "native"]
    for name in others:
        engine = engine_named(name)
        if name not in _ENGINES:
            why = f": {_REASONS[name]}" if name in _REASONS else ""
            can = ", ".join(_ENGINES)
            raise CallError(f"the ops of the engine '{name}' cannot be timed{why}; --engine takes {can}.")
        if model.format not in engine.accepts:
            files = " and ".join(kind.suffix for format, kind in FORMATS.items() if format in engine.accepts)
            named = model.path.name
            raise CallError(f"the engine '{name}' reads {files} files; leave --engine {name} out for {named}.")
    return others


def _content(model: ModelFile) -> bytes:
    """The file; of ONNX, with nodes that a profile can be read by."""
    content = file_bytes(model)
    return numbered_onnx(content) if model.onnx else content


def op_times(
    name: str, model: ModelFile, *, device: str, inventory: Path | None, threads: int, runs: int, tell: Tell
) -> EngineOps:
    """Of one engine of `require_engines`. Raises what `one_off` raises."""
    method, engine = _ENGINES[name], engine_named(name)
    with one_off(device, inventory, engine, threads, "bnnbench profile", tell, times=True) as one:
        tell(f"timing the ops of the engine '{name}'")
        (blob,) = one.lease.folder.blobs([_content(model)])
        one.client.load("model", {"model": blob})
        plain = one.client.run("model", samples=runs, iterations=1, threads=threads, limit_ns=_LIMIT_NS)
        ops, sum_ns = METHODS[method](Subject(one, name, model, runs, threads))
        version = one.hello.version
    total = level(plain.samples_ns)
    whole = (total.value, total.low, total.high)
    return EngineOps(name, version, method, tuple(ops), *whole, sum_ns=sum_ns)
