"""A model as the rules of lint see it: its file, its graph, its plan, and what each part costs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property
from math import prod

from ..description import describe
from ..graph import Graph, Node, Tensor
from ..model import ModelFile
from ..operations import Reshape
from ..plan import ExecutionPlan
from .rates import Rates
from .storage import Storage, read_storage


class Subject:
    """Nodes, who reads their outputs, and costs in the unit of `rates`."""

    def __init__(self, model: ModelFile, graph: Graph, plan: ExecutionPlan, rates: Rates) -> None:
        self.model, self.graph, self.plan, self.rates = model, graph, plan, rates
        self._producers = {id(node.output): node for node in graph.nodes}
        self._readers: dict[int, list[Node]] = {}
        for node in graph.nodes:
            for tensor in {id(tensor): tensor for tensor in node.inputs}.values():
                self._readers.setdefault(id(tensor), []).append(node)
        self._nodes = {node.index: node for node in reversed(graph.nodes)}
        self._outputs = {id(tensor) for tensor in graph.outputs}
        self._step_of = {id(node): number for number, step in enumerate(plan.steps) for node in step.nodes}

    @cached_property
    def storage(self) -> Storage:
        """What the file stores, and by whom it was written."""
        return read_storage(self.model)

    @cached_property
    def total(self) -> float:
        """Cost of one inference."""
        if self.plan.steps:
            return self.rates.whole(self.plan.steps)
        counted = describe(self.model)
        return counted.macs_32bit * self.rates.float_mac + counted.macs_1bit * self.rates.binary_mac

    def cost_of(self, step: int) -> float:
        """Of a step of the plan."""
        if self.rates.steps is not None:
            return self.rates.steps.get(step, 0.0)
        return self.rates.of(self.plan.steps[step])

    def node(self, index: int) -> Node | None:
        """The first node of an op of the file; None for one that was folded, or of a file that cannot be imported."""
        return self._nodes.get(index)

    def step(self, node: Node) -> int | None:
        """The number of the step that computes a node; None for one that takes no step."""
        return self._step_of.get(id(node))

    def cost(self, node: Node) -> float:
        """Of the step that computes a node, with all that is fused into it."""
        number = self.step(node)
        return 0.0 if number is None else self.cost_of(number)

    def stage_cost(self, node: Node) -> float:
        """Of a node that is only a stage of a step."""
        return self.rates.stage(prod(node.output.shape))

    def cost_without(self, nodes: Collection[Node]) -> float:
        """What leaving out nodes saves: steps that compute nothing else, and single stages of others."""
        gone = {id(node) for node in nodes}
        saved = 0.0
        for number in sorted({self._step_of[id(node)] for node in nodes if id(node) in self._step_of}):
            step = self.plan.steps[number]
            if all(id(node) in gone for node in step.nodes):
                saved += self.cost_of(number)
            else:
                stages = sum(self.stage_cost(node) for node in step.nodes if id(node) in gone)
                saved += min(stages, 0.9 * self.cost_of(number))
        return saved

    def producer(self, tensor: Tensor) -> Node | None:
        """The node that computes a tensor; None for inputs and constants."""
        return self._producers.get(id(tensor))

    def readers(self, tensor: Tensor) -> list[Node]:
        """The nodes that read a tensor."""
        return self._readers.get(id(tensor), [])

    def is_output(self, tensor: Tensor) -> bool:
        """Whether a tensor is an output of the model."""
        return id(tensor) in self._outputs

    def only_reader(self, node: Node) -> Node | None:
        """The one node that reads what a node computes, if there is one and it is no output of the model."""
        readers = self.readers(node.output)
        return readers[0] if len(readers) == 1 and not self.is_output(node.output) else None

    def source(self, tensor: Tensor) -> Node | None:
        """The node that computes a tensor, before it was reshaped."""
        node = self.producer(tensor)
        while node is not None and isinstance(node.operation, Reshape):
            node = self.producer(node.inputs[0])
        return node

    def of_kind(self, kind: type) -> Iterator[Node]:
        """All nodes of a kind, in their order."""
        return (node for node in self.graph.nodes if isinstance(node.operation, kind))
