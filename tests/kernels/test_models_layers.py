"""Binary layers of real models: their meaning against LCE's outputs, their counts against published ones."""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models import describe
from bnnbench.kernels.models.binary_layers import BinaryLayer, arrays_for, binary_layers
from bnnbench.kernels.models.model import ModelFile, TensorRef
from bnnbench.kernels.models.tflite_file import read
from bnnbench.kernels.ops import NUMPY_DTYPE
from bnnbench.kernels.reference import oracle
from bnnbench.kernels.reference.run import run_jit

from .replay import replay

GOLDEN = Path(__file__).parents[1] / "golden"
TINY = sorted(path.stem for path in GOLDEN.glob("*.tflite"))


def golden_folder() -> Path:
    folder = os.environ.get("BNNBENCH_GOLDEN")
    if not folder:
        pytest.skip("BNNBENCH_GOLDEN is not set: the folder with the full-size golden models")
    return Path(folder)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("tiny_bmaxpool_presign", 0.0),
        ("tiny_dequant", 0.0),
        ("tiny_grouped", 0.0),
        ("tiny_larq", 1e-5),
        # LCE's own mean over the image is off by this much; Keras agrees with the replay to 1e-6.
        ("tiny_bmaxpool", 2e-5),
        # One step of the int8 output.
        ("tiny_int8", 0.0236),
    ],
)
def test_replay_equals_lce(name: str, tolerance: float) -> None:
    model = read(GOLDEN / f"{name}.tflite")
    with np.load(GOLDEN / f"{name}.npz") as golden:
        output = np.concatenate([replay(model, image[np.newaxis]) for image in golden["input"]])
        scale = 1.0 if name == "tiny_int8" else float(np.abs(golden["output"]).max())
        assert output.shape == golden["output"].shape
        assert np.abs(output - golden["output"]).max() <= tolerance * scale


def test_where_lce_is_wrong_the_right_answer_wins() -> None:
    """SAME zero-padding with dilation on a small map: LCE differs from Keras, which is right."""
    with np.load(GOLDEN / "tiny_odd.npz") as golden:
        output = replay(read(GOLDEN / "tiny_odd.tflite"), golden["input"])
        assert np.array_equal(output, golden["keras_output"])
        assert np.abs(output - golden["output"]).max() == 33


def test_layers_of_a_known_model() -> None:
    first, second = binary_layers(read(GOLDEN / "tiny_larq.tflite"))
    assert (first.index, first.name) == (2, "op2 bconv2d 32x32x32->64 3x3 s2 bits")
    assert first.threshold is not None
    assert first.multiplier is first.bias is None
    assert (second.index, second.name) == (3, "op3 bconv2d 16x16x64->64 3x3 f32")
    assert second.threshold is None
    assert second.multiplier is not None
    assert not first.note
    assert second.tensor


def test_int8_layers_say_what_is_measured() -> None:
    layers = binary_layers(read(GOLDEN / "tiny_int8.tflite"))
    assert [layer.spec.out for layer in layers] == ["f32", "f32"]
    assert all("int8" in layer.note for layer in layers)
    assert layers[0].spec.act == "relu"


def test_groups_follow_from_the_filters_depth() -> None:
    (layer,) = binary_layers(read(GOLDEN / "tiny_grouped.tflite"))
    assert (layer.spec.c, layer.spec.groups) == (128, 2)
    assert layer.spec.macs_1bit == 8 * 8 * 64 * 9 * 64


@pytest.mark.parametrize("name", TINY)
def test_every_layers_kernels_equal_the_oracle(name: str) -> None:
    model = read(GOLDEN / f"{name}.tflite")
    for layer in binary_layers(model):
        assert_layer(layer)


def test_every_layer_of_the_full_models() -> None:
    for path in sorted(golden_folder().glob("*.tflite")):
        layers = binary_layers(read(path))
        for layer in layers[:: max(len(layers) // 4, 1)]:
            assert_layer(layer)


def assert_layer(layer: BinaryLayer) -> None:
    arrays = arrays_for(layer, 4)
    listed = [(array.name, np.dtype(NUMPY_DTYPE[array.dtype]), array.shape) for array in layer.spec.inputs()]
    assert [(name, array.dtype, array.shape) for name, array in arrays.items()] == listed
    assert run_jit(layer.spec, arrays).tobytes() == oracle.run(layer.spec, arrays).tobytes()


def test_macs_equal_the_published_ones() -> None:
    folder = golden_folder()
    with (folder.parent / "reference" / "published.csv").open(newline="") as file:
        published = {row["model"]: row for row in csv.DictReader(file) if row["macs_1bit"]}
    compared = 0
    for path in folder.glob("*.tflite"):
        if row := published.get(path.stem):
            compared += 1
            total = describe(read(path))
            assert total.macs_1bit == int(row["macs_1bit"]), path.stem
            # QuickNet's fixed blur filters before each stage are not in the published count.
            blur = 28 * 28 * 32 * 9 + 14 * 14 * 64 * 9 + 7 * 7 * 256 * 9 if path.stem == "QuickNetSmall" else 0
            assert total.macs_32bit == int(row["macs_32bit"]) + blur, path.stem
            assert 0.95 < total.parameter_bytes / path.stat().st_size < 1
    assert compared >= 4


def test_description_of_a_known_model() -> None:
    description = describe(read(GOLDEN / "tiny_larq.tflite"))
    stem, _, conv, *_ = description.rows
    assert (stem.op, stem.macs_32bit, stem.macs_1bit) == ("CONV_2D", 32 * 32 * 32 * 27, 0)
    assert stem.inputs == "float32[1,32,32,3], float32[32,3,3,3], float32[32]"
    assert "dilation_h_factor=1" in stem.options
    assert (conv.op, conv.macs_1bit, conv.parameter_bytes) == (
        "LceBconv2d",
        16 * 16 * 64 * 9 * 32,
        64 * 9 * 4 + 64 * 4,
    )
    assert conv.inputs == "int32[1,32,32,1], int32[64,3,3,1], -, -, int32[64]"
    assert description.macs_1bit == sum(
        layer.spec.macs_1bit for layer in binary_layers(read(GOLDEN / "tiny_larq.tflite"))
    )


def _changed(model: ModelFile, index: int, **changes: object) -> ModelFile:
    ops = tuple(replace(op, **changes) if op.index == index else op for op in model.ops)  # type: ignore[arg-type]
    return replace(model, ops=ops)


def _with_input(model: ModelFile, index: int, position: int, tensor: TensorRef | None) -> ModelFile:
    inputs = list(model.ops[index].inputs)
    inputs[position] = tensor
    return _changed(model, index, inputs=tuple(inputs))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stride_height": 0}, "sh=0"),
        ({"padding": 7}, "padding is 7"),
        ({"fused_activation_function": 4}, "fused_activation_function is 4"),
        ({"pad_values": 3}, "pad_value=3"),
        ({"channels_in": "many"}, "channels_in is missing or no integer"),
        ({"channels_in": 65}, "2 words for 65 channels"),
        ({"stride_width": 3}, "output has shape"),
    ],
)
def test_a_layer_that_makes_no_sense_is_one_sentence(options: dict[str, object], message: str) -> None:
    model = read(GOLDEN / "tiny_larq.tflite")
    broken = _changed(model, 3, options={**model.ops[3].options, **options})
    with pytest.raises(ModelError, match=r"tiny_larq\.tflite: op 3 \(LceBconv2d\)") as caught:
        binary_layers(broken)
    assert message in str(caught.value)


def test_missing_or_wrong_weights_are_one_sentence() -> None:
    model = read(GOLDEN / "tiny_larq.tflite")
    filters, multiplier = model.ops[3].inputs[1:3]
    assert filters is not None
    assert filters.data is not None
    for broken, message in [
        (_with_input(model, 3, 1, None), "filter is missing"),
        (_with_input(model, 3, 1, replace(filters, data=None)), "filter is not a constant"),
        (_with_input(model, 3, 3, None), "bias is not a constant"),
        (_with_input(model, 2, 4, multiplier), "threshold is not a constant int32"),
    ]:
        with pytest.raises(ModelError) as caught:
            binary_layers(broken)
        assert message in str(caught.value)


def test_filter_bits_beyond_the_channels_are_refused() -> None:
    model = read(GOLDEN / "tiny_odd.tflite")
    filters = model.ops[1].inputs[1]
    assert filters is not None
    assert filters.data is not None
    broken = _with_input(model, 1, 1, replace(filters, data=np.full_like(filters.data, -1)))
    with pytest.raises(ModelError, match="bits set beyond its 35 channels"):
        binary_layers(broken)
