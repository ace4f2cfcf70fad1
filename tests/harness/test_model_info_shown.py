"""`model info` as people and programs see it: whole numbers at every width, inputs and outputs, what is not run."""

from __future__ import annotations

import json
import os
import pty
import re
import struct
import subprocess
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ
from typing import Any

import numpy as np
import pytest
import tflite

from bnnbench.harness.cli.main import main
from bnnbench.kernels.models import describe
from bnnbench.kernels.models.shipped import shipped_models
from bnnbench.kernels.models.tflite_file import parse, read
from tests.harness.bench import BNNBENCH
from tests.kernels.model_builder import Builder

GOLDEN = Path(__file__).parents[1] / "golden"


def shown(file: Path | str, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What is printed into a pipe."""
    with pytest.raises(SystemExit) as ended:
        main(["model", "info", str(file), *words])
    assert not ended.value.code
    return capsys.readouterr().out


def in_terminal(columns: int, *words: str) -> str:
    """What a terminal of this width is sent."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"TERM": "xterm"}
    process = subprocess.Popen([BNNBENCH, *words], stdout=theirs, stdin=theirs, env=environment)
    os.close(theirs)
    said = b""
    try:
        while chunk := os.read(ours, 65536):
            said += chunk
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(ours)
    assert process.wait(timeout=60) == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", said.decode()).replace("\r", "")


def numbers_of(file: Path) -> set[str]:
    """Every count of the table."""
    rows = describe(read(file)).rows
    return {f"{n:,}" for row in rows for n in (row.macs_1bit, row.macs_32bit, row.parameter_bytes) if n}


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_no_number_is_split_in_a_terminal(columns: int) -> None:
    file = shipped_models()["quicknet_xl"]
    text = in_terminal(columns, "model", "info", "quicknet_xl")
    words = set(re.split(r"[\s;x]+", text))
    assert numbers_of(file) <= words
    if columns >= 80:
        assert max(map(len, text.splitlines()[: len(describe(read(file)).rows)])) <= columns


@pytest.mark.parametrize("columns", ["20", "80"])
def test_a_pipe_has_no_width(columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    text = shown("quicknet_xl", capsys)
    rows = describe(read(shipped_models()["quicknet_xl"])).rows
    assert [line.split()[:2] for line in text.splitlines()[1 : len(rows) + 1]] == [[str(r.index), r.op] for r in rows]
    assert numbers_of(shipped_models()["quicknet_xl"]) <= set(text.split())


def quantized() -> Builder:
    b = Builder()
    x = b.input((1, 4, 4, 2), "int8", 0.5, -3)
    b.tensors[x]["name"] = "the image"
    y = b.tensor((1, 2, 2, 2), "int8", [0.25, 0.75], 7, axis=3, name="scores")
    b.outputs = [
        b.op("MAX_POOL_2D", [x], y, "Pool2DOptions", filter_width=2, filter_height=2, stride_w=2, stride_h=2),
        b.op("RELU", [x], b.tensor((1, 4, 4, 2), "int8", 0.5, -3, name="größe")),
    ]
    return b


def test_inputs_and_outputs_have_names_and_quantization(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(quantized().content())
    text = shown(path, capsys)
    assert "input 'the image': int8 1x4x4x2, scale 0.5, zero point -3\n" in text
    assert "output 'scores': int8 1x2x2x2, 2 scales 0.25 to 0.75 along axis 3, zero point 7\n" in text
    assert "output 'größe': int8 1x4x4x2, scale 0.5, zero point -3\n" in text
    found = json.loads(shown(path, capsys, "--json"))
    assert found["inputs"] == [
        {
            "name": "the image",
            "dtype": "int8",
            "shape": [1, 4, 4, 2],
            "scales": [0.5],
            "zero_points": [-3],
            "axis": None,
            "open_axes": [],
            "signature_name": "",
        }
    ]
    assert found["outputs"][0]["scales"] == [0.25, 0.75]
    assert found["outputs"][0]["axis"] == 3


def test_what_is_not_run_is_marked_and_counts_no_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second subgraph with a dense layer of its own, and one that shares the first's weights."""
    content = with_subgraphs()
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    description = describe(parse(content, path))
    assert [(part.name, part.ops, part.is_run) for part in description.subgraphs] == [
        ("main", 1, True),
        ("train", 1, False),
    ]
    assert description.macs_32bit == 3 * 4
    assert description.parameters_other == 3 * 4, "one buffer, shared by both"
    text = shown(path, capsys)
    before, mark, after = text.partition("subgraph 1 'train': 1 ops, not run: only the first subgraph is\n")
    assert mark
    assert "FULLY_CONNECTED" in before
    assert "FULLY_CONNECTED" in after
    assert "signature 'learn': subgraph 1\n" in after


def with_subgraphs() -> bytes:
    """The same dense layer in two subgraphs, with one buffer."""
    import flatbuffers

    b = flatbuffers.Builder(1024)
    weights = b.CreateNumpyVector(np.ones((3, 4), "<f4").view(np.uint8).ravel())
    tflite.BufferStart(b)
    empty = tflite.BufferEnd(b)
    tflite.BufferStart(b)
    tflite.BufferAddData(b, weights)
    buffers = offsets(b, [empty, tflite.BufferEnd(b)])
    graphs = offsets(b, [subgraph(b, name) for name in ("main", "train")])
    key = b.CreateString("learn")
    tflite.SignatureDefStart(b)
    tflite.SignatureDefAddSignatureKey(b, key)
    tflite.SignatureDefAddSubgraphIndex(b, 1)
    signatures = offsets(b, [tflite.SignatureDefEnd(b)])
    tflite.OperatorCodeStart(b)
    tflite.OperatorCodeAddBuiltinCode(b, tflite.BuiltinOperator.FULLY_CONNECTED)
    codes = offsets(b, [tflite.OperatorCodeEnd(b)])
    tflite.ModelStart(b)
    tflite.ModelAddVersion(b, 3)
    tflite.ModelAddOperatorCodes(b, codes)
    tflite.ModelAddSubgraphs(b, graphs)
    tflite.ModelAddBuffers(b, buffers)
    tflite.ModelAddSignatureDefs(b, signatures)
    b.Finish(tflite.ModelEnd(b), b"TFL3")
    return bytes(b.Output())


def subgraph(b: Any, name: str) -> int:
    tensors = []
    for shape, buffer in (((1, 4), 0), ((3, 4), 1), ((1, 3), 0)):
        sizes, label = b.CreateNumpyVector(np.array(shape, np.int32)), b.CreateString(str(shape))
        tflite.TensorStart(b)
        tflite.TensorAddShape(b, sizes)
        tflite.TensorAddName(b, label)
        tflite.TensorAddBuffer(b, buffer)
        tensors.append(tflite.TensorEnd(b))
    operands, result = (b.CreateNumpyVector(np.array(which, np.int32)) for which in ([0, 1], [2]))
    tflite.OperatorStart(b)
    tflite.OperatorAddInputs(b, operands)
    tflite.OperatorAddOutputs(b, result)
    ops = offsets(b, [tflite.OperatorEnd(b)])
    everything, label = offsets(b, tensors), b.CreateString(name)
    ends = [b.CreateNumpyVector(np.array(which, np.int32)) for which in ([0], [2])]
    tflite.SubGraphStart(b)
    tflite.SubGraphAddTensors(b, everything)
    tflite.SubGraphAddInputs(b, ends[0])
    tflite.SubGraphAddOutputs(b, ends[1])
    tflite.SubGraphAddOperators(b, ops)
    tflite.SubGraphAddName(b, label)
    return int(tflite.SubGraphEnd(b))


def offsets(b: Any, items: list[int]) -> int:
    b.StartVector(4, len(items), 4)
    for item in reversed(items):
        b.PrependUOffsetTRelative(item)
    return int(b.EndVector())
