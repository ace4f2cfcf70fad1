"""A yes or no for each image of a dataset, as text: bits from the highest of each byte on, in base64.

10,000 images take 1.7 kB of a journal's line.
"""

import base64
import binascii

import numpy as np
from numpy.typing import NDArray

MOST_IMAGES = 1_000_000
"""With more they are not kept."""


def packed(flags: NDArray[np.bool_]) -> str | None:
    """The text of `flags` ([images]); None for more than MOST_IMAGES."""
    if len(flags) > MOST_IMAGES:
        return None
    return base64.b64encode(np.packbits(flags).tobytes()).decode("ascii")


def unpacked(text: str | None, images: int) -> NDArray[np.bool_] | None:
    """[images], or None when there is no text, or it is not that of so many."""
    if text is None or not 0 <= images <= MOST_IMAGES:
        return None
    try:
        raw = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != (images + 7) // 8:
        return None
    return np.unpackbits(raw)[:images].astype(bool)
