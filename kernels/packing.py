"""Signs <-> bits as Larq Compute Engine has them: bit 0 is +1, bit 1 is -1, channel 0 lowest in word 0."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .ops import words

__all__ = ["pack", "unpack", "words"]


def pack(x: NDArray[Any]) -> NDArray[np.uint32]:
    """Packs the signs of the last axis: [..., c] of any real type -> u32[..., words(c)].

    Bit 1 where x < 0, so 0, -0.0 and NaN are +1; unused high bits are 0.
    """
    negative = np.asarray(x) < 0
    *outer, channels = negative.shape
    octets = np.zeros((*outer, words(channels) * 4), np.uint8)
    packed = np.packbits(negative, axis=-1, bitorder="little")
    octets[..., : packed.shape[-1]] = packed
    return octets.view("<u4").astype(np.uint32, copy=False)


def unpack(packed: NDArray[np.uint32], channels: int) -> NDArray[np.int8]:
    """Signs of the last axis: u32[..., words(channels)] -> int8[..., channels] of +1 and -1.

    ValueError when the last axis does not have words(channels) words.
    """
    packed = np.asarray(packed)
    if packed.shape[-1] != words(channels):
        raise ValueError(f"{channels} channels take {words(channels)} words, not {packed.shape[-1]}.")
    octets = np.ascontiguousarray(packed, dtype="<u4").view(np.uint8)
    bits = np.unpackbits(octets, axis=-1, count=channels, bitorder="little")
    return (1 - 2 * bits.astype(np.int8)).astype(np.int8, copy=False)
