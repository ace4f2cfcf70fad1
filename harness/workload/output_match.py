"""An output against the right one: what is wrong with it, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.models.graph import Tensor

Array = NDArray[Any]
FLOAT_TOLERANCE = 1e-5
"""Of the output's scale: how far a float output may be off, where the model's rounding errors grow to no more
(docs/method.md)."""
_AS_USUAL: Mapping[str, float] = MappingProxyType({})
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Match:
    """How an output compares: the largest absolute difference, what is wrong (None: nothing), and the variant of int8
    rounding under which it is right (None: as it stands)."""

    difference: float | None = None
    wrong: str | None = None
    variant: str | None = None


def compare_array(output: Array, right: Array, allowed: float) -> Match:
    """Values within `allowed` of the right ones. Infinite ones and NaN must be the same at the same places.

    TFLite's kernels limit results to the largest f32, which therefore stands for infinity.
    """
    mine, its = (array.astype(np.float64).reshape(-1) for array in (right, output))
    finite = np.isfinite(mine)
    with np.errstate(all="ignore"):
        gaps = np.where(finite, np.abs(its - mine), 0.0)
        same = np.isnan(mine) & np.isnan(its) | (mine == its) | (np.sign(mine) * _LARGEST == its)
    gaps = np.where(finite | same, np.nan_to_num(gaps, nan=np.inf), np.inf)
    largest = float(gaps.max())
    if largest <= allowed:
        return Match(largest)
    place = int(gaps.argmax())
    where = [int(i) for i in np.unravel_index(place, right.shape)]
    count = int((~(gaps <= allowed)).sum())
    return Match(
        largest if np.isfinite(largest) else None,
        f"{count} of {right.size} values differ from the reference, most at {where}: "
        f"{output.reshape(-1)[place]} where {right.reshape(-1)[place]} is right",
    )


def tolerance(right: Array, share: float = FLOAT_TOLERANCE) -> float:
    """Of floats: this `share` of the largest finite value; whole numbers must be equal."""
    if right.dtype.kind != "f":
        return 0.0
    return share * float(np.abs(right[np.isfinite(right)]).max(initial=0.0))


def compare_outputs(
    raw: bytes,
    tensors: Sequence[Tensor],
    expected: Sequence[Array],
    steps: int = 0,
    sizes: Sequence[float] = (),
    shares: Mapping[str, float] = _AS_USUAL,
) -> Match:
    """Raw outputs, one after another, against the right ones; int8 and uint8 may be `steps` off, and so may floats that
    have steps of these `sizes`. `shares` of their largest value are what floats may be off, by the tensor's name; where
    there is none, `FLOAT_TOLERANCE`."""
    needed = sum(array.nbytes for array in expected)
    if len(raw) != needed:
        return Match(None, f"the output has {len(raw)} bytes, not {needed}")
    largest, offset = 0.0, 0
    for tensor, right, size in zip(tensors, expected, sizes or [0.0] * len(tensors), strict=True):
        output = np.frombuffer(raw, right.dtype, right.size, offset).reshape(right.shape)
        offset += right.nbytes
        if tensor.dtype == "bits":
            wrong = int(np.bitwise_count(output ^ right).sum())
            if wrong:
                return Match(None, f"{wrong} bits of output {tensor.name} are wrong")
            continue
        allowed = tolerance(right, shares.get(tensor.name, FLOAT_TOLERANCE)) + steps * size
        found = compare_array(output, right, steps if tensor.dtype in ("i8", "u8") else allowed)
        if found.wrong:
            return found
        largest = max(largest, found.difference or 0.0)
    return Match(largest)


def not_finite(expected: Sequence[Array]) -> str | None:
    """What to say of right outputs that hold infinite numbers or NaN, which prove little; None when they hold none."""
    floats = [array for array in expected if array.dtype.kind == "f"]
    count, size = sum(int((~np.isfinite(array)).sum()) for array in floats), sum(array.size for array in floats)
    return f"{count} of the {size} right values are infinite or NaN: compared by their places" if count else None
