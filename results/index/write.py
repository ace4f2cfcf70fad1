"""Writing a part of the index: the tables of some runs below each other."""

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bnnbench.results.arrow_types import schema
from bnnbench.results.index.chunks import OF_RUN, ROW, RUN, SCHEMA, chunks
from bnnbench.results.index.settled_run import SettledRun
from bnnbench.results.store.entries import STORED_SCHEMA
from bnnbench.results.store.parts import STATE_COLUMNS, PartFile, write_part
from bnnbench.results.store.run_columns import DERIVATION
from bnnbench.results.tables.of_run import DEVICE_COLUMNS
from bnnbench.results.verdict.frame import VERDICT_COLUMNS

PART_SCHEMAS: Mapping[str, pa.Schema] = {
    "runs": STORED_SCHEMA,
    "devices": schema(DEVICE_COLUMNS),
    "verdicts": schema(VERDICT_COLUMNS),
    "cases": SCHEMA,
}
_ROWS_OF_A_GROUP = 1 << 13


def write_runs(store: Path, runs: Sequence[SettledRun]) -> None:
    """A part of these runs; none where there are none."""
    if not runs:
        return
    ordered = sorted(runs, key=lambda item: item.place)
    found = [item.tables for item in ordered]
    states = np.array([item.state for item in ordered], np.int64)
    listed = pa.concat_tables([item.runs for item in found])
    for column, name in enumerate(STATE_COLUMNS):
        listed = listed.append_column(name, pa.array(states[:, column]))
    cases = [_numbered(item.cases, number) for number, item in enumerate(found)]
    write_part_tables(
        store,
        {
            "runs": listed,
            "devices": pa.concat_tables([item.devices for item in found]),
            "verdicts": pa.concat_tables([item.verdicts for item in found]),
            "cases": pa.concat_tables(cases),
        },
    )


def _numbered(cases: pa.Table, run: int) -> pa.Table:
    columns = {
        RUN: pa.array(np.full(cases.num_rows, run, np.int32)),
        ROW: pa.array(np.arange(cases.num_rows, dtype=np.int32)),
        **{name: cases[name] for name in cases.column_names if name not in OF_RUN},
    }
    return pa.table(columns).select(SCHEMA.names).cast(SCHEMA)


def write_part_tables(store: Path, tables: Mapping[str, pa.Table]) -> None:
    """A part of tables with these names. Raises StoreError."""

    def files() -> Iterator[tuple[str, PartFile, bytes]]:
        for name in ("runs", "devices", "verdicts"):
            yield name, PartFile(name=f"{name}.parquet", rows=tables[name].num_rows, sha256=""), _parquet(tables[name])
        for file, chunk in chunks(tables["cases"]):
            yield "cases", file, _parquet(chunk)

    write_part(store, DERIVATION, tables["runs"].num_rows, files())


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", row_group_size=_ROWS_OF_A_GROUP)
    return buffer.getvalue()
