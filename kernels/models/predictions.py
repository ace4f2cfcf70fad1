"""The classes that the reference gives labelled images: what every engine's predictions are compared with.

The reference takes from a millisecond (28x28) to a quarter of a second (224x224) of a core an image, so it is run on a
sample of the images where they are many (`affordable`). What it said is kept: in the cache, under the digests of the
model, of the images and of the reference's own sources, and for the shipped models and images in the package.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cache import cache_folder
from .datasets import Dataset
from .description import describe
from .formats import graph_of
from .model import ModelFile
from .reference_pool import in_batches, padded, score_batches

Progress = Callable[[int, int], None]
"""Called with how many images are done, of how many."""

BATCH = 100
_BATCH_MACS = 4_000_000_000
"""Of a batch at most: about a second of the reference, and its memory."""
_MOST_MACS = 400_000_000_000
_LEAST = 100
_SHIPPED = Path(__file__).parent / "fashion_mnist" / "reference.json"
_KERNELS = Path(__file__).parents[1]
_DECIDING = ("importer", "onnx_importer", "interpreter")
"""Folders of sources that decide what the reference says."""


def reference_classes(
    model: ModelFile,
    dataset: Dataset,
    progress: Progress = lambda done, of: None,
    variant: str | None = None,
) -> NDArray[np.int64]:
    """The class with the largest score for each image, int64 [n], or that under a variant of int8 rounding.

    Raises ModelError.
    """
    if variant is None and (shipped := _shipped(model, dataset.whole or dataset)) is not None:
        return shipped if dataset.chosen is None else shipped[dataset.chosen]
    path = cache_folder() / "predictions" / f"{_key(model, dataset, variant)}.npy"
    if (kept := _kept(path, len(dataset))) is not None:
        return kept
    classes = compute_classes(model, dataset, progress, variant)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            np.save(file, classes)
        part.replace(path)
    except OSError:
        pass  # a cache that cannot be written costs time, and nothing else
    return classes


def compute_classes(
    model: ModelFile,
    dataset: Dataset,
    progress: Progress = lambda done, of: None,
    variant: str | None = None,
) -> NDArray[np.int64]:
    """As `reference_classes`, always by running the reference, on all cores."""
    size = max(1, min(BATCH, len(dataset), _BATCH_MACS // _macs(model)))
    graph = graph_of(model, size)
    parts = in_batches(len(dataset), size)

    def batch(part: slice) -> NDArray[Any]:
        return np.ascontiguousarray(padded(dataset.inputs(part), size).reshape(graph.inputs[0].shape))

    scores = score_batches(
        graph,
        [partial(batch, part) for part in parts],
        variant,
        lambda done: progress(min(done * size, len(dataset)), len(dataset)),
    )
    return np.concatenate([top1(score) for score in scores])[: len(dataset)]


def affordable(model: ModelFile, dataset: Dataset) -> int:
    """On how many of the images the reference is run when nobody says: all where that takes about a minute of a core
    or two, or is shipped; else as many as that, one digit and zeros, and 100 at least. It hangs on the model and the
    number of images alone."""
    if _shipped(model, dataset.whole or dataset) is not None:
        return len(dataset)
    count = _MOST_MACS // _macs(model)
    if count >= len(dataset):
        return len(dataset)
    digits = 10 ** (len(str(count)) - 1)
    return int(min(len(dataset), max(_LEAST, count // digits * digits)))


def _macs(model: ModelFile) -> int:
    described = describe(model)
    return max(1, described.macs_1bit + described.macs_32bit)


def top1(scores: NDArray[Any]) -> NDArray[np.int64]:
    """The first of the classes with the largest score; `scores` [n, classes]."""
    classes: NDArray[np.int64] = np.argmax(scores, axis=1).astype(np.int64)
    return classes


def _kept(path: Path, count: int) -> NDArray[np.int64] | None:
    try:
        classes: NDArray[np.int64] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return classes if classes.shape == (count,) and classes.dtype == np.int64 else None


def _key(model: ModelFile, dataset: Dataset, variant: str | None) -> str:
    words = (model.sha256, dataset.sha256, _reference_digest(), *([variant] if variant else []))
    return hashlib.sha256(" ".join(words).encode()).hexdigest()


@cache
def _reference_digest() -> str:
    """Of the sources that decide what the reference says."""
    digest = hashlib.sha256()
    folders = (_KERNELS / "reference", *(_KERNELS / "models" / name for name in _DECIDING))
    paths = [path for folder in folders for path in folder.rglob("*.py")]
    for path in sorted([*paths, *_KERNELS.glob("*.py"), *(_KERNELS / "models").glob("*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _shipped(model: ModelFile, dataset: Dataset) -> NDArray[np.int64] | None:
    try:
        kept = json.loads(_SHIPPED.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    digits = kept["classes"].get(model.sha256) if kept.get("dataset_sha256") == dataset.sha256 else None
    return None if digits is None else np.array([int(digit) for digit in digits], np.int64)
