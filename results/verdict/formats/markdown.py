"""Verdicts as a Markdown comment: what matters first, the rest folded away, short enough for a pull request."""

from collections.abc import Sequence

from bnnbench.results.printable import printable
from bnnbench.results.verdict.budget_rows import BudgetRow
from bnnbench.results.verdict.formats.sentence import sentence, with_word
from bnnbench.results.verdict.remarks import NOTHING, Remarks
from bnnbench.results.verdict.rows import ALLOWED, VerdictRow

LONGEST = 60_000
"""Characters; GitHub refuses comments above 65,536."""
_ESCAPES = {
    "&": "&amp;", "<": "&lt;", ">": "&gt;", "\\": "&#92;", "|": "\\|", "[": "&#91;", "]": "&#93;", "`": "&#96;",
    "@": "@\u200b", "://": ":\u200b//", "www.": "www\u200b.",
}  # fmt: skip
_MARK = {"regression": "🔴", "improvement": "🟢", "equivalent": "⚪", "inconclusive": "🟡", "allowed": "🔵"}
_OUTCOME = {"pass": "⚪", "fail": "🔴", "undecided": "🟡"}
_BUDGET_HEAD = "| | budget | case | figure |\n|---|---|---|---|"
_TITLES = ("", "case", "device", "metric", "effect", "interval", "MDE", "base", "head", "pairs")
_HEAD = f"| {' | '.join(_TITLES)} |\n{'|---' * len(_TITLES)}|"


def render(rows: Sequence[VerdictRow], title: str, remarks: Remarks = NOTHING) -> str:
    """The comment."""
    parts = [f"### bnnbench: {_cell(remarks.headline(rows))}"]
    sides, rows = remarks.sides(rows), remarks.listed(rows)
    first = [row for row in rows if row.is_bad or row.word in ("improvement", ALLOWED)]
    unclear = [row for row in rows if row.is_unclear]
    beside = [f"- **{side}**: {_cell(', '.join(names))}" for side, names in sides.items()]
    beside += [f"- ❌ **not measured**: {_cell(item.what)}: {_cell(item.reason)}" for item in remarks.unmeasured]
    beside += [f"- {_cell(note)}" for note in [*remarks.notes, *remarks.environment_lines]]
    if beside:
        parts.append("\n".join(beside))
    if first:
        parts += ["\n".join([_HEAD, *map(_row, first)]), "\n".join(f"- {_line(row)}" for row in first)]
    if remarks.listed_budgets:
        parts.append("\n".join([_BUDGET_HEAD, *map(_budget, remarks.listed_budgets)]))
    if unclear:
        lines = [f"- {_line(row)}" for row in unclear]
        parts.append(_folded(f"{len(unclear)} without a verdict", "\n".join(lines)))
    parts.append(_folded(f"All {len(rows)} figures", "\n".join([_HEAD, *map(_row, rows)])))
    parts.append(
        "<sub>Effects compare interleaved pairs of fresh processes; positive is slower, larger or more. Accuracies are "
        "compared image by image, in percentage points. "
        f"<i>MDE</i>: the minimum detectable effect, detected 9 times in 10. Run {_cell(title)}.</sub>"
    )
    return _shortened(parts)


def _shortened(parts: list[str]) -> str:
    text = "\n\n".join(parts) + "\n"
    if len(text) <= LONGEST:
        return text
    lines, kept, length = text.split("\n"), [], 0
    for line in lines:
        length += len(line) + 1
        if length > LONGEST - 200:
            break
        kept.append(line)
    closing = "\n\n</details>" if "\n".join(kept).count("<details>") > "\n".join(kept).count("</details>") else ""
    return "\n".join(kept) + f"{closing}\n\n{len(lines) - len(kept)} more lines are in the run's report.\n"


def _row(row: VerdictRow) -> str:
    one = row.verdict
    dropped = one.dropped_base + one.dropped_head
    threads = f", {row.record.threads} threads" if row.record.threads > 1 else ""
    cells = (
        f"{_MARK.get(row.word, '❌')} {row.word}",
        row.record.workload + threads,
        row.record.device,
        row.metric.label,
        row.effect,
        row.interval,
        row.detectable,
        row.base,
        row.head,
        (f"{one.pairs}" if one.pairs else "") + (f" (-{dropped})" if dropped else ""),
    )
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _budget(row: BudgetRow) -> str:
    cells = (f"{_OUTCOME[row.judged.outcome]} {row.word}", row.budget.text, row.about, row.figure)
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _line(row: VerdictRow) -> str:
    text = sentence(row) if row.effect else with_word(row)
    return f"**{_cell(row.record.workload)}** on {_cell(row.record.device)}: {_cell(text)}"


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def _cell(text: str) -> str:
    """Text that ends no cell, opens no tag, makes no link or image and calls nobody."""
    text = printable(text)
    for letter, instead in _ESCAPES.items():
        text = text.replace(letter, instead)
    return text
