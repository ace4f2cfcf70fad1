"""What a notebook shows of runs, and the frame of verdicts."""

from collections.abc import Callable
from html.parser import HTMLParser

import msgspec

from bnnbench.results.records import ComparisonRecord, Verdict, Verdicts
from bnnbench.results.report.notebook import render
from bnnbench.results.store.runs import StoredRun
from bnnbench.results.verdict.formats.json import entry
from bnnbench.results.verdict.frame import VERDICT_COLUMNS, verdict_frame
from bnnbench.results.verdict.rows import verdict_rows


def compared(run: StoredRun, workload: str = "conv") -> StoredRun:
    """The run with a comparison of its first two cases."""
    base, head = run.record.cases[:2]
    comparison = ComparisonRecord(
        id="c1",
        workload=workload,
        device=base.device,
        threads=1,
        base_case=base.id,
        head_case=head.id,
        base="native@v1",
        head="native",
    )
    verdict = Verdict(
        comparison_id="c1",
        metric="latency",
        unit="ns",
        status="ok",
        verdict="regression",
        effect=0.05,
        low=0.04,
        high=0.06,
        level=0.99,
        base_value=100_000.0,
        head_value=105_000.0,
        pairs=22,
        confirmed=True,
    )
    record = msgspec.structs.replace(run.record, comparisons=[comparison])
    return StoredRun(record, [*run.entries, Verdicts(comparison_id="c1", verdicts=[verdict])], run.path)


def test_what_a_notebook_shows(synthetic: StoredRun, snapshot: Callable[[str, str], None]) -> None:
    snapshot("notebook.html", render([compared(synthetic)]))


def test_hostile_names_are_text_and_styles_reach_nothing_else(synthetic: StoredRun) -> None:
    text = render([compared(synthetic, "<img src=x onerror=alert(1)>\x1b[31m")])
    assert "<img" not in text
    assert "\x1b" not in text
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(text)
    assert "script" not in tags
    rules = text.partition("<style>")[2].partition("</style>")[0].strip().splitlines()
    assert all(rule.startswith(".bnnbench ") for rule in rules)


def test_the_frame_of_verdicts_has_what_json_has(synthetic: StoredRun) -> None:
    run = compared(synthetic)
    (row,) = verdict_rows(run)
    assert set(entry(row)) - set(VERDICT_COLUMNS) == {"base_ns", "head_ns"}
    frame = verdict_frame([run])
    assert list(frame.columns) == list(VERDICT_COLUMNS)
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == VERDICT_COLUMNS
    (told,) = frame.to_dict("records")
    assert (told["verdict"], told["effect"], told["run_id"]) == ("regression", 0.05, run.record.run_id)
    assert verdict_frame([synthetic]).empty
    assert list(verdict_frame([]).columns) == list(VERDICT_COLUMNS)
