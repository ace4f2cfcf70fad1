"""ONNX files from outside: whatever is in them, they are read or refused in one sentence."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.formats import graph_of, read_model
from bnnbench.kernels.models.onnx_file import parse_onnx
from tests.fuzz.onnx_mutation import mutated
from tests.kernels.onnx_models.builder import Network
from tests.kernels.onnx_models.cases import CASES, build


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as error:
        graph_of(read_model(path))
    text = str(error.value)
    assert "\n" not in text
    assert str(path) in text
    return text


def external(folder: Path, location: str, size: int = 4 * 16 * 8) -> Path:
    """A model whose weights are to be found elsewhere."""
    net = Network((1, 8, 4, 4))
    model = net.model(net.conv("x", net.floats(16, 8, 1, 1)))
    (weights,) = model.graph.initializer
    external_data_helper.set_external_data(weights, location, length=size)
    weights.ClearField("raw_data")
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_data_beside_the_file(tmp_path: Path) -> None:
    path = external(tmp_path, "weights.bin")
    weights = np.arange(128, dtype="<f4")
    (tmp_path / "weights.bin").write_bytes(weights.tobytes())
    model = read_model(path)
    assert model.onnx is not None
    (found,) = model.onnx.constants.values()
    assert np.array_equal(found.reshape(-1), weights)
    assert model.size_bytes == path.stat().st_size + weights.nbytes
    (tmp_path / "weights.bin").write_bytes(weights[::-1].tobytes())
    assert read_model(path).sha256 != model.sha256


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "a/../../weights.bin", "..\\weights.bin", ""])
def test_data_outside_the_folder_is_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(512))
    (tmp_path / "inner").mkdir()
    assert "outside its folder" in refused(external(tmp_path / "inner", location))


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(512))
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/weights.bin").symlink_to("../weights.bin")
    assert "leads out of the model's folder" in refused(external(tmp_path / "inner", "weights.bin"))


@pytest.mark.parametrize("size", [0, 508, 516, 2**40])
def test_data_of_another_size_is_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(512))
    assert "is not in 'weights.bin'" in refused(external(tmp_path, "weights.bin", size))


def test_a_pipe_is_no_model(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.onnx")
    assert "is no file" in refused(tmp_path / "model.onnx")


def test_what_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for content in (b"", b"\x08", b"not a model at all", bytes(1000), b"\xff" * 100):
        path.write_bytes(content)
        refused(path)


@pytest.mark.parametrize("sizes", [[2**40], [2**31, 2**31], [-1], [2**20] * 8])
def test_sizes_are_compared_before_anything_is_allocated(tmp_path: Path, sizes: list[int]) -> None:
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=sizes, raw_data=bytes(16))
    port = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", port[:1], port[1:], [weights])
    path = tmp_path / "model.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    refused(path)


@pytest.mark.parametrize("sizes", [[2**30], [2**15, 2**15], [10**9, 10**9]])
def test_what_the_graph_makes_of_constants_is_bounded(tmp_path: Path, sizes: list[int]) -> None:
    net = Network((1, 8, 4, 4))
    filled = net.op("ConstantOfShape", np.array(sizes))
    path = tmp_path / "model.onnx"
    path.write_bytes(net.model(net.op("Add", "x", filled)).SerializeToString())
    assert "more constants than the file can hold" in refused(path)


def test_the_order_of_a_flattened_image_is_bounded(tmp_path: Path) -> None:
    """Of an image of a GB, it would be two."""
    net = Network((1, 2, 2**13, 2**13))
    path = tmp_path / "model.onnx"
    path.write_bytes(net.model(net.op("Flatten", net.op("Relu", "x"))).SerializeToString())
    assert "more constants than the file can hold" in refused(path)


@pytest.mark.parametrize(
    "write",
    [
        lambda net, x: net.op("Relu", x),
        lambda net, x: net.op("Sub", net.op("Sign", x), "x"),
        lambda net, x: net.op("Sign", net.op("Abs", x)),
    ],
)
def test_long_chains(tmp_path: Path, write: Callable[[Network, str], str]) -> None:
    """A thousand ops in a row, also such of which the importer remembers how they were made, are read; many are not."""
    path = tmp_path / "model.onnx"
    for count, is_read in ((1100, True), (4500, False)):
        net = Network((1, 4, 3, 3))
        x = "x"
        for _ in range(count):
            x = write(net, x)
        path.write_bytes(net.model(x).SerializeToString())
        if is_read:
            assert graph_of(read_model(path)).nodes
        else:
            assert "more than 4,000 ops" in refused(path)


def test_names_do_not_break_a_sentence(tmp_path: Path) -> None:
    net = Network((1, 8, 4, 4))
    model = net.model(net.op("Relu", "x"))
    model.graph.output[0].name = "a\nb"
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    assert "its output 'a?b' is computed by no node" in refused(path)


def test_two_nodes_may_not_make_one_value(tmp_path: Path) -> None:
    net = Network((1, 8, 4, 4))
    y = net.op("Relu", "x")
    model = net.model(y)
    model.graph.node.append(onnx.NodeProto(op_type="Abs", input=["x"], output=[y]))
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    assert "is computed twice" in refused(path)


def test_mutated_files_are_read_or_refused() -> None:
    """No traceback, whatever became of a file; `make fuzz` does many more."""
    contents = [build(name) for name in CASES]
    read = 0
    for seed in range(1500):
        said = outcome(mutated(contents[seed % len(contents)], seed))
        read += said == ""
        assert "\n" not in said
    assert 100 < read < 1400


def outcome(content: bytes) -> str:
    """What was said of a file; nothing where it was read."""
    try:
        graph_of(parse_onnx(content, Path("model.onnx")))
    except ModelError as error:
        return str(error)
    return ""
