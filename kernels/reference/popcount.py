"""Population count: `int.bit_count` in CPython, one `llvm.ctpop` under Numba."""

# mypy: allow-untyped-calls

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import lower_builtin, register_jitable, type_callable


def popcount(word: Any) -> int:
    """Set bits of an unsigned word."""
    return int(word).bit_count()


@type_callable(popcount)
def _type_popcount(context: Any) -> Any:
    # int64, not the word's type: int64 + uint64 is float64 in Numba.
    return lambda word: types.int64 if isinstance(word, types.Integer) else None


@lower_builtin(popcount, types.Integer)  # type: ignore[untyped-decorator]
def _lower_popcount(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    count = builder.ctpop(arguments[0])
    return count if count.type.width == 64 else builder.zext(count, ir.IntType(64))


@register_jitable
def add_mismatches(word: Any, weights: Any, differing: Any) -> None:
    """One word of signs against a word of every channel: `differing[j] += popcount(word ^ weights[j])`."""
    for channel in range(weights.shape[0]):
        differing[channel] += popcount(word ^ weights[channel])
