"""`measurements.parquet`: a row per invocation, for tools that do not speak bnnbench's journal."""

import io
import json
from pathlib import Path

import pandas as pd

from bnnbench.results.columns import INVOCATION_COLUMNS
from bnnbench.results.frames import load_invocations
from bnnbench.results.records import SCHEMA
from bnnbench.results.store.atomic import write_atomically
from bnnbench.results.store.files import write_files
from bnnbench.results.store.runs import RunWriter
from bnnbench.results.store.stored_run import MEASUREMENTS, StoredRun

_LISTS_OF_REALS = ("samples_ns", "warmup_samples_ns", "clock_hz")
_DICTIONARIES = ("counters", "watch", "telemetry")


def finish(writer: RunWriter) -> Path:
    """Writes what a run has when it ends, `journal.end`, `measurements.parquet` and, last, `files.json`, and returns
    the path of the Parquet file. Raises StoreError."""
    writer.write_end()
    path = writer.path / MEASUREMENTS
    write_atomically(path, to_parquet(writer.read()))
    write_files(writer.path)
    return path


def to_parquet(run: StoredRun) -> bytes:
    """The Parquet file of a run. Columns are those of `load_invocations`; lists stay lists, dictionaries
    are JSON text, and the file's metadata holds the schema version."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    frame = load_invocations(run)
    for name in _DICTIONARIES:
        frame[name] = pd.Series([_json(value) for value in frame[name]], dtype="string", index=frame.index)
    # Spelled out, because a column in which nothing was measured has no type of its own.
    types = {
        "string": pa.string(),
        "Int64": pa.int64(),
        "Float64": pa.float64(),
        "boolean": pa.bool_(),
        "datetime64[us, UTC]": pa.timestamp("us", tz="UTC"),
    }
    special = {
        **dict.fromkeys(_LISTS_OF_REALS, pa.list_(pa.float64())),
        **dict.fromkeys(_DICTIONARIES, pa.string()),
        "cpus_used": pa.list_(pa.int64()),
    }
    schema = pa.schema([(name, special.get(name) or types[kind]) for name, kind in INVOCATION_COLUMNS.items()])
    columns = {name: [None if _missing(value) else value for value in frame[name]] for name in frame.columns}
    table = pa.Table.from_pydict(columns, schema=schema)
    table = table.replace_schema_metadata({"bnnbench_schema": str(SCHEMA), "run_id": run.record.run_id})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    return buffer.getvalue()


def _missing(value: object) -> bool:
    return value is None or value is pd.NA or value is pd.NaT


def _json(value: object) -> str | None:
    return None if _missing(value) else json.dumps(value, sort_keys=True)
