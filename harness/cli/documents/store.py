"""Of `store`, `alerts`, `pick`, `query`, `report` and `site`: what stands in a store."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from bnnbench.results.alerts.alert import AlertDocument
from bnnbench.results.metrics import OBJECTIVES
from bnnbench.results.models import Sample
from bnnbench.results.store.baseline import Baseline
from bnnbench.results.store.listing import RunLine
from bnnbench.results.store.pruning import Choice as PruneChoice
from bnnbench.results.verify.finding import ItemResult

from ..next_command import Missing
from .document import Document

RunLines = list[RunLine]
Baselines = list[Baseline]
QueryRows = Annotated[
    list[dict[str, Any]], Meta(description="A row of the answer each: its columns are those of the question.")
]
ReportFiles = Annotated[dict[str, str], Meta(description="Format -> file.")]


class AlertList(Document, frozen=True, kw_only=True):
    """Alerts, newest first."""

    alerts: list[AlertDocument]  # type: ignore[valid-type]


ShownAlert = msgspec.defstruct(
    "ShownAlert",
    [
        *((one.encode_name, one.type) for one in msgspec.structs.fields(AlertDocument)),
        ("settle", Annotated[str, Meta(description="The command that measures both versions again.")]),
        ("settle_needs", Annotated[str, Meta(description="What the command needs that is not here.")] | None),
    ],
    bases=(Document,),
    namespace={"__doc__": "An alert, and how it is settled."},
    module=__name__,
    frozen=True,
    kw_only=True,
)


class IndexDocument(Document, frozen=True, kw_only=True):
    """What became of the index."""

    runs: int
    added: int
    left_out: Annotated[dict[str, str], Meta(description="Run -> why it is not in the index.")]


class PackDocument(Document, frozen=True, kw_only=True):
    """An archive that was written."""

    run_id: str
    path: str
    size_bytes: int
    signed: bool
    redacted: bool
    taken_out: Annotated[dict[str, int], Meta(description="Kind of words that were taken out -> how many.")]


class UnpackDocument(Document, frozen=True, kw_only=True):
    """An archive that was unpacked; `new` is false where the store has had the run."""

    run_id: str
    path: str
    new: bool
    signer: str | None
    redacted: bool


class PruneDocument(Document, frozen=True, kw_only=True):
    """What goes, what stays and why, and what has gone."""

    to_remove: list[RunLine]
    kept: list[PruneChoice]
    removed: list[str]


class VerifyDocument(Document, frozen=True, kw_only=True):
    """Whether the store is whole, and what was found in each part of it."""

    whole: bool
    parts: list[ItemResult]


class SiteDocument(Document, frozen=True, kw_only=True):
    """What was written; `first` is the page to open."""

    first: str
    runs: int
    cases: int
    written: Annotated[int, Meta(description="Pages.")]
    removed: Annotated[int, Meta(description="Pages.")]
    kept: Annotated[int, Meta(description="Pages that are as before.")]
    written_bytes: int
    by_kind: Annotated[dict[str, int], Meta(description="Kind of page -> pages written.")]


PickedModel = msgspec.defstruct(
    "PickedModel",
    [
        ("workload", str),
        ("engine", str),
        ("device", str),
        ("threads", int),
        *((metric.column, float | None) for metric in OBJECTIVES.values()),
        ("run_id", str),
    ],
    namespace={"__doc__": "A model on an engine; figures in the units of their names, null if not measured."},
    module=__name__,
    frozen=True,
    kw_only=True,
)


class MovedBudget(msgspec.Struct, frozen=True, kw_only=True):
    """What a budget of `to` would buy."""

    budget: Annotated[str, Meta(description="A column.")]
    to: float
    choice: PickedModel  # type: ignore[valid-type]


class TwoSamples(msgspec.Struct, frozen=True, kw_only=True):
    """The accuracy that was taken, and a newer one of fewer images."""

    taken: Sample
    newer: Sample


class PickDocument(Document, frozen=True, kw_only=True):
    """The best model within the budgets."""

    best: PickedModel | None  # type: ignore[valid-type]
    next_best: PickedModel | None  # type: ignore[valid-type]
    fitting: int
    considered: int
    unknown: Annotated[int, Meta(description="Choices without a figure that a budget asks for.")]
    budgets: Annotated[dict[str, float], Meta(description="Column -> budget.")]
    moved: list[MovedBudget]
    missing: list[Missing]
    accuracy_sample: TwoSamples | None
