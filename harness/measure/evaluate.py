"""Accuracy on a device: labelled images in, predictions out, compared with the labels and with the reference."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bnnbench.devices.errors import CommandFailed
from bnnbench.kernels.engines.client import EngineClient
from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.models.datasets import Dataset
from bnnbench.kernels.models.interpreter import VARIANTS, interpret, is_sure, tolerances
from bnnbench.kernels.models.predictions import top1
from bnnbench.results.image_flags import packed
from bnnbench.results.records import Accuracy, Status

from ..bench.workbench import Workbench, load
from ..clock import now
from ..plan.cases import Case
from ..workload.foreign_model import ForeignModel
from ..workload.model import NUMPY, ModelWorkload
from ..workload.output_match import compare_array, tolerance
from .sign_flips import explain
from .verify import not_compared

Show = Callable[[int, int], None]
_DEADLINE_S = 6 * 3600.0
_LIMIT_NS = 3_000_000_000_000
_MOST_EXPLAINED = 200
"""Differing predictions that are looked into: with more, the engine is wrong and not unlucky."""
_MOST_CLASSES = 100
"""Up to which a confusion matrix is kept."""


def evaluate(bench: Workbench, case: Case, show: Show) -> Accuracy:
    """Raises DeviceError when the device is lost, Interrupted; an engine that fails is an accuracy that says so.

    `show` is told how many images are done, between requests.
    """
    workload = cast("ModelWorkload | ForeignModel", case.workload)  # what has images is a model
    assert workload.dataset is not None
    dataset, started, wall = workload.dataset, now(), time.monotonic_ns()
    status: Status = "ok"
    reason: str | None = None
    predicted: _Predicted | None = None
    verdict = _Verdict()
    try:
        with bench.lease.engine(case.engine.name, case.record.threads, _DEADLINE_S) as (client, _):
            load(client, case, 0)
            predicted = _predict(bench, case, workload, client, show)
            if workload.unverified:
                reason = not_compared(case)
            else:
                verdict = _compare(bench, case, cast("ModelWorkload", workload), client, predicted)
                status, reason = ("wrong_output", verdict.wrong) if verdict.wrong else ("ok", None)
    except (EngineError, CommandFailed) as error:
        status, reason, predicted = "failed", str(error), None
    return Accuracy(
        case_id=case.record.id,
        status=status,
        reason=reason,
        dataset=dataset.name,
        dataset_sha256=(dataset.whole or dataset).sha256,
        images=len(dataset),
        of_images=dataset.of_images,
        seed=dataset.seed,
        classes=list(dataset.classes),
        resize=dataset.resize,
        normalize=dataset.normalize,
        excluded=list(dataset.excluded),
        compared=None if workload.unverified else len(cast("ModelWorkload", workload).compared),
        differing=verdict.differing,
        explained=verdict.explained,
        wall_ns=time.monotonic_ns() - wall,
        started=started,
        **({} if predicted is None else predicted.figures(dataset)),
    )


@dataclass(frozen=True, slots=True)
class _Predicted:
    """`classes` [n], `scores` [n, classes], and the engine's time for all."""

    classes: NDArray[np.int64]
    scores: NDArray[Any]
    infer_ns: int

    def figures(self, dataset: Dataset) -> dict[str, Any]:
        labels, count = dataset.labels, self.scores.shape[1]
        confusion = None
        if count <= _MOST_CLASSES:
            pairs = np.bincount(labels * count + self.classes, minlength=count * count)
            confusion = pairs.reshape(count, count).tolist()
        return {
            "correct": int((self.classes == labels).sum()),
            "correct_top5": None if count <= 5 else int(in_top(self.scores, labels, 5).sum()),
            "confusion": confusion,
            "predictions_sha256": hashlib.sha256(self.classes.astype("<i4").tobytes()).hexdigest(),
            "right": packed(self.classes == labels),
            "infer_ns": float(self.infer_ns),
        }


@dataclass(frozen=True, slots=True)
class _Verdict:
    """How many predictions are not the reference's, how many of these its unsure signs explain, what is wrong."""

    differing: int | None = None
    explained: int | None = None
    wrong: str | None = None


def in_top(scores: NDArray[Any], labels: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
    """Whether fewer than `k` classes come before the label's; of equal scores the lower class comes first."""
    own = scores[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(scores.shape[1])[None] < labels[:, None]
    before = (scores > own) | ((scores == own) & earlier)
    return np.asarray(before.sum(axis=1) < k)


def _predict(
    bench: Workbench, case: Case, workload: ModelWorkload | ForeignModel, client: EngineClient, show: Show
) -> _Predicted:
    dataset = workload.dataset
    assert dataset is not None
    (output,) = workload.graph.outputs
    prepared = dataset.preprocessing
    u8 = None if prepared is None else (prepared.scale, prepared.offset)
    path, scores, spent = f"{bench.lease.scratch}/{case.record.id}.scores", [], 0
    at_once = workload.images_at_once
    for number, images in enumerate(workload.image_paths):
        show(number * at_once, len(dataset))
        count = min(at_once, len(dataset) - number * at_once)
        with bench.timed():
            done = client.infer(
                "case",
                input=images,
                output=path,
                count=count,
                threads=case.record.threads,
                limit_ns=_LIMIT_NS,
                u8=u8,
            )
        spent += done.ns
        raw = bench.lease.fetch(path, count * output.bytes)
        if len(raw) != count * output.bytes:
            raise EngineError(f"the engine wrote {len(raw)} bytes for {count} images of {output.bytes} each.")
        scores.append(np.frombuffer(raw, NUMPY[output.dtype]).reshape(count, -1))
    every = np.concatenate(scores)
    if every.dtype.kind == "f" and not np.isfinite(every).all():
        raise EngineError("the engine wrote scores that are not finite.")
    return _Predicted(top1(every), every, spent)


def _compare(
    bench: Workbench, case: Case, workload: ModelWorkload, client: EngineClient, predicted: _Predicted
) -> _Verdict:
    """Looks into each prediction, of those that are compared, that is not the reference's."""
    places = workload.compared_places
    mine, right = predicted.classes[places], workload.reference_classes()
    differing = np.flatnonzero(mine != right)
    if len(differing) > _MOST_EXPLAINED and not case.engine.traces and workload.rounds:
        right = min(map(workload.reference_classes_under, VARIANTS), key=lambda item: (item != mine).sum())
        differing = np.flatnonzero(mine != right)
    if len(differing) > _MOST_EXPLAINED:
        return _Verdict(len(differing), None, f"{len(differing)} of {len(right)} predictions are not the reference's")
    troubles: list[str] = []
    for number in differing:
        place = int(places[number])
        trouble = _trouble(bench, case, workload, client, place, predicted.scores[place])
        if trouble is not None:
            message = f"class {mine[number]} where the reference says {right[number]}"
            troubles.append(f"image {place} is {message}: {trouble}")
    return _Verdict(len(differing), len(differing) - len(troubles), troubles[0] if troubles else None)


def _trouble(
    bench: Workbench, case: Case, workload: ModelWorkload, client: EngineClient, place: int, scores: NDArray[Any]
) -> str | None:
    """What is wrong with the scores of one image; None when signs too close to zero, or equal scores, explain them."""
    assert workload.dataset is not None
    graph = workload.graph
    given = np.ascontiguousarray(workload.dataset.inputs(slice(place, place + 1)))
    if case.engine.traces:
        (blob,) = bench.lease.folder.blobs([given.tobytes()])
        client.input("case", blob)
        return explain(bench, graph, given, client, case.record.id, scores.tobytes()).wrong
    result = interpret(graph, [given], keep=True)
    if not is_sure(graph, result.values):
        return None
    share = tolerances(graph, result.values).get(graph.outputs[0].name, 0.0)
    for variant in (None, *VARIANTS.values()):
        (right,) = interpret(graph, [given], variant=variant).outputs
        found = compare_array(scores, right[0], tolerance(right, share) or workload.others_steps)
        if not found.wrong:
            return None
    return f"{found.wrong}, and no sign is close to zero"
