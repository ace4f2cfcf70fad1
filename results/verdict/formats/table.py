"""Verdicts in a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from bnnbench.results.grouped import by_reason, some
from bnnbench.results.sheet import THE_SAME, Column, Sheet, say
from bnnbench.results.verdict.budget_rows import BudgetRow
from bnnbench.results.verdict.formats.sentence import sentence
from bnnbench.results.verdict.remarks import NOTHING, Remarks
from bnnbench.results.verdict.rows import VerdictRow

_STYLE = {
    "regression": "bold red",
    "allowed": "yellow",
    "improvement": "bold green",
    "equivalent": "green",
    "over budget": "bold red",
    "budget undecided": "yellow",
    "within budget": "green",
    "inconclusive": "yellow",
    "failed": "red",
    "wrong output": "bold red",
    "unstable": "yellow",
    "skipped": "dim",
}


def show(
    rows: Sequence[VerdictRow],
    console: Console,
    remarks: Remarks = NOTHING,
    again: str = THE_SAME,
) -> None:
    """The headline, which side is which, a row per verdict, and what has to be said of them.

    `again` is the command that shows what finds no room.
    """
    say(console, remarks.headline(rows), "bold")
    if not rows:
        return
    for side, names in remarks.sides(rows).items():
        say(console, f"{side}: {some(names)}")
    rows = remarks.listed(rows)
    if rows:
        _table(rows).print(console, again)
    for text in _meaning(rows):
        say(console, text, "dim")
    show_budgets(remarks.listed_budgets, console)
    trusts = by_reason((_about(row), row.trust) for row in rows if row.trust)
    for trust, names in trusts.items():
        say(console, trust if len(trusts) == 1 else f"{trust}: {some(names)}")
    for message, names in by_reason((_about(row), _said(row)) for row in rows if not row.is_optional).items():
        if message:
            say(console, f"{some(names)}: {message}")


def show_budgets(rows: Sequence[BudgetRow], console: Console) -> None:
    """A line each, those that fail first."""
    for row in sorted(rows, key=lambda row: (not row.is_bad, not row.is_unclear)):
        say(console, row.sentence, _STYLE[row.word])


def _table(rows: Sequence[VerdictRow]) -> Sheet:
    shown = [row for row in rows if row.is_news]
    devices = len({row.record.device for row in rows}) > 1
    threads = len({row.record.threads for row in rows}) > 1
    metrics = len({row.verdict.metric for row in shown}) > 1
    sheet = Sheet(
        Column("workload", folds=True),
        Column("device", folds=True),
        Column("thr", right=True),
        Column("metric", folds=True),
        Column("base", folds=True),
        Column("head", folds=True),
        Column("effect", folds=True),
        Column("verdict"),
        Column("pairs", rank=1),
        Column("MDE", right=True, rank=2),
    )
    for row in shown:
        dropped = row.verdict.dropped_base + row.verdict.dropped_head
        pairs = f"{row.verdict.pairs}" if row.verdict.pairs else ""
        sheet.add(
            row.record.workload,
            row.record.device if devices else "",
            str(row.record.threads) if threads else "",
            row.metric.word if metrics else "",
            row.base,
            row.head,
            f"{row.effect} ({row.interval})" if row.interval else row.effect,
            Text(row.word, style=_STYLE.get(row.word, "")),
            pairs + (f" (-{dropped})" if dropped else ""),
            row.detectable,
        )
    return sheet


def _meaning(rows: Sequence[VerdictRow]) -> list[str]:
    """What the figures are."""
    uncertain = [row for row in rows if row.is_news and row.verdict.level and not row.is_exact]
    if not uncertain:
        return []
    levels = sorted({row.verdict.level or 0.0 for row in uncertain})
    hold = ("at least " if len(levels) > 1 else "") + f"{levels[0] * 100:.1f} %"
    mde = (
        "; MDE: the minimum detectable effect, detected 9 times in 10"
        if any(row.detectable for row in uncertain)
        else ""
    )
    return [f"effect: by how much the head differs from the base; its interval holds with {hold}{mde}"]


def _said(row: VerdictRow) -> str:
    if row.is_share and row.interval:
        return sentence(row)
    return ". ".join(row.remarks)


def _about(row: VerdictRow) -> str:
    return row.record.workload + ("" if row.is_main else f", {row.metric.label}")
