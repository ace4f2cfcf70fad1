"""How an image gets a model's size. Each way is a row of `RESIZES`: a function of an image and (height, width)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from .decoding import UndecodableError

if TYPE_CHECKING:
    from PIL.Image import Image

CENTRE = 0.875
"""The part of the shorter side that is kept: 224 of 256, as for ImageNet since AlexNet."""
_LARQ_PADDING = 32
_TABLE = 1024
_A = -0.75
_MOST_SCALED = 1 << 26

Size = tuple[int, int]
"""Height, width."""


@dataclass(frozen=True, slots=True)
class Resize:
    """`apply` gives [H, W, C]: u8, or f32 from 0 to 255 and a little beyond where it does not `keeps_bytes`. It raises
    UndecodableError for an image that this cannot be done to, DatasetError for a size. `uprights`: images are turned as
    their EXIF data says, before."""

    apply: Callable[[Image, Size], NDArray[np.uint8] | NDArray[np.float32]]
    about: str
    keeps_bytes: bool = True
    uprights: bool = True


def pixels(image: Image) -> NDArray[np.uint8]:
    """[H, W, C]."""
    found = np.asarray(image, np.uint8)
    return found.reshape(*found.shape[:2], -1)


def crop(image: Image, size: Size) -> NDArray[np.uint8]:
    """Scaled, bilinear, until its middle of `size` is 87.5 % of the side that is shorter by comparison; as Resize(256)
    and CenterCrop(224) of torchvision do it to images of Pillow."""
    from PIL.Image import Resampling

    width, height = image.size
    box_h, box_w = (round(side / CENTRE) for side in size)
    if width * box_h <= height * box_w:
        scaled = (box_w, max(box_h, box_w * height // width))
    else:
        scaled = (max(box_w, box_h * width // height), box_h)
    left, top = (round((have - want) / 2) for have, want in zip(scaled, reversed(size), strict=True))
    if scaled[0] * scaled[1] > _MOST_SCALED:
        raise UndecodableError(f"{height}x{width} pixels are too long and thin to be scaled")
    whole = image.resize(scaled, Resampling.BILINEAR)
    return pixels(whole.crop((left, top, left + size[1], top + size[0])))


def stretch(image: Image, size: Size) -> NDArray[np.uint8]:
    """The whole image, bilinear, whatever its proportions."""
    from PIL.Image import Resampling

    return pixels(image.resize((size[1], size[0]), Resampling.BILINEAR))


def larq_zoo(image: Image, size: Size) -> NDArray[np.float32]:
    """The middle square, then TensorFlow 1's bicubic: as `larq_zoo.preprocess_input`, which its published accuracies
    were measured with (larq_zoo/training/data.py, after EfficientNet's)."""
    if size[0] != size[1]:
        raise DatasetError(f"resize = 'larq-zoo' makes squares, and the model takes {size[0]}x{size[1]}.")
    side = size[0]
    width, height = image.size
    cropped = int(np.float32(side / (side + _LARQ_PADDING)) * np.float32(min(width, height)))
    left, top = (width - cropped + 1) // 2, (height - cropped + 1) // 2
    if cropped < 1:
        raise UndecodableError(f"{height}x{width} pixels are too few to take the middle of")
    middle = pixels(image.crop((left, top, left + cropped, top + cropped)))
    places, weights = _bicubic(cropped, side)
    rows = np.einsum("ot,otwc->owc", weights, middle[places].astype(np.float32), dtype=np.float32)
    columns: NDArray[np.float32] = np.einsum("ot,hotc->hoc", weights, rows[:, places], dtype=np.float32)
    return columns


def _bicubic(of: int, to: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Four neighbours [to, 4] of each new value and their weights: Keys' kernel with a = -0.75, at steps of 1/1024,
    edges repeated, no antialiasing, and the corners of both grids in one place (resize_bicubic of TensorFlow 1)."""
    at = np.arange(to, dtype=np.float32) * np.float32(of / to)
    first = at.astype(np.intp)
    delta = np.rint((at - first) * _TABLE) / _TABLE
    distance = np.stack([delta + 1, delta, 1 - delta, 2 - delta], axis=1)
    near = ((_A + 2) * distance - (_A + 3)) * distance**2 + 1
    far = ((_A * distance - 5 * _A) * distance + 8 * _A) * distance - 4 * _A
    places = np.clip(first[:, None] + np.arange(-1, 3), 0, of - 1)
    return places, np.where(distance <= 1, near, far).astype(np.float32)


RESIZES: Mapping[str, Resize] = {
    "crop": Resize(crop, "the shorter side to 8/7 of the model's, bilinear, then the middle"),
    "stretch": Resize(stretch, "the whole image, bilinear, whatever its proportions"),
    "larq-zoo": Resize(larq_zoo, "as larq_zoo: the middle, then bicubic", keeps_bytes=False, uprights=False),
}
"""Name -> how it is done."""
