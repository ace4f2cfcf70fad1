"""Measuring the run of an archive again, with engines that are built here: nothing of the archive is executed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from bnnbench.kernels.models.shipped import shipped_models
from bnnbench.kernels.sources import RECIPES
from bnnbench.kernels.targets import TRIPLES
from bnnbench.kernels.toolchain import build_key
from bnnbench.results import load
from bnnbench.results.ratios import RunComparison, compare
from bnnbench.results.records import Build, RunRecord
from bnnbench.results.store.reading import read_regular
from bnnbench.results.store.stored_run import StoredRun

from ..errors import CallError
from ..plan.comparisons import CompareConfig
from ..plan.config import RunConfig, config_of
from ..plan.side import Selection
from ..run.execute import RunResult
from ..suite.tables import ModelTable
from .measure import Call, measure


@dataclass(frozen=True, slots=True)
class Remeasurement:
    """What is measured again of a run; `left_out` are its engines that are not run, with the reason."""

    config: RunConfig
    engines: Sequence[str]
    left_out: Mapping[str, str]


def remeasurement(run: StoredRun, *, redacted: bool) -> Remeasurement:
    """Checks that this installation can build what the run was measured with, and has its models. Raises CallError,
    BuildError."""
    record = run.record
    if redacted:
        raise CallError(f"run {record.run_id} is redacted, so its devices and files are unknown; execute the original.")
    config = config_of(record)
    left_out = {} if config.compare else _left_out(config)
    names = config.engines or config.suite.engines
    engines = [name for name in dict.fromkeys(names) if name not in left_out]
    if config.compare:
        for side in (config.compare.base, config.compare.head):
            _require_ours(record, side, config)
        engines = [config.compare.base.engine, config.compare.head.engine]
    if not engines:
        raise CallError(
            f"run {record.run_id} has no engine that bnnbench builds ({', '.join(left_out)}), so nothing of it can be "
            "measured again."
        )
    # In a comparison the builds have the names of its sides.
    sides = {"base": config.compare.base.engine, "head": config.compare.head.engine} if config.compare else {}
    for build in record.builds:
        engine = sides.get(build.engine, build.engine)
        if engine in RECIPES:
            _require_same_build(record, engine, build)
    suite = structs.replace(config.suite, engine={}, model=[_verified(record, table) for table in config.suite.model])
    config = structs.replace(config, suite=suite, compare=_verified_sides(record, config.compare))
    return Remeasurement(config, engines, left_out)


def remeasure(run: StoredRun, plan: Remeasurement, call: Call) -> tuple[RunResult, RunComparison]:
    """A new run of the same cases, and its ratios to the stored one. Without devices in the call: the run's. Raises as
    `measure`."""
    config = plan.config
    here = replace(call, devices=list(call.devices) or config.devices, threads=config.threads, filter=config.filter)
    engines = None if config.compare else plan.engines
    result = measure(here, config.suite, engines=engines, compare=config.compare, layers=config.layers)
    return result, compare(load(run), load(result.stored))


def _left_out(config: RunConfig) -> dict[str, str]:
    found = {}
    for name in config.engines or config.suite.engines:
        if name in config.suite.engine:
            found[name] = "the suite declared it, and programs that an archive names are not run"
        elif name not in RECIPES:
            found[name] = "it is not an engine that bnnbench builds"
    return found


def _require_ours(record: RunRecord, side: Selection, config: RunConfig) -> None:
    """Raises CallError for a side that is a file, or another's engine."""
    if side.binaries or side.declared or side.engine in config.suite.engine or side.engine not in RECIPES:
        raise CallError(
            f"run {record.run_id} compares {side.text!r}, which is not an engine that bnnbench builds from its own "
            "sources, so it is not run; compare again with bnnbench ab."
        )


def _require_same_build(record: RunRecord, engine: str, build: Build) -> None:
    """Raises CallError when this version and its compilers would build another binary, BuildError without compilers."""
    what = f"the engine {engine} of run {record.run_id} for {build.isa or build.triple}"
    key = build_key(engine, build.triple, build.isa) if build.triple in TRIPLES else None
    if build.build is None or key != build.build:
        raise CallError(
            f"{what} cannot be built again here: its build key is {(build.build or 'unknown')[:12]}, and this version "
            f"with its compilers makes {(key or 'none')[:12]}; use bnnbench {record.version} with the same compilers."
        )


def _verified_sides(record: RunRecord, config: CompareConfig | None) -> CompareConfig | None:
    if config is None:
        return None
    sides = {
        name: structs.replace(
            side,
            model=side.model and _model(record, side.model),
            models={workload: _model(record, path) for workload, path in side.models.items()},
        )
        for name, side in (("base", config.base), ("head", config.head))
    }
    return structs.replace(config, **sides, earlier=(), later=())


def _verified(record: RunRecord, table: ModelTable) -> ModelTable:
    path = Path(table.file)
    return structs.replace(table, name=table.name or path.stem, file=_model(record, table.file))


def _model(record: RunRecord, file: str) -> str:
    """Where the model that was measured is here: the shipped one, or one at the same path. Raises CallError."""
    wanted = record.models.get(file)
    for path in (shipped_models().get(Path(file).stem), Path(file)):
        if path is not None and wanted is not None and _digest(path) == wanted:
            return str(path)
    raise CallError(
        f"the model {file} of run {record.run_id} is not here, or another one than was measured; put the model with "
        f"SHA-256 {(wanted or 'unknown')[:12]} there."
    )


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(read_regular(path)).hexdigest()
    except OSError:
        return None
