"""`infer` with several inputs and outputs by name, and with sizes that the file leaves open."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from numpy.typing import NDArray

import bnnbench as bnn
from bnnbench.harness.errors import CallError
from bnnbench.harness.plan.engines import engine_named
from bnnbench.harness.tasks.infer import Inference, infer
from bnnbench.kernels.engines.installation import installed
from bnnbench.kernels.errors import ModelError
from tests.harness.bench import Bench, one_sentence
from tests.kernels.model_builder import Builder
from tests.kernels.onnx_models.builder import Network

Array = NDArray[Any]
RNG = np.random.default_rng(8)
needs_litert = pytest.mark.skipif(installed("litert") is None, reason="bnnbench engines install litert")
ENGINES = ["native", pytest.param("litert", marks=needs_litert)]
POOL = {"padding": 0, "stride_w": 2, "stride_h": 2, "filter_width": 2, "filter_height": 2}


def two(missing: bool = False) -> bytes:
    """a [1, 4] and b/x [1, 4] to their sum [1, 4] and the absolute values of b; with `missing`, also of an op that is
    not imported."""
    made = Builder()
    a, b = made.tensor((1, 4), name="a"), made.tensor((1, 4), name="b/x")
    made.inputs = [a, b]
    made.named_inputs = {"left": a, "right": b}
    total = made.op("ADD", [a, b], made.tensor((1, 4), name="sum"), "AddOptions")
    size = made.op("ABS", [b], made.tensor((1, 4), name="size"))
    if missing:
        size = made.op("COS", [size], made.tensor((1, 4), name="cos"))
    made.named_outputs = {"total": total, "size": size}
    return made.content(total, size)


def dynamic(op: str = "ABS") -> bytes:
    """Images of any size to the largest of each 2x2."""
    made = Builder()
    x = made.input((1, 1, 1, 3))
    y = made.op("MAX_POOL_2D", [x], made.tensor((1, 1, 1, 3)), "Pool2DOptions", **POOL)
    y = made.op(op, [y], made.tensor((1, 1, 1, 3)))
    made.open_axes = dict.fromkeys(range(len(made.tensors)), (0, 1, 2))
    return made.content(y)


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BNNBENCH_LOCK", f"test {tmp_path}")
    monkeypatch.chdir(tmp_path)


def inferred(content: bytes, inputs: Array | Mapping[str, Array], engine: str = "native", **more: Any) -> Inference:
    model = Path("model.tflite")
    model.write_bytes(content)
    named = {"device": "local", "inventory": None, "threads": 1, "batch": 1, "tell": lambda line: None}
    return infer(model, inputs, engine_named(engine), **{**named, **more})


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("names", [("a", "b/x"), ("left", "right"), ("a", "b_x")])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_arrays_are_taken_by_any_of_their_names(names: tuple[str, str], engine: str, count: int) -> None:
    shape = (count, 4) if count else (4,)
    a, b = (RNG.uniform(-1, 1, shape).astype("f4") for _ in range(2))
    done = inferred(two(), {names[1]: b, names[0]: a}, engine)
    outputs = dict(done.outputs)
    assert list(outputs) == ["sum", "size"]
    assert done.count == max(count, 1)
    assert np.array_equal(outputs["sum"].reshape(shape), a + b)
    assert np.array_equal(outputs["size"].reshape(shape), np.abs(b))


def test_batches_of_several_inputs_are_not_mixed() -> None:
    a, b = (RNG.uniform(-1, 1, (6, 4)).astype("f4") for _ in range(2))
    outputs = dict(inferred(two(), {"a": a, "b/x": b}, batch=3).outputs)
    assert np.array_equal(outputs["sum"], a + b)


ONES = np.ones((1, 4), "f4")


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (ONES, "the model has 2 inputs: 'a' f4[1,4], 'b/x' f4[1,4]; give an .npz file with each by name"),
        ({"a": ONES}, "there is no array for 'b/x' f4[1,4]; given are 'a': name each as the model does"),
        ({}, "there is no array for 'a' f4[1,4], 'b/x' f4[1,4]; given are nothing"),
        ({"a": ONES, "b/x": ONES, "c": ONES}, "the model has no input 'c'; its inputs are 'a' f4[1,4], 'b/x' f4[1,4]"),
        ({"a": ONES, "b/x": ONES[:, :3]}, "the input 'b/x' has shape [1, 3]; the model takes 4, or several: Nx4"),
        ({"a": ONES, "b/x": np.ones((1, 4), np.int32)}, "the input 'b/x' is int32; the model takes float32"),
        ({"a": ONES, "b/x": np.ones((2, 4), "f4")}, "the arrays hold different numbers of inputs: 'a' 1, 'b/x' 2"),
    ],
)
def test_what_does_not_fit_is_said_with_the_names(inputs: Any, said: str) -> None:
    with pytest.raises(CallError) as error:
        inferred(two(), inputs)
    assert said in str(error.value)


def test_npz_in_and_npz_out(bench: Bench) -> None:
    (bench.folder / "two.tflite").write_bytes(two())
    np.savez(bench.folder / "in.npz", left=ONES, right=-ONES)
    done = bench.run("infer", "two.tflite", "-i", "in.npz", "-o", "out.npz")
    assert done.returncode == 0, done.stderr
    with np.load(bench.folder / "out.npz") as found:
        assert np.array_equal(found["sum"], 0 * ONES)
        assert np.array_equal(found["size"], ONES)
    with ZipFile(bench.folder / "in.npz", "a") as archive:
        archive.writestr("notes\x1b.txt", "text")
    strange = one_sentence(bench.run("infer", "two.tflite", "-i", "in.npz", "-o", "out.npz").stderr)
    assert "holds 'notes?.txt', which is no array" in strange
    np.savez(bench.folder / "in.npz", left=ONES)
    assert "there is no array for 'b/x'" in one_sentence(
        bench.run("infer", "two.tflite", "-i", "in.npz", "-o", "out.npz").stderr
    )


@needs_litert
def test_a_model_that_cannot_be_imported_is_run_by_its_own_runtime() -> None:
    told: list[str] = []
    outputs = dict(inferred(two(missing=True), {"a": ONES, "b/x": 2 * ONES}, "litert", tell=told.append).outputs)
    assert np.allclose(outputs["cos"], np.cos(2 * ONES))
    assert any("unverified: the outputs of litert cannot be compared with the reference" in line for line in told)
    with pytest.raises(ModelError, match=r"op 2 \(COS\) cannot be imported"):
        inferred(two(missing=True), {"a": ONES, "b/x": ONES})


def test_the_python_function_takes_names_and_shapes() -> None:
    Path("two.tflite").write_bytes(two())
    found = bnn.infer("two.tflite", {"a": ONES, "right": ONES}, all_outputs=True)
    assert np.array_equal(found["sum"], 2 * ONES)
    Path("open.tflite").write_bytes(dynamic())
    assert bnn.infer("open.tflite", np.ones((1, 4, 6, 3), "f4"), shape="1x4x6x3").shape == (1, 2, 3, 3)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("op", ["ABS", "COS"])
def test_open_sizes_are_given(engine: str, op: str) -> None:
    x = RNG.uniform(-1, 1, (1, 6, 8, 3)).astype("f4")
    right = x.reshape(1, 3, 2, 4, 2, 3).max(axis=(2, 4))
    if op == "COS" and engine == "native":
        return
    ((_, found),) = inferred(dynamic(op), x, engine, shapes=["1x6x8x3"]).outputs
    assert found.shape == (1, 3, 4, 3)
    assert np.allclose(found, np.abs(right) if op == "ABS" else np.cos(right), atol=1e-6)


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        (
            [],
            "'t0' (?x?x?x3) leaves the size of axis 1 and 2 open; give it with --shape 1x224x224x3, or with shape in a",
        ),
        (["1x4x4"], "is ?x?x?x3, so --shape 1x4x4 has the wrong number of dimensions; give 4."),
        (["1x4x4x4"], "changes a size that the file fixes; give the open ones only."),
        (["y=1x4x4x3"], "has no single input 'y'; its inputs are 't0'."),
        (["1x65536x65536x3"], "has too many values; give smaller sizes."),
    ],
)
def test_open_sizes_that_are_missing_or_wrong_are_said(shapes: list[str], said: str) -> None:
    with pytest.raises(ModelError) as error:
        inferred(dynamic(), np.ones((1, 4, 4, 3), "f4"), shapes=shapes)
    assert said in str(error.value)


@pytest.mark.parametrize("word", ["", "0x4", "4x", "axb", "1x2x3x4x5x6x7x8x9", "99999999999", "-1x4"])
def test_words_that_are_no_shapes(word: str) -> None:
    with pytest.raises(CallError, match="is no shape; write it as"):
        inferred(dynamic(), np.ones((1, 4, 4, 3), "f4"), shapes=[word])


def test_onnx_models_with_open_sizes(bench: Bench) -> None:
    net = Network(("N", 3, "H", "W"))
    (bench.folder / "net.onnx").write_bytes(net.model(net.op("Abs", "x")).SerializeToString())
    x = RNG.uniform(-1, 1, (1, 6, 4, 3)).astype("f4")
    np.save(bench.folder / "x.npy", x)
    words = ("infer", "net.onnx", "-i", "x.npy", "-o", "y.npy")
    assert "leaves the size of axis 2 and 3 open" in one_sentence(bench.run(*words).stderr)
    for engine in ("native", *(["onnxruntime"] if installed("onnxruntime") else [])):
        done = bench.run(*words, "--shape", "1x3x6x4", "-e", engine)
        assert done.returncode == 0, done.stderr
        assert np.array_equal(np.load(bench.folder / "y.npy"), np.abs(x))


@pytest.mark.skipif(installed("onnxruntime") is None, reason="not installed: bnnbench engines install onnxruntime")
def test_images_of_onnx_models_that_are_not_imported_are_nhwc(bench: Bench) -> None:
    net = Network(("N", 3, 4, "W"))
    (bench.folder / "net.onnx").write_bytes(net.model(net.op("Cos", "x")).SerializeToString())
    x = RNG.uniform(-1, 1, (5, 4, 7, 3)).astype("f4")
    np.save(bench.folder / "x.npy", x)
    words = ("--shape", "1x3x4x7", "-e", "onnxruntime")
    done = bench.run("infer", "net.onnx", "-i", "x.npy", "-o", "y.npy", *words)
    assert done.returncode == 0, done.stderr
    assert np.allclose(np.load(bench.folder / "y.npy").reshape(x.shape), np.cos(x), atol=1e-6)
    done = bench.run("run", "net.onnx", *words, "--store", "store", "--invocations", "1")
    assert "1 unverified" in done.stdout, done.stderr


def test_model_info_shows_open_sizes_and_names(bench: Bench) -> None:
    (bench.folder / "open.tflite").write_bytes(dynamic())
    (bench.folder / "two.tflite").write_bytes(two())
    shown = bench.run("model", "info", "open.tflite").stdout
    assert "input 't0': float32 ?x?x?x3" in shown
    given = bench.run("model", "info", "open.tflite", "--shape", "1x6x8x3").stdout
    assert "memory for tensors at the peak: 720 bytes" in given
    shown = bench.run("model", "info", "two.tflite").stdout
    assert "input 'a' (in the signature 'left'): float32 1x4" in shown
    (bench.folder / "odd.tflite").write_bytes(two(missing=True))
    odd = json.loads(bench.run("model", "info", "odd.tflite", "--json").stdout)
    assert odd["missing"] == [{"op": "COS", "reason": "", "places": [2]}]
    found = json.loads(bench.run("model", "info", "two.tflite", "--json").stdout)
    assert [port["signature_name"] for port in found["outputs"]] == ["total", "size"]
    assert json.loads(bench.run("model", "info", "open.tflite", "--json").stdout)["inputs"][0]["open_axes"] == [0, 1, 2]


def test_lint_and_draw_take_open_sizes(bench: Bench) -> None:
    (bench.folder / "open.tflite").write_bytes(dynamic())
    for words in (("lint", "open.tflite"), ("draw", "open.tflite", "-o", "open.svg")):
        done = bench.run("model", *words, "--shape", "1x6x8x3")
        assert done.returncode == 0, done.stderr
        assert "leaves the size of" not in done.stdout + done.stderr
        without = bench.run("model", *words)
        assert "leaves the size of axis 1 and 2 open" in " ".join((without.stdout + without.stderr).split())
