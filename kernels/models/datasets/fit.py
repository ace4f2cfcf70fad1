"""Whether labelled images and a model go together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from ..graph import Graph
from .dataset import Dataset

_DTYPES = {"float32": "f32", "int8": "i8", "uint8": "u8"}


def fitting(dataset: Dataset, graph: Graph, model: str) -> Dataset:
    """The dataset in the shape that the model takes. DatasetError says what does not fit; `model` is its name."""
    given, classes = graph.inputs[0], class_count(graph, model)
    shape, wanted = dataset.images.shape[1:], given.shape[1:]
    if wanted not in (shape, (*shape, 1)):
        theirs, ours = ("x".join(map(str, sides)) for sides in (shape, wanted))
        raise DatasetError(f"the images of {dataset.name} are {theirs}, and {model} takes {ours}; resize them.")
    stored = str(dataset.images.dtype)
    dtype = "f32" if dataset.preprocessing is not None else _DTYPES.get(stored)
    if (dtype, given.dtype) == ("u8", "f32"):
        raise DatasetError(
            f"{dataset.name}: uint8 images need a scale (and offset): {model} sees x * scale + offset, such as "
            "scale = 0.00784314, offset = -1 for values from -1 to 1."
        )
    if dtype != given.dtype:
        raise DatasetError(f"the images of {dataset.name} are {dataset.images.dtype}, and {model} takes {given.dtype}.")
    require_labels(dataset.name, dataset.labels, classes, model)
    return replace(dataset, images=dataset.images.reshape(-1, *wanted))


def class_count(graph: Graph, model: str) -> int:
    """How many classes a model tells apart. Raises DatasetError when it does something else."""
    outputs = graph.outputs
    if len(outputs) != 1 or len(outputs[0].shape) != 2 or outputs[0].dtype == "bits":
        shapes = " and ".join("x".join(map(str, tensor.shape)) or "of unknown shape" for tensor in outputs)
        raise DatasetError(f"{model} has outputs {shapes}; accuracy needs one score for each class: 1xN.")
    return outputs[0].shape[1]


def require_labels(name: str, labels: NDArray[np.int64], classes: int, model: str) -> None:
    """Raises DatasetError for a label that is not a class of the model."""
    largest = int(labels.max())
    if largest >= classes:
        raise DatasetError(f"{name} has a label {largest}, and {model} knows the classes 0 to {classes - 1}.")
