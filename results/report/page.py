"""Everything that the page shows, gathered from the runs; the template only arranges it."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pandas as pd

from bnnbench.results import quantity
from bnnbench.results.charts import CHARTS
from bnnbench.results.charts.chart import Chart
from bnnbench.results.columns import equal
from bnnbench.results.engine_table import labelled
from bnnbench.results.frames import load
from bnnbench.results.history import histories, sentences
from bnnbench.results.models import data_sets, of_data_set
from bnnbench.results.records import Build, DeviceEvent, Peak
from bnnbench.results.report.facts import Fact, facts
from bnnbench.results.report.headline import Claim, claims, minutes
from bnnbench.results.report.models import Models, models
from bnnbench.results.report.remarks import remarks
from bnnbench.results.report.rows import OTHERS, Row, rows
from bnnbench.results.statistics.level import coverage, depth
from bnnbench.results.store.calibration import Calibration
from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.verdict.formats.sentence import name
from bnnbench.results.verdict.rows import headline, verdict_rows

_WIDE, _NARROW = 9.2, 3.7


@dataclass(frozen=True, slots=True)
class Beside:
    """Frames of what is no part of the runs: figures that others published, and all runs of the store; `timeline` are
    the runs whose history is drawn, `calibrations` the last one of each device. `commands`: also show command lines,
    which may hold paths and addresses."""

    published: pd.DataFrame | None = None
    history: pd.DataFrame | None = None
    timeline: pd.DataFrame | None = None
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    commands: bool = False


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart for wide and for narrow windows."""

    title: str
    caption: str
    wide: str
    narrow: str


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
class Roof:
    """A measured roof of a device."""

    name: str
    popcount: str
    clock: str


@dataclass(frozen=True, slots=True)
class Device:
    """A device of a run."""

    name: str
    model: str
    emulated: bool
    facts: list[Fact]
    roofs: list[Roof]
    calibration: str
    events: list[DeviceEvent]


@dataclass(frozen=True, slots=True)
class Method:
    """How a run was measured, in words and figures, with the command that repeats it where it may be shown."""

    run_id: str
    when: str
    outcome: str
    figures: list[tuple[str, str]]
    host: list[Fact]
    builds: list[Build]
    command: str
    overhead: list[tuple[str, str, str, str]]
    warnings: list[str]


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


def page(runs: Sequence[StoredRun], beside: Beside = Beside()) -> Page:
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
        drawings=_drawings(frame, peaks, beside),
        verdicts=_verdicts(runs),
        verdict_headline=headline(row for run in runs for row in verdict_rows(run)),
        changes=_changes(beside.timeline),
        troubles=_troubles(frame),
        devices=[device for run in runs for device in _devices(run, beside)],
        methods=[_method(run, beside.commands) for run in runs],
        interval=_interval(runs),
        models=models(frame, beside.history),
    )


def _subtitle(runs: Sequence[StoredRun]) -> str:
    devices = list(dict.fromkeys(case.device for run in runs for case in run.record.cases))
    when = " and ".join(list(dict.fromkeys(_day(run.record.created) for run in runs))[:3])
    return f"{', '.join(devices)} · {when}" if devices else when


def _drawings(frame: pd.DataFrame, peaks: Sequence[Peak], beside: Beside) -> list[Drawing]:
    drawn = []
    for chart in [chart for chart in CHARTS.values() if chart.in_report]:
        whole = beside.timeline if chart.name == "history" and beside.timeline is not None else frame
        parts = _parts(chart, whole) or [("", whole)]
        for number, (of_whom, part) in enumerate(parts):
            if chart.suits(part, peaks):
                wide, narrow = (
                    chart.svg(part, peaks, width, f"{chart.name}-{name}-{number}", published=beside.published)
                    for width, name in ((_WIDE, "wide"), (_NARROW, "narrow"))
                )
                drawn.append(Drawing(chart.title + of_whom * (len(parts) > 1), chart.caption, wide, narrow))
    return drawn


def _parts(chart: Chart, frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Of whom, and its rows, where a chart shows one device or data set."""
    if chart.per_device:
        devices = dict.fromkeys(frame["device"].dropna())
        return [(f" of {name}", frame[equal(frame["device"], name)]) for name in devices]
    if chart.per_data_set:
        several = data_sets(frame)
        names = [name for name, _ in several]
        return [
            (f" on {one[0]}" + (f" {one[1][:8]}" if names.count(one[0]) > 1 else ""), of_data_set(frame, one))
            for one in several
        ]
    return []


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


def _calibration(run: StoredRun, device: str, beside: Beside) -> str:
    found = beside.calibrations.get(device)
    if found is None:
        return ""
    kernel = run.record.fact(device, "kernel")
    warning = found.warning(None if kernel is None else str(kernel))
    return ". ".join(text for text in (found.summary(), warning) if text)


def _devices(run: StoredRun, beside: Beside) -> list[Device]:
    named = [*(case.device for case in run.record.cases), *(event.device for event in run.events)]
    used = dict.fromkeys([*run.record.devices, *named])
    return [
        Device(
            name=name,
            model=str(run.record.fact(name, "model") or ""),
            emulated=run.record.emulated(name),
            facts=facts(run.record.devices.get(name, {})),
            calibration=_calibration(run, name, beside),
            roofs=[_roof(peak) for peak in _best(peak for peak in run.peaks if peak.device == name)],
            events=[event for event in run.events if event.device == name],
        )
        for name in used
    ]


def _best(peaks: Iterable[Peak]) -> Iterable[Peak]:
    """The highest of each ISA level and thread count: a busy moment only ever lowers a roof."""
    best: dict[tuple[str | None, int], Peak] = {}
    for peak in peaks:
        key = (peak.isa, peak.threads)
        if key not in best or (peak.popcount_gops or 0) > (best[key].popcount_gops or 0):
            best[key] = peak
    return best.values()


def _roof(peak: Peak) -> Roof:
    threads = f"{peak.threads} thread{'s' * (peak.threads != 1)}"
    return Roof(
        name=f"{peak.isa}, {threads}" if peak.isa else threads,
        popcount="not measured" if peak.popcount_gops is None else quantity.rate(peak.popcount_gops),
        clock="" if peak.clock_hz is None else f"at {quantity.clock(peak.clock_hz)}",
    )


def _method(run: StoredRun, commands: bool) -> Method:
    record = run.record
    warm_ups = sorted(gate.warmup_ns for gate in run.gates.values() if gate.warmup_ns is not None)
    figures = [
        ("bnnbench", record.version + (f", commit {record.commit[:12]}" if record.commit else "")),
        ("seed of the order", str(record.seed)),
        ("invocations of a case", f"{record.invocations_per_case}, each a fresh process, in random order"),
        ("samples of an invocation", f"{record.samples_per_invocation}; their median stands for it"),
    ]
    if warm_ups:
        shortest, longest = quantity.duration(warm_ups[0]), quantity.duration(warm_ups[-1])
        span = shortest if shortest == longest else f"{shortest} to {longest}"
        figures.append(("warm-up of an invocation", f"{span}, found once for each case"))
    return Method(
        run_id=record.run_id,
        when=_day(record.created),
        outcome=_outcome(run),
        figures=figures,
        host=facts(record.host),
        builds=record.builds,
        command=shlex.join(record.command) if commands else "",
        overhead=_overhead(run),
        warnings=run.warnings,
    )


def _outcome(run: StoredRun) -> str:
    if run.end is None:
        return f"did not end; finish it with bnnbench run --resume {run.record.run_id}"
    took = "" if run.end.wall_ns is None else f" in {minutes(run.end.wall_ns)}"
    if run.end.outcome == "complete":
        return f"complete{took}"
    return f"{run.end.outcome}{took}; finish it with bnnbench run --resume {run.record.run_id}"


def _overhead(run: StoredRun) -> list[tuple[str, str, str, str]]:
    """Device, overhead per invocation, share of the time inside `run` requests, builds and first push."""
    if run.end is None:
        return []
    shown = []
    for device, figures in run.end.overhead.items():
        each, share = figures.get("per_invocation_ns_median"), figures.get("run_share")
        builds = figures.get("builds_and_push_ns")
        shown.append(
            (
                device,
                "" if each is None else quantity.duration(each),
                "" if share is None else quantity.percentage(share),
                "" if builds is None else quantity.duration(builds),
            )
        )
    return shown


def _interval(runs: Sequence[StoredRun]) -> str:
    return " ".join(_interval_of(n) for n in sorted({run.record.invocations_per_case for run in runs}))


def _interval_of(n: int) -> str:
    if n < 2:
        return "With a single invocation there is no range to speak of."
    k = depth(n)
    left_out = "" if k == 1 else f", leaving out the {k - 1} at either end"
    return (
        f"With {n} invocations it goes from the fastest to the slowest{left_out}, and holds the true median "
        f"with {100 * coverage(n, k):.1f} % probability if they are independent."
    )


def _day(moment: str) -> str:
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    parsed = parsed.astimezone(UTC) if parsed.tzinfo else parsed
    return f"{parsed.day} {parsed:%B %Y, %H:%M} UTC"
