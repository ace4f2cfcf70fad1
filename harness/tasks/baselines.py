"""Making baselines of runs, and the suite that a baseline was measured with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bnnbench.results import load
from bnnbench.results.columns import equal
from bnnbench.results.environment import environment_of
from bnnbench.results.store.baselines import Baseline, BaselineFigure, Baselines
from bnnbench.results.store.stored_run import StoredRun

from ..clock import now
from ..errors import CallError
from ..plan.config import RunConfig, config_of
from ..plan.trusted import require_own_run
from ..suite.tables import Suite
from .kept_engines import kept_engines
from .kept_models import kept_models

_MOST = 4
_MEASURED = ("ok", "unstable", "unverified")
"""Statuses of cases that a baseline is worth something for."""


@dataclass(frozen=True, slots=True)
class Saved:
    """`replaced` was in its place before; `warnings` are sentences about what the baseline lacks."""

    baseline: Baseline
    path: Path
    replaced: Baseline | None
    warnings: Sequence[str]


def save_baseline(
    baselines: Baselines, name: str, run: StoredRun, *, pin: bool = False, trusts: bool = False, replaces: bool = False
) -> Saved:
    """Keeps what the run was made with. `trusts`: also that of a run from elsewhere; `replaces`: also in the place of a
    baseline of another suite, device, engine or metric.

    Raises CallError when the run is from elsewhere, measured nothing that is right, or what it was made with is not
    there any more; StoreError.
    """
    record = run.record
    if record.comparisons:
        raise CallError(f"run {record.run_id} is a comparison; save a baseline from a complete bnnbench run.")
    if not run.end or run.end.outcome != "complete":
        raise CallError(
            f"run {record.run_id} is not complete; finish it with bnnbench run --resume {record.run_id}, then save it."
        )
    config = config_of(record)
    require_own_run(run, config, "save", trusts)
    warnings = _not_measured(run, config)
    engines = kept_engines(record, config.suite)
    models, model_files = kept_models(run, config.suite)
    old = baselines.get(name) if name in baselines.names() else None
    baseline = Baseline(
        name=name,
        created=now(),
        version=record.version,
        run_id=record.run_id,
        suite=record.suite,
        engines=engines.built,
        declared=engines.declared,
        measured=list(dict.fromkeys(case.engine for case in record.cases)),
        not_kept=engines.not_kept,
        models=models,
        figures=_figures(run),
        devices=record.devices,
        commit=record.commit,
        environment=msgspec.structs.replace(environment_of(run), devices={}),
        pinned=pin or (old is not None and old.pinned),
    )
    if old is not None and not replaces:
        _require_alike(old, baseline)
    return Saved(baseline, baselines.save(baseline, engines.files, model_files, engines.named), old, warnings)


def described(baseline: Baseline) -> str:
    """Which suite on which devices, with which engines, what of it was measured and when it was saved."""
    devices, engines = ", ".join(baseline.devices) or "no device", ", ".join(baseline.judged) or "no engine"
    what, count = ", ".join(sorted(_metrics(baseline))) or "nothing measured", len(baseline.figures)
    return (
        f"suite {_suite_name(baseline)} on {devices} with {engines} ({what} of {count} case{'' if count == 1 else 's'})"
    )


def _require_alike(old: Baseline, new: Baseline) -> None:
    """Raises CallError where the new baseline is of something else than the one in whose place it would be."""
    differences = [
        what
        for what, is_other in (
            ("suite", _suite_name(old) != _suite_name(new)),
            ("filter", old.suite.get("filter") != new.suite.get("filter")),
            ("device", set(old.devices) != set(new.devices)),
            ("engine", bool(set(old.judged) - set(new.judged))),
            ("metric", bool(_metrics(old) - _metrics(new))),
        )
        if is_other
    ]
    if differences:
        raise CallError(
            f"the baseline '{new.name}' is of another {' and '.join(differences)}: it is of {described(old)}, saved "
            f"{old.created[:16].replace('T', ' ')}, and run {new.run_id} is of {described(new)}; choose another name, "
            "or replace it with --replace."
        )


def _suite_name(baseline: Baseline) -> str:
    suite = baseline.suite.get("suite")
    return str(suite.get("name")) if isinstance(suite, dict) else "unknown"


def _metrics(baseline: Baseline) -> set[str]:
    counted = {name for name, facts in baseline.devices.items() if (facts.get("emulated") or {}).get("value") is True}
    found = {"instructions"} if any(figure.device in counted for figure in baseline.figures) else set()
    found |= {"latency"} if any(figure.latency_ns is not None for figure in baseline.figures) else set()
    return found | ({"accuracy"} if any(figure.accuracy is not None for figure in baseline.figures) else set())


def _not_measured(run: StoredRun, config: RunConfig) -> list[str]:
    """What of the run failed, a sentence each. Raises CallError when all of it did."""
    frame = load(run)
    cases = frame[~equal(frame["status"], "skipped")]
    wrong = cases[~cases["status"].isin(_MEASURED)]
    described = [
        f"{row['workload']} on {row['engine']}, {row['device']}: {str(row['status']).replace('_', ' ')}"
        for row in wrong.to_dict("records")
    ]
    if len(wrong) == len(cases):
        first = next(iter(wrong["reason"].dropna()), "nothing was measured")
        raise CallError(
            f"no case of run {run.record.run_id} was measured, so it is not a baseline ("
            f"{'; '.join(described[:_MOST]) or 'there is none'}: {first}); fix it, and run again."
        )
    warnings = [f"it holds nothing of {text}" for text in described]
    away = [name for name in config.device_names() if name not in run.record.devices]
    return warnings + [f"it holds nothing of device {text}, which was not reached" for text in away]


def _figures(run: StoredRun) -> list[BaselineFigure]:
    frame = load(run)
    names = list(BaselineFigure.__struct_fields__)
    rows = frame[frame["status"].isin(_MEASURED)][names].astype(object)
    return [msgspec.convert({k: _plain(v) for k, v in row.items()}, BaselineFigure) for row in rows.to_dict("records")]


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


def drift_since_pinned(baselines: Baselines, name: str) -> list[Drift]:
    """Of the baseline `name` against the oldest pinned one, cases that both have."""
    pinned = [item for item in baselines.all() if item.pinned and item.name != name]
    if not pinned:
        return []
    old = {_key(figure): figure for figure in pinned[0].figures}
    return [
        Drift(figure.workload, figure.device, pinned[0].name, figure.latency_ns / before.latency_ns - 1)
        for figure in baselines.get(name).figures
        if (before := old.get(_key(figure))) and figure.latency_ns and before.latency_ns
    ]


def _key(figure: BaselineFigure) -> tuple[str, str, str, int, str | None]:
    return (figure.workload, figure.engine, figure.device, figure.threads, figure.isa)


def asked_of(baseline: Baseline) -> RunConfig:
    """What its run was asked to measure. Raises CallError."""
    try:
        return msgspec.convert(baseline.suite, RunConfig)
    except msgspec.ValidationError as error:
        raise CallError(
            f"the baseline '{baseline.name}' was saved by bnnbench {baseline.version}, and its suite cannot be read "
            f"({error}); save it again."
        ) from None


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
