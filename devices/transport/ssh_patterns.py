"""OpenSSH's patterns: `*`, `?`, lists with commas, and `!` for what must not match."""

from __future__ import annotations

import re
from functools import cache


def matches(text: str, pattern: str) -> bool:
    """Whether one pattern matches."""
    return _compiled(pattern).fullmatch(text) is not None


def list_matches(text: str, patterns: str) -> bool:
    """Whether a list with commas matches: at least one pattern does, and none after a `!`."""
    return all_match(text, patterns.split(","))


def all_match(text: str, patterns: list[str]) -> bool:
    """As `list_matches`, of patterns that stand by themselves."""
    if any(matches(text, one[1:]) for one in patterns if one.startswith("!")):
        return False
    return any(matches(text, one) for one in patterns if not one.startswith("!"))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # Stars beside each other mean one star; kept, they would take exponential time.
    parts = (re.escape(part).replace(r"\?", ".") for part in re.sub(r"\*+", "*", pattern).split("*"))
    return re.compile(".*".join(parts), re.DOTALL)
