"""One number where a pair is meant: `stride = 2` is `stride = [2, 2]`, before anything else reads the suite."""

from __future__ import annotations

from typing import Any

import msgspec

from .tables import KERNEL_TABLES, LARGEST_SIZE, Pair

PAIR_KEYS = {
    op: tuple(field.name for field in msgspec.structs.fields(table) if field.type == Pair)
    for op, table in KERNEL_TABLES.items()
}
"""Op -> the keys of its table that take a pair."""


class PairError(ValueError):
    """The sentence about a value that is not a pair and no number for one, without a full stop."""


def with_pairs(document: dict[str, Any]) -> dict[str, Any]:
    """A suite's document with every pair of its kernels written out. Raises PairError."""
    tables = document.get("kernel")
    if not isinstance(tables, list):  # which the schema has a sentence for, as for all else that is skipped here
        return document
    return {**document, "kernel": [_written_out(table, number) for number, table in enumerate(tables, 1)]}


def _written_out(table: Any, number: int) -> Any:
    op = table.get("op") if isinstance(table, dict) else None
    keys = PAIR_KEYS.get(op, ()) if isinstance(op, str) else ()
    given = {key: _pair(table[key], f"kernel {number}.{key}") for key in keys if key in table}
    return {**table, **given} if given else table


def _pair(value: Any, words: str) -> list[int]:
    both = value if isinstance(value, list | tuple) else [value, value]
    try:
        return list(msgspec.convert(both, Pair))
    except msgspec.ValidationError:
        raise PairError(
            f"{words} must be one whole number from 1 to {LARGEST_SIZE}, or two in brackets, vertical first: "
            "2, or [2, 1]"
        ) from None
