"""Which ops of two models belong together, and where their values part."""

from __future__ import annotations

import numpy as np
import pytest

from bnnbench.kernels.models.difference import Pair, aligned, distance, distances
from bnnbench.kernels.models.graph import Graph, Tensor
from bnnbench.kernels.models.interpreter import interpret
from bnnbench.kernels.packing import pack
from tests.kernels.bad_models import BAD, good
from tests.kernels.model_builder import Builder

pytestmark = pytest.mark.timeout(60)


def statuses(pairs: list[Pair]) -> list[str]:
    return [pair.status for pair in pairs]


def indices(pairs: list[Pair]) -> list[tuple[int | None, int | None]]:
    return [(None if p.a is None else p.a.index, None if p.b is None else p.b.index) for p in pairs]


def chain(*scales: float) -> Graph:
    """One MUL for each scale."""
    b = Builder()
    x = b.input((1, 2, 2, 3))
    for scale in scales:
        x = b.op("MUL", [x, b.constant(np.full(3, scale, np.float32))], b.tensor((1, 2, 2, 3)), "MulOptions")
    return b.graph(x)


def test_a_model_is_the_same_as_itself() -> None:
    pairs = aligned(good().graph(), good().graph())
    assert set(statuses(pairs)) == {"same"}
    assert [a for a, _ in indices(pairs)] == [b for _, b in indices(pairs)]


def test_ops_that_only_one_has_are_told_and_the_others_still_belong_together() -> None:
    a, b = good().graph(), BAD["unfused"][1]().graph()
    pairs = aligned(a, b)
    added = [pair.b.op for pair in pairs if pair.status == "added" and pair.b]
    assert added == ["MUL", "ADD"] * 4
    assert "removed" not in statuses(pairs)
    assert [pair.a for pair in pairs if pair.a is not None] == list(a.nodes)
    assert [pair.b for pair in pairs if pair.b is not None] == list(b.nodes)
    back = aligned(b, a)
    assert [pair.status for pair in back].count("removed") == 8


def test_what_differs_in_a_pair_is_named() -> None:
    pairs = aligned(good().graph(), BAD["zero_padded"][1]().graph())
    convolutions = [pair for pair in pairs if pair.a and pair.b and pair.a.op == "LceBconv2d"]
    assert len(convolutions) == 4
    assert all("pad value" in pair.changes for pair in convolutions)
    changed = aligned(chain(1, 2), chain(1, 3))
    assert statuses(changed) == ["same", "changed"]
    assert changed[1].changes == ("constants",)
    wider = aligned(good().graph(), BAD["channels_48"][1]().graph())
    assert "output shape" in wider[0].changes


def test_the_first_value_that_differs_is_found() -> None:
    a, b = chain(1, 2, 3), chain(1, 2.5, 3)
    x = [np.arange(12, dtype=np.float32).reshape(1, 2, 2, 3)]
    pairs = aligned(a, b)
    found = distances(pairs, interpret(a, x, keep=True).values, interpret(b, x, keep=True).values)
    first, second, third = found
    assert first
    assert first.largest == 0 == first.differing
    assert second
    assert second.largest == 5.5
    assert second.relative == 5.5 / 27.5
    assert (second.differing, second.values) == (11, 12)
    assert third
    assert third.relative == pytest.approx(second.relative)


def test_distances_are_of_real_numbers() -> None:
    floats, steps = Tensor("f", (1, 4), "f32"), Tensor("q", (1, 4), "i8", 0.5, 10)
    found = distance(floats, np.array([[0, 1, 2, 3]], np.float32), steps, np.array([[10, 12, 14, 15]], np.int8))
    assert found
    assert (found.largest, found.differing) == (0.5, 1)
    bits = Tensor("b", (1, 40), "bits")
    signs = np.ones((1, 40))
    other = signs.copy()
    other[0, :10] = -1
    apart = distance(bits, pack(signs), bits, pack(other))
    assert apart
    assert (apart.relative, apart.differing, apart.values) == (0.25, 10, 40)
    assert distance(floats, np.zeros((1, 4), np.float32), bits, pack(signs)) is None


@pytest.mark.parametrize(
    ("x", "y", "largest"),
    [(np.nan, np.nan, 0), (np.inf, np.inf, 0), (np.nan, 1, np.inf), (np.inf, 1, np.inf), (0.0, -0.0, 0)],
)
def test_values_that_are_no_numbers(x: float, y: float, largest: float) -> None:
    tensor = Tensor("t", (1,), "f32")
    found = distance(tensor, np.array([x], np.float32), tensor, np.array([y], np.float32))
    assert found
    assert found.largest == largest
