"""Times of the same ops in several engines, whatever each of them fuses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OpGroup:
    """Ops of a model file that no engine separates from each other further: `ops` are their numbers, `times_ns` what
    each engine takes for all of them, in the order in which the engines were given; None where it has no time."""

    name: str
    ops: tuple[int, ...]
    times_ns: tuple[float | None, ...]


Timed = tuple[tuple[int, ...], float]
"""Numbers of ops, and ns of them together."""


def side_by_side(names: Sequence[str], engines: Sequence[Sequence[Timed]]) -> list[OpGroup]:
    """The smallest groups that every engine times, in the order of the file; `names` are those of its ops.

    What an engine times and is no op of the file is in no group."""
    root = list(range(len(names)))

    def find(op: int) -> int:
        while root[op] != op:
            op = root[op]
        return op

    for timed in engines:
        for ops, _ in timed:
            for op in ops[1:]:
                low, high = sorted((find(ops[0]), find(op)))
                root[high] = low
    sums: list[dict[int, float]] = []
    for timed in engines:
        sums.append({})
        for ops, ns in timed:
            if ops:
                sums[-1][find(ops[0])] = sums[-1].get(find(ops[0]), 0.0) + ns
    members: dict[int, list[int]] = {}
    for op in range(len(names)):
        members.setdefault(find(op), []).append(op)
    return list(_groups(names, members, sums))


def _groups(names: Sequence[str], members: dict[int, list[int]], sums: Sequence[dict[int, float]]) -> Iterator[OpGroup]:
    for first, ops in members.items():
        times = tuple(found.get(first) for found in sums)
        if any(time is not None for time in times):
            yield OpGroup(f"op{first} {' + '.join(names[op] for op in ops)}", tuple(ops), times)
