"""What pages are made of: cases and their changes, long histories by week, facts over time, JSON in a page."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from bnnbench.results.columns import CASE_COLUMNS, build
from bnnbench.results.frames import load
from bnnbench.results.history import histories
from bnnbench.results.site import static_files
from bnnbench.results.site.case_history import MOST_RUNS, case_history
from bnnbench.results.site.cases import COLUMNS, CaseKey, by_case, case_rows, summary_of
from bnnbench.results.site.device_facts import device_facts
from bnnbench.results.site.page import slug
from bnnbench.results.site.render import json_block, ranged
from bnnbench.results.site.source import Asked, read_source
from bnnbench.results.site.sparkline import sparkline
from bnnbench.results.store.runs import Store
from tests.results.site.conftest import HOSTILE, NOW

BEGIN = datetime(2020, 1, 1, tzinfo=UTC)


def rows(values: list[float], **more: object) -> pd.DataFrame:
    """A case that was measured every 6 hours."""
    given = {"device": "pi4", "engine": "native", "workload": "m", "kind": "model", "threads": 1, "status": "ok"}
    made = [
        {
            **given,
            "run_id": f"run-{number}",
            "created": (BEGIN + timedelta(hours=6 * number)).isoformat(),
            "commit": f"{number:040d}",
            "latency_ns": value,
            "latency_low_ns": value * 0.99,
            "latency_high_ns": value * 1.01,
            "latency_n": 7,
            "boot_id": str(number // 100),
            **more,
        }
        for number, value in enumerate(values)
    ]
    return case_rows(build(made, CASE_COLUMNS)[list(COLUMNS)])


def test_histories_are_those_of_the_report(small: Path) -> None:
    frame = load(Store(small))
    found = {key: summary_of(key, group) for key, group in by_case(case_rows(frame[list(COLUMNS)]))}
    judged = {(one.device, one.workload, one.series, one.threads): one for one in histories(frame)}
    assert len(judged) > 20
    for case in found.values():
        one = judged.pop((case.device, case.workload, case.series, case.threads), None)
        if one is None:
            assert case.runs < 3
            continue
        assert [(change.before, change.after) for change in case.changes] == [
            (change.before, change.after) for change in one.changes
        ]
    assert not judged


def test_a_change_names_its_runs_and_commits() -> None:
    ((key, group),) = by_case(rows([100.0] * 10 + [110.0] * 10))
    (change,) = summary_of(key, group).changes
    assert (change.before_run, change.run_id) == ("run-9", "run-10")
    assert (change.before_commit, change.commit) == (f"{9:040d}", f"{10:040d}")
    assert change.effect == pytest.approx(0.1)
    assert key == CaseKey("pi4", "m", "native", "", 1)


def test_sides_of_comparisons_are_no_history() -> None:
    assert rows([1.0], comparison=True).empty
    assert rows([1.0], variant="head").empty
    assert rows([1.0], status="skipped").empty


def test_older_runs_are_thinned_by_week() -> None:
    ((key, group),) = by_case(rows([float(100 + number % 7) for number in range(MOST_RUNS + 280)]))
    found = case_history(summary_of(key, group), group, {"run-500": "run/x.html"})
    assert (len(found.points), found.thinned) == (MOST_RUNS, 280)
    assert sum(week.n for week in found.weeks) == 280
    assert all(week.low == 100 and week.high == 106 for week in found.weeks[1:-1])
    assert datetime.fromtimestamp(found.weeks[1].at / 1000, UTC).weekday() == 0
    assert [point.href for point in found.points if point.href] == ["../run/x.html"]
    assert {event.kind for event in found.events} == {"reboot"}
    assert len(found.events) == 3  # of the runs 280 to 579, which are drawn one by one


def test_facts_are_compared_run_by_run(small: Path) -> None:
    source = read_source(Store(small), None, Asked(), NOW)
    found = device_facts(source)
    assert found.keys() == {"pi4", "pi5", "phone"}
    assert sum(one.runs for one in found.values()) == len(source.runs)
    texts = {change.text for one in found.values() for change in one.changes}
    assert texts == {"governor performance -> ondemand", "governor ondemand -> performance"}


@pytest.mark.parametrize("text", HOSTILE)
def test_json_of_a_page_ends_nowhere(text: str) -> None:
    block = str(json_block({text: [text]}))
    assert not set("<>&") & set(block)
    assert "\\u202e" not in block
    assert list(json.loads(block)) == [text.replace("\u202e", "?").replace("\u2066", "?").replace("\u200f", "?")]


def test_json_of_a_page_has_no_control_characters() -> None:
    text = "a\x1b[2J\x07\b\f\x00 \\u0007 \\\\b\n\t\ud800"
    assert json.loads(str(json_block(text))) == "a?[2J???? \\u0007 \\\\b\n\t?"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_file_name_is_plain(text: str) -> None:
    found = slug(text, "pi4")
    assert found.replace("-", "").isalnum()
    assert found.isascii()
    assert len(found) < 60
    assert found != slug("pi4", text)


def test_a_sparkline_escapes_its_text() -> None:
    text = str(sparkline([1.0, 2.0, 3.0], HOSTILE[0]))
    assert "<script" not in text
    assert text.count(",") == 3
    assert str(sparkline([1.0], "one")) == ""


def test_the_chart_library_is_what_its_list_says() -> None:
    folder = static_files.STATIC / "vendor"
    lines = (folder / "VERSIONS").read_text().splitlines()
    noted = dict(reversed(line.split("  ")) for line in lines if "  " in line)
    assert noted.keys() == {path.name for path in folder.iterdir()} - {"VERSIONS"}
    for name, digest in noted.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
    licences = (folder / "LICENSES.txt").read_text(encoding="utf-8")
    for package in ("vega", "vega-lite", "vega-interpreter", "d3-array", "topojson-client", "robust-predicates"):
        assert f"\n{package} " in f"\n{licences}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", '<span class="nowrap"></span>'),
        ("36.0 kB", '<span class="nowrap">36.0 kB</span>'),
        ("2 µs (1-3)", '<span><span class="nowrap">2 µs</span> <span class="range">(1-3)</span></span>'),
        ("<b> (<i>)", '<span><span class="nowrap">&lt;b&gt;</span> <span class="range">(&lt;i&gt;)</span></span>'),
    ],
)
def test_a_figure_is_broken_only_before_its_interval(text: str, shown: str) -> None:
    assert str(ranged(text)) == shown
