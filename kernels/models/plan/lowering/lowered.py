"""The steps that a graph becomes, while they are made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...graph import Node, Tensor
from ..steps import Argument, Stage, Step


class Lowered:
    """The steps so far, and which tensors share the bytes of another (`aliases`: tensor -> the one it is a view of)."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.aliases: dict[Tensor, Tensor] = {}
        self._constants: dict[int, Tensor] = {}

    def root(self, tensor: Tensor) -> Tensor:
        """The tensor whose bytes it shares."""
        while tensor in self.aliases:
            tensor = self.aliases[tensor]
        return tensor

    def view(self, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The same bytes as another shape."""
        if tensor.shape == shape:
            return tensor
        view = replace(tensor, shape=shape)
        self.aliases[view] = tensor
        return view

    def stream(
        self, node: Node, kind: str, arguments: tuple[Argument, ...], channels: int, stages: list[Stage], **macs: int
    ) -> None:
        """A step with stages."""
        self.steps.append(Step(kind, (node,), arguments, tuple(stages), channels, **macs))

    def read(self, node: Node, x: Tensor, stages: list[Stage]) -> None:
        """A step that only streams a tensor through stages."""
        self.stream(node, "read", (x, 0, x.shape[-1]), x.shape[-1], stages)

    def direct(self, node: Node, kind: str, *arguments: Argument, **macs: int) -> None:
        """A step that writes one tensor."""
        self.steps.append(Step(kind, (node,), arguments, (), 0, **macs))

    def computed(self, node: Node, tensor: Tensor) -> Tensor:
        """A tensor in the arena, also for a constant."""
        if tensor.data is None:
            return tensor
        if id(tensor) not in self._constants:
            place = replace(tensor, data=None)
            self.direct(node, "constant", place, place, np.ascontiguousarray(tensor.data))
            self._constants[id(tensor)] = place
        return self._constants[id(tensor)]
