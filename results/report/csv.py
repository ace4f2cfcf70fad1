"""`results.csv` and `invocations.csv`: the frames of the store, for spreadsheets and everything else."""

from pathlib import Path

import pandas as pd

from bnnbench.results.errors import StoreError, store_error
from bnnbench.results.frames import load, load_invocations
from bnnbench.results.printable import cell, harmless
from bnnbench.results.report import Runs
from bnnbench.results.store.atomic import write_atomically
from bnnbench.results.store.stored_run import StoredRun


def write(runs: Runs, directory: Path, beside: object = None) -> Path:
    """Writes both files into `directory` (made when it is missing) and returns `results.csv`.

    What was not measured is an empty field; lists and dictionaries are JSON. Raises StoreError.
    """
    every = listed(runs)
    make_folder(directory)
    path = directory / "results.csv"
    write_atomically(path, text(load(every)).encode("utf-8", "replace"))
    write_atomically(directory / "invocations.csv", text(load_invocations(every)).encode("utf-8", "replace"))
    return path


def listed(runs: Runs) -> list[StoredRun]:
    """The runs as a list. Raises StoreError when there are none."""
    every = [runs] if isinstance(runs, StoredRun) else list(runs)
    if not every:
        raise StoreError("there is no run to report: make one with bnnbench run, or name a --store")
    return every


def make_folder(directory: Path) -> None:
    """Makes the folder of a report. Raises StoreError."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise store_error(error, directory) from error


def text(frame: pd.DataFrame) -> str:
    """The frame as CSV. What a spreadsheet would take for a formula begins with an apostrophe."""
    import msgspec

    for name in frame.columns:
        if frame[name].dtype == object:
            frame[name] = [
                msgspec.json.encode(value).decode() if isinstance(value, list | dict) else None for value in frame[name]
            ]
        elif frame[name].dtype == "string":
            frame[name] = frame[name].map(cell, na_action="ignore")
    return harmless(str(frame.to_csv(index=False, lineterminator="\n")))
