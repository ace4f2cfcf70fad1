"""A file that cannot be imported says everything that is missing, and nothing that only follows from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bnnbench.kernels.errors import Missing, NotImported
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.missing import MOST_FAULTS, MOST_SHOWN
from bnnbench.kernels.models.shipped import shipped_models
from bnnbench.kernels.models.tflite_file import read
from tests.kernels.model_builder import Builder

SHAPE = (1, 4, 6, 8)
FILES = [*sorted((Path(__file__).parents[1] / "golden").glob("*.tflite")), shipped_models()["quicknet_xs"]]


def refused(builder: Builder, output: int, batch: int = 1) -> NotImported:
    with pytest.raises(NotImported) as error:
        builder.graph(output, batch=batch)
    text = str(error.value)
    assert text.startswith("made.tflite")
    assert text.endswith(".")
    assert text.isprintable()
    return error.value


def test_every_op_and_option_is_named_with_counts_and_first_places() -> None:
    b = Builder()
    x = b.input(SHAPE)
    for name in ("CUMSUM", "CUMSUM", "ABS", "COS", "CUMSUM"):
        x = b.op(name, [x], b.tensor(SHAPE))
    pool = {"padding": 0, "stride_w": 1, "stride_h": 1, "filter_width": 0, "filter_height": 2}
    x = b.op("MAX_POOL_2D", [x], b.tensor(SHAPE), "Pool2DOptions", **pool)
    x = b.op("ABS", [x], b.tensor((1, 4, 6, 9)))
    found = refused(b, b.op("ABS", [x], b.tensor((1, 4, 6, 9))))
    assert str(found) == (
        "made.tflite cannot be imported: 2 ops are missing: 3 x CUMSUM (first: op 0), 1 x COS (op 3); other faults: "
        "1 x MAX_POOL_2D (op 5: its option filter_width is 0, not a number from 1 to 1048576), 1 x ABS (op 6: its "
        "output has shape [1, 4, 6, 9] where [1, 4, 6, 8] follows); measure it unverified with -e litert, or convert "
        "it without these."
    )
    assert found.missing[:2] == (Missing("CUMSUM", "", (0, 1, 4)), Missing("COS", "", (3,)))


def test_of_one_fault_the_sentence_is_about_its_op() -> None:
    b = Builder()
    out = b.op("CUMSUM", [b.input(SHAPE)], b.tensor(SHAPE))
    assert str(refused(b, out)) == (
        "made.tflite: op 0 (CUMSUM) cannot be imported: this op is not supported; measure it unverified with -e "
        "litert, or convert it without CUMSUM."
    )


@pytest.mark.parametrize("dtype", ["int64", "int32", "bool", "float16"])
def test_what_follows_from_a_missing_op_is_not_told(dtype: str) -> None:
    """A shape that an op would have made, and a value of a type that nothing here has."""
    b = Builder()
    x = b.input(SHAPE)
    made = b.op("CUMSUM", [x], b.tensor((4,), dtype))
    x = b.op("RESHAPE", [x, made], b.tensor((1, 24, 8)), "ReshapeOptions")
    x = b.op("MUL", [x, b.op("ABS", [made], b.tensor((4,), dtype))], b.tensor((1, 24, 8)), "MulOptions")
    assert refused(b, x).missing == (Missing("CUMSUM", "", (0,)),)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_batch_tells_nothing_that_is_not_so(batch: int) -> None:
    b = Builder()
    x = b.op("CUMSUM", [b.constant(np.ones(SHAPE, np.float32))], b.tensor(SHAPE))
    y = b.op("ADD", [b.input(SHAPE), x], b.tensor(SHAPE), "AddOptions")
    assert [item.op for item in refused(b, y, batch).missing] == ["CUMSUM"]


def test_inputs_are_told_beside_the_ops() -> None:
    b = Builder()
    x, other = b.input(SHAPE), b.input(SHAPE, "int64")
    out = b.op("CUMSUM", [b.op("GATHER_ND", [x, other], b.tensor(SHAPE))], b.tensor(SHAPE))
    text = str(refused(b, out))
    assert "2 ops are missing: " in text
    assert "its input 't1' is int64" in text


def test_names_of_a_hostile_file_are_short_and_printable_and_the_list_ends() -> None:
    b = Builder()
    x = b.input((1, 8))
    for number in range(3 * MOST_FAULTS):
        x = b.op(f"\x1b[31m{number % 20:02}\n{'x' * 500}", [x], b.tensor((1, 8)))
    found = refused(b, x)
    assert f"and {20 - MOST_SHOWN} more" in str(found)
    assert "at least 20 ops are missing" in str(found)
    assert len(str(found)) < 2000
    assert sum(len(item.places) for item in found.missing) == MOST_FAULTS


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_one_op_that_is_missing_is_the_only_fault(path: Path, batch: int) -> None:
    """Each op of whole models in turn, with everything behind it that needs its result."""
    model = read(path)
    for place, op in enumerate(model.ops):
        without = replace(model, ops=(*model.ops[:place], replace(op, name="CUMSUM"), *model.ops[place + 1 :]))
        with pytest.raises(NotImported) as error:
            import_model(without, batch)
        assert error.value.missing == (Missing("CUMSUM", "", (op.index,)),), op.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_two_that_are_missing_are_two(path: Path) -> None:
    model = read(path)
    ops = [replace(op, name=f"CUMSUM{op.index}") if op.index in (0, len(model.ops) // 2) else op for op in model.ops]
    with pytest.raises(NotImported) as error:
        import_model(replace(model, ops=tuple(ops)))
    assert [item.places for item in error.value.missing] == [(0,), (len(ops) // 2,)]
