"""Labelled images for a model: arrays, which must fit it, or a folder of images, which are made to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...errors import DatasetError
from ..graph import Graph
from .dataset import Dataset
from .fit import class_count, fitting, require_labels
from .image_folder import decoded
from .listing import is_image_folder, listed
from .preparation import preparation
from .sources import DATASETS, open_dataset

_CHANNELS = (1, 3)


def labelled(
    name: str,
    graph: Graph,
    model: str,
    *,
    images: int | None = None,
    seed: int = 0,
    resize: str | None = None,
    normalize: str | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Dataset:
    """A dataset by name or path for a model, `images` of it drawn with the seed; `resize` and `normalize` are for
    images. Raises DatasetError."""
    path = Path(name)
    if name in DATASETS or not is_image_folder(path):
        if given := [key for key, value in (("resize", resize), ("normalize", normalize)) if value is not None]:
            raise DatasetError(f"{given[0]} is for folders of images, and {name} holds arrays; leave it out.")
        dataset = fitting(open_dataset(name), graph, model)
        return dataset if images is None else dataset.subset(images, seed)
    prepared = preparation(resize, normalize, name)
    classes, tensor = class_count(graph, model), graph.inputs[0]
    if len(tensor.shape) != 4 or tensor.shape[3] not in _CHANNELS:
        shape = "x".join(map(str, tensor.shape[1:]))
        raise DatasetError(f"{model} takes {shape}, and images are given to models that take HxWx1 or HxWx3.")
    if tensor.dtype != "f32":
        raise DatasetError(
            f"{model} takes {tensor.dtype} and images are given to models that take f32; write an .npz file with "
            "its values."
        )
    listing = listed(path)
    require_labels(name, listing.labels, classes, model)
    _, height, width, channels = tensor.shape
    return decoded(listing, (height, width, channels), prepared, model, count=images, seed=seed, progress=progress)
