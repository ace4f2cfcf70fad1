"""Runs side by side on the page, and what stands beside a ratio: its interval, what it is over, and the caveat."""

from __future__ import annotations

from typing import Any

import msgspec
import pandas as pd
import pytest

from bnnbench.results.engine_table import UNVERIFIED, with_speedup
from bnnbench.results.frames import load
from bnnbench.results.ratios import compare, joined, span
from bnnbench.results.records import Gate, Invocation, Peak
from bnnbench.results.report import html
from bnnbench.results.report.figures import span as words_of
from bnnbench.results.report.page import page
from bnnbench.results.report.rows import table
from bnnbench.results.report.side_by_side import ABSENT, side_by_side
from bnnbench.results.store.stored_run import StoredRun


def slower(run: StoredRun, factor: float, first: int, last: int) -> StoredRun:
    """The run with other times, and only some of its cases."""
    record = msgspec.structs.replace(
        run.record, run_id=f"20260109-000000-x{factor}", cases=run.record.cases[first:last], skips=[]
    )
    entries = [
        msgspec.structs.replace(one, samples_ns=[ns * factor for ns in one.samples_ns])
        if isinstance(one, Invocation)
        else one
        for one in run.entries
    ]
    return StoredRun(record, entries)


@pytest.fixture(scope="module")
def two(synthetic: StoredRun) -> tuple[StoredRun, StoredRun]:
    return slower(synthetic, 1.0, 0, 8), slower(synthetic, 1.25, 4, 12)


def test_a_case_of_two_runs_is_one_line(two: tuple[StoredRun, StoredRun]) -> None:
    told = side_by_side(two)
    assert told is not None
    assert (told.common, told.cases, len(told.lines)) == (4, 12, 12)
    assert [head.run_id for head in told.heads] == [run.record.run_id for run in two]
    frames = [load(run) for run in two]
    found = {(one.workload, one.engine): one for one in compare(*frames).ratios}
    both = [line for line in told.lines if line.ratios[0].text]
    assert len(both) == len(found) == 4
    for line in both:
        one = found[line.workload, line.case.split()[0]]
        assert line.ratios[0].order == pytest.approx(1.25) == pytest.approx(one.ratio)
        assert one.low is not None
        assert one.high is not None
        assert one.low < 1.25 < one.high
        assert line.ratios[0].span == words_of(one.low, one.high, lambda value: f"{value:.2f}×")
        assert all(figure.span for figure in line.figures)


def test_each_case_is_held_against_the_roof_of_its_own_run(synthetic: StoredRun) -> None:
    """A roof moves from run to run, as the clock does."""
    runs = (slower(synthetic, 1.0, 0, 8), slower(synthetic, 1.0, 0, 8))
    record = msgspec.structs.replace(runs[1].record, run_id="20260110-000000-higher")
    higher = [
        msgspec.structs.replace(one, popcount_gops=2 * (one.popcount_gops or 0)) if isinstance(one, Peak) else one
        for one in runs[1].entries
    ]
    both, column = page([runs[0], StoredRun(record, higher)]).table, "Of roof"
    place = [one.name for one in both.columns].index(column)
    shares = [row.figures[place].order for row in both.rows]
    half = len(shares) // 2
    assert any(shares)
    assert shares[half:] == [None if share is None else pytest.approx(share / 2) for share in shares[:half]]


def test_what_is_in_one_run_only_is_shown_as_such(two: tuple[StoredRun, StoredRun]) -> None:
    told = side_by_side(two)
    assert told is not None
    assert [line.figures[1].notes for line in told.lines[:4]] == [(ABSENT,)] * 4
    assert [line.figures[0].notes for line in told.lines[8:]] == [(ABSENT,)] * 4
    assert not any(line.ratios[0].text for line in (*told.lines[:4], *told.lines[8:]))
    text = html.render(two)
    assert "Runs side by side" in text
    assert "no ratio here is a verdict" in text
    assert ABSENT in text


def test_one_run_has_nothing_beside_it_and_three_have_two_ratios(
    synthetic: StoredRun, two: tuple[StoredRun, StoredRun]
) -> None:
    assert side_by_side([synthetic]) is None
    told = side_by_side([*two, slower(synthetic, 2.0, 0, 12)])
    assert told is not None
    assert {len(line.ratios) for line in told.lines} == {2}


def test_a_case_that_failed_in_one_run_stands_beside_its_time(synthetic: StoredRun) -> None:
    """A failed case has no ISA level; it is the same case all the same."""
    record = msgspec.structs.replace(
        synthetic.record, cases=[msgspec.structs.replace(synthetic.record.cases[0], isa=None)], skips=[]
    )
    good = StoredRun(record, synthetic.entries)
    bad = StoredRun(record, [Gate(case_id=record.cases[0].id, status="failed", reason="it crashed")])
    told = side_by_side([good, bad])
    assert told is not None
    (line,) = told.lines
    assert line.figures[0].text
    assert line.figures[1].notes == ("failed",)


def test_other_hardware_is_another_case(synthetic: StoredRun) -> None:
    frame = load(synthetic).query("status == 'ok'").head(2)
    assert len(joined([frame, frame])) == 2
    assert len(joined([frame, frame.assign(device_model="another board")])) == 4
    assert len(joined([frame, frame.assign(dataset_sha256="f" * 64)])) == 2


@pytest.mark.parametrize(
    ("of", "over", "ends"),
    [
        ((2.0, 3.0), (1.0, 2.0), (1.0, 3.0)),
        ((1.0, 1.0), (1.0, 1.0), (1.0, 1.0)),
        ((1.0, 2.0), (0.0, 2.0), None),
        ((pd.NA, 2.0), (1.0, 2.0), None),
        ((1.0, 2.0), (1.0, None), None),
    ],
)
def test_what_two_intervals_allow(of: Any, over: Any, ends: tuple[float, float] | None) -> None:
    assert span(of, over) == ends


CAVEAT = "portable C++ on x86: no hand-written kernels"


def test_the_caveat_stands_beside_every_ratio(synthetic: StoredRun) -> None:
    cases = [
        msgspec.structs.replace(case, caveat=CAVEAT if case.engine == "numba" else None)
        for case in synthetic.record.cases[:12]
    ]
    run = StoredRun(msgspec.structs.replace(synthetic.record, cases=cases, skips=[]), synthetic.entries)
    told = page([run])
    shown = told.table
    (gain,) = (place for place, column in enumerate(shown.columns) if column.name == "Speed-up")
    ratios = [row.figures[gain] for row in shown.rows if row.engine == "native"]
    assert len(ratios) == 6
    assert all(one.notes == (f"over numba ({CAVEAT})",) and one.span for one in ratios)
    assert CAVEAT in told.claims[1].words
    assert html.render(run).count(CAVEAT) >= 7


def test_an_engine_that_nobody_checked_is_called_unverified_beside_its_ratios(synthetic: StoredRun) -> None:
    entries = [
        msgspec.structs.replace(one, status="unverified", reason="it shows no output")
        if isinstance(one, Gate) and one.case_id.startswith("workstation/numba")
        else one
        for one in synthetic.entries
    ]
    cases = synthetic.record.cases[:8]
    run = StoredRun(msgspec.structs.replace(synthetic.record, cases=cases, skips=[]), entries)
    frame = with_speedup(load(run))
    assert set(frame.loc[frame["engine"] == "native", "over_caveat"]) == {UNVERIFIED}
    rows = table(load(run)).rows
    assert [row.more for row in rows if row.engine == "numba"] == [[UNVERIFIED]] * 4


def test_each_figure_has_its_interval_and_what_lowers_the_trust(synthetic: StoredRun, family: StoredRun) -> None:
    for run in (synthetic, family):
        frame = load(run)
        timed = frame[frame["latency_ns"].notna() & (frame["trust"] != "high")]
        figures = [row.figures[0] for row in table(frame).rows if row.figures[0].text]
        assert all(one.span for one in figures)
        assert sum(any("trust" in note for note in one.notes) for one in figures) == len(timed)
    told = page([family])
    assert told.models is not None
    assert all(row.latency.span and row.accuracy.span for row in told.models.rows if row.accuracy.text)
    assert all(
        "low trust: " in row.latency.notes[0] or "medium trust: " in row.latency.notes[0] for row in told.models.rows
    )


def test_skipped_cases_take_a_line_for_each_reason(synthetic: StoredRun) -> None:
    shown = table(load(synthetic))
    assert shown.skipped == len(synthetic.record.skips)
    assert "skipped" not in {row.status for row in shown.rows}
    doubled = msgspec.structs.replace(synthetic.record, skips=synthetic.record.skips * 39)
    many = page([StoredRun(doubled, synthetic.entries)])
    (skipped,) = (one for one in many.troubles if one.status == "skipped")
    assert skipped.count == 39
