"""Verdicts in a terminal."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bnnbench.results.printable import printable
from bnnbench.results.table import is_plain
from bnnbench.results.verdict.formats.sentence import sentence
from bnnbench.results.verdict.rows import VerdictRow, headline

_STYLE = {
    "regression": "bold red",
    "improvement": "bold green",
    "equivalent": "green",
    "inconclusive": "yellow",
    "failed": "red",
    "wrong output": "bold red",
    "unstable": "yellow",
    "skipped": "dim",
}
_ROOMY, _NARROW = 110, 80
"""From so many columns on, everything is shown; below, only what is most important."""


def show(rows: Sequence[VerdictRow], console: Console) -> None:
    """The headline, a row per verdict, and what has to be said of them."""
    plain = is_plain(console)
    console.print(Text(headline(rows), style="bold"))
    if not rows:
        return
    console.print(_table(rows, console.width, plain))
    for row in (row for row in rows if not row.is_optional):
        said = ". ".join(part for part in (row.verdict.reason, row.verdict.why) if part)
        if row.is_share and row.interval:
            said = sentence(row)
        if said:
            about = row.record.workload + ("" if row.is_main else f", {row.metric.label}")
            console.print(Text(printable(f"{about}: {said}", plain)), soft_wrap=False)


def _table(rows: Sequence[VerdictRow], width: int, plain: bool) -> Table:
    sheet = Table(box=box.ASCII2 if plain else box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    shown = [row for row in rows if row.is_news]
    roomy = width >= _ROOMY
    sheet.add_column("workload", overflow="fold", min_width=14)
    several = {
        "device": len({row.record.device for row in rows}) > 1,
        "thr": len({row.record.threads for row in rows}) > 1,
        "metric": len({row.verdict.metric for row in shown}) > 1,
    }
    for title, wanted in several.items():
        if wanted:
            sheet.add_column(title, justify="right" if title == "thr" else "left", no_wrap=True)
    narrow = width < _NARROW
    more = ("interval", "sees", "base", "head", "pairs") if roomy else () if narrow else ("sees", "pairs")
    for title in ("verdict", "effect", *more):
        sheet.add_column(title, justify="left" if title == "verdict" else "right", no_wrap=True)
    for row in shown:
        one = row.verdict
        cells = [Text(printable(row.record.workload, plain))]
        columns = (row.record.device, str(row.record.threads), row.metric.word)
        for title, text in zip(several, columns, strict=True):
            if several[title]:
                cells.append(Text(printable(text, plain)))
        wide = [row.interval, row.sees, row.value(one.base_value), row.value(one.head_value)]
        dropped = one.dropped_base + one.dropped_head
        pairs = "" if not one.pairs else f"{one.pairs}" + (f" (-{dropped})" if dropped else "")
        cells += [Text(row.word, style=_STYLE.get(row.word, "")), Text(row.effect)]
        rest = [*wide, pairs] if roomy else [] if narrow else [row.sees, pairs]
        cells += [Text(printable(text, plain)) for text in rest]
        sheet.add_row(*cells)
    uncertain = [row for row in shown if row.verdict.level and not row.is_exact]
    levels = sorted({row.verdict.level or 0.0 for row in uncertain})
    hold = "at least " * (len(levels) > 1) + f"{levels[0] * 100:.1f} %" if levels else ""
    level = f"; intervals hold with {hold}" if hold and roomy else ""
    sheet.caption = None if narrow or not uncertain else f"sees: the least effect that is called 9 times in 10{level}"
    sheet.caption_justify = "left"
    return sheet
