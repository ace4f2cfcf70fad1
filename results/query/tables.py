"""The tables of a store that SQL sees: of the index where it stands, of the run folders for the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from bnnbench.results.arrow_types import schema
from bnnbench.results.columns import CASE_COLUMNS, INVOCATION_COLUMNS
from bnnbench.results.index.chunks import OF_RUN, SCHEMA
from bnnbench.results.index.retry import with_index
from bnnbench.results.index.settled_run import current_tables
from bnnbench.results.store.entries import Entries, each_once, read_part_table
from bnnbench.results.store.latest import unless_damaged
from bnnbench.results.store.run_columns import RUN_COLUMNS
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import MEASUREMENTS, is_run, read_record, read_run
from bnnbench.results.tables.of_run import DEVICE_COLUMNS, RunTables, invocation_table
from bnnbench.results.tables.run_files import fresh_files, most_rows, table_file
from bnnbench.results.verdict.frame import VERDICT_COLUMNS

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "cases": CASE_COLUMNS,
    "invocations": INVOCATION_COLUMNS,
    "verdicts": VERDICT_COLUMNS,
    "runs": {name: kind for name, kind in RUN_COLUMNS.items() if name not in ("created_text", "sorted_by")},
    "devices": DEVICE_COLUMNS,
}
"""The tables with their columns and pandas types."""
PLACE = "_place"
"""The column that joins the cases of a part with their runs."""


@dataclass(frozen=True, slots=True)
class PartCases:
    """The cases of a part without what is their run's, and the runs that stand, each with its place (`PLACE`)."""

    cases: ds.Dataset
    runs: pa.Table


@dataclass(frozen=True, slots=True)
class QueryTables:
    """`small` are whole tables by name; those of cases are in parts, with `cases` for runs outside the index. `folders`
    are those of the parts."""

    folders: list[Path]
    parts: list[PartCases]
    small: dict[str, pa.Table]


def query_tables(store: Store) -> QueryTables:
    """All tables but the invocations. Warns (StoreWarning) of what can't be read; raises StoreError."""

    def of_index(entries: Entries) -> tuple[list[Path], list[PartCases], dict[str, list[pa.Table]], list[str]]:
        rows = np.arange(len(entries.ids))
        kept = each_once(entries, rows[entries.standing(rows, store.runs_path)])
        others = entries.names - {entries.ids[row] for row in kept.tolist()}
        return ([part.folder for part in entries.parts], *_of_index(entries, kept), sorted(others))

    folders, parts, small, others = with_index(store.path, store.names, of_index, list(RUN_COLUMNS))
    for run in _others(store, others):
        for name, tables in small.items():
            tables.append(getattr(run, name).select(list(COLUMNS[name])))
    return QueryTables(folders, parts, {name: pa.concat_tables(found) for name, found in small.items()})


def invocations_of(store: Store) -> Iterator[ds.Dataset | pa.Table]:
    """The invocations of every run: of its own file where that is fresh, of its journal else."""
    fresh: list[str] = []
    rest: list[pa.Table] = [schema(INVOCATION_COLUMNS).empty_table()]
    for run_id in store.run_ids():
        folder = store.runs_path / run_id
        files = fresh_files(folder)
        record = unless_damaged(read_record, folder)
        if record is None:
            continue
        most = 0 if files is None else most_rows(MEASUREMENTS, record, files)
        if files is not None and table_file(folder, MEASUREMENTS, files, most) is not None:
            fresh.append(str(folder / MEASUREMENTS))
            continue
        run = unless_damaged(read_run, folder)
        if run is not None:
            rest.append(invocation_table(run))
    if fresh:
        yield ds.dataset(fresh, schema=schema(INVOCATION_COLUMNS), format="parquet")
    yield pa.concat_tables(rest)


def _of_index(entries: Entries, kept: NDArray[np.int64]) -> tuple[list[PartCases], dict[str, list[pa.Table]]]:
    """Raises PartError."""
    runs = entries.runs.take(pa.array(kept)).select(list(COLUMNS["runs"]))
    small = {name: [schema(COLUMNS[name]).empty_table()] for name in ("runs", "devices", "cases", "verdicts")}
    small["runs"].append(runs)
    parts = []
    for number, part in enumerate(entries.parts):
        mine = kept[entries.part[kept] == number]
        ids = pa.array([entries.ids[row] for row in mine.tolist()], pa.string())
        for name in ("devices", "verdicts"):
            table = read_part_table(part, name, schema(COLUMNS[name]))
            small[name].append(table.filter(pc.is_in(table["run_id"], ids)))
        of_run = entries.runs.take(pa.array(mine)).select(OF_RUN)
        of_run = of_run.append_column(PLACE, pa.array(entries.local[mine].astype(np.int32)))
        paths = [str(path) for path in part.paths("cases")]
        if paths:
            parts.append(PartCases(ds.dataset(paths, schema=SCHEMA, format="parquet"), of_run))
    return parts, small


def _others(store: Store, names: list[str]) -> Iterator[RunTables]:
    for name in names:
        folder = store.runs_path / name
        found = unless_damaged(current_tables, folder) if is_run(folder) else None
        if found is not None:
            yield found
