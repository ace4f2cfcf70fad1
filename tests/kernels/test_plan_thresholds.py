"""Thresholds in place of float arithmetic: the same sign for every dot product that can be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bnnbench.kernels.models.graph import Graph, Node, Tensor
from bnnbench.kernels.models.operations import (
    BinaryConv2d,
    BitQuantize,
    Clamp,
    Elementwise,
    Operation,
    PRelu,
    Reshape,
    Unary,
)
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.models.plan.plan_reader import read_plan
from bnnbench.kernels.ops import CLAMPS, BConv2d, words

from .plan_interpreter import run_plan

_TINY = [0.0, -0.0, 1e-45, -1e-45, 1.2e-38, -3e-39, 1e-20, -1e-7, 0.1, -0.1, 1 / 3, 1.0, -2.0, 1e30, -1e38]
_LIMITS = st.sampled_from([Clamp(0.0), Clamp(-1.0, 1.0), Clamp(-2.0, 6.0)])
_VALUES = st.one_of(st.sampled_from(_TINY), st.floats(-4, 4, width=32))


def network(
    spec: BConv2d,
    filters: NDArray[np.uint32],
    multiplier: NDArray[np.float32],
    bias: NDArray[np.float32],
    after: list[tuple[Operation, NDArray[np.float32] | None]],
) -> Graph:
    """bits -> binary convolution -> operations of each channel -> bits."""
    x = Tensor("x", (spec.n, spec.h, spec.w, spec.c), "bits")
    shape = (spec.n, spec.out_h, spec.out_w, spec.oc)
    value = Tensor("dot", shape, "f32")
    nodes = [Node(0, "LceBconv2d", BinaryConv2d(spec, filters, multiplier, bias, None), (x,), value)]
    for operation, constant in after:
        out = Tensor(f"t{len(nodes)}", shape, "f32")
        operands = (value,) if constant is None else (value, Tensor("c", (spec.oc,), "f32", data=constant))
        nodes.append(Node(len(nodes), type(operation).__name__, operation, operands, out))
        value = out
    bits = Tensor("bits", shape, "bits")
    nodes.append(Node(len(nodes), "LceQuantize", BitQuantize(), (value,), bits))
    return Graph(tuple(nodes), (x,), (bits,))


def fused_kind(one: Graph) -> str:
    (step,) = read_plan(make_plan(one).to_bytes()).steps
    return step.kind


def check(one: Graph, x: NDArray[np.uint32]) -> None:
    """With thresholds the same bits as with float arithmetic."""
    (fused,) = run_plan(make_plan(one).to_bytes(), [x])
    (plain,) = run_plan(make_plan(one, without={"threshold"}).to_bytes(), [x])
    np.testing.assert_array_equal(fused, plain)


def every_dot(c: int) -> NDArray[np.uint32]:
    """u32[1, 1, c + 1, words]: pixel i has its first i bits set, so against plain filters every dot product occurs."""
    ones = np.tri(c + 1, 32 * words(c), -1, dtype=np.uint32)
    lanes = ones.reshape(c + 1, words(c), 32) << np.arange(32, dtype=np.uint32)
    return lanes.sum(axis=-1, dtype=np.uint32)[None, None]


def plain_filters(oc: int, c: int) -> NDArray[np.uint32]:
    """u32[oc, 1, 1, words]: by turns all +1 and all -1."""
    return np.where(np.arange(oc)[:, None, None, None] % 2, every_dot(c)[0, 0, c], 0).astype(np.uint32)


@st.composite
def changes(draw: st.DrawFn, oc: int) -> list[tuple[Operation, NDArray[np.float32] | None]]:
    """Monotone operations of each channel, rising and falling."""

    def constant(values: st.SearchStrategy[float] = _VALUES) -> NDArray[np.float32]:
        return np.array(draw(st.lists(values, min_size=oc, max_size=oc)), np.float32)

    found: list[tuple[Operation, NDArray[np.float32] | None]] = []
    for kind in draw(st.lists(st.sampled_from(["add", "sub", "mul", "prelu", "clamp"]), max_size=3)):
        if kind == "prelu":
            found.append((PRelu(), constant(st.floats(0, 2, width=32))))
        elif kind == "clamp":
            found.append((Unary("clamp", draw(_LIMITS)), None))
        else:
            found.append((Elementwise(kind), constant()))  # type: ignore[arg-type]
    return found


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from([1, 5, 32, 40]), st.sampled_from(list(CLAMPS)))
def test_every_dot_product_keeps_its_sign(data: st.DataObject, c: int, act: str) -> None:
    oc = 6
    spec = BConv2d(h=1, w=c + 1, c=c, oc=oc, kh=1, kw=1, act=act, out="f32")  # type: ignore[arg-type]
    multiplier, bias = (np.array(data.draw(st.lists(_VALUES, min_size=oc, max_size=oc)), np.float32) for _ in range(2))
    check(network(spec, plain_filters(oc, c), multiplier, bias, data.draw(changes(oc))), every_dot(c))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(8, 1), (33, 1), (64, 2), (128, 2)]),
    st.sampled_from([0, 1]),
    st.sampled_from([1, 2]),
)
def test_windows_padding_and_groups(seed: int, channels: tuple[int, int], pad_value: int, dilation: int) -> None:
    """Flipped filters keep their unused bits at 0 and their padding right."""
    rng, (c, groups) = np.random.default_rng(seed), channels
    spec = BConv2d(
        h=4, w=5, c=c, oc=6, kh=3, kw=3, dh=dilation, dw=dilation, groups=groups, pad_value=pad_value, out="f32"
    )
    x, filters = (rng.integers(0, 2**32, array.shape, np.uint32) for array in spec.inputs()[:2])
    if c % 32:
        x[..., -1] &= np.uint32((1 << c % 32) - 1)
        filters[..., -1] &= np.uint32((1 << c % 32) - 1)
    multiplier = rng.choice(np.float32([-1, -0.3, 0, 0.25, 1]), spec.oc)
    bias = rng.integers(-9, 10, spec.oc).astype(np.float32)
    one = network(spec, filters, multiplier, bias, [])
    check(one, x)
    if pad_value == 1 or c % 2 == 0:
        assert fused_kind(one) == "bconv_bits"
    for step in read_plan(make_plan(one).to_bytes()).steps:
        if c % 32:
            assert not np.any(step.arguments["filter"][..., -1] >> np.uint32(c % 32))


@pytest.mark.parametrize(
    ("operation", "constant", "expected"),
    [
        (Elementwise("mul"), np.full(4, -1, np.float32), "bconv_bits"),
        (PRelu(), np.full(4, 0.5, np.float32), "bconv_bits"),
        (PRelu(), np.full(4, -0.5, np.float32), "bconv"),
        (Unary("abs"), None, "bconv"),
    ],
)
def test_only_what_is_monotone(operation: Operation, constant: NDArray[np.float32] | None, expected: str) -> None:
    spec = BConv2d(h=1, w=9, c=8, oc=4, kh=1, kw=1, out="f32")
    affine = np.float32([1, -1, 0, 1]), np.float32([0, 1, -1, -3])
    one = network(spec, plain_filters(4, 8), *affine, [(operation, constant)])
    assert fused_kind(one) == expected
    check(one, every_dot(8))


def test_overflow_keeps_float_arithmetic() -> None:
    """inf * 0 is not a number and so +1, while smaller dot products give -1: no threshold says that."""
    spec = BConv2d(h=1, w=9, c=8, oc=4, kh=1, kw=1, out="f32")
    zero, less = np.zeros(4, np.float32), np.full(4, -1, np.float32)
    affine = np.full(4, 4e37, np.float32), zero
    changes = [(Elementwise("mul"), np.full(4, 10, np.float32)), (Elementwise("mul"), zero), (Elementwise("add"), less)]
    one = network(spec, plain_filters(4, 8), *affine, changes)
    assert fused_kind(one) == "bconv"
    check(one, every_dot(8))


@pytest.mark.parametrize("other", [(2, 3, 1, 8), (6, 1, 1, 8), (1, 2, 3, 8), (2, 1, 3, 8)])
def test_signs_of_another_shape_than_the_convolution(other: tuple[int, ...]) -> None:
    """A reshape between the two is no step, and the convolution's own shape is not to be read from the signs."""
    spec = BConv2d(n=2, h=1, w=3, c=8, oc=8, kh=1, kw=1)
    rng = np.random.default_rng(2)
    filters = rng.integers(0, 256, (8, 1, 1, 1), np.uint32)
    ones, zeros = np.ones(8, np.float32), np.zeros(8, np.float32)
    x, dot = Tensor("x", (2, 1, 3, 8), "bits"), Tensor("dot", (2, 1, 3, 8), "f32")
    seen, signs = Tensor("seen", other, "f32"), Tensor("signs", other, "bits")
    nodes = (
        Node(0, "LceBconv2d", BinaryConv2d(spec, filters, ones, zeros, None), (x,), dot),
        Node(1, "RESHAPE", Reshape(), (dot,), seen),
        Node(2, "LceQuantize", BitQuantize(), (seen,), signs),
    )
    one = Graph(nodes, (x,), (signs,))
    image = rng.integers(0, 256, (2, 1, 3, 1), np.uint32)
    assert fused_kind(one) == ("bconv_bits" if other == dot.shape else "bconv")
    check(one, image)
    (found,) = run_plan(make_plan(one).to_bytes(), [image])
    both = np.bitwise_xor(image[:, :, :, None, 0], filters[None, None, None, :, 0, 0, 0])
    expected = 2 * np.bitwise_count(both) > 8  # the dot product is negative
    np.testing.assert_array_equal(
        np.unpackbits(found.view(np.uint8), bitorder="little")[: found.size * 32].reshape(-1, 32)[:, :8],
        expected.reshape(-1, 8),
    )
