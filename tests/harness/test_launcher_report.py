"""The launcher's line, and what may stand in its place."""

from __future__ import annotations

import pytest

from bnnbench.harness.bench.launcher_report import left_behind, read_report


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"exit":0,"signal":null,"killed":null}', ""),
        ('{"exit":7,"signal":null,"killed":null,"left_behind":0}', "It ended with status 7."),
        ('{"exit":null,"signal":11,"killed":null}', "It was ended by signal 11."),
        ('{"exit":null,"signal":9,"killed":"deadline"}', "It was ended at its deadline."),
        (
            '{"exit":0,"signal":null,"killed":null,"left_behind":2}',
            "It left 2 process(es) behind that had left its process group; they were ended.",
        ),
    ],
)
def test_a_report_in_words(line: str, words: str) -> None:
    report = read_report(line)
    assert report is not None
    assert report.words == words


@pytest.mark.parametrize(
    "line", ["", "a crash", "3", "{}", '{"killed":3}', "[" * 100_000, '{"killed":null,"exit":"x"}']
)
def test_what_is_no_report(line: str) -> None:
    assert read_report(line) is None
    assert left_behind(f"said\n{line}\n") == 0
