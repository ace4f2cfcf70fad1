"""How `bnnbench model diff` shows two models: the ops that differ, the totals, and where values part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from bnnbench.results.printable import shorten
from bnnbench.results.quantity import percentage, significant
from bnnbench.results.sheet import Column, Sheet, say

from ..tasks.model_diff import ModelDiff, Row, Side
from .terminal import Console

_MARKS = {"same": (" ", ""), "changed": ("~", "yellow"), "removed": ("-", "red"), "added": ("+", "green")}
_LONGEST_OP = 40


def print_diff(done: ModelDiff) -> None:
    """Only rows that differ in ops or values, and the totals of both."""
    console = Console()
    shown = [row for row in done.rows if row.status != "same" or _parts(row, done)]
    if shown:
        _rows(shown).print(console)
    same = len(done.rows) - len(shown)
    if same:
        say(console, f"{same} of {len(done.rows)} ops are the same in both, with the same values", "dim")
    _totals(done.a, done.b).print(console)
    say(console, _values(done))


def _parts(row: Row, done: ModelDiff) -> bool:
    return row.distance is not None and row.distance.relative > done.tolerance


def _rows(rows: Sequence[Row]) -> Sheet:
    sheet = Sheet(
        Column(""),
        Column("a", right=True),
        Column("b", right=True),
        Column("op"),
        Column("output", folds=True),
        Column("what differs", folds=True),
        Column("values apart", right=True, rank=1),
    )
    for row in rows:
        mark, style = _MARKS[row.status]
        sheet.add(
            Text(mark, style),
            "" if row.a_index is None else str(row.a_index),
            "" if row.b_index is None else str(row.b_index),
            shorten(row.op, _LONGEST_OP),
            _shapes(row),
            ", ".join(row.changes),
            "" if row.distance is None or not row.distance.largest else _apart(row.distance.relative),
        )
    return sheet


def _shapes(row: Row) -> str:
    texts = ["x".join(map(str, shape)) for shape in (row.a_shape, row.b_shape) if shape is not None]
    return " -> ".join(dict.fromkeys(texts))


def _apart(relative: float) -> str:
    return percentage(relative) if relative >= 0.001 else f"{relative:.1e}"


def _totals(a: Side, b: Side) -> Sheet:
    sheet = Sheet(Column(""), Column("a", right=True), Column("b", right=True), Column("b - a", right=True))
    sheet.add("file", *(shorten(Path(side.file).name, _LONGEST_OP) for side in (a, b)), "")
    for title, name in (
        ("bytes", "size_bytes"),
        ("ops", "ops"),
        ("1-bit MACs", "macs_1bit"),
        ("other MACs", "macs_32bit"),
        ("bytes of constants", "parameter_bytes"),
        ("peak of tensors, bytes", "peak_bytes"),
    ):
        x, y = getattr(a, name), getattr(b, name)
        known = x is not None and y is not None
        texts = ("" if value is None else f"{value:,}" for value in (x, y))
        sheet.add(title, *texts, f"{y - x:+,}" if known and x != y else "0" if known else "")
    return sheet


def _values(done: ModelDiff) -> str:
    if done.not_compared:
        return f"no values were compared: {done.not_compared}"
    if done.first is None:
        return f"all values of ops in both are the same within {done.tolerance:g} of the largest, on {done.input}"
    row = done.rows[done.first]
    assert row.distance is not None
    far = row.distance
    where = f"op {row.a_index}" if row.a_index == row.b_index else f"op {row.a_index} of a, op {row.b_index} of b"
    return (
        f"values first differ at {where} ({shorten(row.op, _LONGEST_OP)}): by up to {significant(far.largest)}, "
        f"{_apart(far.relative)} of the largest, in {far.differing:,} of {far.values:,} values, on {done.input}"
    )
