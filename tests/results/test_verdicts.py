"""Verdicts from pairs, and every format that shows them."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from collections.abc import Callable
from xml.etree import ElementTree as Tree

import numpy as np
import pytest
from msgspec.structs import replace
from rich.console import Console

from bnnbench.results.environment import Difference
from bnnbench.results.records import (
    CaseRecord,
    ComparisonRecord,
    Pair,
    RunEnd,
    RunRecord,
    Side,
    Status,
    Verdict,
    Verdicts,
)
from bnnbench.results.statistics.sequential import Need, Rules
from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.verdict.formats import FORMATS, table
from bnnbench.results.verdict.formats.sentence import sentence
from bnnbench.results.verdict.paired import needed, verdict, within_layout
from bnnbench.results.verdict.remarks import Remarks, Unmeasured
from bnnbench.results.verdict.rows import VerdictRow, headline, verdict_rows
from tests.results.calibrated import calibrated

RULES = Rules()


def pairs(
    differences: list[float], stage: str = "screen", dropped: dict[int, str] | None = None, drift: float = 0.0
) -> list[Pair]:
    first: Side = "base"
    return [
        Pair(
            comparison_id="c",
            stage="confirm" if stage == "confirm" else "screen",
            number=number,
            first=first,
            base_ns=1e6,
            head_ns=1e6 * math.exp(d),
            dropped=(dropped or {}).get(number),  # type: ignore[arg-type]
            head_drift=drift + 0.001 * (number % 3 - 1),
        )
        for number, d in enumerate(differences)
    ]


def noisy(mean: float, sigma: float, n: int, seed: int = 1) -> list[float]:
    return list(np.random.default_rng(seed).normal(mean, sigma, n))


class TestVerdict:
    def test_an_effect_that_linking_alone_makes_is_no_regression(self) -> None:
        seen = pairs(noisy(0.05, 0.005, 10)) + pairs(noisy(0.05, 0.005, 20, 2), "confirm")
        found = verdict(RULES, "c", seen)
        assert within_layout(found, calibrated(0.02)) == found
        assert within_layout(found, calibrated(None)) == found
        masked = within_layout(found, calibrated(0.06))
        assert masked.verdict == "inconclusive"
        assert masked.reason == "within layout noise: other link orders of the same objects change times here by 6.0 %"

    def test_regression(self) -> None:
        seen = pairs(noisy(0.05, 0.005, 10)) + pairs(noisy(0.05, 0.005, 20, 2), "confirm")
        assert needed(RULES, seen[:10]) == Need("confirm", 12)
        assert needed(RULES, seen) is None
        found = verdict(RULES, "c", seen)
        assert (found.status, found.verdict, found.confirmed, found.pairs) == ("ok", "regression", True, 30)
        assert found.effect == pytest.approx(math.expm1(0.05), abs=0.004)
        assert found.low is not None
        assert found.high is not None
        assert found.low < found.effect < found.high
        assert found.level is not None
        assert found.level >= 0.995

    def test_only_fresh_pairs_make_the_effect(self) -> None:
        seen = pairs([0.09] * 9 + [0.1]) + pairs(noisy(0.03, 0.002, 20), "confirm")
        assert verdict(RULES, "c", seen).effect == pytest.approx(0.0305, abs=0.002)

    def test_uneven_drops_allow_no_verdict(self) -> None:
        dropped = dict.fromkeys(range(6), "head")
        seen = pairs(noisy(0, 0.002, 40), dropped=dropped)
        found = verdict(RULES, "c", seen)
        assert (found.status, found.verdict) == ("unstable", None)
        assert found.reason is not None
        assert found.reason.startswith("head throttles more: 6 of its pairs were dropped and 0 of the base's")

    def test_many_drops_end_it(self) -> None:
        sides = ["head", "base"]
        seen = pairs([0.0] * 10, dropped={number: sides[number % 2] for number in range(8)})
        assert needed(RULES, seen) is None
        found = verdict(RULES, "c", seen)
        assert found.status == "unstable"
        assert "8 of 10 pairs were dropped" in (found.reason or "")

    def test_drifting_samples_allow_no_verdict(self) -> None:
        found = verdict(RULES, "c", pairs(noisy(0, 0.002, 12), drift=0.03))
        assert found.status == "unstable"
        assert "head gets slower while it is timed, by 3.0 %" in (found.reason or "")

    def test_cut_short_is_inconclusive_with_what_it_could_have_seen(self) -> None:
        found = verdict(RULES, "c", pairs(noisy(0.01, 0.02, 12)))
        whole = verdict(RULES, "c", pairs(noisy(0.01, 0.05, 30)))
        assert (found.status, found.verdict, found.pairs) == ("ok", "inconclusive", 12)
        assert found.mde is not None
        assert whole.mde is not None
        assert found.mde > 0.5 * whole.mde
        few = verdict(RULES, "c", pairs(noisy(0.01, 0.02, 6)))
        assert (few.verdict, few.mde, few.reason) == ("inconclusive", None, "too few pairs were measured")
        assert verdict(RULES, "c", []).verdict == "inconclusive"


HOSTILE = "bconv|2d <script>\n::error:: 50%,@all"


@pytest.fixture
def rows() -> list[VerdictRow]:
    seen = pairs(noisy(0.05, 0.005, 10)) + pairs(noisy(0.05, 0.005, 20, 2), "confirm")
    slower = replace(verdict(RULES, "slow", seen), why="all of it is in step 12, bconv2d 14x14x256")
    same = verdict(RULES, "same", pairs(noisy(0, 0.004, 10)))
    vague = verdict(RULES, "vague", pairs(noisy(0.01, 0.08, 30)))
    broken = Verdict(
        comparison_id="broken", metric="latency", unit="ns", status="failed", reason="head, at pair 7: died"
    )
    away = Verdict(comparison_id="away", metric="latency", unit="ns", status="failed", reason="base: it did not start")
    size = Verdict(
        comparison_id="same",
        metric="size",
        unit="bytes",
        status="ok",
        verdict="improvement",
        effect=-0.5,
        low=-0.5,
        high=-0.5,
        level=1.0,
        mde=0.01,
        base_value=2e6,
        head_value=1e6,
        confirmed=True,
    )
    accuracy = Verdict(
        comparison_id="same",
        metric="accuracy",
        unit="share",
        status="ok",
        verdict="regression",
        effect=-0.0092,
        low=-0.0141,
        high=-0.0044,
        level=0.99,
        mde=0.0082,
        base_value=0.92,
        head_value=0.9108,
        confirmed=True,
        reason="of 10,000 images, 270 are right only on the base and 178 only on the head",
    )
    names = {"slow": "quicknet", "same": "bgemm 64x64x256", "vague": HOSTILE, "broken": "tiny", "away": "other"}
    comparisons = [
        ComparisonRecord(
            id=id,
            workload=name,
            device="pi4" if id != "away" else "phone",
            threads=4 if id == "vague" else 1,
            base_case=f"{id}-base",
            head_case=f"{id}-head",
            base="native@main",
            head="native",
        )
        for id, name in names.items()
    ]
    cases = [
        CaseRecord(
            id=f"{one.id}-{side}",
            workload=one.workload,
            kind="kernel",
            engine="native",
            device=one.device,
            threads=one.threads,
        )
        for one in comparisons
        for side in ("base", "head")
    ]
    record = RunRecord(
        run_id="20260131-142501-aaaaaa",
        created="2026-01-31T14:25:01+00:00",
        version="0.1",
        suite_name="s",
        seed=0,
        cases=cases,
        invocations_per_case=0,
        samples_per_invocation=10,
        comparisons=comparisons,
    )
    measured = [replace(pair, comparison_id="slow") for pair in seen]
    entries = [*measured, slower, same, size, accuracy, vague, broken, away, RunEnd(finished="x", outcome="complete")]
    return verdict_rows(StoredRun(record, entries))


def test_headline(rows: list[VerdictRow]) -> None:
    assert headline(rows) == (
        "5 cases: 1 regression, 1 equivalent, 1 inconclusive, 2 failed; beside that 1 improvement in size, "
        "1 regression in accuracy"
    )
    assert headline([]) == "0 cases"
    wrong = VerdictRow(rows[0].record, replace(rows[0].verdict, status="wrong_output", verdict=None))
    assert headline([wrong]) == "1 case: 1 wrong output"
    assert [row.is_bad for row in rows] == [True, False, False, True, False, True, False]


def test_whose_failure_it_is(rows: list[VerdictRow]) -> None:
    """Runs of before say it at the beginning of the reason only."""
    sides = {row.record.id: row.verdict.side for row in rows if row.verdict.status == "failed"}
    assert sides == {"broken": "head", "away": "base"}
    broken = next(row for row in rows if row.record.id == "broken")
    assert VerdictRow(broken.record, replace(broken.verdict, reason="it died")).is_bad
    assert not VerdictRow(broken.record, replace(broken.verdict, side="base")).is_bad


def test_a_metric_of_a_newer_version_is_shown(rows: list[VerdictRow]) -> None:
    row = VerdictRow(rows[0].record, replace(rows[0].verdict, metric="bus_load", unit="GB", base_value=1234.5))
    assert (row.metric.label, row.value(row.verdict.base_value), row.is_main) == ("bus load", "1,234 GB", False)
    for format in FORMATS.values():
        assert "bus" in format([row], "run")


@pytest.mark.parametrize("format", FORMATS)
def test_snapshots(rows: list[VerdictRow], snapshot: Callable[[str, str], None], format: str) -> None:
    snapshot(f"verdicts-{format}.txt", FORMATS[format](rows, "20260131-142501-aaaaaa"))


def in_terminal(rows: list[VerdictRow], width: int) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    table.show(rows, console, Remarks(origins={"native@main": "commit 0123456789, build abcdef0123"}))
    return str(console.file.getvalue())  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [80, 120, 1_000_000])
def test_in_a_terminal(rows: list[VerdictRow], snapshot: Callable[[str, str], None], width: int) -> None:
    text = in_terminal(rows, width)
    assert max(map(len, text.splitlines())) <= width
    snapshot(f"verdicts-table-{width if width < 1000 else 'piped'}.txt", text)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160, 1_000_000])
def test_both_sides_the_effect_its_interval_and_the_verdict_are_shown_at_any_width(
    rows: list[VerdictRow], width: int
) -> None:
    text = " ".join(in_terminal(rows, width).split())
    assert "base: native@main (commit 0123456789, build abcdef0123) head: native" in text
    for row in rows:
        for cell in (row.base.split(" (")[0], row.head.split(" (")[0], row.effect, row.interval, row.word):
            assert not cell or cell in text, cell


def test_medians_of_both_sides_have_intervals_and_trust(rows: list[VerdictRow]) -> None:
    assert (rows[0].base, rows[0].head) == ("1.00 ms (1.00-1.00)", "1.053 ms (1.049-1.054)")
    doubted = dataclasses.replace(rows[0], trust="low trust: VM, load")
    for width in (80, 1_000_000):
        assert "low trust: VM, load" in " ".join(in_terminal([doubted, *rows[1:]], width).split())
    assert ", low trust: VM, load. All" in sentence(doubted)


def test_junit_is_read_by_a_junit_reader(rows: list[VerdictRow]) -> None:
    from junitparser import Error, Failure, JUnitXml, Skipped

    suites = list(JUnitXml.fromstring(FORMATS["junit"](rows, "r").encode()))
    assert [suite.name for suite in suites] == ["bnnbench pi4", "bnnbench phone"]
    assert [(suite.tests, suite.failures, suite.errors, suite.skipped) for suite in suites] == [
        (6, 3, 0, 1),
        (1, 0, 1, 0),
    ]
    results = [type(case.result[0]) if case.result else None for suite in suites for case in suite]
    assert results == [Failure, None, None, Failure, Skipped, Failure, Error]


def test_annotations_are_one_command_a_line(rows: list[VerdictRow]) -> None:
    lines = FORMATS["github"](rows, "r").splitlines()
    assert len(lines) == 1 + sum(row.word != "equivalent" for row in rows)
    for line in lines:
        command, title, message = line.split("::", 2)[0], *line.split("::", 2)[1:]
        assert command == ""
        assert title.split(" ", 1)[0] in ("error", "warning", "notice")
        assert "::" not in title
        assert message


def test_markdown_renders_as_tables_and_calls_nobody(rows: list[VerdictRow]) -> None:
    from markdown_it import MarkdownIt

    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(FORMATS["markdown"](rows, "r"))
    body = html.split("<tbody>")[-1].split("</tbody>")[0]
    assert body.count("<tr>") == len(rows)
    assert all(row.count("<td") == 10 for row in body.split("<tr>")[1:])
    assert "<script>" not in html
    assert "@all" not in html
    assert html.count("<details>") == html.count("</details>") == 2


def test_accuracy_is_shown_in_points_with_its_interval(rows: list[VerdictRow]) -> None:
    for render in FORMATS.values():
        text = render(rows, "r")
        assert "-0.9 points (-1.4 .. -0.4) of accuracy, 92.00 %" in text.replace("%25", "%") or text.startswith("{")
        assert "-0.9 %" not in text
        assert "-1.0 %" not in text
    (one,) = [row for row in rows if row.verdict.metric == "accuracy"]
    assert (one.effect, one.interval, one.detectable) == ("-0.9 points", "-1.4 .. -0.4", "0.8 points")


@pytest.mark.parametrize(
    ("effect", "shown"),
    [(0.021, "+2.1 %"), (0.0, "+0.0 %"), (4 / 36_456, "+0.011 %"), (-0.0002, "-0.02 %"), (0.0005, "+0.1 %")],
)
def test_no_effect_is_shown_as_none(rows: list[VerdictRow], effect: float, shown: str) -> None:
    assert VerdictRow(rows[0].record, replace(rows[0].verdict, effect=effect)).effect == shown


def test_an_accuracy_that_was_stored_as_a_ratio_is_shown_in_points(rows: list[VerdictRow]) -> None:
    """Older journals have each verdict as a record of its own, and the effect on accuracy as a ratio minus 1."""
    ratio = 0.913 / 0.915 - 1
    old = Verdict(
        comparison_id="same", metric="accuracy", unit="share", status="ok", verdict="regression",
        effect=ratio, low=ratio, high=ratio, level=1.0, mde=0.0, base_value=0.915, head_value=0.913,
    )  # fmt: skip
    record = RunRecord(
        run_id="r", created="2026-01-31T14:25:01+00:00", version="0.1", suite_name="s", seed=0, cases=[],
        invocations_per_case=0, samples_per_invocation=1, comparisons=[rows[1].record],
    )  # fmt: skip
    (row,) = verdict_rows(StoredRun(record, [old]))
    assert (row.effect, row.interval, row.detectable) == ("-0.2 points", "", "all")


def test_markdown_fits_a_comment(rows: list[VerdictRow]) -> None:
    text = FORMATS["markdown"](rows * 400, "r")
    assert len(text) < 65_536
    assert text.count("<details>") == text.count("</details>")
    assert "more lines are in the run's report" in text


def test_json_has_the_contract_s_keys(rows: list[VerdictRow]) -> None:
    document = json.loads(FORMATS["json"](rows, "r"))
    assert document["schema"] == 1
    keys = {
        *("workload", "device", "threads", "metric", "unit", "base", "head", "status", "verdict", "effect", "low"),
        *("high", "level", "mde", "base_ns", "head_ns", "pairs", "dropped_base", "dropped_head", "confirmed", "reason"),
    }
    assert all(keys <= entry.keys() for entry in document["verdicts"])
    assert [entry["verdict"] for entry in document["verdicts"] if entry["status"] != "ok"] == [None, None]


def test_xml_holds_what_steers_terminals_harmlessly(rows: list[VerdictRow]) -> None:
    wild = [VerdictRow(replace(rows[0].record, workload="\x1b[31m\x00\ufffe"), rows[0].verdict)]
    Tree.fromstring(FORMATS["junit"](wild, "r"))  # noqa: S314


def test_markdown_makes_no_link_or_image_of_a_name() -> None:
    from bnnbench.results.verdict.formats.markdown import _cell

    shown = _cell("![x](http://h/x) [y](z) <img src=x> `c` www.h.org | @all \x1b[31m")
    for text in ("](", "![", "<img", "://h", "www.h", "`", "\x1b", " @all"):
        assert text not in shown


def test_verdicts_are_replaced_all_at_once(rows: list[VerdictRow]) -> None:
    """A comparison is done by a record of all its verdicts that none failed in; an empty one says nothing."""
    slower, failed = rows[0].verdict, replace(rows[0].verdict, status="failed", verdict=None)
    size = replace(rows[2].verdict, comparison_id="slow")
    record = RunRecord(
        run_id="r", created="2026-01-31T14:25:01+00:00", version="0.1", suite_name="s", seed=0, cases=[],
        invocations_per_case=0, samples_per_invocation=1, comparisons=[rows[0].record],
    )  # fmt: skip

    def run(*verdicts: list[Verdict]) -> StoredRun:
        return StoredRun(record, [Verdicts(comparison_id="slow", verdicts=these) for these in verdicts])

    assert run([slower, size]).judged == {"slow"}
    assert run([failed, size]).judged == run([]).judged == run().judged == set()
    assert run([failed, size], [slower]).verdicts == [slower]
    assert run([failed, size], [slower]).judged == {"slow"}
    assert StoredRun(record, [slower, size]).judged == set()
    assert StoredRun(record, [slower, size]).verdicts == [slower, size]


class TestLoadTime:
    """A metric on which no verdict is required: told where it differs, and no reason to fail where nothing is known."""

    def row(self, rows: list[VerdictRow], metric: str, word: str) -> VerdictRow:
        one = replace(rows[0].verdict, metric=metric, unit="ns", verdict=word, reason="the sides overlap", why=None)
        return VerdictRow(rows[0].record, one)

    def shown(self, row: VerdictRow) -> str:
        console = Console(file=io.StringIO(), width=120)
        table.show([row], console)
        text = console.file.getvalue()  # type: ignore[attr-defined]
        return str(text) + FORMATS["github"]([row], "run")

    @pytest.mark.parametrize("metric", ["load", "first"])
    def test_nothing_is_said_where_nothing_is_known(self, rows: list[VerdictRow], metric: str) -> None:
        row = self.row(rows, metric, "inconclusive")
        assert (row.is_unclear, row.is_bad, row.is_news) == (False, False, False)
        assert "the sides overlap" not in self.shown(row)
        assert "inconclusive" not in headline([row])

    @pytest.mark.parametrize("metric", ["latency", "peak_rss"])
    def test_of_others_it_is(self, rows: list[VerdictRow], metric: str) -> None:
        row = self.row(rows, metric, "inconclusive")
        assert (row.is_unclear, row.is_bad, row.is_news) == (True, False, True)
        assert "the sides overlap" in self.shown(row)

    def test_a_regression_is_one(self, rows: list[VerdictRow]) -> None:
        row = self.row(rows, "load", "regression")
        assert (row.is_unclear, row.is_bad, row.is_news) == (False, True, True)
        assert "load time" in self.shown(row)


@pytest.mark.parametrize("format", FORMATS)
def test_what_was_not_measured_and_what_was_compared_is_named_in_every_format(
    rows: list[VerdictRow], format: str
) -> None:
    """All-green text says nothing of a device that was off."""
    told = Remarks(
        [Unmeasured("device 'pi5'", "no route to <host>"), Unmeasured("baseline 'v1'", "it has\nno engine")],
        ["the baseline 'main' was also measured with mine; judge it with --head mine"],
        {"native@main": "commit 0123456789, build abcdef0123", "native": "build 9876543210"},
        {"main": [Difference(where="pi4", what="governor", base="ondemand", head="userspace", is_device=True)]},
    )
    fine = [row for row in rows if row.word == "equivalent"]
    for given in (fine, []):
        text = FORMATS[format](given, "r", told)
        plain = text.replace("%3A", ":").replace("&lt;", "<")
        for word in ("pi5", "no route to <host", "v1", "also measured with mine"):
            assert word in plain, (word, plain)
        for word in ("commit 0123456789, build abcdef0123", "build 9876543210") if given and format != "json" else ():
            assert word in plain, (word, plain)
        if given or format != "junit":
            assert "governor ondemand -> userspace" in plain.replace("&gt;", ">")
    if format == "junit":
        from junitparser import Error, JUnitXml

        *_, suite = JUnitXml.fromstring(FORMATS["junit"](fine, "r", told).encode())
        assert (suite.tests, suite.errors) == (2, 2)
        assert all(isinstance(case.result[0], Error) for case in suite)
    if format == "github":
        errors = [line for line in FORMATS["github"](fine, "r", told).splitlines() if line.startswith("::error ")]
        assert len(errors) == 2
    if format == "json":
        (found,) = json.loads(text)["environment"]
        assert (found["baseline"], found["where"], found["base"]) == ("main", "pi4", "ondemand")
        assert json.loads(text)["not_measured"][0] == {"what": "device 'pi5'", "reason": "no route to <host>"}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("status", ["skipped", "failed", "unverified"])
def test_no_format_says_a_status_twice(rows: list[VerdictRow], format: str, status: Status) -> None:
    for reason in ("base: it has no such op", None):
        bare = Verdict(comparison_id="x", metric="latency", unit="ns", status=status, reason=reason)
        text = FORMATS[format]([VerdictRow(rows[0].record, bare)], "r").lower()
        assert f"{status}: {status}" not in text
        assert status in text


def test_where_nothing_was_judged_the_headline_says_so(rows: list[VerdictRow]) -> None:
    skipped = Verdict(comparison_id="x", metric="latency", unit="ns", status="skipped", reason="no such op")
    assert headline([VerdictRow(rows[0].record, skipped)]) == "1 case: 1 skipped; no case was judged"
    assert "no case was judged" not in headline([VerdictRow(rows[0].record, skipped), rows[0]])
