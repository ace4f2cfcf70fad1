"""The results in a terminal: what is proven, engines side by side, and what went wrong."""

from collections.abc import Iterable, Sequence

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bnnbench.results import quantity
from bnnbench.results.case_result import CUT_OFF
from bnnbench.results.columns import equal
from bnnbench.results.engine_table import Cell, Line, labelled, lines, series_of, summary
from bnnbench.results.metrics import METRICS, Metric
from bnnbench.results.printable import MOST, printable, shorten

_STATUS_STYLE = {
    "wrong_output": "bold red",
    "failed": "red",
    "skipped": "dim",
    "unstable": "yellow",
    "unverified": "yellow",
}
# With this many columns a cell also has its range and GOPS, and with some more for each of them other metrics.
_ROOMY = 100
_FIGURE = 9


def show(frame: pd.DataFrame, console: Console, baseline: str | None = None) -> None:
    """Prints the summary, the table and the notes; ASCII only when the terminal is not a UTF-8 one."""
    plain = is_plain(console)
    console.print(Text(summary(frame), style="bold"))
    console.print(table(frame, baseline=baseline, width=console.width, plain=plain))
    for note in notes(frame):
        console.print(Text(printable(shorten(note, MOST), plain)), soft_wrap=False)


def is_plain(console: Console) -> bool:
    """Whether the terminal can show ASCII only."""
    return not console.encoding.lower().replace("-", "").startswith("utf")


def table(frame: pd.DataFrame, *, baseline: str | None = None, width: int = 80, plain: bool = False) -> Table:
    """A table with a row per workload, device and thread count, and a column per engine with its latency
    and its speed-up over `baseline` (an engine's name) or over the slowest; from 100 columns on with
    range and GOPS."""
    every = list(lines(frame, baseline))
    places = {line.place for line in every}
    threads = {line.threads for line in every}
    sheet = Table(
        box=box.ASCII2 if plain else box.SIMPLE_HEAD,
        caption=_caption(baseline, plain),
        caption_justify="left",
        pad_edge=False,
        show_edge=False,
    )
    sheet.add_column("workload", overflow="fold", min_width=14)
    if len(places) > 1:
        sheet.add_column("device", overflow="fold", min_width=6)
    if len(threads) > 1:
        sheet.add_column("thr", justify="right", no_wrap=True)
    names = series_of(labelled(frame))
    roomy = width >= _ROOMY + 30 * max(0, len(names) - 2)
    beside = _beside(every, width - _ROOMY - 30 * max(0, len(names) - 2), len(names))
    for name in names:
        sheet.add_column(Text(printable(name, plain)), justify="right", no_wrap=True)
    previous: Line | None = None
    for line in every:
        same = previous is not None and previous.workload == line.workload
        texts = [Text("" if same else printable(line.workload, plain))]
        if len(places) > 1:
            texts.append(Text(printable(line.place, plain)))
        if len(threads) > 1:
            texts.append(Text(str(line.threads)))
        texts += [_figure(line.cells.get(name), roomy, beside, len(names) > 1, plain) for name in names]
        sheet.add_row(*texts)
        previous = line
    return sheet


def _beside(every: Iterable[Line], room: int, engines: int) -> list[Metric]:
    """The metrics that a timed cell also shows, as far as there is room for all engines."""
    measured = {
        key for line in every for cell in line.cells.values() if cell.latency_ns is not None for key in cell.figures
    }
    shown: list[Metric] = []
    for metric in METRICS.values():
        if metric.in_tables and metric.key in measured:
            room -= engines * (len(metric.word) + _FIGURE + 1)
            shown += [metric] if room >= 0 else []
    return shown


def notes(frame: pd.DataFrame) -> list[str]:
    """One sentence for each case that is not `ok` or has a reason: status, engine, device, workload, reason;
    one for all that an interrupt cut off."""
    frame = labelled(frame)
    told = frame[~equal(frame["status"], "ok") | frame["reason"].notna()]
    unfinished = equal(told["reason_code"], CUT_OFF)
    count, told = int(unfinished.sum()), told[~unfinished]
    summary = f"{count} cases are not finished" if count != 1 else "1 case is not finished"
    return ([summary] if count else []) + [
        f"{row['status']}: {row['series']} on {row['place']}, {row['workload']}"
        f"{'' if row['threads'] == 1 else ', ' + str(row['threads']) + ' threads'}: "
        f"{'no reason recorded' if pd.isna(row['reason']) else row['reason']}"
        for row in told.to_dict("records")
    ]


def _caption(baseline: str | None, plain: bool) -> str:
    over = f"over {printable(baseline, plain)}" if baseline else "over the slowest"
    return f"latency of one execution and speed-up {over}"


def _figure(cell: Cell | None, roomy: bool, beside: Sequence[Metric], compared: bool, plain: bool) -> Text:
    if cell is None:
        return Text("-", style="dim")
    if cell.latency_ns is None and cell.status == "ok":
        for metric in METRICS.values():
            if metric.is_main and metric.key in cell.figures:
                return Text(f"{metric.text(cell.figures[metric.key])} {metric.label}")
    if cell.latency_ns is None:
        return Text(cell.status.replace("_", " "), style=_STATUS_STYLE.get(cell.status, ""))
    parts: list[tuple[str, str]] = [(quantity.duration(cell.latency_ns, plain), _STATUS_STYLE.get(cell.status, ""))]
    if roomy and cell.low_ns is not None and cell.high_ns is not None:
        half = (cell.high_ns - cell.low_ns) / 2 / cell.latency_ns
        parts.append((f"{'+-' if plain else '±'}{quantity.percentage(half)}".rjust(8), "dim"))
    if roomy and cell.gops is not None:
        parts.append((quantity.rate(cell.gops).rjust(11), ""))
    for metric in beside:
        figure = cell.figures.get(metric.key)
        text = "" if figure is None else metric.text(figure)
        parts.append((f"{metric.word} {text}".rjust(len(metric.word) + _FIGURE) if text else "", "dim"))
    if compared:
        speedup = "" if cell.speedup is None else quantity.ratio(cell.speedup, plain)
        ahead = cell.speedup is not None and cell.speedup > 1.005
        parts.append((speedup.rjust(5), "green" if ahead else "dim"))
    return _joined(parts)


def _joined(parts: Iterable[tuple[str, str]]) -> Text:
    text = Text()
    for index, (word, style) in enumerate(parts):
        text.append((" " if index else "") + word, style=style)
    return text
