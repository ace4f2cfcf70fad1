"""The models of a store as choices: one row for each way to run one, with the newest of every figure."""

import pandas as pd

from bnnbench.results.columns import equal, named

CHOICE = ("device", "engine", "variant", "threads", "workload", "size_bytes")
"""What tells choices apart: a model file, and where and how it runs."""


def choices(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per choice of a frame of `bnnbench.results.load`: only models, only what is `ok`.

    Latency may come from one run and accuracy from another; of each, the newest that was measured stands.
    """
    frame = named(frame)
    found = frame[equal(frame["kind"], "model") & equal(frame["status"], "ok")]
    if found.empty:
        return found.reset_index(drop=True)
    ordered = found.sort_values("created", kind="stable")
    newest = ordered.groupby(list(CHOICE), dropna=False, sort=False).last().reset_index()
    return newest[list(frame.columns)]
