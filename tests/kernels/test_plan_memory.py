"""The arena: tensors that are needed at one time never share bytes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from bnnbench.kernels.models.graph import Graph, Node, Tensor
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.interpreter import interpret
from bnnbench.kernels.models.operations import Elementwise, Unary
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.models.plan.plan_reader import PlanContent, PlanTensor, read_plan
from bnnbench.kernels.models.tflite_file import read

from .plan_interpreter import run_plan
from .random_graphs import graphs, input_for

GOLDEN = Path(__file__).parents[1] / "golden"
MODELS = sorted(GOLDEN.glob("*.tflite"))
if os.environ.get("BNNBENCH_GOLDEN"):
    MODELS += [path for path in sorted(Path(os.environ["BNNBENCH_GOLDEN"]).glob("*.tflite")) if path.stem[:4] != "tiny"]


def assert_disjoint(plan: PlanContent) -> None:
    """Any two tensors that are alive in one step lie apart, but for a sum in place of its operand."""
    steps = len(plan.steps)
    written: dict[int, int] = {}
    last: dict[int, int] = {}
    offsets = {tensor.number: tensor for tensor in plan.tensors}
    for tensor in plan.inputs:
        written[tensor.number], last[tensor.number] = -1, steps
    for place, step in enumerate(plan.steps):
        for tensor in step.writes:
            written.setdefault(tensor.number, place)
            last[tensor.number] = max(last.get(tensor.number, place), place)
        for tensor in step.reads:
            last[tensor.number] = max(last.get(tensor.number, place), place)
    for tensor in plan.outputs:
        last[tensor.number] = steps
    # A view has no writer of its own: it counts for the tensor that was written at its offset before it.
    for number, tensor in offsets.items():
        if number not in written and number in last:
            owners = [one for one in written if offsets[one].offset == tensor.offset and written[one] <= last[number]]
            owner = max(owners, key=lambda one: written[one])
            assert tensor.bytes <= offsets[owner].bytes
            last[owner] = max(last[owner], last[number])
    numbers = list(written)
    for at, one in enumerate(numbers):
        for other in numbers[at + 1 :]:
            a, b = offsets[one], offsets[other]
            apart = a.offset + a.bytes <= b.offset or b.offset + b.bytes <= a.offset
            together = written[one] <= last[other] and written[other] <= last[one]
            if not apart and together:
                early, late = (one, other) if written[one] < written[other] else (other, one)
                assert last[early] == written[late], (a, b)
                assert in_place(plan, last[early], offsets[early], offsets[late]), (a, b)


def in_place(plan: PlanContent, place: int, operand: PlanTensor, result: PlanTensor) -> bool:
    """docs/plans.md: only `add` and `mul` read what the step stores, at the same place, before it stores."""
    step = plan.steps[place]
    kinds = [(stage.kind, stage.arguments.get("tensor")) for stage in step.stages]
    reads = [number for number, (kind, tensor) in enumerate(kinds) if kind in ("add", "mul") and tensor == operand]
    stores = [number for number, (_, tensor) in enumerate(kinds) if tensor == result]
    same = (operand.offset, operand.bytes, operand.dtype) == (result.offset, result.bytes, result.dtype)
    return same and step.reads.count(operand) == 1 and len(stores) == 1 and reads[0] < stores[0]


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_tensors_of_random_graphs_lie_apart(one: Graph) -> None:
    for without in ((), ("in_place",)):
        plan = make_plan(one, without=frozenset(without))
        content = read_plan(plan.to_bytes())
        assert_disjoint(content)
        assert content.arena_bytes == plan.arena_bytes >= plan.live_bytes
        for tensor in content.tensors:
            assert tensor.offset % 64 == 0
            assert tensor.offset + tensor.bytes <= content.arena_bytes


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_arena_of_models_is_hardly_more_than_what_lives_at_once(path: Path, batch: int) -> None:
    plan = make_plan(import_model(read(path), batch))
    assert plan.live_bytes <= plan.arena_bytes <= 1.1 * plan.live_bytes
    assert_disjoint(read_plan(plan.to_bytes()))


def chain() -> Graph:
    """Four tensors of 1 KiB one after another, then a sum of the last two."""
    tensors = [Tensor(f"t{place}", (1, 4, 8, 8), "f32") for place in range(5)]
    nodes = [Node(place, "ABS", Unary("abs"), (tensors[place],), tensors[place + 1]) for place in range(3)]
    nodes.append(Node(3, "ADD", Elementwise("add"), (tensors[2], tensors[3]), tensors[4]))
    return Graph(tuple(nodes), (tensors[0],), (tensors[4],))


def test_bytes_of_dead_tensors_are_used_again() -> None:
    """Unfused, the input and the result keep theirs, and at most two more live at once."""
    plan = make_plan(chain(), without=frozenset({"epilogue", "residual"}))
    assert plan.arena_bytes == plan.live_bytes == 4 * 1024


def test_a_sum_takes_the_place_of_its_operand() -> None:
    tensors = [Tensor(f"t{place}", (1, 4, 8, 8), "f32") for place in range(4)]
    out = Tensor("out", (1, 4, 8, 8), "f32")
    nodes = (
        Node(0, "ABS", Unary("abs"), (tensors[0],), tensors[1]),
        Node(1, "ADD", Elementwise("add"), (tensors[1], tensors[0]), tensors[2]),
        Node(2, "ADD", Elementwise("add"), (tensors[2], tensors[1]), tensors[3]),
        Node(3, "ADD", Elementwise("add"), (tensors[3], tensors[0]), out),
    )
    graph = Graph(nodes, (tensors[0],), (out,))
    without = frozenset({"epilogue", "residual"})
    shared = make_plan(graph, without=without).arena_bytes
    assert shared == make_plan(graph, without=without | {"in_place"}).arena_bytes - 1024


def test_an_operand_that_is_needed_later_keeps_its_bytes() -> None:
    t0, t1, t2, t3, out = (Tensor(f"t{place}", (1, 4, 8, 8), "f32") for place in range(5))
    nodes = (
        Node(0, "ABS", Unary("abs"), (t0,), t1),
        Node(1, "ADD", Elementwise("add"), (t0, t1), t2),
        Node(2, "MUL", Elementwise("mul"), (t2, t1), t3),
        Node(3, "ADD", Elementwise("add"), (t3, t1), out),
    )
    graph = Graph(nodes, (t0,), (out,))
    x = input_for(graph)
    for without in (frozenset[str](), frozenset({"epilogue", "residual"}), frozenset({"epilogue"})):
        content = make_plan(graph, without=without).to_bytes()
        assert_disjoint(read_plan(content))
        np.testing.assert_array_equal(run_plan(content, [x])[0], interpret(graph, [x]).outputs[0])
