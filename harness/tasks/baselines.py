"""Making baselines of runs, and the suite that a baseline was measured with."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bnnbench.kernels.toolchain import cache_folder
from bnnbench.results import load
from bnnbench.results.columns import equal
from bnnbench.results.store.baselines import Capsule, CapsuleEngine, CapsuleFigure, CapsuleModel, Capsules
from bnnbench.results.store.stored_run import StoredRun

from ..bench.launcher import LAUNCHER
from ..clock import now
from ..errors import CallError
from ..plan.config import RunConfig, config_of
from ..plan.trusted import require_own_run
from ..suite.tables import Suite

_KEY = re.compile(r"[0-9a-f]{8,64}")
_MODEL = b"TFL3"


def save_baseline(capsules: Capsules, name: str, run: StoredRun, pinned: bool, trusts: bool = False) -> Path:
    """Keeps what the run was made with. `trusts`: also that of a run from elsewhere. Raises CallError when it is from
    elsewhere, or not there any more, StoreError."""
    record = run.record
    if record.comparisons or not run.end or run.end.outcome != "complete":
        what = "is a comparison" if record.comparisons else "is not complete"
        raise CallError(f"run {record.run_id} {what}; save a baseline from a complete bnnbench run.")
    config = config_of(record)
    require_own_run(run, config.files(), config.devices, "save", trusts)
    engines, files = [], {}
    for build in record.builds:
        if not _KEY.fullmatch(build.build or ""):
            continue
        path = cache_folder() / "engines" / (build.build or "") / "engine"
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != build.sha256:
            continue  # another's engine, or one from another machine
        engines.append(CapsuleEngine(engine=build.engine, triple=build.triple, isa=build.isa, sha256=build.sha256))
        files[build.sha256] = path
    if not any(one.engine == LAUNCHER for one in engines):
        raise CallError(
            f"the native engine of run {record.run_id} is not in the build cache of this machine any more; run again."
        )
    models, model_files = _models(run, config)
    capsule = Capsule(
        name=name,
        created=now(),
        version=record.version,
        run_id=record.run_id,
        suite=record.suite,
        engines=engines,
        models=models,
        figures=_figures(run),
        devices=record.devices,
        commit=record.commit,
        pinned=pinned,
    )
    return capsules.save(capsule, files, model_files)


def _models(run: StoredRun, config: RunConfig) -> tuple[list[CapsuleModel], dict[str, Path]]:
    sizes = {case.workload: case.size_bytes for case in run.record.cases if case.kind == "model"}
    models, files = [], {}
    for table in config.suite.model:
        path = Path(table.file)
        name = table.name or path.stem
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CallError(f"the model {path} of run {run.record.run_id} cannot be read: {error.strerror}.") from None
        if content[4:8] != _MODEL:
            raise CallError(f"{path}, which run {run.record.run_id} names as a model, is none; run again.")
        if sizes.get(name) not in (None, len(content)):
            raise CallError(f"the model {path} has changed since run {run.record.run_id}; run again.")
        sha = hashlib.sha256(content).hexdigest()
        models.append(CapsuleModel(workload=name, sha256=sha, size_bytes=len(content)))
        files[sha] = path
    return models, files


def _figures(run: StoredRun) -> list[CapsuleFigure]:
    frame = load(run)
    names = list(CapsuleFigure.__struct_fields__)
    rows = frame[equal(frame["status"], "ok")][names].astype(object)
    return [msgspec.convert({k: _plain(v) for k, v in row.items()}, CapsuleFigure) for row in rows.to_dict("records")]


def _plain(value: object) -> object:
    import pandas as pd

    return None if pd.isna(value) else value.item() if hasattr(value, "item") else value  # type: ignore[call-overload]


@dataclass(frozen=True, slots=True)
class Drift:
    """By how much a case's latency has grown since a pinned baseline; both figures are from the store, so the machine's
    own changes are in it."""

    workload: str
    device: str
    since: str
    ratio: float


def drift_since_pinned(capsules: Capsules, name: str) -> list[Drift]:
    """Of the baseline `name` against the oldest pinned one, cases that both have."""
    pinned = [one for one in capsules.all() if one.pinned and one.name != name]
    if not pinned:
        return []
    old = {_key(one): one for one in pinned[0].figures}
    return [
        Drift(one.workload, one.device, pinned[0].name, one.latency_ns / before.latency_ns - 1)
        for one in capsules.get(name).figures
        if (before := old.get(_key(one))) and one.latency_ns and before.latency_ns
    ]


def _key(one: CapsuleFigure) -> tuple[str, str, str, int, str | None]:
    return (one.workload, one.engine, one.device, one.threads, one.isa)


def suite_of(capsule: Capsule) -> Suite:
    """What it was measured with; models that are no longer where they were come from the capsule's own files."""
    return msgspec.convert(capsule.suite, RunConfig).suite


def with_files(suite: Suite, models: Mapping[str, str], always: bool) -> Suite:
    """Models whose files are gone, from these; with `always` all of them, so that no file of the suite is read."""
    tables = [
        table
        if (not always and Path(table.file).is_file()) or (table.name or Path(table.file).stem) not in models
        else msgspec.structs.replace(
            table, name=table.name or Path(table.file).stem, file=models[table.name or Path(table.file).stem]
        )
        for table in suite.model
    ]
    return msgspec.structs.replace(suite, model=tables)
