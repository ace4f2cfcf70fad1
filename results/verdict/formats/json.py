"""Verdicts as JSON: {"schema": 1, "not_measured": [...], "verdicts": [...], ...}. Effects are ratios minus 1, of
accuracy differences of shares."""

import json
from collections.abc import Sequence

import msgspec

from bnnbench.results.environment import entry_of
from bnnbench.results.verdict.budget_rows import BudgetRow
from bnnbench.results.verdict.formats.document import (
    SCHEMA,
    BudgetEntry,
    NotMeasured,
    Since,
    VerdictDocument,
    VerdictEntry,
)
from bnnbench.results.verdict.remarks import NOTHING, Remarks
from bnnbench.results.verdict.rows import VerdictRow

__all__ = ("SCHEMA", "budget_entry", "document", "entry", "render")


def render(rows: Sequence[VerdictRow], run_id: str, remarks: Remarks = NOTHING) -> str:
    """The document; figures that were not measured are null."""
    return json.dumps(msgspec.to_builtins(document(rows, run_id, remarks)), indent=1)


def document(rows: Sequence[VerdictRow], run_id: str, remarks: Remarks = NOTHING) -> VerdictDocument:
    """The same as values."""
    return VerdictDocument(
        run_id=run_id,
        sides=remarks.sides(rows),
        not_measured=[NotMeasured(what=item.what, reason=item.reason) for item in remarks.unmeasured],
        notes=list(remarks.notes),
        environment=[
            Since(baseline=name, **msgspec.structs.asdict(entry_of(one)))
            for name, found in remarks.environment.items()
            for one in found
        ],
        budgets=[budget_entry(row) for row in remarks.listed_budgets],
        verdicts=[verdict_entry(row) for row in remarks.listed(rows)],
    )


def entry(row: VerdictRow) -> dict[str, object]:
    """A verdict as plain values; missing ones are None."""
    return msgspec.structs.asdict(verdict_entry(row))


def verdict_entry(row: VerdictRow) -> VerdictEntry:
    """A verdict as the document has it."""
    one, record = row.verdict, row.record
    return VerdictEntry(
        workload=record.workload,
        device=record.device,
        threads=record.threads,
        metric=one.metric,
        unit=one.unit,
        base=record.base,
        head=record.head,
        status=one.status,
        verdict=one.verdict,
        effect_unit="difference" if row.is_share else "ratio",
        effect=one.effect,
        low=one.low,
        high=one.high,
        level=one.level,
        mde=one.mde,
        sigma=one.sigma,
        base_value=one.base_value,
        head_value=one.head_value,
        base_ns=one.base_value if row.metric.is_paired else None,
        head_ns=one.head_value if row.metric.is_paired else None,
        pairs=one.pairs,
        dropped_base=one.dropped_base,
        dropped_head=one.dropped_head,
        confirmed=one.confirmed,
        reason=one.reason,
        why=one.why,
        extra_ppm=record.extra_ppm,
        gated=row.standing.is_gate,
        allowed=row.standing.is_allowed,
        fails=row.is_bad,
    )


def budget_entry(row: BudgetRow) -> BudgetEntry:
    """A budget, in the unit of its metric; missing ones are None."""
    return BudgetEntry(
        workload=row.case.workload,
        device=row.case.device,
        threads=row.case.threads,
        engine=row.case.engine,
        metric=row.metric.key,
        unit=row.metric.unit,
        budget=row.budget.text,
        limit=row.budget.limit,
        outcome=row.judged.outcome,
        value=row.judged.value,
        low=row.judged.low,
        high=row.judged.high,
        reason=row.judged.reason,
    )
