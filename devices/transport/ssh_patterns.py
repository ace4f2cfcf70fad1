"""OpenSSH's patterns: `*`, `?`, lists with commas, and `!` for what must not match."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

_TOO_LONG: Final = 1023
"""OpenSSH gives a list up at a pattern of this many characters."""


def matches(text: str, pattern: str) -> bool:
    """Whether one pattern matches."""
    return _compiled(pattern).fullmatch(text) is not None


def list_matches(text: str, patterns: str) -> bool:
    """Whether a list with commas matches: at least one pattern does, and none after a `!`."""
    parts = patterns.split(",")
    return all_match(text, parts) and not any(len(part.removeprefix("!")) >= _TOO_LONG for part in parts)


def all_match(text: str, patterns: list[str]) -> bool:
    """As `list_matches`, of patterns that stand by themselves."""
    if any(matches(text, pattern[1:]) for pattern in patterns if pattern.startswith("!")):
        return False
    return any(matches(text, pattern) for pattern in patterns if not pattern.startswith("!"))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # Stars beside each other mean one star; kept, they would take exponential time.
    parts = (re.escape(part).replace(r"\?", ".") for part in re.sub(r"\*+", "*", pattern).split("*"))
    return re.compile(".*".join(parts), re.DOTALL)
