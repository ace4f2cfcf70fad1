"""Pareto fronts: the models that no other one beats in everything.

A dominates B when it is at least as good in every objective and better in one. What nothing dominates is on the front;
equal models are on it together. A choice without a figure for one of the objectives takes no part.

How sure that is: figures are drawn at random, a few thousand times, and the share of draws in which a model is on the
front is its probability. Latencies are log-normal: their interval within the session is taken for the 98 % that it
covers, and the spread between sessions, from the standard deviation of their logarithms over several runs, adds to it.
Accuracies are beta-distributed with Jeffreys' prior, Beta(k + 1/2, n - k + 1/2); a model's is the same on every device.
Sizes are exact. Without two runs of a choice, what another session would change is unknown, and the probability is that
of this session alone.

L. D. Brown, T. T. Cai and A. DasGupta, "Interval estimation for a binomial proportion", Statistical Science 16 (2001),
101-133.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bnnbench.results.columns import equal
from bnnbench.results.metric import Metric
from bnnbench.results.metrics import OBJECTIVES, USUAL
from bnnbench.results.models import CHOICE, DATA_SET
from bnnbench.results.statistics.level import CONFIDENCE

ALL = tuple(USUAL)
COLUMNS = (*CHOICE, "kind", "status", "latency_ns")
"""Columns of the rows that the spread between runs is made of."""
_DRAWS = 4000
_SEED = 20_200_329


def pareto(
    frame: pd.DataFrame,
    objectives: Sequence[str] = ALL,
    *,
    across_devices: bool = False,
    history: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The frame with `on_front`, `beaten_by`, `front_probability` and `between_runs`.

    `frame`: a row per choice, see `choices`. Fronts are per device unless `across_devices`, and accuracies are only
    compared on one dataset. `history` is a frame of all runs: `between_runs` is the relative spread (1 = 100 %) of a
    choice's latency between them. The new columns are missing where a row takes no part. Raises KeyError for an
    objective that there is not.
    """
    chosen = [OBJECTIVES[name] for name in objectives]
    models = frame.reset_index(drop=True).copy()
    models["between_runs"] = between_runs(models, history)
    whole = models[[objective.column for objective in chosen]].notna().all(axis=1)
    keys = [*([] if across_devices else ["device"]), *(DATA_SET if any(item.in_points for item in chosen) else [])]
    taking_part = models[whole]
    groups = taking_part.groupby(keys, dropna=False).indices.values() if keys else [np.arange(len(taking_part))]
    places = np.flatnonzero(whole.to_numpy())
    on_front: list[Any] = [pd.NA] * len(models)
    beaten_by: list[Any] = [pd.NA] * len(models)
    probability: list[Any] = [pd.NA] * len(models)
    for group in groups:
        part = taking_part.iloc[group]
        if part.empty:
            continue
        figures = costs(part, chosen)
        beaten = dominates(figures)
        names = part["workload"].tolist()
        for row, sure in zip(range(len(part)), _probabilities(part, chosen), strict=True):
            place = int(places[group[row]])
            on_front[place] = not beaten[:, row].any()
            beaten_by[place] = names[_strongest(figures, beaten[:, row])] if beaten[:, row].any() else pd.NA
            probability[place] = float(sure)
    models["on_front"] = pd.Series(on_front, dtype="boolean")
    models["beaten_by"] = pd.Series(beaten_by, dtype="string")
    models["front_probability"] = pd.Series(probability, dtype="Float64")
    return models


def costs(part: pd.DataFrame, objectives: Sequence[Metric]) -> NDArray[np.float64]:
    """[rows, objectives], each such that less is better."""
    columns = [part[objective.column].to_numpy(np.float64) * objective.sign for objective in objectives]
    return np.stack(columns, axis=1)


def dominates(figures: NDArray[np.float64]) -> NDArray[np.bool_]:
    """[..., i, j]: whether row i dominates row j of `figures` [..., rows, objectives]."""
    rows = figures.shape[-2]
    no_worse = np.ones((*figures.shape[:-1], rows), bool)
    better = np.zeros_like(no_worse)
    for objective in np.moveaxis(figures, -1, 0):  # one after another: many times faster than along the short last axis
        costs_ = np.ascontiguousarray(objective)
        first, second = costs_[..., :, None], costs_[..., None, :]
        no_worse &= first <= second
        better |= first < second
    return no_worse & better


def _strongest(figures: NDArray[np.float64], beating: NDArray[np.bool_]) -> int:
    """Of the rows that beat one, the one that is best in the last objective, then the others."""
    rows = np.flatnonzero(beating)
    order = np.lexsort(figures[rows].T)
    return int(rows[order[0]])


def between_runs(frame: pd.DataFrame, history: pd.DataFrame | None) -> "pd.Series[float]":
    """Relative spread of each row's latency between runs of the same choice; missing with fewer than two runs."""
    unknown = pd.Series(pd.NA, index=frame.index, dtype="Float64")
    if history is None or history.empty or frame.empty:
        return unknown
    keys = list(CHOICE)
    past = history.loc[equal(history["status"], "ok") & history["latency_ns"].notna(), [*keys, "latency_ns"]]
    if past.empty:
        return unknown
    logarithms = past.assign(logarithm=np.log(past["latency_ns"].astype(float)))
    spread = logarithms.groupby(keys, dropna=False)["logarithm"].std().rename("spread").reset_index()
    found = frame[keys].merge(spread, how="left", on=keys)["spread"]
    return pd.Series(found.to_numpy(), index=frame.index).astype("Float64")


def _probabilities(part: pd.DataFrame, objectives: Sequence[Metric]) -> NDArray[np.float64]:
    rng = np.random.default_rng(_SEED)
    drawn = np.stack([_draws(part, objective, rng) for objective in objectives], axis=-1)
    on_front = np.zeros(len(part))
    at_once = max(1, 2_000_000 // (len(part) ** 2 * len(objectives)))
    for start in range(0, _DRAWS, at_once):
        on_front += (~dominates(drawn[start : start + at_once]).any(axis=-2)).sum(axis=0)
    return on_front / _DRAWS


def _draws(part: pd.DataFrame, objective: Metric, rng: np.random.Generator) -> NDArray[np.float64]:
    """[draws, rows] of costs."""
    values = part[objective.column].to_numpy(np.float64)
    if objective.trials is None and objective.low is not None and objective.high is not None:
        low, high = (
            part[name].astype("Float64").to_numpy(np.float64, na_value=np.nan)
            for name in (objective.low, objective.high)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            within = (np.log(high) - np.log(low)) / (2 * NormalDist().inv_cdf(0.5 + CONFIDENCE / 2))
        between = part["between_runs"].to_numpy(np.float64, na_value=0.0)
        sigma = np.sqrt(np.nan_to_num(within, posinf=0.0, neginf=0.0) ** 2 + between**2)
        return np.asarray(values * np.exp(sigma * rng.standard_normal((_DRAWS, len(part)))))
    if objective.trials is not None:
        counts = part[objective.trials].to_numpy(np.float64, na_value=math.nan)
        drawn = np.tile(values, (_DRAWS, 1))
        shared: dict[tuple[str, float, float], NDArray[np.float64]] = {}
        for row, (name, value, n) in enumerate(zip(part["workload"], values, counts, strict=True)):
            if n > 0:
                key = (str(name), float(value), float(n))
                if key not in shared:
                    shared[key] = rng.beta(value * n + 0.5, n - value * n + 0.5, _DRAWS)
                drawn[:, row] = shared[key]
        return objective.sign * drawn
    return np.tile(values * objective.sign, (_DRAWS, 1))
