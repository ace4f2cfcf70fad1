"""The verdicts of a store's comparisons, with when their runs began and their commits."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bnnbench.results.arrow_types import schema
from bnnbench.results.index.retry import with_index
from bnnbench.results.index.settled_run import current_tables
from bnnbench.results.store.entries import Entries, each_once, read_part_table
from bnnbench.results.store.latest import unless_damaged
from bnnbench.results.store.place import require_store
from bnnbench.results.store.run_columns import RUN_COLUMNS
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import is_run, read_record
from bnnbench.results.tables.arrow import frame
from bnnbench.results.tables.of_run import RunTables
from bnnbench.results.verdict.frame import VERDICT_COLUMNS

_OF_RUN = ("run_id", "created", "commit", "sorted_by")


def read_verdicts(store: Store, columns: Sequence[str]) -> pd.DataFrame:
    """A row for each comparison and metric, runs oldest first, with `run_id`, `created`, `commit` and `columns` of
    `VERDICT_COLUMNS`. Of runs in the index, only those that compare something are looked at.

    Warns (StoreWarning) of what can't be read. Raises StoreError when there is no such store.
    """
    require_store(store.path)
    wanted = schema({name: VERDICT_COLUMNS[name] for name in ("run_id", *columns)})

    def of_index(entries: Entries) -> tuple[list[pa.Table], list[pa.Table], list[str]]:
        rows = np.flatnonzero(entries.runs["comparisons"].to_numpy() > 0)
        kept = each_once(entries, rows[entries.standing(rows, store.runs_path)])
        found = [wanted.empty_table()]
        for number, part in enumerate(entries.parts):
            mine = [entries.ids[row] for row in kept[entries.part[kept] == number].tolist()]
            if mine:
                table = read_part_table(part, "verdicts", wanted)
                found.append(table.filter(pc.is_in(table["run_id"], pa.array(mine, pa.string()))))
        known = set(entries.ids) - {entries.ids[row] for row in rows.tolist()}
        others = entries.names - known - {entries.ids[row] for row in kept.tolist()}
        return found, [entries.runs.take(pa.array(kept)).select(_OF_RUN)], sorted(others)

    verdicts, runs, others = with_index(store.path, store.names, of_index, [*_OF_RUN, "comparisons"])
    for tables in _of_folders(store, others):
        verdicts.append(tables.verdicts.select(wanted.names))
        runs.append(tables.runs.select(_OF_RUN))
    listed = frame(pa.concat_tables(runs), {name: RUN_COLUMNS[name] for name in _OF_RUN})
    rows = frame(pa.concat_tables(verdicts), {name: VERDICT_COLUMNS[name] for name in wanted.names})
    joined = rows.merge(listed, on="run_id", how="inner", sort=False)
    return joined.sort_values(["sorted_by", "run_id"], kind="stable", ignore_index=True).drop(columns="sorted_by")


def _of_folders(store: Store, names: Sequence[str]) -> Iterator[RunTables]:
    """The tables of runs outside the index that compare something."""
    for name in names:
        folder = store.runs_path / name
        record = unless_damaged(read_record, folder) if is_run(folder) else None
        if record is None or not record.comparisons:
            continue
        found = unless_damaged(current_tables, folder)
        if found is not None:
            yield found
