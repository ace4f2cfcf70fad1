"""What PyTorch's exporters write around signs: masks of gradients, constants that are expanded, sums of weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.operations import BinaryConv2d, BitDequantize, BitQuantize, Concat, Conv2d, Elementwise
from tests.kernels.onnx_models.builder import Network
from tests.kernels.onnx_models.cases import SHAPE, one
from tests.kernels.onnx_models.test_importer import TOLERANCE, computed, far, graph, inputs, ran


def masked_polynomial(net: Network, x: str) -> str:
    """ReActNet's `sign(x).detach() - y.detach() + y`, with the polynomial y put together from comparisons."""
    below, negative, inside = (
        net.op("Cast", net.op("Less", x, one(threshold)), to=1) for threshold in (-1.0, 0.0, 1.0)
    )
    square, double = net.op("Mul", x, x), net.op("Mul", x, one(2))
    left = net.op("Mul", net.op("Add", square, double), net.op("Sub", one(1), below))
    left = net.op("Add", net.op("Mul", below, one(-1)), left)
    right = net.op("Mul", net.op("Sub", double, square), net.op("Sub", one(1), negative))
    y = net.op("Mul", net.op("Add", net.op("Mul", left, negative), right), inside)
    y = net.op("Add", y, net.op("Sub", one(1), inside))
    return net.op("Add", net.op("Sub", net.op("Sign", x), y), y)


def expanded_shift(net: Network, x: str) -> str:
    """`x + shift.expand_as(x)`."""
    shift = net.constant(net.rng.normal(0, 0.2, (1, 16, 1, 1)))
    return net.op("Add", x, net.op("Expand", shift, net.op("Shape", x)))


def test_the_polynomial_of_a_gradient_leaves_nothing() -> None:
    """The bits are those of the Sign, not those of the comparison with 0, so that zeros are counted."""
    net = Network(SHAPE)
    content = net.model(net.conv(masked_polynomial(net, "x"), net.binary(16, 8, 3, 3), pad=1)).SerializeToString()
    found = graph(content)
    assert [(node.op, type(node.operation)) for node in found.nodes] == [("Sign", BitQuantize), ("Conv", BinaryConv2d)]
    for what, x in inputs().items():
        assert far(computed(found, x), ran(content, x)) < TOLERANCE, what


def test_the_polynomial_itself_can_be_computed() -> None:
    """Where something else needs the masks, they are floats."""
    net = Network(SHAPE)
    mask = net.op("Cast", net.op("Less", "x", one(0)), to=1)
    content = net.model(net.op("Mul", net.op("Add", "x", one(1)), mask)).SerializeToString()
    found = graph(content)
    assert any(isinstance(node.operation, BitDequantize) for node in found.nodes)
    for what, x in inputs().items():
        assert far(computed(found, x), ran(content, x)) < TOLERANCE, what


@pytest.mark.parametrize("batch", [1, 3])
def test_an_expanded_constant_is_a_number_for_each_channel(batch: int) -> None:
    net = Network(("N", *SHAPE[1:]))
    y = expanded_shift(net, net.conv("x", net.floats(16, 8, 3, 3)))
    content = net.model(net.op("Mul", y, net.op("Expand", one(3.0), np.array([16, 1, 1])))).SerializeToString()
    found = graph(content, batch)
    assert [type(node.operation) for node in found.nodes] == [Conv2d]  # both are merged into it
    x = net.rng.uniform(-1, 1, (batch, *SHAPE[1:])).astype(np.float32)
    assert far(computed(found, x), ran(content, x)) < TOLERANCE


def test_an_expanded_constant_that_is_not_merged_is_kept_once() -> None:
    net = Network(SHAPE)
    y = net.op("Relu", net.conv("x", net.floats(16, 8, 3, 3)))
    content = net.model(expanded_shift(net, y)).SerializeToString()
    found = graph(content)
    (shift,) = [node.inputs[1] for node in found.nodes if isinstance(node.operation, Elementwise)]
    assert shift.shape == (1, 1, 1, 16)
    for what, x in inputs().items():
        assert far(computed(found, x), ran(content, x)) < TOLERANCE, what


def test_what_is_expanded_beyond_the_file_is_refused() -> None:
    net = Network(SHAPE)
    huge = net.op("Expand", one(1.0), np.array([1 << 20, 1 << 20]))
    with pytest.raises(ModelError) as error:
        graph(net.model(net.op("Add", "x", huge)).SerializeToString())
    assert "node 0 (Expand)" in str(error.value)
    assert "compute more constants than the file can hold" in str(error.value)


def test_computed_values_are_not_repeated() -> None:
    net = Network(SHAPE)
    same = net.op("Relu", net.op("Expand", "x", np.array([8, 1, 10])))
    assert len(graph(net.model(same).SerializeToString()).nodes) == 1
    net = Network(SHAPE)
    with pytest.raises(ModelError) as error:
        graph(net.model(net.op("Expand", "x", np.array([2, 8, 9, 10]))).SerializeToString())
    assert "it repeats a value of shape [1, 8, 9, 10] to [2, 8, 9, 10]" in str(error.value)


def test_one_operand_is_joined_with_nothing() -> None:
    net = Network(SHAPE)
    content = net.model(net.op("Concat", net.op("Relu", "x"), axis=1)).SerializeToString()
    assert not any(isinstance(node.operation, Concat) for node in graph(content).nodes)


def test_tanh() -> None:
    net = Network(SHAPE)
    content = net.model(net.op("Tanh", "x")).SerializeToString()
    assert not any(isinstance(node.operation, BitQuantize) for node in graph(content).nodes)
    for what, x in inputs().items():
        assert far(computed(graph(content), x), ran(content, x)) < TOLERANCE, what


@pytest.mark.parametrize("keeps", [0, 1])
@pytest.mark.parametrize("axes", [None, (), (0,), (-1, 1)])
@pytest.mark.parametrize("op", ["ReduceSum", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMin"])
def test_constants_are_reduced(op: str, axes: tuple[int, ...] | None, keeps: int) -> None:
    net = Network(SHAPE, opset=20)
    data = net.constant(net.floats(8, 9, 10) + 0.5)
    given = [] if axes is None else [net.constant(np.array(axes, np.int64))]
    reduced = net.op(op, data, *given, keepdims=keeps, noop_with_empty_axes=int(axes == ()))
    content = net.model(net.op("Add", "x", net.op("Reshape", reduced, REDUCED[axes]))).SerializeToString()
    x = inputs()["random"]
    assert far(computed(graph(content), x), ran(content, x)) < TOLERANCE


REDUCED = {
    None: np.array([1]),
    (): np.array([8, 9, 10]),
    (0,): np.array([9, 10]),
    (-1, 1): np.array([8, 1, 1]),
}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((np.ones((1, 8, 9, 10), np.float32), one(-1)), ""),
        ((np.ones((2, 8, 9, 10), np.float32), one(-1)), "have shape [2, 8, 9, 10] for a condition of shape"),
        ((np.arange(10, dtype=np.float32), one(-1)), "chooses between others than two constant numbers"),
        ((np.zeros((0,), np.float32), one(-1)), "chooses between others than two constant numbers"),
    ],
)
def test_where_chooses_between_numbers_that_may_be_repeated(values: tuple[object, object], said: str) -> None:
    net = Network(SHAPE)
    signs = net.op("Where", net.op("Less", "x", one(0.1)), *values)
    content = net.model(net.conv(signs, net.binary(16, 8, 3, 3))).SerializeToString()
    if said:
        with pytest.raises(ModelError) as error:
            graph(content)
        assert said in str(error.value)
    else:
        x = inputs()["random"]
        assert far(computed(graph(content), x), ran(content, x)) < TOLERANCE


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda net: net.op("Where", net.op("Equal", "x", one(0)), one(1), "x"), "compares others than a Sign and 0"),
        (lambda net: of_zeros(net, 0.0, 2.0), "makes others than 1 of a Sign that is 0"),
        (lambda net: of_zeros(net, 1.0, 1.0), "compares others than a Sign and 0"),
    ],
)
def test_what_is_made_of_zeros_is_plus_one(write: Callable[[Network], str], said: str) -> None:
    net = Network(SHAPE)
    with pytest.raises(ModelError) as error:
        graph(net.model(write(net)).SerializeToString())
    assert said in str(error.value)


def of_zeros(net: Network, compared: float, value: float) -> str:
    signs = net.op("Sign", "x")
    return net.op("Where", net.op("Equal", signs, one(compared)), one(value), signs)


def test_a_long_chain_of_signs_is_no_recursion() -> None:
    net = Network(SHAPE)
    x = "x"
    for _ in range(1200):
        x = net.op("Sign", net.op("Sub", net.op("Sign", x), "x"))
    found = graph(net.model(x).SerializeToString())
    assert sum(isinstance(node.operation, BitQuantize) for node in found.nodes) == 1201  # a Sign of a Sign is itself
