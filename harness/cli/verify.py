"""`bnnbench store verify`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from .options import DebugOption, JsonOption, StoreOption

if TYPE_CHECKING:
    from bnnbench.results.verify.finding import ItemResult
    from bnnbench.results.verify.items import Item

    from .terminal import Console

_DAMAGED = 1
_KINDS = ("run", "baseline", "calibration", "alert")
_SHOWN = 5
"""Findings of one file in a terminal."""


def verify(
    runs: Annotated[
        list[str] | None,
        Parameter(help="Run ids, unique prefixes, or latest; default: the whole store.", negative=""),
    ] = None,
    /,
    *,
    store: StoreOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Check every line and file of the store against its checksum. Exit status 1: something is damaged."""
    from bnnbench.results.store.runs import Store
    from bnnbench.results.verify.items import items

    from .terminal import Console

    results = Store(store)
    done = _checked(items(results, runs or ()))
    if json:
        _print_json(done)
    else:
        _print(done, Console(), str(results.path))
    return _DAMAGED if any(part.is_damaged for part in done) else 0


def _checked(to_check: Sequence[Item]) -> list[ItemResult]:
    """With a progress bar on stderr, where that is a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from .terminal import Console

    console = Console(stderr=True)
    columns = (
        TextColumn("verifying"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=len(to_check))
        done = []
        for part in to_check:
            bar.update(task, description=part.name)
            done.append(part.check())
            bar.advance(task)
        return done


def _print_json(done: Sequence[ItemResult]) -> None:
    from .documents.document import text_of
    from .documents.store import VerifyDocument

    print(text_of(VerifyDocument(whole=not any(part.is_damaged for part in done), parts=list(done))))


def _print(done: Sequence[ItemResult], console: Console, store: str) -> None:
    """Damage, then notes, then what was checked."""
    from bnnbench.results.grouped import by_reason
    from bnnbench.results.quantity import size
    from bnnbench.results.sheet import say

    for grade, word, style in (("damage", "damaged", "red"), ("note", "note", "yellow")):
        of_grade = [(one.text, one.where) for part in done for one in part.findings if one.grade == grade]
        for where, texts in by_reason(of_grade).items():
            for text in texts[:_SHOWN]:
                say(console, f"{word}: {where}: {text}", style)
            if len(texts) > _SHOWN:
                say(console, f"{word}: {where}: {len(texts) - _SHOWN} more, all in --json", style)
    kinds = [(kind, [part for part in done if part.kind == kind]) for kind in _KINDS]
    counts = [f"{len(of_kind)} {kind}{'' if len(of_kind) == 1 else 's'}" for kind, of_kind in kinds if of_kind]
    files, bytes_ = sum(part.files for part in done), sum(part.size_bytes for part in done)
    checked = f"{', '.join(counts) or 'nothing'} checked in {store}, {files} files, {size(bytes_)}"
    damaged = sum(part.is_damaged for part in done)
    say(console, f"{checked}: {f'{damaged} damaged' if damaged else 'no damage'}", "bold red" if damaged else "bold")
    for state in ("unfinished", "being written"):
        if names := [part.name for part in done if part.state == state]:
            say(console, f"{state}, checked as far as written: {', '.join(names)}", "dim")
    others = sum(part.signed is False for part in done)
    if others:
        say(console, f"{others} not signed by you on this machine: to run what they name, add --trust", "dim")
