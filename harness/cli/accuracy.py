"""What `bnnbench eval` prints when it is done."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bnnbench.results.records import Accuracy

    from ..run import RunResult

_CONFUSIONS = 3


def print_accuracies(result: RunResult) -> None:
    """A table with a row per case, what is confused most, and what went wrong."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from bnnbench.results import load, quantity
    from bnnbench.results.table import is_plain

    console = Console()
    plain = is_plain(console)
    frame = load(result.stored)
    several = frame["device"].nunique() > 1
    table = Table(box=None, pad_edge=False)
    titles = [
        "model",
        *(["device"] if several else []),
        "engine",
        "top-1",
        "95 % interval",
        "top-5",
        "each",
        "reference",
    ]
    for title in titles:
        words = title in ("model", "device", "engine", "reference")
        table.add_column(title, justify="left" if words else "right", overflow="fold", no_wrap=title == "top-1")
    accuracies = result.stored.accuracies
    ids = [case.id for case in result.stored.record.cases]
    for id, row in zip(ids, frame.to_dict("records"), strict=False):
        one = accuracies.get(id)
        cells = [str(row["workload"]), *([str(row["device"])] if several else []), str(row["engine"])]
        if one is None or one.correct is None or one.status != "ok":
            cells += [str(row["status"] if one is None else one.status).replace("_", " ")]
        else:
            low, high = float(row["accuracy_low"]), float(row["accuracy_high"])
            top5 = "" if one.correct_top5 is None else share(one.correct_top5 / one.images)
            each = quantity.duration((one.infer_ns or 0.0) / one.images, plain)
            span = f"{low * 100:.2f} - {high * 100:.2f} %" if plain else f"{low * 100:.2f} – {high * 100:.2f} %"
            cells += [share(one.correct / one.images), span, top5, each, agreement(one)]
        table.add_row(*map(Text, cells))
    console.print(table)
    for one in accuracies.values():
        console.print(Text(described(one)), soft_wrap=True)
        break
    for id, one in accuracies.items():
        name = next(case.workload for case in result.stored.record.cases if case.id == id)
        if one.reason:
            console.print(Text(f"{one.status.replace('_', ' ')}: {name}: {one.reason}", style="red"), soft_wrap=True)
        elif confused := most_confused(one):
            console.print(Text(f"{name} confuses most: {'; '.join(confused)}", style="dim"), soft_wrap=True)
    for row in frame[frame["reason"].notna() & ~frame["status"].eq("wrong_output")].to_dict("records"):
        console.print(Text(f"{row['workload']} on {row['engine']}: {row['reason']}"), soft_wrap=True)
    for reason in result.failures.values():
        console.print(Text(reason, style="red"), soft_wrap=True)
    console.print(f"run {result.stored.record.run_id} in {result.stored.path}", highlight=False, soft_wrap=True)


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


def share(value: float) -> str:
    """An accuracy with the two decimals that 10,000 images are worth."""
    return f"{value * 100:.2f} %"


def agreement(one: Accuracy) -> str:
    """How the predictions compare with the reference's."""
    if one.differing is None:
        return ""
    if not one.differing:
        return "all equal"
    return f"{one.differing} differ" + (", explained" if one.explained == one.differing else "")


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
