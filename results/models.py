"""The models of a store as choices: a row for each way to run one on one data set, with the newest of every figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bnnbench.results.columns import equal, named
from bnnbench.results.metrics import OBJECTIVES

CHOICE = ("device", "engine", "variant", "threads", "workload", "size_bytes")
"""What tells choices apart: a model file, and where and how it runs."""
DATA_SET = ("dataset", "dataset_sha256")
_ACCURACY = (
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "accuracy_n",
    "accuracy_top5",
    "compared",
    "differing",
    *DATA_SET,
)

_LATENCY = OBJECTIVES["latency"].column
_NEEDED = (
    *("run_id", "created", "kind", "status", "comparison", "emulated", "plan_sha256"),
    *(column for metric in OBJECTIVES.values() for column in (metric.column, metric.low, metric.high) if column),
)
COLUMNS = tuple(dict.fromkeys((*CHOICE, *_ACCURACY, *_NEEDED)))
"""Columns of the rows that choices are made of."""
OF_MODELS = "kind == 'model' and status == 'ok'"
"""The rows that choices are made of, as `bnnbench.results.load` takes it."""


def having_figures(frame: pd.DataFrame) -> list[str]:
    """The objectives of which a frame of choices has figures; of a rare one, all that are timed must have one."""
    found = []
    for name, metric in OBJECTIVES.items():
        known = frame[metric.column].notna()
        wanted = frame[_LATENCY].notna() if metric.is_rare else known
        if known.any() and known[wanted].all():
            found.append(name)
    return found


def choices(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per choice and data set of a frame of `bnnbench.results.load`: only models, only what is `ok`.

    Latency may come from one run and accuracy from another; of each, the newest that was measured stands, of accuracies
    of one plan that of the most images. A file that another one of its name has replaced is no choice any more.
    """
    found = _models(frame)
    if found.empty:
        return found.reset_index(drop=True)
    ordered = _by_age(found).copy(deep=False)
    # Numbered once: comparing the columns of a key again and again is what takes long.
    ordered[_NUMBER] = ordered.groupby(list(CHOICE), dropna=False, sort=False).ngroup()
    timed = _newest_figures(ordered.drop(columns=list(_ACCURACY)))
    names = [timed[key] for key in CHOICE if key != "size_bytes"]
    newest = timed["created"].groupby(names, dropna=False).transform("max")
    timed = timed[timed["created"].isna() | (timed["created"] == newest)]
    rated = _rated(ordered, [_NUMBER]).drop_duplicates(_OF, keep="last")
    merged = timed.merge(rated[[_NUMBER, *_ACCURACY]], how="left", on=_NUMBER)
    return merged[list(frame.columns)]


_NUMBER, _OF = "_choice", "_choice_and_data"


def _models(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that choices are made of."""
    wanted = equal(frame["kind"], "model") & equal(frame["status"], "ok")
    return named(frame if wanted.all() else frame[wanted])


def _newest_figures(ordered: pd.DataFrame) -> pd.DataFrame:
    """A row per choice, in the order of their first rows: of each column the last figure that there is."""
    last = ordered.drop_duplicates(_NUMBER, keep="last").set_index(_NUMBER).sort_index()
    for name in last.columns[last.isna().any()]:
        if ordered[name].notna().any():
            last[name] = ordered.groupby(_NUMBER)[name].last()
    return last.reset_index()


def _by_age(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of a store are in this order, unless a clock was set back."""
    return frame if frame["created"].is_monotonic_increasing else frame.sort_values("created", kind="stable")


def _rated(ordered: pd.DataFrame, choice: Sequence[str]) -> pd.DataFrame:
    """The accuracies of what each choice is now, by how many images they are of, then by age; one of another plan than
    the newest is another model's. Rows are ordered by age, and the columns `choice` tell choices apart; `_OF` numbers
    choices and data sets."""
    columns = dict.fromkeys((*choice, *_ACCURACY, "plan_sha256", "created", "run_id"))
    rated = ordered.loc[ordered["accuracy"].notna(), list(columns)]
    rated[_OF] = rated.groupby([*choice, *DATA_SET], dropna=False, sort=False).ngroup()
    of = rated[_OF].to_numpy()
    plans = rated["plan_sha256"].fillna("").to_numpy(object)
    now = np.empty(len(rated), object)
    now[of] = plans  # of each the last one
    stands = pd.Series(plans == now[of], index=rated.index)
    return rated[stands].sort_values("accuracy_n", kind="stable", na_position="first")


@dataclass(frozen=True, slots=True)
class Sample:
    """How many images an accuracy is of, and of which run it is."""

    images: int
    run_id: str


def passed_over(frame: pd.DataFrame, row: Mapping[str, Any]) -> tuple[Sample, Sample] | None:
    """The sample that the accuracy of a row of `choices(frame)` is of, and a newer one of fewer images; else None."""
    found = _models(frame)
    for key in (*CHOICE, *DATA_SET):
        found = found[found[key].isna() if pd.isna(row[key]) else equal(found[key], row[key])]
    rated = _rated(_by_age(found), CHOICE)
    if rated.empty or pd.isna(rated["accuracy_n"].iloc[-1]):
        return None
    taken = rated.iloc[-1]
    newer = rated[(rated["created"] > taken["created"]) & (rated["accuracy_n"] < taken["accuracy_n"])]
    if newer.empty:
        return None
    last = newer.sort_values("created", kind="stable").iloc[-1]
    mine, other = (Sample(int(item["accuracy_n"]), str(item["run_id"])) for item in (taken, last))
    return mine, other


def without_comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of all runs but comparisons, whose cases are sides of one engine; of these where there are no others."""
    sides = equal(frame["comparison"], True)
    if not sides.any():
        return frame
    kept = frame[~sides]
    return kept.reset_index(drop=True) if len(kept) else frame


def newest(frame: pd.DataFrame) -> pd.DataFrame:
    """Of each case of a frame of several runs the row that was measured last; one that was skipped later stays."""
    keys = ["device", "engine", "variant", "threads", "workload"]
    measured = frame.assign(measured=~equal(frame["status"], "skipped"))
    ordered = measured.sort_values(["measured", "created"], kind="stable")
    kept = ordered.drop_duplicates(keys, keep="last").index
    return frame.loc[frame.index.isin(kept)].reset_index(drop=True)


def data_sets(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Name and digest of each data set that accuracies of the frame are of, both `unknown` where they are missing."""
    rated = frame.loc[frame["accuracy"].notna(), list(DATA_SET)].fillna("unknown").drop_duplicates()
    return sorted((str(row["dataset"]), str(row["dataset_sha256"])) for row in rated.to_dict("records"))


def require_one_data_set(frame: pd.DataFrame) -> None:
    """Raises ValueError for accuracies of several, which are not compared."""
    several = data_sets(frame)
    if len(several) > 1:
        same = len({name for name, _ in several}) == 1
        column, names = (
            ("dataset_sha256", [sha for _, sha in several]) if same else ("dataset", [name for name, _ in several])
        )
        raise ValueError(
            f"accuracies of several data sets are not compared; choose one of {', '.join(dict.fromkeys(names))} by "
            f"--where \"{column} == '...' or accuracy.isna()\""
        )


def of_data_set(frame: pd.DataFrame, dataset: tuple[str, str]) -> pd.DataFrame:
    """The rows of one data set, and those that were timed only."""
    mine = equal(frame["dataset"].fillna("unknown"), dataset[0])
    mine &= equal(frame["dataset_sha256"].fillna("unknown"), dataset[1])
    return frame[mine | frame["accuracy"].isna()]
