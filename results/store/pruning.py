"""Which runs of a store may go by rules of how many and how old ones are kept: nothing is removed here.

Whatever the rules say, these stay: runs that baselines were saved from, runs that are being written, links, runs that
can't be read, and runs that an unfinished check still needs. Unfinished runs stay unless they are asked for.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec

from bnnbench.results.errors import StoreError
from bnnbench.results.records import Strictness
from bnnbench.results.store.baselines import Baselines
from bnnbench.results.store.listing import RunLine, list_runs
from bnnbench.results.store.run_lock import is_being_written
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import read_record

_DAYS = {"d": 1, "w": 7, "mo": 30, "y": 365}
_RULE = re.compile(rf"([1-9][0-9]{{0,8}})({'|'.join(_DAYS)})?")

Reason = Literal["newest", "recent", "baseline", "check", "unfinished", "being_written", "link", "no_date"]


class KeepRule(msgspec.Struct, frozen=True, kw_only=True):
    """Keeps the `newest` runs of each suite on the same devices, or those of the last `days`; one of both is given."""

    newest: int | None = None
    days: int | None = None


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A run, and why it stays: None where it may go. `names` are the baselines or runs that need it."""

    run: RunLine
    reason: Reason | None = None
    names: list[str] = []


def keep_rule(text: str) -> KeepRule:
    """`20`, `90d`, `12w`, `6mo` or `2y`; a month has 30 days, a year 365. Raises ValueError."""
    found = _RULE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no number of runs or days: write it as 20, 90d, 12w, 6mo or 2y")
    number = int(found[1])
    return KeepRule(days=number * _DAYS[found[2]]) if found[2] else KeepRule(newest=number)


def choices(
    store: Store, rules: Sequence[KeepRule], *, unfinished: bool = False, now: datetime | None = None
) -> list[Choice]:
    """Every run that can be read, newest first, and whether it stays by any of the rules. `unfinished`: these go by the
    rules too.

    Warns (StoreWarning) of runs that can't be read. Raises StoreError when there is no such store, and when a baseline
    is damaged, because the run that it needs is not known.
    """
    lines = list_runs(store)
    needed = Baselines(store.path).runs_needed()
    of_checks = _earlier_runs(lines)
    ruled = [line for line in lines if unfinished or line.state == "complete"]
    newest = _newest(ruled, max((rule.newest or 0 for rule in rules), default=0))
    days = max((rule.days or 0 for rule in rules), default=0)
    since = _since(now or datetime.now(UTC), days)
    found = []
    for line in lines:
        folder = Path(line.path)
        names = needed.get(line.run_id, [])
        if names:
            found.append(Choice(run=line, reason="baseline", names=names))
        elif line.run_id in of_checks:
            found.append(Choice(run=line, reason="check", names=of_checks[line.run_id]))
        else:
            found.append(Choice(run=line, reason=_reason(line, folder, unfinished, newest, since)))
    return found


def _reason(line: RunLine, folder: Path, unfinished: bool, newest: set[str], since: datetime | None) -> Reason | None:
    began = _moment(line.created)
    if folder.is_symlink():
        return "link"
    if is_being_written(folder):
        return "being_written"
    if line.state != "complete" and not unfinished:
        return "unfinished"
    if line.run_id in newest:
        return "newest"
    if began is None:
        return "no_date"
    return "recent" if since is not None and began >= since else None


def _newest(lines: Iterable[RunLine], count: int) -> set[str]:
    """The first `count` of each suite on the same devices; comparisons are counted apart."""
    seen: dict[tuple[str, tuple[str, ...], bool], int] = {}
    found = set()
    for line in lines:
        group = (line.suite, tuple(sorted(line.devices)), line.comparisons > 0)
        seen[group] = seen.get(group, 0) + 1
        if seen[group] <= count:
            found.add(line.run_id)
    return found


def _since(now: datetime, days: int) -> datetime | None:
    """From when on runs are kept; None where no rule is about days."""
    if not days:
        return None
    try:
        return now - timedelta(days=days)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _earlier_runs(lines: Iterable[RunLine]) -> dict[str, list[str]]:
    """Runs of a check with several baselines whose last one is unfinished: its exit status is also of them."""
    found: dict[str, list[str]] = {}
    for line in lines:
        if line.comparisons and line.state != "complete":
            try:
                asked = read_record(Path(line.path)).asked.compare or Strictness()
            except StoreError as error:
                warnings.warn(f"run {line.run_id}: {error}", stacklevel=3)
                continue
            for run_id in asked.earlier:
                found.setdefault(run_id, []).append(line.run_id)
    return found
