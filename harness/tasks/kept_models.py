"""Which models of a run a baseline keeps: those that were measured, and no others that are in their places now."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bnnbench.kernels.models.datasets import DATASETS
from bnnbench.results.store.baselines import BaselineModel
from bnnbench.results.store.stored_run import StoredRun

from ..errors import CallError
from ..plan.cases import refused_models
from ..suite.tables import ModelTable, Suite
from ..workload.of_suite import of_model

_MODEL = b"TFL3"


def kept_models(run: StoredRun, suite: Suite) -> tuple[list[BaselineModel], dict[str, Path]]:
    """Of a run's suite, and where they are by their digests. Raises CallError where a model or a data set is gone or
    another one than was measured, SuiteError."""
    models, files = [], {}
    refused = {skip.workload for skip in refused_models(run.record.skips, run.record.cases)}
    for table in suite.model:
        path = Path(table.file)
        if (table.name or path.stem) in refused:
            continue
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CallError(f"the model {path} of run {run.record.run_id} cannot be read: {error.strerror}.") from None
        if content[4:8] != _MODEL:
            raise CallError(f"{path}, a model of run {run.record.run_id}, is not a model file; run again.")
        sha = hashlib.sha256(content).hexdigest()
        if run.record.models.get(table.file, sha) != sha:
            raise _changed("model", path, run)
        _require_as_measured(run, table, suite.seed)
        models.append(BaselineModel(workload=table.name or path.stem, sha256=sha, size_bytes=len(content)))
        files[sha] = path
    return models, files


def _require_as_measured(run: StoredRun, table: ModelTable, seed: int) -> None:
    """By the plans of models in records of before, which have no digest of the file; and by the images of
    data sets that are the user's own. Raises CallError, SuiteError."""
    is_known, is_shipped = table.file in run.record.models, table.dataset is None or table.dataset in DATASETS
    if is_known and is_shipped:
        return
    for workload in of_model(table, seed):
        ids = {case.id for case in run.record.cases if case.workload == workload.name}
        plans = {case.plan_sha256 for case in run.record.cases if case.id in ids} - {None}
        images = {accuracy.dataset_sha256 for accuracy in run.accuracies.values() if accuracy.case_id in ids}
        figures = workload.figures()
        if not is_known and plans and figures.get("plan_sha256") not in plans:
            raise _changed("model", Path(table.file), run)
        if images and workload.images_sha256 not in images:
            raise _changed("data set", Path(table.dataset or ""), run)


def _changed(what: str, path: Path, run: StoredRun) -> CallError:
    return CallError(f"the {what} {path} has changed since run {run.record.run_id}; run again, then save.")
