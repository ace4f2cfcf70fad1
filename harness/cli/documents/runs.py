"""Of `run`, `runs show`, `eval`, `compare` and `replay`: what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from bnnbench.results.columns import CASE_COLUMNS
from bnnbench.results.environment import DifferenceEntry
from bnnbench.results.records import Accuracy
from bnnbench.results.records.plan import Build
from bnnbench.results.verdict.formats.document import BudgetEntry, VerdictDocument

from .document import Document

if TYPE_CHECKING:
    import pandas as pd

_TYPES: Mapping[str, Any] = {
    "string": str | None,
    "Int64": int | None,
    "Float64": float | None,
    "boolean": bool | None,
    "datetime64[us, UTC]": Annotated[str, Meta(description="ISO 8601, UTC.")] | None,
}
"""By the type of a column."""

CaseRow = msgspec.defstruct(
    "CaseRow",
    [(name, _TYPES[kind]) for name, kind in CASE_COLUMNS.items()],
    namespace={"__doc__": "A case: the columns of docs/store.md, null where a value was not measured."},
    module=__name__,
    frozen=True,
    kw_only=True,
)
Evaluation = msgspec.defstruct(
    "Evaluation",
    [
        ("type", str | UnsetType, UNSET),
        *((one.encode_name, one.type | UnsetType, UNSET) for one in msgspec.structs.fields(Accuracy)[1:]),
    ],
    namespace={"__doc__": "The accuracy of a case, with its confusion matrix; empty where there is none."},
    module=__name__,
    frozen=True,
    kw_only=True,
)
EvaluatedRow = msgspec.defstruct(
    "EvaluatedRow",
    [("evaluation", Evaluation)],
    bases=(CaseRow,),
    namespace={"__doc__": "A case and its accuracy."},
    module=__name__,
    frozen=True,
    kw_only=True,
)

Reasons = Annotated[dict[str, str], Meta(description="Device -> why it was not measured.")]
Overhead = Annotated[
    dict[str, dict[str, float | None]], Meta(description="Device -> what measuring cost beside the timed runs.")
]


class RunDocument(Document, frozen=True, kw_only=True):
    """A run and its cases."""

    run_id: str
    outcome: Annotated[str, Meta(description="complete, incomplete or interrupted.")]
    failures: Reasons
    overhead: Overhead
    budgets: list[BudgetEntry]
    cases: list[CaseRow]  # type: ignore[valid-type]


class ShownRun(Document, frozen=True, kw_only=True):
    """A run with its configuration: `comparison`, or else `budgets` and `cases`."""

    run_id: str
    outcome: Annotated[str, Meta(description="complete, incomplete or interrupted.")]
    failures: Reasons
    overhead: Overhead
    created: str
    version: str
    commit: str | None
    command: list[str]
    suite_name: str
    seed: int
    host: dict[str, Any]
    builds: list[Build]
    devices: Annotated[dict[str, dict[str, Any]], Meta(description="Device -> its facts, with their sources.")]
    models: Annotated[dict[str, str], Meta(description="Model -> SHA-256 of its file.")]
    config: dict[str, Any]
    comparison: VerdictDocument | UnsetType = UNSET
    budgets: list[BudgetEntry] | UnsetType = UNSET
    cases: list[CaseRow] | UnsetType = UNSET  # type: ignore[valid-type]


class EvaluationDocument(Document, frozen=True, kw_only=True):
    """A run of models on labelled images."""

    run_id: str
    outcome: Annotated[str, Meta(description="complete, incomplete or interrupted.")]
    cases: list[EvaluatedRow]  # type: ignore[valid-type]


class RatioEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A case that two runs have: `ratio` is the head's latency over the base's, `low` to `high` what both intervals
    allow."""

    workload: str
    engine: str
    device: str
    threads: int
    base_ns: float
    head_ns: float
    base_interval_ns: tuple[float, float] | None
    head_interval_ns: tuple[float, float] | None
    low: float | None
    high: float | None
    base: str
    head: str
    trust: str
    ratio: float


class ComparedRuns(Document, frozen=True, kw_only=True):
    """The ratios of two stored runs."""

    ratios: list[RatioEntry]
    refused: Annotated[list[str], Meta(description="What could not be compared, and why.")]
    environment: list[DifferenceEntry]


class ReplayedVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict as it is judged now; `verdict` is the status where there is none."""

    workload: str
    device: str
    threads: int
    metric: str
    verdict: str
    effect: float | None


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured again: base is the archive, head the new run."""

    run_id: str
    outcome: str
    ratios: list[RatioEntry]
    refused: list[str]
    left_out: Annotated[dict[str, str], Meta(description="Engine -> why it was not run.")]


class ReplayDocument(Document, frozen=True, kw_only=True):
    """An archive, judged again."""

    run_id: str
    version: Annotated[str, Meta(description="Of the bnnbench that measured.")]
    signer: str | None
    redacted: bool
    cases: int
    verdicts: list[ReplayedVerdict]
    differences: Annotated[list[str], Meta(description="Verdicts that are not as stored.")]
    warnings: list[str]
    report: Annotated[dict[str, str], Meta(description="Format -> file.")]
    execution: Execution | UnsetType = UNSET


def rows_of(frame: pd.DataFrame) -> list[CaseRow]:  # type: ignore[valid-type]
    """The rows of a frame with a row per case."""
    rows = msgspec.json.decode(frame.to_json(orient="records", date_format="iso"))
    return msgspec.convert(rows, list[CaseRow])  # type: ignore[valid-type]


def ratio_entry(ratio: Any) -> RatioEntry:
    """Of a `Ratio`."""
    values = {name: getattr(ratio, name) for name in RatioEntry.__struct_fields__}
    return RatioEntry(**values)
