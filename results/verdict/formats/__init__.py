"""Verdicts as files and text, one format per module. `FORMATS` is the table by name."""

from collections.abc import Callable, Sequence

from bnnbench.results.verdict.rows import VerdictRow

from . import github, json, junit, markdown

Render = Callable[[Sequence[VerdictRow], str], str]
"""Rows and a title (the run's id) to text."""

FORMATS: dict[str, Render] = {
    "markdown": markdown.render,
    "json": json.render,
    "junit": junit.render,
    "github": github.render,
}
