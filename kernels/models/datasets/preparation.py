"""How images become what a model sees: their size, and the numbers that their values become.

Both are the user's to say, since a model that was trained with others is as wrong as one with other weights.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from .dataset import Preprocessing
from .resize import RESIZES

_MEAN_AND_DEVIATION = re.compile(r"mean=([\d.,eE+-]+) +std=([\d.,eE+-]+)")
_NAMED: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "[-1,1]": ((0.5,), (0.5,)),
    "[0,1]": ((0.0,), (1.0,)),
    "[0,255]": ((0.0,), (1 / 255,)),
    # Of ImageNet's training images, as torchvision, larq_zoo and Keras (mode "torch") have them.
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
NORMALIZATIONS = f"{', '.join(_NAMED)}, or mean=0.5,0.5,0.5 std=0.25,0.25,0.25"
"""What may be said of values, for messages."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """`resize` is a name of `RESIZES`, or None where images have the model's size. `normalize` is what the user said;
    a value v in [0, 1] becomes (v - mean) / std, with one of each for all channels, or one for each channel."""

    resize: str | None
    normalize: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def words(self) -> str:
        """Both, for people and for the name of a dataset."""
        return ", ".join(part for part in (self.resize, self.normalize) if part)

    def for_channels(self, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Factor and summand of a value from 0 to 255, float32, for each channel or for all. Raises DatasetError."""
        for given in (self.mean, self.std):
            if len(given) not in (1, count):
                raise DatasetError(
                    f"normalize = {self.normalize!r} has {len(given)} values, and the model takes images of {count} "
                    f"channel{'s' if count > 1 else ''}; give one value, or one for each channel."
                )
        scale = [1 / (255 * std) for std in self.std]
        offset = [-mean / std for mean, std in np.broadcast(self.mean, self.std)]
        return np.array(scale, np.float32), np.array(offset, np.float32)

    def of_bytes(self) -> Preprocessing | None:
        """The same where engines can do it to bytes: one factor and one summand, and images that stay bytes."""
        keeps_bytes = self.resize is None or RESIZES[self.resize].keeps_bytes
        if not keeps_bytes or len(set(self.mean)) > 1 or len(set(self.std)) > 1:
            return None
        return Preprocessing(1 / (255 * self.std[0]), -self.mean[0] / self.std[0])


def preparation(resize: str | None, normalize: str | None, name: str) -> Preparation:
    """What a user said, `name` being the folder of images. Raises DatasetError."""
    for key, value, example in (("resize", resize, "crop"), ("normalize", normalize, "[-1,1]")):
        if value is not None and not isinstance(value, str):
            raise DatasetError(f"{key} = {value!r} must be text, such as {example!r}.")
    if resize is not None and resize not in RESIZES:
        raise DatasetError(f"resize = {resize!r} is not one of {', '.join(RESIZES)}.")
    if normalize is None:
        raise DatasetError(
            f"{name} is a folder of images, and how their values are normalized must be said, as the model was "
            f"trained (normalize in a suite, --normalize): {NORMALIZATIONS}."
        )
    mean, std = _normalization(normalize)
    return Preparation(resize, normalize, mean, std)


def require_preparation(resize: str | None, normalize: str | None) -> None:
    """Raises DatasetError for what can never be right."""
    preparation(resize, "[0,1]" if normalize is None else normalize, "")


def _normalization(text: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    compact = text.strip()
    if (named := _NAMED.get(compact.replace(" ", ""))) is not None:
        return named
    match = _MEAN_AND_DEVIATION.fullmatch(compact)
    if match is None:
        raise DatasetError(f"normalize = {text!r} is not one of {NORMALIZATIONS}.")
    try:
        mean, std = (tuple(map(float, part.split(","))) for part in match.groups())
    except ValueError:
        raise DatasetError(f"normalize = {text!r} holds something that is not a number.") from None
    if not all(map(math.isfinite, mean + std)) or max(map(abs, mean)) > 1e6:
        raise DatasetError(f"normalize = {text!r} holds a number that cannot be.")
    if not all(1e-6 <= item <= 1e6 for item in std):
        raise DatasetError(f"normalize = {text!r}: every std must be above 0; both are of values from 0 to 1.")
    return mean, std
