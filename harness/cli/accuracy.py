"""What `bnnbench eval` prints when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from bnnbench.results.records import Accuracy

    from ..run.execute import RunResult
    from .terminal import Console

_CONFUSIONS = 3
_NAMED = 3


def print_accuracies(result: RunResult, console: Console, again: str) -> None:
    """A table with a row per case, what is confused most, and what went wrong; `again` is the command that shows what
    finds no room."""
    from bnnbench.results import load
    from bnnbench.results.sheet import is_plain, say
    from bnnbench.results.table import notes

    frame = load(result.stored)
    if accuracies := result.stored.accuracies:
        print_table(result, frame, console, again)
    for row in frame[frame["latency_ns"].notna()].to_dict("records"):
        say(console, _latency(row, is_plain(console)))
    for case in result.stored.record.cases:
        one = accuracies.get(case.id)
        if one is not None and (confused := most_confused(one)):
            say(console, f"{case.workload} confuses most: {'; '.join(confused)}", "dim")
    for text in notes(frame):
        say(console, text, "red" if "wrong_output" in set(frame["status"]) else "")
    for reason in result.failures.values():
        say(console, reason, "red")
    console.print(
        f"run {result.stored.record.run_id} in {result.stored.path}", highlight=False, markup=False, soft_wrap=True
    )


def _latency(row: dict[Any, Any], plain: bool) -> str:
    """`m on native, local takes 18.9 µs (18.5-20.1), low trust: VM`."""
    from bnnbench.results.certainty import median_with_interval

    return f"{row['workload']} on {row['engine']}, {row['device']} takes {median_with_interval(row, plain)}"


def print_table(result: RunResult, frame: pd.DataFrame, console: Console, again: str) -> None:
    """A row for each case whose accuracy was measured, and what with."""
    from bnnbench.results.sheet import Column, Sheet, is_plain, say

    plain, accuracies = is_plain(console), result.stored.accuracies
    measured = [
        (accuracies[case.id], row)
        for case, row in zip(result.stored.record.cases, frame.to_dict("records"), strict=False)
        if case.id in accuracies
    ]
    # Which device and engine, only where there are several.
    telling = [key for key in ("device", "engine") if len({row[key] for _, row in measured}) > 1]
    sheet = Sheet(
        *(Column(name, folds=True) for name in ("model", *telling)),
        Column("size", right=True),
        Column("top-1", right=True),
        Column("95 % interval", right=True),
        Column("top-5", right=True, rank=2),
        Column("an image", right=True, rank=1),
        Column("like reference"),
    )
    for one, row in measured:
        sheet.add(*(str(row[key]) for key in ("workload", *telling)), *_figures(one, row, plain))
    sheet.print(console, again)
    samples = [
        f"{row['workload']} on {row['engine']}, {row['device']}: {message}"
        for accuracy, row in measured
        if (message := _sample(accuracy, result.stored.record.seed))
    ]
    for text in dict.fromkeys([*(described(accuracy) for accuracy, _ in measured), *samples]):
        say(console, text, "dim")


def _sample(accuracy: Accuracy, seed: int) -> str | None:
    """That only some images were compared with the reference, and what follows; None where all were, or none."""
    from bnnbench.results.agreement import sample_sentence

    if accuracy.differing is None:
        return None
    return sample_sentence(accuracy.differing, accuracy.compared or accuracy.images, accuracy.images, seed)


def _figures(accuracy: Accuracy, row: dict[Any, Any], plain: bool) -> list[str]:
    from bnnbench.results import quantity
    from bnnbench.results.agreement import agreement
    from bnnbench.results.metrics import accuracy_text
    from bnnbench.results.statistics.proportion import proportion_interval

    size = quantity.size(float(row["size_bytes"]))
    if accuracy.status != "ok" or accuracy.correct is None:
        return [size, accuracy.status.replace("_", " "), "", "", "", ""]
    low, high = proportion_interval(accuracy.correct, accuracy.images)
    return [
        size,
        accuracy_text(accuracy.correct / accuracy.images),
        f"{low * 100:.2f} {'-' if plain else '–'} {high * 100:.2f} %",
        "" if accuracy.correct_top5 is None else accuracy_text(accuracy.correct_top5 / accuracy.images),
        ""
        if row["emulated"] is True or not accuracy.infer_ns
        else quantity.duration(accuracy.infer_ns / accuracy.images, plain),
        ("unverified" if row["status"] == "unverified" else "")
        if accuracy.differing is None
        else agreement(accuracy.differing, accuracy.compared or accuracy.images, accuracy.images),
    ]


def print_accuracies_json(result: RunResult) -> None:
    """Every accuracy with its case, the confusion matrix included."""
    import msgspec

    from bnnbench.results import load

    from .documents.document import text_of
    from .documents.runs import EvaluatedRow, Evaluation, EvaluationDocument, rows_of

    accuracies = result.stored.accuracies
    cases = []
    for case, row in zip(result.stored.record.cases, rows_of(load(result.stored)), strict=False):
        one = accuracies.get(case.id)
        details: dict[str, Any] = {} if one is None else msgspec.to_builtins(one)
        details.pop("case_id", None)
        cases.append(EvaluatedRow(**msgspec.structs.asdict(row), evaluation=Evaluation(**details)))
    document = EvaluationDocument(run_id=result.stored.record.run_id, outcome=result.outcome, cases=cases)
    print(text_of(document, indent=None))


def described(accuracy: Accuracy) -> str:
    """What was predicted."""
    left_out = f"; {len(accuracy.excluded)} left out: {_some(accuracy.excluded)}" if accuracy.excluded else ""
    if accuracy.images == accuracy.of_images:
        return f"{accuracy.dataset}: all {accuracy.images:,} images{left_out}"
    return (
        f"{accuracy.dataset}: {accuracy.images:,} of {accuracy.of_images:,} images, drawn with seed {accuracy.seed}; "
        f"the interval is for this number of images{left_out}"
    )


def _some(names: Sequence[str]) -> str:
    more = [f"and {len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return "; ".join([*names[:_NAMED], *more])


def most_confused(accuracy: Accuracy) -> list[str]:
    """The largest cells off the diagonal, in words."""
    if accuracy.confusion is None:
        return []
    cells = [
        (count, label, predicted)
        for label, row in enumerate(accuracy.confusion)
        for predicted, count in enumerate(row)
        if label != predicted and count
    ]
    names = dict(enumerate(accuracy.classes))
    largest = sorted(cells, key=lambda cell: (-cell[0], cell[1:]))[:_CONFUSIONS]
    return [
        f"{names.get(label, label)} predicted as {names.get(predicted, predicted)} ({count} images)"
        for count, label, predicted in largest
    ]
