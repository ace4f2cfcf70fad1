"""The rows of a store's cases: of the index where it stands, of the run folders for the rest."""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bnnbench.results.arrow_types import schema
from bnnbench.results.columns import CASE_COLUMNS
from bnnbench.results.errors import StoreError, StoreNotice, StoreWarning
from bnnbench.results.index.chunks import OF_RUN, PLANNED, ROW, RUN, read_cases
from bnnbench.results.index.retry import with_index
from bnnbench.results.index.where import Where
from bnnbench.results.records import RunRecord
from bnnbench.results.store.entries import Entries, each_once
from bnnbench.results.store.parts import Part
from bnnbench.results.store.stored_run import RECORD, StoredRun, read_record, read_run
from bnnbench.results.tables.arrow import frame, moment, series
from bnnbench.results.tables.of_run import case_table
from bnnbench.results.tables.run_files import CASES, fresh_files, most_rows, read_table

_MANY = 200
"""Ended runs outside the index from which on reading is slow enough to say so."""
_ROWS_OF_A_RUN = 1 << 24
_MANY_ROWS = 1 << 18
_AT_ONCE = 8
"""Columns of many rows that are in memory as Arrow has them."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """`columns` with their types, of the rows that meet `where`, of runs that began at `since` or later."""

    columns: tuple[str, ...]
    where: Where | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some rows. `columns` gives columns of theirs by name; what sorts them are the places of their runs,
    `places[place[i]]` of row `i`, and in its run `row[i]`."""

    columns: Callable[[Sequence[str]], Mapping[str, pa.ChunkedArray]]
    places: list[tuple[str, str]]
    place: NDArray[np.int64]
    row: NDArray[np.int64]


def read(store: Path, runs_path: Path, wanted: Wanted) -> pd.DataFrame:
    """The rows of a store, runs oldest first. Warns (StoreWarning) of what can't be read. Raises StoreError, and
    ValueError for a condition that pandas does not take."""
    needed = [name for name in CASE_COLUMNS if name in wanted.columns or _is_asked(name, wanted.where)]

    def rows(entries: Entries) -> pd.DataFrame:
        pieces, others = _of_index(entries, runs_path, needed, wanted)
        return _together([*pieces, *_of_folders(runs_path, others, wanted)], needed)

    found = with_index(store, lambda: _names(runs_path), rows, OF_RUN)
    if wanted.where is not None:
        found = wanted.where.rows(found)
    return found[list(wanted.columns)]


def _is_asked(name: str, where: Where | None) -> bool:
    return where is not None and name in where.names


def _names(runs_path: Path) -> list[str]:
    """Of everything in the folder of runs. Raises StoreError."""
    try:
        return os.listdir(runs_path)  # noqa: PTH208 - names alone: a store may have 100,000 runs
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreError(f"{runs_path} can't be read ({error.strerror}): check its permissions") from error


def _of_index(
    entries: Entries, runs_path: Path, needed: Sequence[str], wanted: Wanted
) -> tuple[list[_Piece], list[str]]:
    """The rows that the index has, and the names of folders that must be read: those that it lacks, and those that
    changed and may have rows that are wanted. Raises PartError."""
    unknown = sorted(entries.names - set(entries.ids))
    candidates = _candidates(entries, wanted)
    with ThreadPoolExecutor(1) as pool:  # reads rows while the files of their runs are looked at
        found = [
            (mine, pool.submit(_read, entries, part, mine, needed, wanted))
            for number, part in enumerate(entries.parts)
            if len(mine := candidates[entries.part[candidates] == number])
        ]
        stands = entries.standing(candidates, runs_path)
        valid = each_once(entries, candidates[stands])
        pieces = [_piece(entries, mine, valid, reading.result()) for mine, reading in found]
    stale = {entries.ids[row] for row in candidates[~stands].tolist()} - {entries.ids[row] for row in valid.tolist()}
    return pieces, [*unknown, *sorted(stale)]


def _candidates(entries: Entries, wanted: Wanted) -> NDArray[np.int64]:
    """The entries whose runs may have rows that are wanted, by what `run.json` alone decides."""
    rows = np.arange(len(entries.ids))
    if wanted.since is not None:
        rows = rows[_known(pc.greater_equal(entries.runs["created"], pa.scalar(wanted.since, _CREATED)))]
    if wanted.where is None:
        return rows
    condition = wanted.where.about(OF_RUN)
    if condition is not None and len(rows):
        table = entries.runs.select(OF_RUN).append_column("_at", pa.array(np.arange(len(entries.ids))))
        rows = np.intersect1d(rows, table.filter(condition)["_at"].to_numpy())
    planned = wanted.where.about(PLANNED)
    if planned is None:
        return rows
    found = [np.zeros(0, np.int64)]
    for number, part in enumerate(entries.parts):
        locals_ = np.unique(read_cases(part, [RUN], wanted.where, planned)[RUN].to_numpy())
        mine = np.flatnonzero(entries.part == number)
        found.append(mine[np.isin(entries.local[mine], locals_)])
    return np.intersect1d(rows, np.concatenate(found))


_CREATED = schema({"created": CASE_COLUMNS["created"]}).field("created").type


def _known(truths: pa.ChunkedArray) -> NDArray[np.bool_]:
    return np.asarray(truths.fill_null(False).to_numpy(), bool)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of a part: `first` has their runs, their places in them and, unless there are many, all of `stored`; `more`
    reads columns of them."""

    first: pa.Table
    more: Callable[[Sequence[str]], pa.Table]


def _read(entries: Entries, part: Part, mine: NDArray[np.int64], needed: Sequence[str], wanted: Wanted) -> _Rows:
    """The rows of the runs `mine` of a part. Raises PartError."""
    condition = None if wanted.where is None else wanted.where.about(CASE_COLUMNS.keys() - set(OF_RUN))
    if len(mine) < part.manifest.runs:
        chosen = pc.field(RUN).isin(pa.array(entries.local[mine], pa.int32()))
        condition = chosen if condition is None else condition & chosen
    read_columns = partial(read_cases, part, where=wanted.where, condition=condition)
    stored = [name for name in needed if name not in OF_RUN]
    # Of many rows, some columns at a time: they are made into pandas' own before the next ones are read.
    if wanted.where is None and part.rows("cases") > _MANY_ROWS:
        return _Rows(read_columns([RUN, ROW]), read_columns)
    first = read_columns([RUN, ROW, *stored])
    return _Rows(first, first.select)


def _piece(entries: Entries, mine: NDArray[np.int64], valid: NDArray[np.int64], found: _Rows) -> _Piece:
    """Those rows of the runs `mine` of a part whose runs are `valid`, with the columns that their runs have."""
    kept = mine[np.isin(mine, valid)]
    row_of = np.full(int(entries.local[mine].max()) + 1, -1, np.int64)
    row_of[entries.local[kept]] = np.arange(len(kept))
    at = row_of[found.first[RUN].to_numpy()]
    row = found.first[ROW].to_numpy().astype(np.int64)
    whole = len(kept) == len(mine)
    places = np.flatnonzero(at >= 0)
    if not whole:
        at, row = at[places], row[places]

    def columns(names: Sequence[str]) -> Mapping[str, pa.ChunkedArray]:
        stored = [name for name in names if name not in OF_RUN]
        table = found.more(stored)
        if not whole:
            table = table.take(places)
        made = {name: table[name] for name in stored}
        for name in set(names) - set(stored):
            values = entries.runs[name].take(pa.array(kept)).combine_chunks()
            made[name] = pa.chunked_array([_spread(values, at)])
        return made

    return _Piece(columns, entries.places(kept), at, row)


def _spread(values: pa.Array, at: NDArray[np.int64]) -> pa.Array:
    """One value for each row; texts as dictionaries, which is what makes a million of them small."""
    if not pa.types.is_string(values.type):
        return values.take(pa.array(at))
    encoded = values.dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices.take(pa.array(at)), encoded.dictionary)


def _of_folders(runs_path: Path, names: Sequence[str], wanted: Wanted) -> Iterator[_Piece]:
    """The rows of runs that the index does not have."""
    ended = 0
    for name in names:
        folder = runs_path / name
        try:
            if not (folder / RECORD).is_file():
                continue
            record = read_record(folder)
            created = moment(record.created)
            if wanted.since is not None and (created is None or created < wanted.since):
                continue
            found, is_ended = _cases(folder, record)
        except StoreError as error:
            warnings.warn(StoreWarning(f"run {name} is left out: {error}"), stacklevel=4)
            continue
        except OSError as error:
            raise StoreError(f"{folder} can't be read ({error.strerror}): check its permissions") from error
        ended += is_ended
        rows = np.arange(found.num_rows)
        yield _Piece(partial(_columns, found), [record.place], np.zeros(len(rows), np.int64), rows)
    if ended >= _MANY:
        text = f"{ended:,} runs are not in the index of the store: bnnbench store index makes reading them faster"
        warnings.warn(StoreNotice(text), stacklevel=4)


def _cases(folder: Path, record: RunRecord) -> tuple[pa.Table, bool]:
    """The cases of a run, of its own table where that is fresh, and whether the run has ended. Warns (StoreWarning) of
    lines of its journal that can't be read. Raises StoreError."""
    files = fresh_files(folder)
    kept = None if files is None else read_table(folder, CASES, files, most_rows(CASES, record, files))
    if kept is not None:
        return kept, True
    run = read_run(folder)
    warn_of(run)
    return case_table(run), run.is_finished


def warn_of(run: StoredRun) -> None:
    """Warns (StoreWarning) of the lines of a journal that can't be read."""
    for warning in run.warnings:
        warnings.warn(StoreWarning(f"run {run.record.run_id}: {warning}"), stacklevel=5)


def _together(pieces: Sequence[_Piece], needed: Sequence[str]) -> pd.DataFrame:
    """All rows in order: runs oldest first, rows as in their run. Raises PartError."""
    columns = {name: CASE_COLUMNS[name] for name in needed}
    if not pieces:
        return frame(schema(columns).empty_table(), columns)
    every = sorted({place for piece in pieces for place in piece.places})
    rank = {place: number for number, place in enumerate(every)}
    keys = []
    for piece in pieces:
        ranks = np.array([rank[place] for place in piece.places], np.int64)
        keys.append(ranks[piece.place] * _ROWS_OF_A_RUN + piece.row)
    order = np.argsort(np.concatenate(keys), kind="stable")
    found = {}
    groups = [needed[start : start + _AT_ONCE] for start in range(0, len(needed), _AT_ONCE)]
    with ThreadPoolExecutor(1) as pool:  # reads the next columns while these are made into pandas' own
        reading = [pool.submit(_read_group, pieces, names) for names in groups[:1]]
        for number, names in enumerate(groups):
            read_ = reading.pop().result()
            reading = [pool.submit(_read_group, pieces, following) for following in groups[number + 1 : number + 2]]
            for name in names:
                parts = [_encoded(part[name]) for part in read_]
                chunks = [chunk for column in parts for chunk in column.chunks]
                # A piece of which no row is wanted has a type and no chunk.
                whole = pa.chunked_array(chunks, None if chunks else parts[0].type)
                found[name] = series(whole, columns[name], order)
            del read_
            pa.default_memory_pool().release_unused()
    return pd.DataFrame(found, columns=list(needed), index=pd.RangeIndex(len(order)), copy=False)


def _read_group(pieces: Sequence[_Piece], names: Sequence[str]) -> list[Mapping[str, pa.ChunkedArray]]:
    return [piece.columns(names) for piece in pieces]


def _columns(table: pa.Table, names: Sequence[str]) -> Mapping[str, pa.ChunkedArray]:
    return {name: table[name] for name in names}


def _encoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts as dictionaries, as those of an index are."""
    return column.dictionary_encode() if pa.types.is_string(column.type) else column
