"""Which ops the rows of a runtime's profile are, by rows that LiteRT has printed and by made up ones."""

from __future__ import annotations

import pytest

from bnnbench.kernels.engines.op_rows import Row, ops_of_rows

GEMM, IGEMM, DEPTHWISE = (
    "Fully Connected (NC, F32) GEMM",
    "Convolution (NHWC, F32) IGEMM",
    "Convolution (NHWC, F32) DWConv",
)


def rows(*names: str | tuple[str, int]) -> list[Row]:
    return [Row(name) if isinstance(name, str) else Row(*name) for name in names]


def test_mobilenet_as_litert_names_it() -> None:
    """LiteRT 2.3, MobileNetV1 in f32: 32 rows of 31 ops, because it reshapes twice."""
    ops = [
        "CONV_2D",
        *["DEPTHWISE_CONV_2D", "CONV_2D"] * 13,
        "AVERAGE_POOL_2D",
        "RESHAPE",
        "FULLY_CONNECTED",
        "SOFTMAX",
    ]
    end = ("Average Pooling (NHWC, F32) Average Pooling", "Static Reshape (NC)", "Static Reshape (NC)")
    names = [IGEMM, *[DEPTHWISE, GEMM] * 13, *end, GEMM, "Softmax (NC, F32)"]
    held = ops_of_rows(rows(*names), ops)
    assert held == [*((place,) for place in range(29)), (), (29,), (30,)]


def test_nodes_that_a_delegate_left_are_told_by_their_numbers() -> None:
    ops = ["CONV_2D", "AVERAGE_POOL_2D", "FULLY_CONNECTED", "SOFTMAX"]
    held = ops_of_rows(rows(IGEMM, ("AVERAGE_POOL_2D", 1), GEMM, ("SOFTMAX", 3)), ops)
    assert held == [(0,), (1,), (2,), (3,)]
    assert ops_of_rows(rows(IGEMM, ("ADD", 3)), ["CONV_2D", "RELU", "ADD", "ADD"]) == [(0, 1, 2), (3,)]


@pytest.mark.parametrize(
    ("names", "ops", "right"),
    [
        # A pad goes into the convolution behind it, a clamp into the one before.
        ([IGEMM, GEMM], ["PAD", "CONV_2D", "RELU", "CONV_2D"], [(0, 1, 2), (3,)]),
        ([IGEMM, GEMM], ["CONV_2D", "PAD", "CONV_2D"], [(0,), (1, 2)]),
        # Pads and quantizations at the end have nothing behind them.
        ([GEMM], ["CONV_2D", "DEQUANTIZE"], [(0, 1)]),
        # One row for a whole delegate.
        (["TfLiteXNNPackDelegate"], ["CONV_2D", "ADD", "SOFTMAX"], [(0, 1, 2)]),
        # A kind of operator that is not known here, between known ones.
        ([IGEMM, "Moonbeam (NC)", GEMM], ["CONV_2D", "FULLY_CONNECTED"], [(0,), (), (1,)]),
        ([], ["CONV_2D"], []),
        ([IGEMM], [], [()]),
    ],
)
def test_what_has_no_row_or_no_op(names: list[str], ops: list[str], right: list[tuple[int, ...]]) -> None:
    assert ops_of_rows(rows(*names), ops) == right


def test_every_op_is_held_once_in_models_of_any_size() -> None:
    for size in (1, 40, 1001):
        held = ops_of_rows(rows(*[GEMM] * size), ["CONV_2D"] * size)
        assert sorted(op for ops in held for op in ops) == list(range(size))
        assert len(held[0]) == (1 if size <= 1000 else size)  # too many to tell apart
