"""The labelled images of a run's models: a dataset that several take alike is read once."""

from __future__ import annotations

from collections.abc import Callable

from bnnbench.kernels.models.datasets import Dataset, labelled

from ..suite.tables import ModelTable
from .foreign_model import ForeignModel
from .model import ModelWorkload


class OpenedImages:
    """`show` is told what takes a while, how many are done, and of how many."""

    def __init__(self, show: Callable[[str, int, int], None] = lambda text, done, of: None) -> None:
        self._show = show
        self._opened: dict[object, Dataset] = {}

    def of(self, table: ModelTable, workload: ModelWorkload | ForeignModel, seed: int) -> Dataset:
        """The table's dataset, which fits the model. Raises DatasetError, ModelError."""
        assert table.dataset is not None
        graph, model = workload.graph, workload.model
        assert model is not None
        tensors = [(tensor.shape, tensor.dtype) for tensor in (*graph.inputs, *graph.outputs)]
        key = (table.dataset, table.images, table.resize, table.normalize, seed, *tensors)
        if key not in self._opened:
            self._opened[key] = labelled(
                table.dataset,
                graph,
                model.path.name,
                images=table.images,
                seed=seed,
                resize=table.resize,
                normalize=table.normalize,
                progress=lambda done, of: self._show(f"the images of {table.dataset}", done, of),
            )
        return self._opened[key]
