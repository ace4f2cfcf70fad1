"""The labelled images of a model whose accuracy is measured, as a device gets them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from bnnbench.kernels.models.datasets import Dataset

from .image_blobs import ImageBlobs, at_once, image_blobs, path_of


class WithImages:
    """For workloads with a `dataset`, None where no accuracy is to be measured."""

    dataset: Dataset | None

    @property
    def has_images(self) -> bool:
        """Whether its accuracy is to be measured."""
        return self.dataset is not None

    @property
    def images_sha256(self) -> str | None:
        """Of the data set that its accuracy is measured with, the whole of it."""
        return None if self.dataset is None else (self.dataset.whole or self.dataset).sha256

    @cached_property
    def _images(self) -> ImageBlobs:
        """The dataset's images as they are pushed: `images_at_once` in each."""
        return ImageBlobs(()) if self.dataset is None else image_blobs(self.dataset.images)

    @property
    def image_sources(self) -> tuple[bytes | Path, ...]:
        """What is pushed."""
        return tuple(self._images.sources)

    @property
    def images_at_once(self) -> int:
        """How many images an engine is given with one request."""
        assert self.dataset is not None
        return at_once(self.dataset.images)

    @cached_property
    def image_paths(self) -> tuple[str, ...]:
        """Where they lie on a device."""
        return tuple(map(path_of, self.image_sources))
