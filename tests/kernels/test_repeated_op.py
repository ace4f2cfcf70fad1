"""A file with an op repeated is the same model to interpreters of others, however often and whichever op."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tflite

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.repeated_op import with_repeated_op
from bnnbench.kernels.models.tflite_file import parse, read

from .judges import Judge
from .model_builder import PATH, Builder

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("name", ["tiny_larq", "tiny_int8", "tiny_bmaxpool"])
def test_lce_computes_the_same(name: str, tmp_path: Path) -> None:
    content = (GOLDEN / f"{name}.tflite").read_bytes()
    model = parse(content, PATH)
    inputs = [np.load(GOLDEN / f"{name}.npz")["input"][:1]]
    judge = Judge("lce", tmp_path)
    try:
        (right,) = judge.outputs(content, inputs)
        for op in range(len(model.ops)):
            found = judge.outputs(with_repeated_op(content, op, 1 + op % 3), inputs)
            assert not isinstance(found, str), found
            np.testing.assert_array_equal(found[0], right)
    finally:
        judge.close()


def two_outputs() -> bytes:
    """SPLIT has two outputs, and both are used."""
    b = Builder()
    x, axis = b.input((1, 3, 3, 8)), b.constant(np.array(3, np.int32))
    halves = [b.tensor((1, 3, 3, 4)), b.tensor((1, 3, 3, 4))]
    b.op("SPLIT", [axis, x], halves, "SplitOptions", num_splits=2)
    difference = b.op("SUB", halves, b.tensor((1, 3, 3, 4)), "SubOptions")
    return b.content(b.op("ABS", [difference], b.tensor((1, 3, 3, 4))))


@pytest.mark.parametrize("kernels", ["litert", "litert-reference"])
def test_litert_computes_the_same(kernels: str, tmp_path: Path) -> None:
    content = two_outputs()
    inputs = [np.random.default_rng(1).standard_normal((1, 3, 3, 8)).astype(np.float32)]
    judge = Judge(kernels, tmp_path)
    try:
        for op, more in ((0, 1), (0, 9), (1, 4), (2, 30)):
            (found,) = judge.outputs(with_repeated_op(content, op, more), inputs)
            np.testing.assert_array_equal(found, np.abs(inputs[0][..., :4] - inputs[0][..., 4:]))
    finally:
        judge.close()


def test_the_op_is_there_as_often_as_it_was_asked_for() -> None:
    content = (GOLDEN / "tiny_larq.tflite").read_bytes()
    before = read(GOLDEN / "tiny_larq.tflite")
    for op in range(len(before.ops)):
        after = parse(with_repeated_op(content, op, 5), PATH)
        names = [one.name for one in before.ops]
        assert [one.name for one in after.ops] == [*names[:op], *[names[op]] * 5, *names[op:]]
        copies = after.ops[op : op + 6]
        assert all(copy.options == before.ops[op].options for copy in copies)
        places = [[ref.index for ref in copy.inputs if ref is not None] for copy in copies]
        assert all(place == places[-1] for place in places)
        outputs = [ref.index for copy in copies for ref in copy.outputs if ref is not None]
        assert len(set(outputs)) == len(outputs)
        assert [ref.index for ref in after.outputs] == [ref.index for ref in before.outputs]
    assert with_repeated_op(content, 0, 0).endswith(content)


def test_copies_are_aligned_as_what_they_copy() -> None:
    content = (GOLDEN / "tiny_larq.tflite").read_bytes()
    before = tflite.Model.GetRootAs(content, 0).Subgraphs(0)
    for op in range(before.OperatorsLength()):
        after = tflite.Model.GetRootAs(with_repeated_op(content, op, 3), 0).Subgraphs(0)
        tables = [(after.Operators(op + i), before.Operators(op)) for i in range(3)]
        tables += [(after.Tensors(after.TensorsLength() - 1), before.Tensors(before.Operators(op).Outputs(0)))]
        assert all((new._tab.Pos - old._tab.Pos) % 8 == 0 for new, old in tables)


@pytest.mark.parametrize("op", [-1, 3, 10**9])
def test_an_op_that_is_not_there(op: int) -> None:
    with pytest.raises(ModelError, match="the model has 3 ops"):
        with_repeated_op(two_outputs(), op, 1)


def test_damaged_files_are_refused_or_repeated_but_nothing_else() -> None:
    content, rng = two_outputs(), np.random.default_rng(2)
    damaged = [content[:length] for length in range(0, len(content), 7)]
    for _ in range(2000):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        damaged.append(bytes(changed))
    refused = 0
    for one in damaged:
        try:
            assert with_repeated_op(one, 0, 2).endswith(one)
        except ModelError:
            refused += 1
    assert 100 < refused < len(damaged)
