"""Reading model files: what is in them, and that whatever a file holds, the worst is one ModelError."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import struct
import time
import tracemalloc
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
import tflite
from flatbuffers import flexbuffers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models import describe
from bnnbench.kernels.models.binary_layers import binary_layers
from bnnbench.kernels.models.tflite_file import MAX_FILE_BYTES, read

GOLDEN = Path(__file__).parents[1] / "golden"
MODELS = {path.stem: path.read_bytes() for path in sorted(GOLDEN.glob("*.tflite"))}
SECONDS_PER_FILE = 5.0


def read_everything(path: Path) -> bool:
    """Uses the reader as the program does; False for a ModelError, which must be a sentence with the file."""
    try:
        model = read(path)
        describe(model)
        binary_layers(model)
    except ModelError as error:
        text = str(error)
        assert str(path) in text
        assert text.endswith(".")
        assert "\n" not in text
        return False
    return True


def test_a_known_model() -> None:
    path = GOLDEN / "tiny_larq.tflite"
    model = read(path)
    assert (model.size_bytes, model.sha256) == (
        path.stat().st_size,
        hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    assert [op.name for op in model.ops[:4]] == ["CONV_2D", "LceQuantize", "LceBconv2d", "LceBconv2d"]
    assert [tensor.shape for tensor in model.inputs] == [(1, 32, 32, 3)]
    assert [tensor.shape for tensor in model.outputs] == [(1, 10)]
    x, filters, multiplier, bias, threshold = model.ops[2].inputs
    assert x is not None
    assert x.data is None
    assert filters is not None
    assert filters.data is not None
    assert (filters.dtype, filters.data.shape) == ("int32", (64, 3, 3, 1))
    assert multiplier is bias is None
    assert threshold is not None
    assert model.ops[2].options == {
        "channels_in": 32,
        "dilation_height_factor": 1,
        "dilation_width_factor": 1,
        "padding": 0,
        "fused_activation_function": 0,
        "pad_values": 1,
        "stride_height": 2,
        "stride_width": 2,
    }


def test_quantization_and_builtin_options() -> None:
    model = read(GOLDEN / "tiny_int8.tflite")
    convolution = model.ops[1]
    assert convolution.name == "CONV_2D"
    assert convolution.options["stride_h"] == 1
    filters = convolution.inputs[1]
    assert filters is not None
    assert filters.quantization is not None
    assert filters.quantization.scales.shape == (64,)
    assert filters.quantization.axis == 0
    assert filters.data is not None
    assert filters.data.dtype == np.int8


def test_constants_are_views_not_copies() -> None:
    tracemalloc.start()
    model = read(GOLDEN / "tiny_larq.tflite")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * model.size_bytes
    assert all(t.data is None or not t.data.flags.owndata for op in model.ops for t in op.inputs if t is not None)


def test_what_is_no_model(tmp_path: Path) -> None:
    def refused(path: Path, message: str) -> None:
        with pytest.raises(ModelError) as caught:
            read(path)
        assert message in str(caught.value)
        assert not read_everything(path)

    refused(tmp_path / "missing.tflite", "No such file")
    refused(tmp_path, "is a folder")
    refused(GOLDEN / "tiny_odd.tflite" / "below", "Not a directory")
    refused(tmp_path / ("x" * 300), "File name too long")
    empty = tmp_path / "empty.tflite"
    empty.touch()
    refused(empty, "is empty")
    text = tmp_path / "text.tflite"
    text.write_text("a page of HTML, say")
    refused(text, "not a TensorFlow Lite model")
    short = tmp_path / "short.tflite"
    short.write_bytes(b"\x1c\0\0\0TFL")
    refused(short, "not a TensorFlow Lite model")
    header = tmp_path / "header.tflite"
    header.write_bytes(b"\x1c\0\0\0TFL3")
    refused(header, "is damaged")
    huge = tmp_path / "huge.tflite"
    with huge.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    refused(huge, "at most 2 GiB")


def test_a_name_with_a_zero_byte() -> None:
    with pytest.raises(ModelError, match="is not a file name"):
        read("model\0.tflite")


def test_what_would_block_when_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ModelError, match="not an ordinary file"):
        read(pipe)
    with socket.socket(socket.AF_UNIX) as server:
        folder = tmp_path if len(str(tmp_path)) < 80 else Path.cwd()
        server.bind(os.path.relpath(tmp_path / "s", folder) if folder != tmp_path else str(tmp_path / "s"))
        with pytest.raises(ModelError, match="not an ordinary file"):
            read(tmp_path / "s")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "secret.tflite"
    shutil.copy(GOLDEN / "tiny_odd.tflite", path)
    path.chmod(0)
    with pytest.raises(ModelError, match="Permission denied"):
        read(path)


def test_every_truncation_of_a_small_model(tmp_path: Path) -> None:
    whole = MODELS["tiny_dequant"]
    path = tmp_path / "cut.tflite"
    readable = 0
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        readable += read_everything(path)
    assert readable == 0


def test_lengths_that_would_take_for_ever(tmp_path: Path) -> None:
    """Each 32-bit field in turn claims to be huge: no hang, no allocation to match."""
    whole = MODELS["tiny_dequant"]
    path = tmp_path / "long.tflite"
    started = time.monotonic()
    for offset in range(8, len(whole) - 4, 4):
        for value in (0x7FFFFFFF, 0xFFFFFFFF, 100_000):
            path.write_bytes(whole[:offset] + struct.pack("<I", value) + whole[offset + 4 :])
            before = time.monotonic()
            read_everything(path)
            assert time.monotonic() - before < SECONDS_PER_FILE, (offset, value)
    assert time.monotonic() - started < 60


def bomb(ops: int) -> bytes:
    """A small model whose one op, with options of both kinds, is listed `ops` times."""
    custom = flexbuffers.Dumps({f"k{i}": i for i in range(64)})
    builder = flatbuffers.Builder(4 * ops + 4096)
    tflite.Conv2DOptionsStart(builder)
    tflite.Conv2DOptionsAddStrideH(builder, 1)
    options = tflite.Conv2DOptionsEnd(builder)
    raw = builder.CreateByteVector(custom)
    tflite.OperatorStart(builder)
    tflite.OperatorAddBuiltinOptionsType(builder, tflite.BuiltinOptions.Conv2DOptions)
    tflite.OperatorAddBuiltinOptions(builder, options)
    tflite.OperatorAddCustomOptions(builder, raw)
    op = tflite.OperatorEnd(builder)
    listed = _vector(builder, tflite.SubGraphStartOperatorsVector, [op] * ops)
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddOperators(builder, listed)
    graphs = _vector(builder, tflite.ModelStartSubgraphsVector, [tflite.SubGraphEnd(builder)])
    tflite.OperatorCodeStart(builder)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, tflite.BuiltinOperator.CONV_2D)
    codes = _vector(builder, tflite.ModelStartOperatorCodesVector, [tflite.OperatorCodeEnd(builder)])
    tflite.ModelStart(builder)
    tflite.ModelAddSubgraphs(builder, graphs)
    tflite.ModelAddOperatorCodes(builder, codes)
    builder.Finish(tflite.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


def _vector(builder: Any, start: Any, offsets: list[int]) -> int:
    start(builder, len(offsets))
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def test_one_op_listed_a_few_times(tmp_path: Path) -> None:
    path = tmp_path / "few.tflite"
    path.write_bytes(bomb(3))
    model = read(path)
    assert [op.name for op in model.ops] == ["CONV_2D"] * 3
    assert model.ops[2].options["stride_h"] == 1
    assert model.ops[2].options["k63"] == 63


def test_one_op_listed_half_a_million_times(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tflite"
    path.write_bytes(bomb(500_000))
    started = time.monotonic()
    with pytest.raises(ModelError, match="more than 250000 ops, tensors and dimensions"):
        read(path)
    assert time.monotonic() - started < 1


def test_the_most_work_a_file_may_ask_for(tmp_path: Path) -> None:
    """Just as many ops as the budget admits before their options are counted."""
    path = tmp_path / "bomb.tflite"
    path.write_bytes(bomb(100_000))
    started = time.monotonic()
    assert not read_everything(path)
    assert time.monotonic() - started < 20


MUTATION = st.one_of(
    st.tuples(st.just("byte"), st.floats(0, 1), st.integers(0, 255)),
    st.tuples(
        st.just("word"),
        st.floats(0, 1),
        st.sampled_from([0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 4]),
    ),
    st.tuples(st.just("cut"), st.floats(0, 1), st.just(0)),
    st.tuples(st.just("insert"), st.floats(0, 1), st.integers(0, 255)),
)


def mutated(whole: bytes, mutations: list[tuple[str, float, int]]) -> bytes:
    content = bytearray(whole)
    for kind, place, value in mutations:
        offset = int(place * max(len(content) - 4, 0))
        match kind:
            case "byte":
                content[offset : offset + 1] = bytes([value])
            case "word":
                offset -= offset % 4
                content[offset : offset + 4] = struct.pack("<I", value)
            case "cut":
                # Near the end, where a copy breaks off; the start alone says little.
                content = content[: len(content) - int(place * len(content) / 4)]
            case _:
                content[offset:offset] = bytes([value])
    return bytes(content)


def _fuzz(name: str, mutations: list[tuple[str, float, int]], folder: Path) -> None:
    path = folder / "fuzzed.tflite"
    path.write_bytes(mutated(MODELS[name], mutations))
    started = time.monotonic()
    read_everything(path)
    assert time.monotonic() - started < SECONDS_PER_FILE


FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@settings(FUZZ, max_examples=400)
@given(st.sampled_from(sorted(MODELS)), st.lists(MUTATION, min_size=1, max_size=6))
def test_damaged_files(tmp_path: Path, name: str, mutations: list[tuple[str, float, int]]) -> None:
    _fuzz(name, mutations, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(FUZZ, max_examples=20_000)
@given(st.sampled_from(sorted(MODELS)), st.lists(MUTATION, min_size=1, max_size=12))
def test_damaged_files_at_length(tmp_path: Path, name: str, mutations: list[tuple[str, float, int]]) -> None:
    _fuzz(name, mutations, tmp_path)


@settings(FUZZ, max_examples=200)
@given(st.binary(max_size=600))
def test_any_bytes_behind_the_identifier(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.tflite"
    path.write_bytes(struct.pack("<I", 8) + b"TFL3" + content)
    read_everything(path)
