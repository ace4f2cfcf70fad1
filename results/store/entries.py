"""The runs that an index knows, and which of its rows still stand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bnnbench.results.arrow_types import schema
from bnnbench.results.store.parts import STATE_COLUMNS, Part, PartError, parts_of, removed_runs, seen_state
from bnnbench.results.store.run_columns import DERIVATION, RUN_COLUMNS

RUN_SCHEMA = schema(RUN_COLUMNS)
STORED_SCHEMA = pa.schema([*RUN_SCHEMA, *((name, pa.int64()) for name in STATE_COLUMNS)])
"""Of `runs.parquet`: a run's row, and the state of its files before they were read."""
_LEAST = ("run_id", "sorted_by", *STATE_COLUMNS)


@dataclass(frozen=True, slots=True)
class Entries:
    """All runs of all parts, a row each; `parts[part[i]]` has row `i`, as its row `local[i]`. A run of several parts
    has a row for each. `names` are those of all folders, of runs in the index and others."""

    parts: list[Part]
    runs: pa.Table
    part: NDArray[np.int64]
    local: NDArray[np.int64]
    ids: list[str]
    names: frozenset[str]
    states: NDArray[np.int64]

    def places(self, rows: NDArray[np.int64]) -> list[tuple[str, str]]:
        """What the runs of these rows are sorted by."""
        moments = self.runs["sorted_by"].take(pa.array(rows)).to_pylist()
        return [(moment, self.ids[row]) for moment, row in zip(moments, rows.tolist(), strict=True)]

    def standing(self, rows: NDArray[np.int64], runs_path: Path) -> NDArray[np.bool_]:
        """Whether the files of each of these rows' runs are in the state that was noted."""
        now = np.full((len(rows), len(STATE_COLUMNS)), -2, dtype=np.int64)
        where = str(runs_path)
        for place, row in enumerate(rows.tolist()):
            state = seen_state(f"{where}/{self.ids[row]}")
            if state is not None:
                now[place] = state
        return np.asarray((now == self.states[rows]).all(axis=1))


def entries_of(
    store: Path,
    names: Iterable[str],
    left_out: frozenset[Path] = frozenset(),
    only: frozenset[Path] | None = None,
    columns: Sequence[str] = STORED_SCHEMA.names,
) -> Entries:
    """The entries of an index whose run is among the folders `names`; none of the parts `left_out`, and none but
    `only` where these are given. `columns` are those of the table of runs that are needed beside `_LEAST`. Raises
    PartError."""
    wanted = pa.schema([field for field in STORED_SCHEMA if field.name in {*_LEAST, *columns}])
    there = set(names)
    known = there - removed_runs(store)
    parts: list[Part] = []
    tables, part, local = [], [], []
    for candidate in parts_of(store, DERIVATION):
        if candidate.folder in left_out or (only is not None and candidate.folder not in only):
            continue
        found = read_part_table(candidate, "runs", wanted)
        listed = found["run_id"].to_pylist()
        are_all = known.issuperset(listed)
        kept = np.arange(len(listed)) if are_all else np.flatnonzero([name in known for name in listed])
        tables.append(found if len(kept) == found.num_rows else found.take(kept))
        part.append(np.full(len(kept), len(parts), np.int64))
        local.append(kept.astype(np.int64))
        parts.append(candidate)
    runs = pa.concat_tables(tables) if tables else wanted.empty_table()
    states = [runs[name].to_numpy() for name in STATE_COLUMNS]
    return Entries(
        parts=parts,
        runs=runs,
        part=_joined(part),
        local=_joined(local),
        ids=runs["run_id"].to_pylist(),
        names=frozenset(there),
        states=np.stack(states, axis=1) if states else np.zeros((0, len(STATE_COLUMNS)), np.int64),
    )


def each_once(entries: Entries, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """A run that several parts have is taken of the first of them."""
    first: dict[str, int] = {}
    for row in rows.tolist():
        first.setdefault(entries.ids[row], row)
    return np.array(sorted(first.values()), np.int64)


def read_runs(part: Part) -> pa.Table:
    """The table of runs of a part, in `STORED_SCHEMA`. Raises PartError."""
    return read_part_table(part, "runs", STORED_SCHEMA)


def read_part_table(part: Part, table: str, wanted: pa.Schema) -> pa.Table:
    """A whole table of a part. Raises PartError."""
    tables = [wanted.empty_table()]
    for path in part.paths(table):
        try:
            tables.append(pq.read_table(path, columns=wanted.names).cast(wanted))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise PartError(part.folder, f"is damaged: {path.name}: {str(error).splitlines()[0]}") from error
    return pa.concat_tables(tables)


def _joined(arrays: list[NDArray[np.int64]]) -> NDArray[Any]:
    return np.concatenate(arrays) if arrays else np.zeros(0, np.int64)
