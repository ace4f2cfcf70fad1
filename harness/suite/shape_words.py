"""Shapes of inputs as people write them: `1x224x224x3`, or `NAME=1x224x224x3`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import CallError

_SHAPE = re.compile(r"(?:(.+)=)?([1-9][0-9]{0,9}(?:x[1-9][0-9]{0,9}){0,7})", re.DOTALL)


def shapes_of(words: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """By the names of inputs; the name is empty where none is given. Raises CallError."""
    found: dict[str, tuple[int, ...]] = {}
    for word in words:
        match = _SHAPE.fullmatch(word.strip())
        if not match:
            raise CallError(f"--shape {word[:100]!r} is no shape; write it as 1x224x224x3 or NAME=1x224x224x3.")
        name = match[1] or ""
        if name in found:
            raise CallError(f"--shape {word[:100]!r} names an input twice; give each one shape.")
        found[name] = tuple(map(int, match[2].split("x")))
    return found
