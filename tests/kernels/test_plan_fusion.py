"""Fusions: each makes plans smaller or quicker, and none changes a bit of what they compute."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.graph import Graph, Node, Tensor
from bnnbench.kernels.models.interpreter import interpret
from bnnbench.kernels.models.operations import BitQuantize, Clamp, Concat, Elementwise, Pad, PRelu, Reshape, Unary
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.models.plan.fusion import FUSIONS
from bnnbench.kernels.models.plan.plan_reader import read_plan

from .plan_interpreter import run_plan
from .random_graphs import graphs, input_for

SETS = [frozenset(), frozenset(FUSIONS), *(frozenset({name}) for name in FUSIONS)]


def tensor(name: str, *shape: int, data: np.ndarray | None = None) -> Tensor:
    return Tensor(name, shape, "f32", data=data)


def graph(*nodes: tuple[object, list[Tensor], Tensor], outputs: list[Tensor] | None = None) -> Graph:
    """Nodes in order; inputs are what none of them computes."""
    listed = tuple(
        Node(place, type(operation).__name__, operation, tuple(inputs), out)  # type: ignore[arg-type]
        for place, (operation, inputs, out) in enumerate(nodes)
    )
    made = {node.output for node in listed}
    read = dict.fromkeys(one for node in listed for one in node.inputs if one.data is None and one not in made)
    return Graph(listed, tuple(read), tuple(outputs or [listed[-1].output]))


def kinds(one: Graph, *without: str) -> list[str]:
    """Steps with their stages, in order."""
    plan = read_plan(make_plan(one, without=frozenset(without)).to_bytes())
    return [" ".join([step.kind, *(stage.kind for stage in step.stages)]) for step in plan.steps]


def check(one: Graph) -> None:
    """The plan, whatever is fused, gives the reference's outputs."""
    rng = np.random.default_rng(5)
    inputs = [(rng.integers(-16, 17, x.shape) / 4).astype(np.float32) for x in one.inputs]
    right = interpret(one, inputs).outputs
    for without in SETS:
        outputs = run_plan(make_plan(one, without=without).to_bytes(), inputs)
        for output, expected in zip(outputs, right, strict=True):
            np.testing.assert_array_equal(output.reshape(expected.shape), expected, err_msg=str(sorted(without)))


@settings(max_examples=120, deadline=None)
@given(graphs(), st.integers(0, 3))
def test_no_fusion_changes_a_bit(one: Graph, seed: int) -> None:
    x = input_for(one, seed)
    right = interpret(one, [x]).outputs
    for without in SETS:
        outputs = run_plan(make_plan(one, without=without).to_bytes(), [x])
        for out, output, expected in zip(one.outputs, outputs, right, strict=True):
            message = f"{out.name} without {sorted(without)}"
            np.testing.assert_array_equal(output.reshape(expected.shape), expected, err_msg=message)


def chain() -> Graph:
    """x -> |x| -> + x -> signs, with the sum needed too: a block of a residual network in small."""
    x, a, b, bits = tensor("x", 1, 3, 3, 8), tensor("a", 1, 3, 3, 8), tensor("b", 1, 3, 3, 8), None
    bits = Tensor("bits", (1, 3, 3, 8), "bits")
    steps = [(Unary("abs"), [x], a), (Elementwise("add"), [a, x], b), (BitQuantize(), [b], bits)]
    return graph(*steps, outputs=[bits, b])


@pytest.mark.parametrize(
    ("without", "expected"),
    [
        ((), ["read abs add store store_bits"]),
        (("residual",), ["read abs store", "read add store store_bits"]),
        (("bits",), ["read abs add store", "read store_bits"]),
        (("residual", "bits"), ["read abs store", "read add store", "read store_bits"]),
    ],
)
def test_stages_move_into_the_producer(without: tuple[str, ...], expected: list[str]) -> None:
    assert kinds(chain(), *without) == expected
    check(chain())


def test_concatenated_parts_are_stored_in_their_place() -> None:
    x, a, b, out = tensor("x", 1, 2, 2, 3), tensor("a", 1, 2, 2, 3), tensor("b", 1, 2, 2, 3), tensor("o", 1, 2, 2, 6)
    one = graph((Unary("abs"), [x], a), (Unary("clamp", Clamp(0.0)), [x], b), (Concat(3), [a, b], out))
    assert kinds(one) == ["read abs store", "read clamp store"]
    assert len(kinds(one, "concat")) == 4
    check(one)


def test_an_operand_that_comes_later_is_waited_for() -> None:
    """The padded operand is made by a step without stages, after the only one that could stream."""
    x, y = tensor("x", 1, 2, 2, 8), tensor("y", 1, 1, 2, 8)
    a, b, out = (tensor(name, 1, 2, 2, 8) for name in "abo")
    one = graph((Unary("abs"), [x], a), (Pad((0, 1, 0, 0), 0.5), [y], b), (Elementwise("mul"), [a, b], out))
    assert kinds(one) == ["read abs store", "place", "read mul store"]
    check(one)


def test_a_tensor_twice() -> None:
    x, a, out = tensor("x", 1, 2, 2, 8), tensor("a", 1, 2, 2, 8), tensor("o", 1, 2, 2, 8)
    check(graph((Unary("abs"), [x], a), (Elementwise("mul"), [a, a], out)))


@pytest.mark.parametrize("shape", [(), (1,), (8,), (1, 1, 8), (2, 2, 8), (3, 2, 2, 8), (3, 1, 1, 8), (2, 1, 1)])
@pytest.mark.parametrize("kind", ["add", "sub", "mul", "prelu"])
def test_constants_of_every_shape(kind: str, shape: tuple[int, ...]) -> None:
    values = (np.random.default_rng(1).integers(-8, 9, shape) / 4).astype(np.float32)
    x, out, constant = tensor("x", 3, 2, 2, 8), tensor("o", 3, 2, 2, 8), tensor("c", *shape, data=np.asarray(values))
    operation = PRelu() if kind == "prelu" else Elementwise(kind)  # type: ignore[arg-type]
    check(graph((operation, [x, constant], out)))
    if kind != "prelu":
        check(graph((operation, [constant, x], out)))


@pytest.mark.parametrize("shape", [(8,), (1, 8), (2, 8), (4, 8), (1, 1, 8), (4, 1, 1, 8), (1, 1, 1, 8), (4, 3, 1, 1)])
@pytest.mark.parametrize("kind", ["add", "sub", "mul"])
def test_computed_operands_line_up_as_in_numpy(kind: str, shape: tuple[int, ...]) -> None:
    width = 2 if shape == (2, 8) else 4  # (4, 8) lies along the width, also where there are as many images
    x, y, out = tensor("x", 4, 3, width, 8), tensor("y", *shape), tensor("o", 4, 3, width, 8)
    check(graph((Elementwise(kind), [x, y], out)))  # type: ignore[arg-type]
    check(graph((Elementwise(kind), [y, x], out)))  # type: ignore[arg-type]


@pytest.mark.parametrize("other", [(4, 2, 2, 8), (2, 4, 2, 8), (2, 1, 1, 8), (2, 8, 1, 8)])
def test_stages_keep_their_tensors_shape_across_a_reshape(other: tuple[int, ...]) -> None:
    """What follows a reshape has other images and pixels than the step it moves into."""
    x, a = tensor("x", 4, 2, 2, 8), tensor("a", 4, 2, 2, 8)
    shape = other if other[1] > 1 else (2, 4, 2, 8)
    b, y, out = tensor("b", *shape), tensor("y", *other), tensor("o", *shape)
    check(graph((Unary("abs"), [x], a), (Reshape(), [a], b), (Elementwise("mul"), [b, y], out)))


def test_a_fusion_that_does_not_exist() -> None:
    with pytest.raises(ModelError, match="there is no fusion 'magic'; there are epilogue, "):
        make_plan(chain(), without={"magic"})
