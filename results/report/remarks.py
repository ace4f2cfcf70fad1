"""What has to be said of proven cases: how their int8 is rounded, who else read the model's file."""

from __future__ import annotations

import pandas as pd

from bnnbench.results.columns import equal
from bnnbench.results.engine_table import labelled

_MOST = 6


def remarks(frame: pd.DataFrame) -> list[str]:
    """Sentences for below the table, each thing said once with all that it is true of; none in most reports."""
    labels = labelled(frame)
    proven = labels[equal(labels["status"], "ok")]
    return [*_reasons(proven[proven["reason"].notna()]), *_readers(proven[proven["confirmed_by"].notna()])]


def _reasons(frame: pd.DataFrame) -> list[str]:
    return [
        f"{_listed(cases['series'] + ' on ' + cases['workload'])}: {reason}."
        for reason, cases in _groups(frame, "reason")
    ]


def _readers(frame: pd.DataFrame) -> list[str]:
    return [
        f"The file of {_listed(cases['workload'])} was read for itself by {who}, with the reference's outputs."
        if who != "nobody"
        else f"Nobody else could be asked about the file of {_listed(cases['workload'])}: bnnbench engines install lce."
        for who, cases in _groups(frame, "confirmed_by")
    ]


def _groups(frame: pd.DataFrame, column: str) -> list[tuple[str, pd.DataFrame]]:
    return [(str(value), frame[equal(frame[column], value)]) for value in frame[column].unique()]


def _listed(names: pd.Series[str]) -> str:
    unique = [str(name) for name in names.unique()]
    more = f" and {len(unique) - _MOST} more" if len(unique) > _MOST else ""
    return ", ".join(unique[:_MOST]) + more
