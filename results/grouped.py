"""Many cases that share a reason, in a few words: how many, which, and why."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

from bnnbench.results.printable import shorten

_NAMES, _REASONS = 3, 8
_LONGEST_NAME = 60
Reason = TypeVar("Reason", bound=Hashable)


def by_reason(reasons: Iterable[tuple[str, Reason]]) -> dict[Reason, list[str]]:
    """Names and reasons -> each reason with its names, in their order of appearance."""
    groups: dict[Reason, list[str]] = {}
    for name, reason in reasons:
        groups.setdefault(reason, []).append(name)
    return groups


def some(names: Sequence[str], most: int = _NAMES) -> str:
    """`a, b, c and 21 more`; each name once."""
    each = list(dict.fromkeys(names))
    # One more name takes no more room than to say that there is one.
    shown = each if len(each) == most + 1 else each[:most]
    text = ", ".join(shorten(name, _LONGEST_NAME) for name in shown)
    return text + (f" and {len(each) - len(shown)} more" if len(each) > len(shown) else "")


def counted(reasons: Iterable[tuple[str, str]], word: str) -> str:
    """`39 skipped: 24 because the engine 'numba' runs no models (a, b, c and 21 more); 15 ...`.

    The most frequent reasons come first; `word` is what became of all.
    """
    groups = sorted(by_reason(reasons).items(), key=lambda group: -len(group[1]))
    count = sum(len(names) for _, names in groups)
    if len(groups) == 1:
        return f"{count} {word} because {groups[0][0]} ({some(groups[0][1])})"
    parts = [f"{len(names)} because {reason} ({some(names)})" for reason, names in groups[:_REASONS]]
    if rest := sum(len(names) for _, names in groups[_REASONS:]):
        parts.append(f"{rest} for {len(groups) - _REASONS} other reasons")
    return f"{count} {word}: {'; '.join(parts)}"
