"""Verdicts as annotations of GitHub Actions: errors, warnings, and one notice with the headline."""

from collections.abc import Sequence

from bnnbench.results.printable import harmless
from bnnbench.results.verdict.formats.sentence import name, sentence
from bnnbench.results.verdict.rows import VerdictRow, headline


def render(rows: Sequence[VerdictRow], title: str) -> str:
    """Workflow commands, one a line; equivalent cases have none."""
    lines = [f"::notice title=bnnbench::{_data(headline(rows))}"]
    for row in rows:
        if row.word == "equivalent" or row.is_optional:
            continue
        level = "error" if row.is_bad else "notice" if row.word == "improvement" else "warning"
        lines.append(f"::{level} title={_property(f'{row.word}: {name(row)}')}::{_data(sentence(row))}")
    return "\n".join(lines) + "\n"


def _data(text: str) -> str:
    return harmless(text).replace("%", "%25").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
