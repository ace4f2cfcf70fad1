"""`bnnbench store prune`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from .options import DebugOption, JsonOption, StoreOption

if TYPE_CHECKING:
    from bnnbench.results.store.pruning import Choice, KeepRule, Reason
    from bnnbench.results.store.runs import Store

    from .terminal import Console

_FAILED = 1


def prune(
    *,
    keep: Annotated[
        list[str],
        Parameter(
            negative="",
            help="Runs to keep: 20 (newest of each suite on the same devices), 90d, 12w, 6mo or 2y. Given several "
            "times: a run is kept if any applies.",
        ),
    ],
    unfinished: Annotated[
        bool, Parameter(negative="", show_default=False, help="Remove runs that did not complete, too.")
    ] = False,
    dry_run: Annotated[
        bool, Parameter(negative="", show_default=False, help="Only show what would be removed.")
    ] = False,
    yes: Annotated[
        bool, Parameter(name=["--yes", "-y"], negative="", show_default=False, help="Do not ask for confirmation.")
    ] = False,
    store: StoreOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Remove old runs, except those that baselines need. Shows them, then asks."""
    import sys

    from rich.prompt import Confirm

    from bnnbench.results.quantity import size
    from bnnbench.results.store.pruning import choices
    from bnnbench.results.store.runs import Store

    from ..errors import CallError
    from .terminal import Console

    results = Store(store)
    found = choices(results, _rules(keep), unfinished=unfinished)
    going = [one for one in found if one.reason is None]
    if json:
        removed, failed = _remove(results, going if yes and not dry_run else [])
        _print_json(found, removed)
        return _FAILED if failed else 0
    _print(found, going, Console())
    if not going or dry_run:
        return 0
    what = f"{_runs(len(going))}, {size(sum(one.run.size_bytes for one in going))}"
    if not yes:
        if not sys.stdin.isatty():
            raise CallError(f"nothing is removed without a terminal to ask on; add --yes to remove {what}.")
        if not Confirm.ask(f"Remove {what} for good?", console=Console(stderr=True), default=False):
            print("nothing is removed")
            return 0
    removed, failed = _remove(results, going)
    print(
        f"removed {_runs(len(removed))}, {size(sum(one.run.size_bytes for one in going if one.run.run_id in removed))}"
    )
    return _FAILED if failed else 0


def _rules(texts: Sequence[str]) -> list[KeepRule]:
    """Raises CallError for one that is none."""
    from bnnbench.results.store.pruning import keep_rule

    from ..errors import CallError

    try:
        return [keep_rule(text) for text in texts]
    except ValueError as error:
        raise CallError(f"--keep {error}.") from None


def _remove(store: Store, going: Sequence[Choice]) -> tuple[list[str], int]:
    """The ids of those that are gone, and how many could not be removed, which stderr names. Each is asked about again:
    a baseline may have been saved from it since."""
    import sys

    from bnnbench.results.errors import StoreError
    from bnnbench.results.store.removal import removable, remove_run

    removed, failed = [], 0
    for one in going:
        try:
            (folder,) = removable(store, [one.run.run_id])
            if folder.name != one.run.run_id:  # a folder called `latest`
                raise StoreError(f"run {one.run.run_id} can't be named: remove its folder {one.run.path}")
            remove_run(store, folder)
            removed.append(one.run.run_id)
        except StoreError as error:
            failed += 1
            print(f"not removed: {error}", file=sys.stderr)
    return removed, failed


def _print(found: Sequence[Choice], going: Sequence[Choice], console: Console) -> None:
    """What would go, and why the others stay."""
    from bnnbench.results.grouped import by_reason, some
    from bnnbench.results.quantity import size
    from bnnbench.results.sheet import Column, Sheet, say

    if going:
        sheet = Sheet(
            *(Column("to remove"), Column("date"), Column("suite", folds=True), Column("devices", folds=True, rank=1)),
            *(Column("state", rank=2), Column("size", right=True)),
        )
        for run in (one.run for one in going):
            began = run.created[:16].replace("T", " ")
            sheet.add(run.run_id, began, run.suite, ", ".join(run.devices), run.state, size(run.size_bytes))
        sheet.print(console)
    else:
        say(console, "nothing to remove")
    words = _words()
    kept = by_reason((one.run.run_id, one.reason) for one in found if one.reason is not None)
    needed = {one.reason: "" for one in found}
    for reason in ("baseline", "check"):
        needed[reason] = f" ({some([name for one in found if one.reason == reason for name in one.names])})"
    for reason, names in kept.items():
        say(console, f"kept: {_runs(len(names))} {words[reason]}{needed[reason]}", "dim")


def _words() -> dict[Reason, str]:
    return {
        "newest": "among the newest",
        "recent": "recent enough",
        "baseline": "that baselines need",
        "check": "that an unfinished check needs",
        "unfinished": "unfinished: remove them with --unfinished",
        "being_written": "being written now",
        "link": "that are links: remove the link itself",
        "no_date": "without a readable date",
    }


def _print_json(found: Sequence[Choice], removed: Sequence[str]) -> None:
    from .documents.document import text_of
    from .documents.store import PruneDocument

    document = PruneDocument(
        to_remove=[one.run for one in found if one.reason is None],
        kept=[one for one in found if one.reason is not None],
        removed=list(removed),
    )
    print(text_of(document))


def _runs(count: int) -> str:
    return f"{count} run{'' if count == 1 else 's'}"
