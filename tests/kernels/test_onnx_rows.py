"""Which nodes the rows of onnxruntime's profile are, by rows that it has printed and by made up ones."""

from __future__ import annotations

import onnx
import pytest
from onnx import helper

from bnnbench.kernels.engines.onnx_rows import nodes_of_rows, numbered_onnx
from bnnbench.kernels.models.model import OnnxContent, OnnxNode, OnnxPort

X = "image"


def content(*lines: str) -> OnnxContent:
    """Nodes of lines such as "Conv image -> y", numbered as they stand."""
    made = []
    for index, line in enumerate(lines):
        before, _, after = line.partition(" -> ")
        op, *inputs = before.split()
        made.append(OnnxNode(index, op, {}, tuple(inputs), tuple(after.split())))
    return OnnxContent(13, tuple(made), {}, (OnnxPort(X, "float32", (1,)),), ())


def test_blocked_convolutions_are_called_by_what_they_make() -> None:
    """onnxruntime 1.32: batch norm, residual sum and clamp are fused into the convolution."""
    model = content(
        "Conv image w -> a",
        "BatchNormalization a -> b",
        "Clip b -> c",
        "Conv c v -> d",
        "BatchNormalization d -> e",
        "Add e c -> f",
        "Sign f -> g",
    )
    rows = ["c_nchwc", "e_nchwc_token_7", "ReorderOutput_token_3", "#6#"]
    assert nodes_of_rows(rows, model) == [(0, 1, 2), (3, 4, 5), (), (6,)]


def test_quantized_convolutions_take_what_is_around_them() -> None:
    """But not what makes their weights, which is computed before the run."""
    model = content(
        "DequantizeLinear w -> v",
        "QuantizeLinear image -> q",
        "DequantizeLinear q -> x",
        "Conv x v -> y",
        "QuantizeLinear y -> z",
        "DequantizeLinear z -> o",
    )
    assert nodes_of_rows(["#1#", "Transpose", "#3#_token_1", "#5#"], model) == [(1,), (), (2, 3, 4), (5,)]


@pytest.mark.parametrize(
    ("rows", "lines", "right"),
    [
        (["a_nchwc", "b_bn_nchwc"], ["MaxPool image -> a", "BatchNormalization a -> b"], [(0,), (1,)]),
        # What is computed before the run, and what no rule knows, is in no row.
        (["#2#"], ["Abs w -> a", "Shape image -> s", "Relu image -> y"], [(2,)]),
        (["#0#"], ["Relu image -> a", "Moonbeam a -> b"], [(0,)]),
        (["#4#"], ["Abs w -> a", "Sign a -> b", "Mul a b -> c", "Conv image c -> d", "Relu d -> y"], [(3, 4)]),
        # Of a sum, one operand has a row, and the other is fused into the row that follows.
        (
            ["a_nchwc", "d_nchwc"],
            ["Conv image -> a", "Conv a -> b", "Add b a -> c", "Relu c -> d"],
            [(0,), (1, 2, 3)],
        ),
        (
            ["a_nchwc", "b_nchwc", "#3#"],
            ["Conv image -> a", "Conv a -> b", "Add b a -> c", "Sign c -> d"],
            [(0,), (1, 2), (3,)],
        ),
        # A sum goes with the operand that is computed last.
        (["#1#", "#0#"], ["Conv image -> a", "Conv image -> b", "Add a b -> c"], [(1,), (0, 2)]),
        # Two nodes in one row, and one node in two rows.
        (["fused #0# #1#"], ["MatMul image -> a", "Add a -> b"], [(0, 1)]),
        (["#0#", "#0#"], ["Relu image -> a"], [(0,), ()]),
        # Names from elsewhere.
        (["#7#", "#-1#", "##", "", "#99999999999#", "_nchwc", "x_nchwc"], ["Relu image -> a"], [()] * 7),
        ([], ["Relu image -> a"], []),
        (["#0#"], [], [()]),
    ],
)
def test_what_has_no_row_or_no_node(rows: list[str], lines: list[str], right: list[tuple[int, ...]]) -> None:
    assert nodes_of_rows(rows, content(*lines)) == right


def test_numbers_take_the_place_of_names() -> None:
    made = [helper.make_node("Relu", ["x"], ["a"], name="same"), helper.make_node("Relu", ["a"], ["y"], name="same")]
    ports = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in ("x", "y")]
    model = helper.make_model(helper.make_graph(made, "g", ports[:1], ports[1:]))
    changed = onnx.load_from_string(numbered_onnx(model.SerializeToString()))
    assert [node.name for node in changed.graph.node] == ["#0#", "#1#"]
    assert [list(node.input) for node in changed.graph.node] == [["x"], ["a"]]
