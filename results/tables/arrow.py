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


def frame(found: pa.Table, columns: Mapping[str, str], order: NDArray[np.int64] | None = None) -> pd.DataFrame:
    """The columns of a table as pandas sees them, its rows in this order. `columns` are those to take, with their
    types; a text that occurs often is one object."""
    series = {name: _series(found.column(name), kind, order) for name, kind in columns.items()}
    size = found.num_rows if order is None else len(order)
    return pd.DataFrame(series, columns=list(columns), index=pd.RangeIndex(size))


def _series(column: pa.ChunkedArray, kind: str, order: NDArray[np.int64] | None) -> "pd.Series[Any]":
    if kind == "string":
        return pd.Series(_texts(column, order))
    if kind.startswith("datetime"):
        times = column.cast(pa.int64()).combine_chunks()
        values = times.fill_null(0).to_numpy(zero_copy_only=False).view("datetime64[us]").copy()
        values[times.is_null().to_numpy(zero_copy_only=False)] = np.datetime64("NaT")
        ordered = values if order is None else values[order]
        return pd.Series(pd.DatetimeIndex(ordered).tz_localize("UTC").as_unit("us"))
    if kind == "object":
        items = [pd.NA if item is None else item for item in column.to_pylist()]
        return pd.Series(items if order is None else [items[place] for place in order], dtype=object)
    missing = column.is_null().combine_chunks().to_numpy(zero_copy_only=False)
    filler = pa.scalar(False if kind == "boolean" else 0, column.type)
    values = column.fill_null(filler).combine_chunks().to_numpy(zero_copy_only=False)
    if order is not None:
        values, missing = values[order], missing[order]
    return pd.Series(_ARRAYS[kind](np.array(values), np.array(missing)))


_ARRAYS: Mapping[str, Any] = {
    "Int64": pd.arrays.IntegerArray,
    "Float64": pd.arrays.FloatingArray,
    "boolean": pd.arrays.BooleanArray,
}


def _texts(column: pa.ChunkedArray, order: NDArray[np.int64] | None) -> Any:
    """Kept by Python: masks of Arrow's with missing values do not combine with those of numbers."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    encoded = encoded.unify_dictionaries()
    known: Sequence[str] = encoded.chunk(0).dictionary.to_pylist() if encoded.num_chunks else []
    lookup = np.array([*known, pd.NA], dtype=object)
    chunks = [chunk.indices.fill_null(len(known)).to_numpy(zero_copy_only=False) for chunk in encoded.chunks]
    places = np.concatenate(chunks) if chunks else np.zeros(0, np.int64)
    if order is not None:
        places = places[order]
    return pd.array(lookup[places], dtype=pd.StringDtype("python"))
