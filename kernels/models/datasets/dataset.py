"""Labelled images, and what becomes of their bytes before a model sees them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError

_HASHED_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """A u8 value x becomes `x * scale + offset`, each step rounded to float32, as engines do it."""

    scale: float
    offset: float

    def apply(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the model sees, float32."""
        return images.astype(np.float32) * np.float32(self.scale) + np.float32(self.offset)


@dataclass(frozen=True)
class Dataset:
    """`images` [n, H, W, C] u8 with a `preprocessing`, or f32, i8 or u8 as the model takes them; `labels` [n] int64.

    A subset knows the whole it was drawn from: `chosen` are its places in it, ascending, drawn with `seed`. Of a folder
    of images it is known how they were prepared (`resize`, `normalize`), and what was left out, with the reason;
    `broken` of these were drawn.
    """

    name: str
    images: NDArray[Any]
    labels: NDArray[np.int64]
    preprocessing: Preprocessing | None
    classes: tuple[str, ...] = ()
    """Their names, when the dataset says them."""
    whole: Dataset | None = None
    chosen: NDArray[np.intp] | None = None
    seed: int | None = None
    resize: str | None = None
    normalize: str | None = None
    excluded: tuple[str, ...] = ()
    broken: int = 0
    digest: str | None = None
    """In the place of `sha256` for a whole folder of images, of which `images` holds none."""

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def sha256(self) -> str:
        """Of everything a prediction depends on: images, labels, preprocessing."""
        if self.digest is not None:
            return self.digest
        digest = hashlib.sha256(f"{self.images.dtype} {self.images.shape} {self.preprocessing}".encode())
        for at in range(0, len(self.images), _HASHED_AT_ONCE):
            digest.update(np.ascontiguousarray(self.images[at : at + _HASHED_AT_ONCE]).tobytes())
        digest.update(self.labels.astype("<i8").tobytes())
        return digest.hexdigest()

    @property
    def of_images(self) -> int:
        """How many there are to draw from."""
        return len(self.whole or self) - self.broken

    def inputs(self, which: slice | NDArray[np.intp]) -> NDArray[Any]:
        """Some images as the model sees them."""
        images = self.images[which]
        return images if self.preprocessing is None else self.preprocessing.apply(images)

    def subset(self, count: int, seed: int) -> Dataset:
        """`count` of the images, drawn with a seed, in their order. DatasetError when there are not as many."""
        if count == len(self):
            return self
        if not 0 < count < len(self):
            raise DatasetError(f"the dataset {self.name} has {len(self)} images, not {count}.")
        chosen = np.sort(np.random.default_rng(seed).permutation(len(self))[:count])
        return replace(
            self, images=self.images[chosen], labels=self.labels[chosen], whole=self, chosen=chosen, seed=seed
        )
