"""What `bnnbench eval` prints when it is done."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from bnnbench.results.records import Accuracy

    from ..run.execute import RunResult
    from .terminal import Console

_CONFUSIONS = 3
_COLUMNS = ("size", "top-1", "95 % interval", "top-5", "an image")
# Columns of a terminal from which there is room for all of them.
_ROOMY = 95


def print_accuracies(result: RunResult, console: Console) -> None:
    """A table with a row per case, what is confused most, and what went wrong."""
    from rich.text import Text

    from bnnbench.results import load
    from bnnbench.results.table import is_plain

    from .terminal import line

    frame = load(result.stored)
    if accuracies := result.stored.accuracies:
        print_table(result, frame, console)
    for row in frame[frame["latency_ns"].notna()].to_dict("records"):
        console.print(line(_latency(row, is_plain(console))), soft_wrap=True)
    for case in result.stored.record.cases:
        one = accuracies.get(case.id)
        if one is not None and (confused := most_confused(one)):
            console.print(Text(f"{case.workload} confuses most: {'; '.join(confused)}", style="dim"), soft_wrap=True)
    for row in frame[frame["reason"].notna()].to_dict("records"):
        said = f"{str(row['status']).replace('_', ' ')}: {row['workload']} on {row['engine']}: {row['reason']}"
        console.print(line(said, "red" if row["status"] == "wrong_output" else ""), soft_wrap=True)
    for reason in result.failures.values():
        console.print(line(reason, "red"), soft_wrap=True)
    console.print(
        f"run {result.stored.record.run_id} in {result.stored.path}", highlight=False, markup=False, soft_wrap=True
    )


def _latency(row: dict[Any, Any], plain: bool) -> str:
    """`m on native, local takes 18.9 µs (18.5-20.1), low trust: it is a VM`."""
    import pandas as pd

    from bnnbench.results.quantity import duration

    low, high = (duration(float(row[name]), plain) for name in ("latency_low_ns", "latency_high_ns"))
    why = "" if pd.isna(row["trust_reasons"]) else f": {row['trust_reasons']}"
    trust = "" if pd.isna(row["trust"]) or row["trust"] == "high" else f", {row['trust']} trust{why}"
    where = f"{row['workload']} on {row['engine']}, {row['device']}"
    return f"{where} takes {duration(float(row['latency_ns']), plain)} ({low} - {high}){trust}"


def print_table(result: RunResult, frame: pd.DataFrame, console: Console) -> None:
    """A row for each case whose accuracy was measured, and what with."""
    from rich.table import Table
    from rich.text import Text

    from bnnbench.results.agreement import sample_sentence
    from bnnbench.results.table import is_plain

    plain, accuracies = is_plain(console), result.stored.accuracies
    measured = [
        (accuracies[case.id], row)
        for case, row in zip(result.stored.record.cases, frame.to_dict("records"), strict=False)
        if case.id in accuracies
    ]
    # Which device and engine, only where there are several.
    telling = [key for key in ("device", "engine") if len({row[key] for _, row in measured}) > 1]
    table = Table(box=None, pad_edge=False)
    for name in ("model", *telling):
        table.add_column(name, overflow="fold", min_width=14 if name == "model" else 6)
    roomy = console.width >= _ROOMY
    for name in _COLUMNS if roomy else (name for name in _COLUMNS if name != "top-5"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("like reference", no_wrap=True)
    for one, row in measured:
        names = [str(row[key]) for key in ("workload", *telling)]
        figures = _figures(one, row, plain)
        shown = figures if roomy or len(figures) < len(_COLUMNS) else [*figures[:3], *figures[4:]]
        table.add_row(*map(Text, [*names, *shown]))
    console.print(table)
    samples = [
        f"{row['workload']} on {row['engine']}, {row['device']}: {said}"
        for one, row in measured
        if one.differing is not None
        and (said := sample_sentence(one.differing, one.compared or one.images, one.images, result.stored.record.seed))
    ]
    for text in dict.fromkeys([*(described(one) for one, _ in measured), *samples]):
        console.print(Text(text, style="dim"), soft_wrap=True)


def _figures(one: Accuracy, row: dict[Any, Any], plain: bool) -> list[str]:
    from bnnbench.results import quantity
    from bnnbench.results.agreement import agreement
    from bnnbench.results.metrics import accuracy_text
    from bnnbench.results.statistics.proportion import proportion_interval

    size = quantity.size(float(row["size_bytes"]))
    if one.status != "ok" or one.correct is None:
        return [size, one.status.replace("_", " ")]
    low, high = proportion_interval(one.correct, one.images)
    return [
        size,
        accuracy_text(one.correct / one.images),
        f"{low * 100:.2f} {'-' if plain else '–'} {high * 100:.2f} %",
        "" if one.correct_top5 is None else accuracy_text(one.correct_top5 / one.images),
        "" if row["emulated"] is True or not one.infer_ns else quantity.duration(one.infer_ns / one.images, plain),
        "" if one.differing is None else agreement(one.differing, one.compared or one.images, one.images),
    ]


def print_accuracies_json(result: RunResult) -> None:
    """Every accuracy with its case, the confusion matrix included."""
    import msgspec

    from bnnbench.results import load

    rows = json.loads(load(result.stored).to_json(orient="records", date_format="iso"))
    accuracies = result.stored.accuracies
    cases = []
    for case, row in zip(result.stored.record.cases, rows, strict=False):
        one = accuracies.get(case.id)
        details: dict[str, Any] = {} if one is None else msgspec.to_builtins(one)
        cases.append({**row, "evaluation": {key: details[key] for key in details if key != "case_id"}})
    json.dump(
        {"schema": 1, "run_id": result.stored.record.run_id, "outcome": result.outcome, "cases": cases}, sys.stdout
    )
    sys.stdout.write("\n")


def described(one: Accuracy) -> str:
    """What was predicted."""
    if one.images == one.of_images:
        return f"{one.dataset}: all {one.images:,} images"
    return (
        f"{one.dataset}: {one.images:,} of {one.of_images:,} images, drawn with seed {one.seed}; "
        "the interval is that of so many"
    )


def most_confused(one: Accuracy) -> list[str]:
    """The largest cells off the diagonal, in words."""
    if one.confusion is None:
        return []
    cells = [
        (count, label, predicted)
        for label, row in enumerate(one.confusion)
        for predicted, count in enumerate(row)
        if label != predicted and count
    ]
    names = dict(enumerate(one.classes))
    largest = sorted(cells, key=lambda cell: (-cell[0], cell[1:]))[:_CONFUSIONS]
    return [
        f"{names.get(label, label)} taken for {names.get(predicted, predicted)} ({count} images)"
        for count, label, predicted in largest
    ]
