"""Pandas views of the store: a row per case, and a row per invocation.

Columns have pandas' nullable types, and what was not measured is missing (`pd.NA`), never 0. Times of
emulated devices are missing too: they mean nothing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import pandas as pd

from bnnbench.results.case_rows import case_rows, invocation_rows
from bnnbench.results.columns import CASE_COLUMNS, INVOCATION_COLUMNS, build
from bnnbench.results.index.read import Wanted, read
from bnnbench.results.index.where import Value
from bnnbench.results.index.where import where as condition
from bnnbench.results.store.place import require_store
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import StoredRun, is_run, read_run
from bnnbench.results.tables.arrow import moment

Condition = str | Mapping[str, Value | Collection[Value]]
Source = Store | StoredRun | Iterable[StoredRun] | Path | str


def load(
    source: Source,
    *,
    where: Condition | None = None,
    columns: Sequence[str] | None = None,
    since: str | datetime | None = None,
) -> pd.DataFrame:
    """A row per case, in `CASE_COLUMNS`: runs oldest first, cases in the order of the plan, then what was
    skipped.

    `source` is a store, a run, several, or the folder of a store or run. `where` is a condition over columns, such as
    `"device == 'pi4' and threads > 1"` or `{"device": "pi4", "status": ["ok", "unstable"]}`. `columns` are those to
    return. `since` leaves out runs that began before a date or time, in UTC unless it has a zone. Of an indexed store,
    only what these ask for is read.

    Raises StoreError when it can't be read, or there is none; ValueError for a condition, column or time that can't
    be used. The frame of an empty store has no rows.
    """
    wanted = _wanted(where, columns, since)
    if isinstance(source, Store):
        return _of_store(source, wanted)
    if isinstance(source, Path | str) and not is_run(Path(source)):
        return _of_store(Store(source), wanted)
    found = build((row for run in _runs(source) for row in case_rows(run)), CASE_COLUMNS)
    if wanted.since is not None:
        found = found[(found["created"] >= pd.Timestamp(wanted.since)).to_numpy(bool)].reset_index(drop=True)
    if wanted.where is not None:
        found = wanted.where.rows(found)
    return found[list(wanted.columns)]


def load_invocations(source: Source) -> pd.DataFrame:
    """A row per invocation, in `INVOCATION_COLUMNS`, in the order they finished; failed ones too.

    `samples_ns`, `warmup_samples_ns`, `clock_hz` and `cpus_used` hold lists, `counters`, `watch` and
    `telemetry` dictionaries. Raises StoreError when the source can't be read.
    """
    return build((row for run in _runs(source) for row in invocation_rows(run)), INVOCATION_COLUMNS)


def _of_store(store: Store, wanted: Wanted) -> pd.DataFrame:
    require_store(store.path)
    return read(store.path, store.runs_path, wanted)


def _wanted(where: Condition | None, columns: Sequence[str] | None, since: str | datetime | None) -> Wanted:
    names = tuple(CASE_COLUMNS if columns is None else dict.fromkeys(columns))
    unknown = [name for name in names if name not in CASE_COLUMNS]
    if unknown:
        raise ValueError(f"there is no column {unknown[0]!r}; the columns are {', '.join(CASE_COLUMNS)}")
    begin = None if since is None else moment(since)
    if since is not None and begin is None:
        raise ValueError(f"{since!r} is no date or time; write it as 2026-01-31 or 2026-01-31T14:25")
    return Wanted(names, None if where is None else condition(where, CASE_COLUMNS), begin)


def _runs(source: Source) -> list[StoredRun]:
    if isinstance(source, StoredRun):
        return [source]
    if isinstance(source, Store):
        return source.runs()
    if isinstance(source, Path | str):
        return [read_run(Path(source))] if is_run(Path(source)) else Store(source).runs()
    return list(source)
