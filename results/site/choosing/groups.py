"""The models of a store by device and data set: only these are compared with each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bnnbench.results.certainty import figure_text, trust_text
from bnnbench.results.columns import equal
from bnnbench.results.metrics import OBJECTIVES
from bnnbench.results.models import choices, data_sets, having_figures, of_data_set, without_comparisons
from bnnbench.results.pareto import pareto
from bnnbench.results.site.page import digest

_DIGEST = 8


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A figure that others published: latency in ns, accuracy as a share, size in bytes; None where it was not."""

    model: str
    engine: str
    device: str
    threads: int
    dataset: str
    source: str
    latency_ns: float | None = None
    accuracy: float | None = None
    size_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A way to run a model. `figures` are by the key of an objective, in its unit, None where there is none; `texts`
    the same for people, with their intervals. `on_front` is None of a choice that takes no part, `front_probability` 0
    to 1. `source` is of a published one where it is from."""

    workload: str
    engine: str
    threads: int
    run_id: str
    figures: dict[str, float | None]
    texts: dict[str, str]
    trust: str = ""
    on_front: bool | None = None
    front_probability: float | None = None
    beaten_by: str = ""
    source: str = ""

    @property
    def name(self) -> str:
        """`quicknet_s on native, 2 threads`."""
        return f"{self.workload} on {self.engine}" + (f", {self.threads} threads" if self.threads > 1 else "")


@dataclass(frozen=True, slots=True)
class Group:
    """The choices of a device on a data set, in the order of the frame that `pick` would get; `dataset` is empty where
    no accuracy is known. `published` are on the same data set, of any device."""

    device: str
    dataset: str
    dataset_sha256: str
    choices: Sequence[Choice]
    published: Sequence[Choice] = ()
    dataset_name: str = ""
    """Without what tells versions of it apart."""

    @property
    def key(self) -> str:
        """Names it in addresses."""
        return digest(self.device, self.dataset, self.dataset_sha256)[:12]

    @property
    def title(self) -> str:
        """`pi4, imagenet`."""
        return ", ".join(part for part in (self.device, self.dataset) if part)


def groups(
    rows: pd.DataFrame, history: pd.DataFrame | None = None, published: Sequence[PublishedModel] = ()
) -> list[Group]:
    """By device and data set, of the rows of models (`models.OF_MODELS`, with `models.COLUMNS`); `history` is what the
    spread between runs is taken from, `published` are figures of others."""
    found = choices(without_comparisons(rows))
    made = []
    for device in sorted(map(str, found["device"].dropna().unique())):
        mine = found[equal(found["device"], device)]
        for name, title, sha, part in _parts(mine):
            made.append(
                Group(device, title, sha, [*_choices(part, history)], _published(published, name), _named(name))
            )
    return made


def frames(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The frame of each group by its key: what `pick` chooses from."""
    found = choices(without_comparisons(rows))
    return {
        Group(device, title, sha, ()).key: part
        for device in sorted(map(str, found["device"].dropna().unique()))
        for _, title, sha, part in _parts(found[equal(found["device"], device)])
    }


def _named(dataset: str) -> str:
    return "" if dataset == "unknown" else dataset


def _parts(mine: pd.DataFrame) -> Iterator[tuple[str, str, str, pd.DataFrame]]:
    """A device's choices by data set: name, title, digest, rows. Several versions of one data set are told apart."""
    known = data_sets(mine)
    names = [name for name, _ in known]
    for name, sha in known:
        title = name if names.count(name) == 1 else f"{name} {sha[:_DIGEST]}"
        yield name, title, sha, of_data_set(mine, (name, sha)).reset_index(drop=True)
    if not known and len(mine):
        yield "", "", "", mine.reset_index(drop=True)


def _choices(part: pd.DataFrame, history: pd.DataFrame | None) -> Iterator[Choice]:
    names = having_figures(part)
    fronts = pareto(part, names, history=history)
    for row in fronts.to_dict("records"):
        yield Choice(
            **_common(row),
            trust=trust_text(row),
            on_front=None if pd.isna(row["on_front"]) else bool(row["on_front"]),
            front_probability=_number(row["front_probability"]),
            beaten_by="" if pd.isna(row["beaten_by"]) else str(row["beaten_by"]),
        )


def _published(published: Sequence[PublishedModel], dataset: str) -> list[Choice]:
    """Those on this data set: accuracies on another one are not compared."""
    return [
        Choice(
            workload=one.model,
            engine=f"{one.engine}, {one.device}",
            threads=one.threads,
            run_id="",
            figures=(figures := {"size": one.size_bytes, "latency": one.latency_ns, "accuracy": one.accuracy}),
            texts={
                key: "" if (value := figures.get(key)) is None else metric.text(value)
                for key, metric in OBJECTIVES.items()
            },
            source=one.source,
        )
        for one in published
        if dataset and one.dataset == dataset
    ]


def _common(row: dict[Any, Any]) -> dict[str, Any]:
    variant = "" if pd.isna(row["variant"]) else f" {row['variant']}"
    return {
        "workload": str(row["workload"]),
        "engine": f"{row['engine']}{variant}",
        "threads": 1 if pd.isna(row["threads"]) else int(row["threads"]),
        "run_id": str(row["run_id"]),
        "figures": {key: _number(row[metric.column]) for key, metric in OBJECTIVES.items()},
        "texts": {key: figure_text(row, metric) for key, metric in OBJECTIVES.items()},
    }


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
