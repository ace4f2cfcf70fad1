"""Sparse constants of a `.tflite` file: the values that are not zero, by rows of the last dimension."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from ..errors import ModelError

_DENSE, _COMPRESSED = 0, 1  # DimensionType
_VECTORS: dict[int, tuple[type, int]] = {  # SparseIndexVector: its table, bytes of a number
    1: (tflite.Int32Vector, 4),
    2: (tflite.Uint16Vector, 2),
    3: (tflite.Uint8Vector, 1),
}


@dataclass(frozen=True, slots=True, eq=False)
class SparseRows:
    """Row i has values `starts[i]` to `starts[i + 1]`, at `places` of the last dimension: views of the file."""

    starts: NDArray[Any]
    places: NDArray[Any]


def sparse_rows(table: Any, rank: int, file_bytes: int) -> SparseRows | None:
    """How a tensor's constant is compressed; None where it is not by rows alone. ModelError for a damaged file."""
    order = [int(table.TraversalOrder(i)) for i in range(min(table.TraversalOrderLength(), rank + 1))]
    if table.BlockMapLength() or table.DimMetadataLength() != rank or order != list(range(rank)) or not rank:
        return None
    formats = [table.DimMetadata(i).Format() for i in range(rank)]
    if formats != [_DENSE] * (rank - 1) + [_COMPRESSED]:
        return None
    last = table.DimMetadata(rank - 1)
    starts = _numbers(last.ArraySegmentsType(), last.ArraySegments(), file_bytes)
    places = _numbers(last.ArrayIndicesType(), last.ArrayIndices(), file_bytes)
    return None if starts is None or places is None else SparseRows(starts, places)


def dense(rows: SparseRows, values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The whole constant, of the dtype of `values`. ModelError where the parts do not go together."""
    starts, places, width = rows.starts.astype(np.int64), rows.places.astype(np.int64), shape[-1]
    counts = np.diff(starts)
    whole = np.zeros(shape, values.dtype)
    by_row = whole.reshape(-1, width)
    fits = len(starts) == len(by_row) + 1 and starts[0] == 0 and starts[-1] == len(places) == len(values)
    if not fits or (counts < 0).any() or ((places < 0) | (places >= width)).any():
        raise ModelError("its sparse constant has places that do not fit its shape.")
    by_row[np.repeat(np.arange(len(by_row)), counts), places] = values
    return whole


def _numbers(kind: int, union: Any, file_bytes: int) -> NDArray[Any] | None:
    if kind not in _VECTORS or union is None:
        return None
    vector, item_bytes = _VECTORS[kind]
    numbers = vector()
    numbers.Init(union.Bytes, union.Pos)
    length = numbers.ValuesLength()
    if length * item_bytes > file_bytes:
        raise ModelError("it claims more places of sparse constants than the file can hold")
    found: NDArray[Any] = numbers.ValuesAsNumpy() if length else np.zeros(0, np.int32)
    return found
