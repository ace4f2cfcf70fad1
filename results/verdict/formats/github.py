"""Verdicts as annotations of GitHub Actions: errors, warnings, and a notice with the headline and both sides."""

from collections.abc import Sequence

from bnnbench.results.printable import harmless
from bnnbench.results.verdict.formats.sentence import name, sentence
from bnnbench.results.verdict.remarks import NOTHING, Remarks
from bnnbench.results.verdict.rows import VerdictRow


def render(rows: Sequence[VerdictRow], title: str, remarks: Remarks = NOTHING) -> str:
    """Workflow commands, one a line; equivalent cases have none."""
    sides = [f"{side}: {', '.join(names)}" for side, names in remarks.sides(rows).items()]
    lines = [f"::notice title=bnnbench::{_data('; '.join([remarks.headline(rows), *sides]))}"]
    for item in remarks.unmeasured:
        lines.append(f"::error title={_property(f'not measured: {item.what}')}::{_data(item.reason)}")
    lines += [f"::warning title=bnnbench::{_data(note)}" for note in remarks.notes]
    lines += [f"::notice title=bnnbench::{_data(line)}" for line in remarks.environment_lines]
    for budget in remarks.listed_budgets:
        if budget.is_bad or budget.is_unclear:
            level = "error" if budget.is_bad else "warning"
            lines.append(f"::{level} title={_property(f'{budget.word}: {budget.about}')}::{_data(budget.sentence)}")
    for row in remarks.listed(rows):
        if row.word == "equivalent" or row.is_optional:
            continue
        level = "error" if row.is_bad else "notice" if row.word == "improvement" else "warning"
        lines.append(f"::{level} title={_property(f'{row.word}: {name(row)}')}::{_data(sentence(row))}")
    return "\n".join(lines) + "\n"


def _data(text: str) -> str:
    return harmless(text).replace("%", "%25").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
