"""A plan, from graph to file."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from ..graph import Graph, Tensor
from .fusion import check_names, fuse
from .lowering import lower
from .memory import plan_memory
from .plan_file import encode
from .steps import Step


@dataclass(frozen=True)
class ExecutionPlan:
    """Steps in the order in which they run; `content` is the file.

    `live_bytes` is the largest sum of tensors that are needed at one time, `arena_bytes` what they take.
    """

    steps: tuple[Step, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    arena_bytes: int
    live_bytes: int
    content: bytes

    def to_bytes(self) -> bytes:
        """The plan file."""
        return self.content

    @cached_property
    def sha256(self) -> str:
        """Digest of the file."""
        return hashlib.sha256(self.content).hexdigest()


def make_plan(graph: Graph, *, without: Collection[str] = ()) -> ExecutionPlan:
    """`without` names fusions to leave out, for tests (`fusion.FUSIONS`).

    Raises ModelError for an operation that no step can do, or a fusion that does not exist. QuickNetSmall's 63 ops
    become 31 steps.
    """
    check_names(without)
    lowered = lower(graph)
    steps = fuse(lowered, graph.outputs, without)
    arena = plan_memory(lowered, steps, graph, without)
    content = encode(steps, graph.inputs, graph.outputs, arena.offsets, arena.bytes)
    return ExecutionPlan(tuple(steps), graph.inputs, graph.outputs, arena.bytes, arena.live_bytes, content)
