"""Everything that the page shows, gathered from the runs; the template only arranges it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bnnbench.results.columns import equal
from bnnbench.results.engine_table import labelled
from bnnbench.results.frames import load
from bnnbench.results.history import histories, sentences
from bnnbench.results.report.beside import NOTHING, Beside
from bnnbench.results.report.devices import Device, devices_of
from bnnbench.results.report.drawings import Drawing, drawings
from bnnbench.results.report.headline import Claim, claims
from bnnbench.results.report.method import Method, day, interval, method
from bnnbench.results.report.models import Models, models
from bnnbench.results.report.remarks import remarks
from bnnbench.results.report.rows import OTHERS, Row, rows
from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.verdict.formats.sentence import name
from bnnbench.results.verdict.rows import headline, verdict_rows


@dataclass(frozen=True, slots=True)
class Trouble:
    """A case that has no result to rely on, and why."""

    status: str
    workload: str
    engine: str
    place: str
    threads: int
    reason: str


@dataclass(frozen=True, slots=True)
class VerdictLine:
    """A verdict of a comparison, as text."""

    word: str
    case: str
    sides: str
    effect: str
    interval: str
    sees: str
    values: str
    pairs: str
    said: str


@dataclass(frozen=True, slots=True)
class Page:
    """The whole page."""

    title: str
    subtitle: str
    claims: list[Claim]
    rows: list[Row]
    several_threads: bool
    several_places: bool
    has_roofs: bool
    others: list[tuple[int, str, bool]]
    """Place and name of each other metric that some row has a figure of, and whether narrow windows show it too."""
    has_energy: bool
    doubts: list[tuple[str, list[str]]]
    remarks: list[str]
    drawings: list[Drawing]
    troubles: list[Trouble]
    devices: list[Device]
    methods: list[Method]
    interval: str
    models: Models | None
    verdicts: list[VerdictLine]
    verdict_headline: str
    changes: list[tuple[str, str]]


def page(runs: Sequence[StoredRun], beside: Beside = NOTHING) -> Page:
    """Gathers the page of one or several runs; `beside` has what else its charts may show."""
    frame = load(runs)
    peaks = [peak for run in runs for peak in run.peaks if not run.record.emulated(peak.device)]
    table = rows(frame, peaks)
    names = list(dict.fromkeys(run.record.suite_name for run in runs))
    return Page(
        title=", ".join(names),
        subtitle=_subtitle(runs),
        claims=claims(frame, runs),
        rows=table,
        several_threads=len({row.threads for row in table}) > 1,
        several_places=len({row.place for row in table}) > 1,
        has_roofs=any(row.roof.text for row in table),
        others=[
            (place, metric.word.capitalize(), metric.is_main)
            for place, metric in enumerate(OTHERS)
            if any(row.others[place].text for row in table)
        ],
        has_energy=any(row.energy.text for row in table),
        doubts=_doubts(table),
        remarks=remarks(frame),
        drawings=drawings(frame, peaks, beside),
        verdicts=_verdicts(runs),
        verdict_headline=headline(row for run in runs for row in verdict_rows(run)),
        changes=_changes(beside.timeline),
        troubles=_troubles(frame),
        devices=[device for run in runs for device in devices_of(run, beside)],
        methods=[method(run, beside.commands) for run in runs],
        interval=interval(runs),
        models=models(frame, beside.history),
    )


def _subtitle(runs: Sequence[StoredRun]) -> str:
    devices = list(dict.fromkeys(case.device for run in runs for case in run.record.cases))
    when = " and ".join(list(dict.fromkeys(day(run.record.created) for run in runs))[:3])
    return f"{', '.join(devices)} · {when}" if devices else when


def _verdicts(runs: Sequence[StoredRun]) -> list[VerdictLine]:
    return [
        VerdictLine(
            word=row.word,
            case=name(row),
            sides=f"{row.record.base} → {row.record.head}",
            effect=row.effect,
            interval=row.interval,
            sees=row.sees,
            values=f"{row.value(row.verdict.base_value)} → {row.value(row.verdict.head_value)}",
            pairs=str(row.verdict.pairs or ""),
            said=". ".join(text for text in (row.verdict.reason, row.verdict.why) if text),
        )
        for run in runs
        for row in verdict_rows(run)
        if row.is_main or row.word != "equivalent"
    ]


def _doubts(table: Sequence[Row]) -> list[tuple[str, list[str]]]:
    """By place and grade, why its times are trusted less; figures in a reason are those of its first case."""
    found: dict[str, dict[str, str]] = {}
    for row in table:
        for doubt in row.doubts:
            found.setdefault(row.place, {}).setdefault(re.sub(r"\d+(\.\d+)?", "#", doubt), doubt)
    return [(place, list(reasons.values())) for place, reasons in found.items()]


def _changes(timeline: pd.DataFrame | None) -> list[tuple[str, str]]:
    """Case and sentence of every change of the history."""
    if timeline is None:
        return []
    return [(one.name, sentence) for one in histories(timeline) for sentence in sentences(one)]


def _troubles(frame: pd.DataFrame) -> list[Trouble]:
    gravity = ("wrong_output", "failed", "unstable", "unverified", "skipped")
    told = labelled(frame)
    told = told[~equal(told["status"], "ok")]
    found = [
        Trouble(
            status=str(row["status"]),
            workload=str(row["workload"]),
            engine=str(row["series"]),
            place=str(row["place"]),
            threads=int(row["threads"]),
            reason="no reason recorded" if pd.isna(row["reason"]) else str(row["reason"]),
        )
        for row in told.to_dict("records")
    ]
    return sorted(
        found, key=lambda trouble: gravity.index(trouble.status) if trouble.status in gravity else len(gravity)
    )
