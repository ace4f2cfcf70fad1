"""Verdicts as files and text, one format per module. `FORMATS` is the table by name."""

from collections.abc import Sequence
from typing import Protocol

from bnnbench.results.verdict.remarks import NOTHING, Remarks
from bnnbench.results.verdict.rows import VerdictRow

from . import github, json, junit, markdown


class Render(Protocol):
    """Rows, a title (the run's id) and what is told beside them to text."""

    def __call__(self, rows: Sequence[VerdictRow], title: str, remarks: Remarks = NOTHING, /) -> str: ...


FORMATS: dict[str, Render] = {
    "markdown": markdown.render,
    "json": json.render,
    "junit": junit.render,
    "github": github.render,
}
