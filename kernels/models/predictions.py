"""The classes that the reference gives labelled images: what every engine's predictions are compared with.

The reference takes milliseconds an image, so what it said is kept: in the cache, under the digests of the model, of
the images and of the reference's own sources, and for the shipped models and images in the package.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..toolchain import cache_folder
from .datasets import Dataset
from .importer import import_model
from .interpreter import VARIANTS, interpret
from .model import ModelFile

Progress = Callable[[int, int], None]
"""Called with how many images are done, of how many."""

BATCH = 100
_SHIPPED = Path(__file__).parent / "fashion_mnist" / "reference.json"
_KERNELS = Path(__file__).parents[1]


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
    """As `reference_classes`, always by running the reference."""
    batch = min(BATCH, len(dataset))
    graph = import_model(model, batch)
    classes = np.empty(len(dataset), np.int64)
    for start in range(0, len(dataset), batch):
        progress(start, len(dataset))
        images = dataset.inputs(slice(start, start + batch))
        short = batch - len(images)
        if short:
            images = np.concatenate([images, np.repeat(images[-1:], short, axis=0)])
        given = np.ascontiguousarray(images.reshape(graph.inputs[0].shape))
        scores = interpret(graph, [given], variant=VARIANTS[variant] if variant else None).outputs[0]
        classes[start : start + batch] = top1(scores)[: batch - short]
    return classes


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
    folders = (_KERNELS / "reference", *(_KERNELS / "models" / name for name in ("importer", "interpreter")))
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
