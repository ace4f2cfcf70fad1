"""The Arrow types of columns, by their pandas types."""

from collections.abc import Mapping

import pyarrow as pa

_TYPES: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "Int64": pa.int64(),
    "Float64": pa.float64(),
    "boolean": pa.bool_(),
    "datetime64[us, UTC]": pa.timestamp("us", tz="UTC"),
}
LISTS: Mapping[str, pa.DataType] = {
    **dict.fromkeys(("samples_ns", "each_ns", "warmup_samples_ns", "clock_hz"), pa.list_(pa.float64())),
    "cpus_used": pa.list_(pa.int64()),
    "devices": pa.list_(pa.string()),
}
"""Objects that are lists, by the names of their columns; other objects are JSON text."""


def schema(columns: Mapping[str, str]) -> pa.Schema:
    """The Arrow schema of columns with pandas types."""
    return pa.schema([(name, _TYPES.get(kind) or LISTS.get(name, pa.string())) for name, kind in columns.items()])
