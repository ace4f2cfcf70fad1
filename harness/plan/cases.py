"""Suite x devices x engines -> ordered cases, and what is skipped with its reason."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bnnbench.kernels.engines import Engine, Refusal
from bnnbench.kernels.engines.base import Accepts, RefusalCode
from bnnbench.results.records import CaseRecord, Skip

from ..workload.base import Workload
from .target import Target

MODELS: frozenset[Accepts] = frozenset({"plan", "tflite", "lce", "onnx"})
"""What engines of models load."""
NOT_IMPORTED: RefusalCode = "not_imported"


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured: one row of a report."""

    record: CaseRecord
    workload: Workload
    engine: Engine


@dataclass(frozen=True, slots=True)
class MeasurementPlan:
    """Cases by device, in the suite's order, and recorded skips."""

    cases: Mapping[str, tuple[Case, ...]]
    skips: tuple[Skip, ...]

    @property
    def all(self) -> list[Case]:
        return [case for cases in self.cases.values() for case in cases]

    @property
    def records(self) -> list[CaseRecord]:
        return [case.record for case in self.all]


def make_plan(
    workloads: Sequence[Workload],
    engines: Sequence[Engine],
    threads: Sequence[int],
    targets: Iterable[Target],
    pattern: str | None = None,
) -> MeasurementPlan:
    """`pattern` keeps the workloads in whose name it is found. Every other combination is a case or a skip."""
    kept = matching(workloads, pattern)
    cases: dict[str, tuple[Case, ...]] = {}
    skips: list[Skip] = []
    for target in targets:
        chosen = []
        for workload in kept:
            for engine in engines:
                for count in threads:
                    refusal = _refusal(workload, engine, count, target)
                    if refusal is None:
                        chosen.append(Case(_record(workload, engine, count, target), workload, engine))
                    else:
                        skips.append(_skip(workload, engine, count, target, refusal))
        cases[target.spec.name] = tuple(chosen)
    return MeasurementPlan(cases, tuple(skips))


def refused_models(skips: Iterable[Skip], cases: Iterable[CaseRecord]) -> list[Skip]:
    """The models that cannot be imported and that no engine runs on a device: the first skip of each."""
    ran = {(case.workload, case.device) for case in cases}
    found = [skip for skip in skips if skip.code == NOT_IMPORTED and (skip.workload, skip.device) not in ran]
    return list({(skip.workload, skip.device): skip for skip in reversed(found)}.values())[::-1]


def matching(workloads: Sequence[Workload], pattern: str | None) -> list[Workload]:
    """Those in whose name the pattern is found."""
    return [workload for workload in workloads if pattern is None or re.search(pattern, workload.name)]


def schedule(cases: Sequence[Case], invocations: int, seed: int, device: str) -> list[tuple[Case, int]]:
    """Every invocation of a device in an order drawn by the seed: drift then hits all cases alike."""
    order = [(case, index) for case in cases for index in range(invocations)]
    random.Random(f"{seed} {device}").shuffle(order)  # noqa: S311 - an order, no secret
    return order


def _refusal(workload: Workload, engine: Engine, threads: int, target: Target) -> Refusal | None:
    if target.facts.triple is None:
        return Refusal(f"no engine is built for this device ({target.facts['triple'].source})")
    if refusal := target.refusal(engine, threads) or target.meter.refusal(engine, threads):
        return refusal
    if workload.payload(engine.accepts) is None:
        if workload.unverified and engine.accepts & MODELS:
            return Refusal(workload.unverified, NOT_IMPORTED)
        what = "kernel cases" if workload.kind == "kernel" else "models"
        if workload.kind == "model" and "tflite" in engine.accepts:
            what = "models with LCE's ops, or of another format"
        return Refusal(f"the engine '{engine.recorded_as}' runs no {what}")
    if threads > len(target.cores):
        return Refusal(f"{threads} threads need as many cores; {len(target.cores)} are selected on this device")
    if engine.name not in target.builds:
        return Refusal(f"there is no {engine.recorded_as} engine for this device")
    return None


def _skip(workload: Workload, engine: Engine, threads: int, target: Target, refusal: Refusal) -> Skip:
    figures = workload.figures()
    return Skip(
        workload=workload.name,
        kind=workload.kind,
        op=workload.op,
        engine=engine.name,
        device=target.spec.name,
        threads=threads,
        reason=refusal.reason,
        code=refusal.code,
        **{name: figures[name] for name in Skip.__struct_fields__ if name in figures},
    )


def _record(workload: Workload, engine: Engine, threads: int, target: Target) -> CaseRecord:
    build = target.builds[engine.name].build
    identity = "\0".join([workload.name, workload.identity, engine.name, target.spec.name, str(threads)])
    return CaseRecord(
        id=hashlib.sha256(identity.encode()).hexdigest()[:16],
        workload=workload.name,
        kind=workload.kind,
        op=workload.op,
        engine=engine.recorded_as,
        variant=engine.variant,
        device=target.spec.name,
        threads=threads,
        source=workload.source,
        engine_build=build.sha256,
        isa=target.isas.get(engine.name),
        caveat=None if target.facts.triple is None else engine.caveat(target.facts.triple),
        **workload.figures(),
    )
