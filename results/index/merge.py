"""Merging parts of an index: the larger one is there before the small ones go, so readers always find each run."""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import filelock
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bnnbench.results.index.chunks import RUN, SCHEMA
from bnnbench.results.index.write import PART_SCHEMAS, write_part_tables
from bnnbench.results.store.entries import Entries, each_once, entries_of, read_part_table
from bnnbench.results.store.parts import Part, PartError, index_folder, remove_part

_BASE = 16
"""So many parts of about one size are merged into one of the next size."""
_MOST_ROWS_AT_ONCE = 1 << 17
"""Cases that are merged after a run: a second's worth."""
_MOST_ROWS = 1 << 20
"""Cases of a part: what is sorted in memory at once."""
_LOCK = ".lock"


def small_parts(parts: Sequence[Part]) -> list[list[Part]]:
    """Parts to merge after a run: many of about one size."""
    levels: dict[int, list[Part]] = {}
    for part in parts:
        levels.setdefault(int(math.log(part.manifest.runs, _BASE) + 1e-9), []).append(part)
    return [group for group in levels.values() if len(group) >= _BASE and _rows(group) <= _MOST_ROWS_AT_ONCE]


def by_rows(parts: Sequence[Part]) -> list[list[Part]]:
    """All parts, in groups that make large ones."""
    groups: list[list[Part]] = []
    for part in parts:
        if groups and _rows([*groups[-1], part]) <= _MOST_ROWS:
            groups[-1].append(part)
        else:
            groups.append([part])
    return groups


def _rows(parts: Sequence[Part]) -> int:
    return sum(part.rows("cases") for part in parts)


def merge(store: Path, runs_path: Path, parts: Sequence[Part]) -> None:
    """One part of the runs of several that still stand, in the place of these."""
    names = os.listdir(runs_path)  # noqa: PTH208 - names alone
    try:
        entries = entries_of(store, names, only=frozenset(part.folder for part in parts))
        rows = np.arange(len(entries.ids))
        kept = each_once(entries, rows[entries.standing(rows, runs_path)])
        if len(parts) == 1 and len(kept) == parts[0].manifest.runs:
            return  # nothing would change
        if len(kept):
            write_part_tables(store, _merged(entries, kept))
    except PartError:
        return  # another process was faster, or a part is damaged: the next index is made without it
    for part in parts:
        remove_part(part.folder)


def _merged(entries: Entries, kept: NDArray[np.int64]) -> dict[str, pa.Table]:
    """The tables of these entries. Raises PartError."""
    placed = sorted(zip(entries.places(kept), kept.tolist(), strict=True))
    kept = np.array([row for _, row in placed], np.int64)
    found: dict[str, list[pa.Table]] = {"devices": [], "verdicts": [], "cases": []}
    for number, part in enumerate(entries.parts):
        mine = np.flatnonzero(entries.part[kept] == number)  # places in the new part
        ids = pa.array([entries.ids[row] for row in kept[mine].tolist()], pa.string())
        for name in ("devices", "verdicts"):
            table = read_part_table(part, name, PART_SCHEMAS[name])
            found[name].append(table.filter(pc.is_in(table["run_id"], ids)))
        cases = read_part_table(part, "cases", SCHEMA)
        new = np.full(max(part.manifest.runs, 1), -1, np.int32)
        new[entries.local[kept[mine]]] = mine
        numbers = new[cases[RUN].to_numpy()]
        cases = cases.set_column(0, RUN, pa.array(numbers))
        found["cases"].append(cases if (numbers >= 0).all() else cases.filter(pa.array(numbers >= 0)))
    return {"runs": entries.runs.take(pa.array(kept)), **{name: pa.concat_tables(of) for name, of in found.items()}}


@contextmanager
def merging(store: Path) -> Iterator[bool]:
    """Whether this process may merge parts: one at a time."""
    lock = filelock.FileLock(index_folder(store) / _LOCK, timeout=0)
    try:
        lock.acquire()
    except (filelock.Timeout, OSError):
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
