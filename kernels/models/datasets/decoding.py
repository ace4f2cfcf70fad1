"""One JPEG or PNG as pixels, with what is hostile in it refused."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = ("JPEG", "PNG")
_ORIENTATION = 0x0112
# What Pillow raises for damaged files.
_DAMAGED = (
    *(OSError, ValueError, SyntaxError, EOFError, MemoryError, AttributeError, KeyError, IndexError, TypeError),
    *(OverflowError, ZeroDivisionError, RuntimeError, struct.error, zlib.error),
)


class UndecodableError(ValueError):
    """Why an image cannot be decoded, in few words."""


def decode(content: bytes, channels: int, *, uprights: bool) -> Image:
    """In mode L (1 channel) or RGB (3), turned as its EXIF data says where it `uprights`. Transparency is left out, as
    TensorFlow and torchvision do. Raises UndecodableError; call it in `bombs_refused`."""
    import PIL.Image

    try:
        with PIL.Image.open(BytesIO(content), formats=_FORMATS) as opened:
            opened.load()
            turned = _turned(opened) if uprights else opened
            return _as_bytes(turned).convert("L" if channels == 1 else "RGB")
    except (PIL.Image.DecompressionBombWarning, PIL.Image.DecompressionBombError):
        raise UndecodableError(f"more than {PIL.Image.MAX_IMAGE_PIXELS or 0:,} pixels") from None
    except PIL.UnidentifiedImageError:
        raise UndecodableError("neither JPEG nor PNG") from None
    except _DAMAGED as error:
        raise UndecodableError(_first_line(error)) from None


@contextmanager
def bombs_refused() -> Iterator[None]:
    """In the block, also in threads that it starts, an image of too many pixels is an error before it is decoded."""
    import PIL.Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of files that are odd, and decoded all the same
        warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
        yield


def _turned(opened: Image) -> Image:
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    try:
        orientation = opened.getexif().get(_ORIENTATION)
    except _DAMAGED:
        return opened  # the image itself was decoded
    turn = turns.get(orientation) if isinstance(orientation, int) else None
    return opened if turn is None else opened.transpose(turn)


def _as_bytes(image: Image) -> Image:
    """A value each of 8 bits: of 16 the upper half, as libpng does it to colours; Pillow would cut off at 255."""
    import PIL.Image

    if image.mode.startswith("I"):
        values = np.asarray(image) >> 8
        return PIL.Image.fromarray(np.clip(values, 0, 255, out=values).astype(np.uint8))
    return image


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120].rstrip(".")
