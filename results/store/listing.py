"""What a store holds, run by run, without reading whole journals: thousands of runs are listed in seconds."""

import os
import stat
from pathlib import Path

import msgspec

from bnnbench.results.records import RunEnd
from bnnbench.results.store.latest import Place, unless_damaged
from bnnbench.results.store.parts import PartError, index_folder
from bnnbench.results.store.place import require_store
from bnnbench.results.store.reading import UnreadableError, decoded
from bnnbench.results.store.runs import Store
from bnnbench.results.store.seal import looks_sealed, number_of
from bnnbench.results.store.stored_run import JOURNAL, MEASUREMENTS, UNFINISHED, is_run, read_record

_TAIL_BYTES = 1 << 16
"""The last record of a journal that ended is shorter than this."""
_end_decoder = msgspec.json.Decoder(RunEnd)


class RunLine(msgspec.Struct, frozen=True, kw_only=True):
    """One run in a list. `state` is how it ended (`complete`, `interrupted` ...) or `incomplete`; `size_bytes` is that
    of the regular files in its folder; `comparisons` is 0 for a run that compares nothing."""

    run_id: str
    created: str
    suite: str
    devices: list[str]
    cases: int
    comparisons: int
    state: str
    size_bytes: int
    path: str


def list_runs(store: Store) -> list[RunLine]:
    """Every run, newest first. Warns (StoreWarning) of one that can't be read, which is left out.

    Raises StoreError when there is no such store.
    """
    require_store(store.path)
    found = _indexed(store)
    known = {line.run_id for _, line in found}
    for name in sorted(set(store.names()) - known):
        folder = store.runs_path / name
        line = unless_damaged(_line, folder) if is_run(folder) else None
        if line is not None:
            found.append(line)
    return [line for _, line in sorted(found, key=lambda item: item[0], reverse=True)]


def _indexed(store: Store) -> list[tuple[Place, RunLine]]:
    """The runs that the index has as they are now."""
    if not index_folder(store.path).is_dir():
        return []
    import numpy as np

    from bnnbench.results.store.entries import each_once, entries_of

    try:
        entries = entries_of(store.path, store.names())
    except PartError:
        return []
    rows = np.arange(len(entries.ids))
    kept = each_once(entries, rows[entries.standing(rows, store.runs_path)])
    listed, where = entries.runs.take(kept), str(store.runs_path)
    # Column by column: a dictionary of each row takes three times as long.
    return [
        (
            (sorted_by, run_id),
            RunLine(
                run_id=run_id,
                created=created,
                suite=suite,
                devices=devices,
                cases=cases,
                comparisons=comparisons,
                state=outcome,
                size_bytes=size,
                path=os.path.join(where, run_id),  # noqa: PTH118 - a store may have 100,000 runs
            ),
        )
        for sorted_by, run_id, created, suite, devices, cases, comparisons, outcome, size in zip(
            *(listed[name].to_pylist() for name in _LISTED), strict=True
        )
    ]


_LISTED = ["sorted_by", "run_id", "created_text", "suite", "devices", "cases", "comparisons", "outcome", "folder_bytes"]


def _line(folder: Path) -> tuple[Place, RunLine]:
    record = read_record(folder)
    state = _state(folder / JOURNAL)
    if state is None:
        # Runs of others and imported ones may have no journal that says it.
        state = "complete" if (folder / MEASUREMENTS).is_file() else UNFINISHED
    line = RunLine(
        run_id=folder.name,
        created=record.created,
        suite=record.suite_name,
        devices=list(record.devices) or list(dict.fromkeys(case.device for case in record.cases)),
        cases=len(record.cases),
        comparisons=len(record.comparisons),
        state=state,
        size_bytes=folder_size(folder),
        path=str(folder),
    )
    return record.place, line


def _state(journal: Path) -> str | None:
    """What the last record of a journal says, `incomplete` where it is not an end of a run; None without a journal."""
    last = _last_line(journal)
    if last is None:
        return None
    if looks_sealed(last) and number_of(last) is None:
        return UNFINISHED
    try:
        return decoded(last, _end_decoder).outcome
    except UnreadableError:
        return UNFINISHED


def _last_line(path: Path) -> bytes | None:
    """Without its newline; None when there is no such regular file, or it is empty."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not status.st_size:
            return None
        file.seek(max(0, status.st_size - _TAIL_BYTES))
        return file.read(_TAIL_BYTES).removesuffix(b"\n").rpartition(b"\n")[2]


def folder_size(folder: Path) -> int:
    """Bytes of the regular files in a folder and its subfolders; links are not followed."""
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += folder_size(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    total += entry.stat(follow_symlinks=False).st_size
    except OSError:
        return total  # it vanished meanwhile, or may not be looked into
    return total
