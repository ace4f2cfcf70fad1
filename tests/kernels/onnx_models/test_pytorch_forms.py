"""Each way in which people write signs in PyTorch, by both of its exporters, computes what PyTorch computes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.formats import FORMATS
from bnnbench.kernels.models.onnx_file import parse_onnx
from bnnbench.kernels.models.operations import BinaryConv2d, BitDequantize
from tests.kernels.onnx_models.pytorch_models import EXPORTERS, FOLDER, Array
from tests.kernels.onnx_models.test_importer import TOLERANCE, computed, far, graph

ZERO_IS_ONE = ("where", "chosen tensors", "sign twice", "zeros set", "masked zeros", "moved little")
ZERO_IS_MINUS_ONE = ("truths as floats", "rounded")
"""What these forms make of 0; of others it is 0."""
REFUSED = "zeros set, dynamo"
"""The newer exporter writes `found[found == 0] = 1` as NonZero and ScatterND."""


@cache
def kept() -> dict[str, Array]:
    with np.load(FOLDER / "forms.npz", allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


FORMS = [
    name
    for name in sorted(kept())
    if name.endswith(tuple(f", {exporter}" for exporter in EXPORTERS)) and name != REFUSED
]


def form_of(name: str) -> str:
    return name.rsplit(", ", 1)[0]


def right(name: str, image: int) -> Array:
    """PyTorch's output for one of the images."""
    return kept()[f"{form_of(name)}, output"][image : image + 1]


def test_they_are_all_there() -> None:
    forms = {form_of(name) for name in FORMS}
    assert len(FORMS) == 2 * len(forms) - 1 == 2 * 19 - 1
    assert {*ZERO_IS_ONE, *ZERO_IS_MINUS_ONE} < forms


@pytest.mark.parametrize("name", FORMS)
def test_it_is_binary_and_pytorchs(name: str) -> None:
    found = graph(kept()[name].tobytes())
    assert [type(node.operation) for node in found.nodes].count(BinaryConv2d) == 1
    assert not any(isinstance(node.operation, BitDequantize) for node in found.nodes)
    assert far(computed(found, kept()["input"][:1]), right(name, 0)) < TOLERANCE


@pytest.mark.parametrize("name", FORMS)
def test_zeros_are_what_the_form_makes_of_them(name: str) -> None:
    """Of a Sign they are 0, which is computed for comparison only, and told apart by the op of the bits."""
    content, x = kept()[name].tobytes(), kept()["input"][1:]
    found = graph(content)
    if form_of(name) in (*ZERO_IS_ONE, *ZERO_IS_MINUS_ONE):
        assert far(computed(found, x), right(name, 1)) < TOLERANCE
        return
    assert far(computed(found, x), right(name, 1)) > 0.01
    assert "Sign" in [node.op for node in found.nodes if node.output.dtype == "bits"]
    as_written = FORMATS["onnx"].as_written(parse_onnx(content, Path("model.onnx")))
    assert far(computed(as_written, x), right(name, 1)) < TOLERANCE


@pytest.mark.parametrize("name", FORMS)
def test_as_written_it_is_pytorchs_too(name: str) -> None:
    as_written = FORMATS["onnx"].as_written(parse_onnx(kept()[name].tobytes(), Path("model.onnx")))
    for image in (0, 1):
        assert far(computed(as_written, kept()["input"][image : image + 1]), right(name, image)) < TOLERANCE


def test_zeros_that_are_scattered_are_refused() -> None:
    with pytest.raises(ModelError) as error:
        graph(kept()[REFUSED].tobytes())
    assert "1 x NonZero (node 2), 1 x ScatterND (node 9)" in str(error.value)
