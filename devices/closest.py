"""The right name for a wrong one, and the sentence that says which there are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(wrong: str, right: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the nearest of `right`, whatever its case, or nothing."""
    by_lower = {word.lower(): word for word in right}
    near = difflib.get_close_matches(wrong.lower(), by_lower, n=1)
    return f" (did you mean {by_lower[near[0]]!r}?)" if near else ""


def there_is_no(what: str, wrong: str, right: Iterable[str]) -> str:
    """`there is no engine 'x' (did you mean 'y'?); there are y, z`."""
    known = list(right)
    return f"there is no {what} '{wrong}'{closest(wrong, known)}; there are {', '.join(known) or 'none'}"
