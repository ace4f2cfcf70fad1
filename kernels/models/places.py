"""Operations of a graph that take values from other places of their axes, or from between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Gather:
    """Value [i, j, ..] of the output is [places[0][i], places[1][j], ..] of the input: STRIDED_SLICE with steps,
    RESIZE_NEAREST_NEIGHBOR. `places` i32, one array for each axis.
    """

    places: tuple[NDArray[np.int32], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Between:
    """Positions between those of an axis: f32 `share` of the value at `high`, the rest of that at `low` (i32)."""

    low: NDArray[np.int32]
    high: NDArray[np.int32]
    share: NDArray[np.float32]

    @staticmethod
    def at(positions: NDArray[np.float32], size: int) -> Between:
        """Neighbours on an axis of `size` values; beyond its ends there is only the last one."""
        low, high = (np.clip(side(positions), 0, size - 1).astype(np.int32) for side in (np.floor, np.ceil))
        return Between(low, high, positions - low.astype(np.float32))


@dataclass(frozen=True, slots=True)
class Interpolate:
    """RESIZE_BILINEAR: each pixel of the output is between four of the input."""

    rows: Between
    columns: Between
