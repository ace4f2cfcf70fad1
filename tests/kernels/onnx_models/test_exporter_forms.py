"""What PyTorch's exporters write around signs: masks of a gradient that nothing needs, and constants that are expanded."""

from __future__ import annotations

import numpy as np
import pytest

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.graph import BinaryConv2d, BitDequantize, BitQuantize, Concat, Conv2d, Elementwise
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
