"""Verdicts as JSON: {"schema": 1, "not_measured": [...], "verdicts": [...], ...}. Effects are ratios minus 1, of
accuracy differences of shares."""

import json
from collections.abc import Sequence

from bnnbench.results.environment import entry_of
from bnnbench.results.verdict.budget_rows import BudgetRow
from bnnbench.results.verdict.remarks import NOTHING, Remarks
from bnnbench.results.verdict.rows import VerdictRow

SCHEMA = 1


def render(rows: Sequence[VerdictRow], run_id: str, remarks: Remarks = NOTHING) -> str:
    """The document; figures that were not measured are null."""
    document = {
        "schema": SCHEMA,
        "run_id": run_id,
        "sides": remarks.sides(rows),
        "not_measured": [{"what": item.what, "reason": item.reason} for item in remarks.unmeasured],
        "notes": list(remarks.notes),
        "environment": [
            {"baseline": name, **entry_of(one)} for name, found in remarks.environment.items() for one in found
        ],
        "budgets": [budget_entry(row) for row in remarks.listed_budgets],
        "verdicts": [entry(row) for row in remarks.listed(rows)],
    }
    return json.dumps(document, indent=1)


def entry(row: VerdictRow) -> dict[str, object]:
    """A verdict as plain values; missing ones are None."""
    one, record = row.verdict, row.record
    return {
        "workload": record.workload,
        "device": record.device,
        "threads": record.threads,
        "metric": one.metric,
        "unit": one.unit,
        "base": record.base,
        "head": record.head,
        "status": one.status,
        "verdict": one.verdict,
        "effect_unit": "difference" if row.is_share else "ratio",
        "effect": one.effect,
        "low": one.low,
        "high": one.high,
        "level": one.level,
        "mde": one.mde,
        "sigma": one.sigma,
        "base_value": one.base_value,
        "head_value": one.head_value,
        "base_ns": one.base_value if row.metric.is_paired else None,
        "head_ns": one.head_value if row.metric.is_paired else None,
        "pairs": one.pairs,
        "dropped_base": one.dropped_base,
        "dropped_head": one.dropped_head,
        "confirmed": one.confirmed,
        "reason": one.reason,
        "why": one.why,
        "extra_ppm": record.extra_ppm,
        "gated": row.standing.is_gate,
        "allowed": row.standing.is_allowed,
        "fails": row.is_bad,
    }


def budget_entry(row: BudgetRow) -> dict[str, object]:
    """A budget as plain values, in the unit of its metric; missing ones are None."""
    return {
        "workload": row.case.workload,
        "device": row.case.device,
        "threads": row.case.threads,
        "engine": row.case.engine,
        "metric": row.metric.key,
        "unit": row.metric.unit,
        "budget": row.budget.text,
        "limit": row.budget.limit,
        "outcome": row.judged.outcome,
        "value": row.judged.value,
        "low": row.judged.low,
        "high": row.judged.high,
        "reason": row.judged.reason,
    }
