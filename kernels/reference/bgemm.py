"""Binary matrix product: a dot product of k signs is k - 2 * (bits that differ)."""

from __future__ import annotations

from typing import Any

from .popcount import add_mismatches


def bgemm(a: Any, b: Any, out: Any, k: int) -> None:
    """`out[m, n] = k - 2*popcount(a[m] ^ b[:, n])`; a u32[m, w], b transposed u32[w, n], out i32[m, n]."""
    for row in range(a.shape[0]):
        differing = out[row]
        differing[:] = 0
        for word in range(a.shape[1]):
            add_mismatches(a[row, word], b[word], differing)
        for column in range(differing.shape[0]):
            differing[column] = k - 2 * differing[column]
