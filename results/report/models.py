"""The page's section for models: which to take, with what is known of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bnnbench.results.agreement import agreement
from bnnbench.results.engine_table import labelled
from bnnbench.results.metrics import METRICS, OBJECTIVES
from bnnbench.results.models import choices, data_sets, having_figures
from bnnbench.results.pareto import pareto
from bnnbench.results.report.figures import Figure, doubt_of, figure_of, real


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A choice: its figures, what the reference says of its predictions, and how sure its place on the front is."""

    workload: str
    engine: str
    place: str
    threads: int
    size: Figure
    latency: Figure
    accuracy: Figure
    agreement: str
    front: str
    on_front: bool
    beaten_by: str


@dataclass(frozen=True, slots=True)
class Models:
    """The section; `objectives` are what the front is made of, in words; `unsure` says what its probabilities lack."""

    rows: list[ModelRow]
    objectives: str
    dataset: str
    unsure: str
    several_places: bool
    several_threads: bool


def models(frame: pd.DataFrame, history: pd.DataFrame | None = None) -> Models | None:
    """From a frame of `bnnbench.results.load`; None where fewer than two models can be compared."""
    found = choices(frame)
    names = having_figures(found)
    fronts = pareto(found, names, history=history)
    # A choice is a device's, not a run's.
    fronts = labelled(fronts[fronts["on_front"].notna()].reset_index(drop=True).assign(run_id=""))
    if fronts["workload"].nunique() < 2 or len(names) < 2:
        return None
    ordered = fronts.sort_values(["device", *(OBJECTIVES[name].column for name in names[:1])], kind="stable")
    several = len(data_sets(fronts)) > 1
    rows = [_row(row, several) for row in ordered.to_dict("records")]
    datasets = ", ".join(sorted(map(str, fronts["dataset"].dropna().unique())))
    counts = sorted({int(n) for n in fronts["accuracy_n"].dropna()})
    return Models(
        rows=rows,
        objectives=_listed([OBJECTIVES[name].degrees[1] for name in names]),
        dataset=f"{datasets}, {' or '.join(f'{count:,}' for count in counts)} images" if datasets else "",
        unsure=_unsure(fronts),
        several_places=len({row.place for row in rows}) > 1,
        several_threads=len({row.threads for row in rows}) > 1,
    )


def _row(row: dict[Any, Any], several: bool) -> ModelRow:
    """`several`: its accuracy is of one of several data sets."""
    share = real(row["front_probability"])
    on_front = bool(row["on_front"])
    return ModelRow(
        workload=f"{row['workload']}, {row['dataset']}" if several else str(row["workload"]),
        engine=str(row["series"]),
        place=str(row["place"]),
        threads=int(str(row["threads"])),
        size=figure_of(row, METRICS["size"]),
        latency=figure_of(row, METRICS["latency"], *doubt_of(row, METRICS["latency"])),
        accuracy=figure_of(row, METRICS["accuracy"]),
        agreement=_agreement(real(row["differing"]), real(row["compared"]), real(row["accuracy_n"])),
        front="" if share is None else _probability(share),
        on_front=on_front,
        beaten_by="" if pd.isna(row["beaten_by"]) else str(row["beaten_by"]),
    )


def _agreement(differing: float | None, compared: float | None, count: float | None) -> str:
    if differing is None or not count:
        return ""
    return agreement(int(differing), int(compared or count), int(count))


def _probability(share: float) -> str:
    if share >= 0.995:
        return "> 99 %"
    return "< 1 %" if share < 0.005 else f"{share * 100:.0f} %"


def _unsure(fronts: pd.DataFrame) -> str:
    if fronts["latency_ns"].isna().all():
        return ""
    unknown = fronts["between_runs"].isna()
    if not unknown.any():
        return "Latency's spread between runs is part of it."
    part = "of some of them " if not unknown.all() else ""
    return (
        f"How far latency {part}moves from one run to another is unknown, for there are no two runs of the same build; "
        "the probability covers this session only."
    )


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
