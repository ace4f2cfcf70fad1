"""A place in the arena for every tensor: bytes are shared by tensors that are never needed at the same time.

Inputs stay from one run to the next, outputs until they are read, so their bytes are theirs alone from the first step
to the last, and from their step to the last. The rest is placed by size, the largest first, at the lowest free offset.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ..graph import Graph, Tensor
from .lowering import Lowered
from .steps import Step

_ALIGN = 64


@dataclass(frozen=True, slots=True)
class Arena:
    """`offsets` by tensor; `live_bytes` is the most that tensors need at one time, which no arena can go below."""

    offsets: Mapping[Tensor, int]
    bytes: int
    live_bytes: int


@dataclass(slots=True)
class _Lifetime:
    size: int
    first: int
    last: int
    offset: int = -1

    def meets(self, other: _Lifetime) -> bool:
        return self.first <= other.last and other.first <= self.last


def plan_memory(lowered: Lowered, steps: Sequence[Step], graph: Graph, without: Collection[str]) -> Arena:
    """Where every tensor that the steps name goes."""
    roots = _roots(lowered, steps, graph, in_place="in_place" not in without)
    lives: dict[Tensor, _Lifetime] = {}

    def use(tensor: Tensor, place: int) -> None:
        life = lives.setdefault(roots[tensor], _Lifetime(0, place, place))
        life.size = max(life.size, -(-tensor.bytes // _ALIGN) * _ALIGN)
        life.first, life.last = min(life.first, place), max(life.last, place)

    for tensor in graph.inputs:
        use(tensor, 0)
        use(tensor, len(steps))
    for place, step in enumerate(steps):
        for tensor in (*step.reads, *step.writes):
            use(tensor, place)
    for tensor in graph.outputs:
        use(tensor, len(steps))
    live_bytes = max(
        sum(life.size for life in lives.values() if life.first <= p <= life.last) for p in range(len(steps) + 1)
    )
    best = min((_placed(lives, order) for order in _orders(lives)), key=lambda arena: arena[1])
    offsets = {tensor: best[0][root] for tensor, root in roots.items() if root in best[0]}
    return Arena(offsets, best[1], live_bytes)


def _orders(lives: Mapping[Tensor, _Lifetime]) -> list[list[Tensor]]:
    """Orders worth trying: by size, by length of life, by time."""
    return [
        sorted(lives, key=lambda t: (-lives[t].size, lives[t].first)),
        sorted(lives, key=lambda t: (lives[t].first - lives[t].last, -lives[t].size)),
        sorted(lives, key=lambda t: (-lives[t].size * (1 + lives[t].last - lives[t].first), lives[t].first)),
        sorted(lives, key=lambda t: (lives[t].first, -lives[t].size)),
    ]


def _placed(lives: Mapping[Tensor, _Lifetime], order: Sequence[Tensor]) -> tuple[dict[Tensor, int], int]:
    offsets: dict[Tensor, int] = {}
    for tensor in order:
        life = lives[tensor]
        taken = sorted((offsets[t], offsets[t] + lives[t].size) for t in offsets if lives[t].meets(life))
        best, gap, end = -1, 0, 0
        for begin, after in taken:
            room = begin - end
            if room >= life.size and (best < 0 or room < gap):
                best, gap = end, room
            end = max(end, after)
        offsets[tensor] = end if best < 0 else best
    return offsets, max((offsets[t] + lives[t].size for t in offsets), default=0)


def _roots(lowered: Lowered, steps: Sequence[Step], graph: Graph, in_place: bool) -> dict[Tensor, Tensor]:
    """Each tensor's representative: those that share bytes have one."""
    tensors = dict.fromkeys([*graph.inputs, *graph.outputs])
    for step in steps:
        tensors |= dict.fromkeys([*step.reads, *step.writes])
    roots = {tensor: lowered.root(tensor) for tensor in tensors}
    if in_place:
        pinned = {lowered.root(tensor) for tensor in (*graph.inputs, *graph.outputs)}
        last: dict[Tensor, int] = {}
        for place, step in enumerate(steps):
            last |= {roots[tensor]: place for tensor in (*step.reads, *step.writes)}
        for place, step in enumerate(steps):
            _take_over(step, place, roots, last, pinned)
    return roots


def _take_over(
    step: Step, place: int, roots: dict[Tensor, Tensor], last: dict[Tensor, int], pinned: Collection[Tensor]
) -> None:
    """Lets the first sum that a step stores whole have the bytes of the operand that dies with it."""
    dying = None
    for stage in step.stages:
        tensor = stage.tensor
        if stage.kind in ("add", "mul") and tensor is not None:
            root = roots[tensor]
            reads = sum(roots[read] is root for read in step.reads)
            if dying is None and last[root] == place and reads == 1 and root not in pinned:
                dying = tensor
        elif stage.kind == "store" and tensor is not None and dying is not None:
            root, mine = roots[dying], roots[tensor]
            if (
                tensor.bytes == dying.bytes
                and tensor.shape[-1] == step.channels
                and mine not in pinned
                and mine is not root
            ):
                last[root] = max(last[root], last[mine])
                for other, own in list(roots.items()):
                    if own is mine:
                        roots[other] = root
                last.pop(mine, None)
            return
        elif stage.stores:
            return
