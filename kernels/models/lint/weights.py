"""Whether float weights are binary ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEAST = 16
"""Weights of an output channel; fewer may have one size by chance."""


def is_binary(weights: NDArray[Any] | None) -> bool:
    """Whether all weights of each output channel of a convolution are a and -a, for an a of its own: [oc, kh, kw, c].

    Never true of other numbers than f32, or where a channel has so few that they may be of one size by chance.
    """
    if weights is None or weights.dtype != np.float32 or weights.ndim != 4 or weights.size < _LEAST * len(weights):
        return False
    rows = weights.reshape(weights.shape[0], -1)
    if not len(rows):
        return False
    sizes = np.abs(rows)
    same = np.abs(sizes - sizes[:, :1]) <= 1e-5 * sizes[:, :1]
    return bool(same.all() and (sizes[:, 0] > 0).all() and (rows > 0).any() and (rows < 0).any())
