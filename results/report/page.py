"""Everything that the page shows, gathered from the runs; the template only arranges it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bnnbench.results.columns import equal
from bnnbench.results.doubts import unlike
from bnnbench.results.engine_table import labelled
from bnnbench.results.frames import load
from bnnbench.results.history import histories, sentences
from bnnbench.results.report.advice import Advice
from bnnbench.results.report.devices import Device, devices_of
from bnnbench.results.report.drawings import Drawing, drawings
from bnnbench.results.report.headline import Claim, claims
from bnnbench.results.report.method import Method, day, interval, method
from bnnbench.results.report.models import Models, models
from bnnbench.results.report.page_context import NOTHING, PageContext
from bnnbench.results.report.remarks import remarks
from bnnbench.results.report.rows import Row, Table, table
from bnnbench.results.report.side_by_side import SideBySide, side_by_side
from bnnbench.results.spread import spreads, verdict_spreads
from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.verdict.budget_rows import BudgetRow, budget_headline, budget_rows
from bnnbench.results.verdict.formats.sentence import name
from bnnbench.results.verdict.rows import headline, verdict_rows

_MOST_NAMES = 12


@dataclass(frozen=True, slots=True)
class Trouble:
    """Cases that have no result to rely on, and why; `count` have the same reason."""

    status: str
    workload: str
    who: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class VerdictLine:
    """A verdict of a comparison, as text."""

    word: str
    case: str
    sides: str
    effect: str
    interval: str
    detectable: str
    values: str
    pairs: str
    said: str


@dataclass(frozen=True, slots=True)
class Page:
    """The whole page."""

    title: str
    subtitle: str
    claims: list[Claim]
    side_by_side: SideBySide | None
    table: Table
    doubts: list[tuple[str, list[str]]]
    remarks: list[str]
    drawings: list[Drawing]
    troubles: list[Trouble]
    devices: list[Device]
    spreads: list[str]
    methods: list[Method]
    interval: str
    models: Models | None
    advice: Sequence[Advice]
    verdicts: list[VerdictLine]
    verdict_headline: str
    budgets: list[BudgetRow]
    budget_headline: str
    changes: list[tuple[str, str]]


def _spreads(runs: Sequence[StoredRun], frame: pd.DataFrame) -> list[str]:
    """What differs between the boards of pools: verdicts first."""
    found: list[str] = []
    for run in runs:
        mine = frame[frame["run_id"] == run.record.run_id]
        found += [each.sentence for each in verdict_spreads(run.record, verdict_rows(run))]
        found += [each.sentence for each in spreads(run.record, mine)]
    return found


def page(runs: Sequence[StoredRun], context: PageContext = NOTHING) -> Page:
    """Gathers the page of one or several runs; `beside` has what else its charts may show."""
    frame = load(runs)
    peaks = [peak for run in runs for peak in run.peaks if not run.record.emulated(peak.device)]
    cases = table(frame, {run.record.run_id: run.peaks for run in runs})
    budgets = [row for run in runs for row in budget_rows(run)]
    names = list(dict.fromkeys(run.record.suite_name for run in runs))
    return Page(
        title=", ".join(names),
        subtitle=_subtitle(runs),
        claims=claims(frame, runs),
        side_by_side=side_by_side(runs),
        table=cases,
        doubts=_doubts(cases.rows),
        remarks=remarks(frame),
        drawings=drawings(frame, peaks, context) if context.charts else [],
        verdicts=verdict_lines(runs),
        verdict_headline=headline(row for run in runs for row in verdict_rows(run)),
        budgets=sorted(budgets, key=lambda row: (not row.is_bad, not row.is_unclear)),
        budget_headline=budget_headline(budgets),
        changes=_changes(context.timeline),
        troubles=_troubles(frame),
        devices=[device for run in runs for device in devices_of(run, context)],
        spreads=_spreads(runs, frame),
        methods=[method(run, context.commands) for run in runs],
        interval=interval(runs),
        models=models(frame, context.history),
        advice=context.advice,
    )


def _subtitle(runs: Sequence[StoredRun]) -> str:
    devices = list(dict.fromkeys(case.device for run in runs for case in run.record.cases))
    when = " and ".join(list(dict.fromkeys(day(run.record.created) for run in runs))[:3])
    return f"{', '.join(devices)} · {when}" if devices else when


def verdict_lines(runs: Sequence[StoredRun]) -> list[VerdictLine]:
    """The verdicts of all runs, but those of metrics beside the main one that have not changed."""
    return [
        VerdictLine(
            word=row.word,
            case=name(row),
            sides=f"{row.record.base} → {row.record.head}",
            effect=row.effect,
            interval=row.interval,
            detectable=row.detectable,
            values=f"{row.value(row.verdict.base_value)} → {row.value(row.verdict.head_value)}",
            pairs=str(row.verdict.pairs or ""),
            said=". ".join(row.remarks),
        )
        for run in runs
        for row in verdict_rows(run)
        if row.is_main or row.word != "equivalent"
    ]


def _doubts(rows: Sequence[Row]) -> list[tuple[str, list[str]]]:
    """By place, why its times are trusted less, in full."""
    places = dict.fromkeys(row.place for row in rows if row.doubts)
    return [(place, unlike(doubt for row in rows if row.place == place for doubt in row.doubts)) for place in places]


def _changes(timeline: pd.DataFrame | None) -> list[tuple[str, str]]:
    """Case and sentence of every change of the history."""
    if timeline is None:
        return []
    return [(history.name, sentence) for history in histories(timeline) for sentence in sentences(history)]


def _troubles(frame: pd.DataFrame) -> list[Trouble]:
    """Those that were tried one by one, what was skipped by its reason."""
    gravity = ("wrong_output", "failed", "unstable", "unverified", "skipped")
    remarks = labelled(frame)
    remarks = remarks[~equal(remarks["status"], "ok")]
    found: dict[tuple[str, ...], list[dict[Any, Any]]] = {}
    for row in remarks.to_dict("records"):
        alone = () if row["status"] == "skipped" else (str(row["workload"]), *map(str, _who(row)))
        found.setdefault((str(row["status"]), _reason(row), *alone), []).append(row)
    troubles = [
        Trouble(
            status=rows[0]["status"],
            workload=_listed([str(row["workload"]) for row in rows]),
            who=f"{_listed([_who(row)[0] for row in rows])} on {_listed([_who(row)[1] for row in rows])}",
            reason=_reason(rows[0]),
            count=len(rows),
        )
        for rows in found.values()
    ]
    return sorted(
        troubles, key=lambda trouble: gravity.index(trouble.status) if trouble.status in gravity else len(gravity)
    )


def _who(row: dict[Any, Any]) -> tuple[str, str]:
    threads = "" if row["threads"] == 1 else f", {row['threads']} threads"
    return str(row["series"]), f"{row['place']}{threads}"


def _reason(row: dict[Any, Any]) -> str:
    return "no reason recorded" if pd.isna(row["reason"]) else str(row["reason"])


def _listed(names: Sequence[str]) -> str:
    unique = list(dict.fromkeys(names))
    more = f" and {len(unique) - _MOST_NAMES} more" if len(unique) > _MOST_NAMES else ""
    return ", ".join(unique[:_MOST_NAMES]) + more
