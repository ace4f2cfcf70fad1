"""Between rows, Arrow tables and pandas frames: the types are those of `results/columns.py` in all three."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from bnnbench.results.arrow_types import LISTS, schema


def table(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> pa.Table:
    """A table with exactly these columns; a key that a row lacks is null."""
    records, wanted = list(rows), schema(columns)
    values = {name: [row.get(name) for row in records] for name in columns}
    for name, kind in columns.items():
        if kind.startswith("datetime"):
            values[name] = [moment(value) for value in values[name]]
        elif kind == "object" and name not in LISTS:
            values[name] = [None if value is None else json.dumps(value, sort_keys=True) for value in values[name]]
        elif kind == "Float64":
            values[name] = [None if value is None else float(value) for value in values[name]]
    return pa.table([pa.array(values[field.name], field.type) for field in wanted], schema=wanted)


def moment(text: object) -> datetime | None:
    """A time of a record, ISO 8601; without a zone it is UTC. None for what is no time."""
    try:
        found = datetime.fromisoformat(str(text))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def frame(found: pa.Table, columns: Mapping[str, str]) -> pd.DataFrame:
    """The columns of a table as pandas sees them. `columns` are those to take, with their types."""
    made = {name: series(found.column(name), kind) for name, kind in columns.items()}
    return pd.DataFrame(made, columns=list(columns), index=pd.RangeIndex(found.num_rows), copy=False)


def series(column: pa.ChunkedArray, kind: str, order: NDArray[np.int64] | None = None) -> "pd.Series[Any]":
    """A column as pandas sees it, its rows in this order; a text that occurs often is one object."""
    if kind == "string":
        return pd.Series(_texts(column, order), copy=False)
    if kind == "object":
        items = [pd.NA if item is None else item for item in column.to_pylist()]
        return pd.Series(items if order is None else [items[place] for place in order], dtype=object)
    if kind.startswith("datetime"):
        values, missing = _numbers(column.cast(pa.int64()), order)
        moments = values.view("datetime64[us]")
        moments[missing] = np.datetime64("NaT")
        return pd.Series(pd.DatetimeIndex(moments).tz_localize("UTC").as_unit("us"), copy=False)
    return pd.Series(_ARRAYS[kind](*_numbers(column, order), copy=False), copy=False)


_ARRAYS: Mapping[str, Any] = {
    "Int64": pd.arrays.IntegerArray,
    "Float64": pd.arrays.FloatingArray,
    "boolean": pd.arrays.BooleanArray,
}


def _numbers(column: pa.ChunkedArray, order: NDArray[np.int64] | None) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The values of a column, and which are missing; arrays of their own."""
    size, nulls = len(column), column.null_count
    values = np.empty(size, column.type.to_pandas_dtype())
    if nulls == size:
        values.fill(0)
        return values, np.ones(size, bool)
    filled = column.fill_null(False if pa.types.is_boolean(column.type) else 0) if nulls else column
    _gather(filled, order, values)
    missing = np.zeros(size, bool)
    if nulls:
        _gather(column.is_null(), order, missing)
    return values, missing


def _gather(column: pa.ChunkedArray, order: NDArray[np.int64] | None, into: NDArray[Any]) -> None:
    chunks = [chunk.to_numpy(zero_copy_only=False) for chunk in column.chunks]
    whole = chunks[0] if len(chunks) == 1 else np.concatenate(chunks) if chunks else into[:0]
    if order is None:
        into[:] = whole
    else:
        whole.take(order, out=into, mode="clip")  # all places are in it: the check takes longer than the rest


def _texts(column: pa.ChunkedArray, order: NDArray[np.int64] | None) -> Any:
    """Kept by Python: masks of Arrow's with missing values do not combine with those of numbers."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    encoded = encoded.unify_dictionaries()
    known: Sequence[str] = encoded.chunk(0).dictionary.to_pylist() if encoded.num_chunks else []
    lookup = np.array([*known, pd.NA], dtype=object)
    if column.null_count == len(column) or (len(known) == 1 and not column.null_count):
        texts = np.full(len(column), lookup[-1] if column.null_count else lookup[0], dtype=object)
    else:
        indices = pa.chunked_array([chunk.indices for chunk in encoded.chunks])
        places = np.empty(len(column), np.int32)
        _gather(indices.fill_null(len(known)).cast(pa.int32()), order, places)
        texts = lookup.take(places)
    make: Any = pd.arrays.StringArray  # its stub does not know the type, without which pandas takes Arrow's
    return make(texts, dtype=pd.StringDtype("python"))
