"""`infer` takes a model's inputs however they are stacked, and keeps every output under a name of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bnnbench.harness.errors import CallError
from bnnbench.harness.plan.engines import engine_named
from bnnbench.harness.tasks.infer import infer
from bnnbench.harness.tasks.npz import keys_of, write_archive
from bnnbench.kernels.errors import ModelError
from tests.harness.bench import Bench, one_sentence
from tests.kernels.judges import Judge
from tests.kernels.model_builder import Builder

Array = NDArray[Any]
RNG = np.random.default_rng(15)


def dense(batch: int) -> bytes:
    """[batch, 8] to [batch, 3]."""
    made = Builder()
    weights, bias = made.constant(np.sin(np.arange(24, dtype="f4").reshape(3, 8))), made.constant(np.ones(3, "f4"))
    x, y = made.input((batch, 8)), made.tensor((batch, 3))
    made.op("FULLY_CONNECTED", [x, weights, bias], y, "FullyConnectedOptions")
    return made.content(y)


def vector() -> bytes:
    """[16] to [16]."""
    made = Builder()
    return made.content(made.op("LOGISTIC", [made.input((16,))], made.tensor((16,))))


def mean_of_batch(batch: int) -> bytes:
    """[batch, 8] to [8], which is not a batch."""
    made = Builder()
    x, axes = made.input((batch, 8)), made.constant(np.array([0], np.int32))
    return made.content(made.op("MEAN", [x, axes], made.tensor((8,)), "ReducerOptions", keep_dims=False))


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BNNBENCH_LOCK", f"test {tmp_path}")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Any:
    found = Judge("litert-builtin", tmp_path_factory.mktemp("judge"))
    yield found
    found.close()


def inferred(content: bytes, inputs: Array, engine: str = "native", batch: int = 1) -> tuple[Array, int]:
    """The first output, and for how many inputs."""
    model = Path("model.tflite")
    model.write_bytes(content)
    done = infer(
        *(model, inputs, engine_named(engine)),
        device="local",
        inventory=None,
        threads=1,
        batch=batch,
        tell=lambda line: None,
    )
    return done.outputs[0][1], done.count


CASES = pytest.mark.parametrize(
    ("content", "own", "given", "right", "count"),
    [
        (dense(4), (4, 8), (4, 8), (4, 3), 4),  # the model's own batch
        (dense(4), (4, 8), (12, 8), (12, 3), 12),  # three of it
        (dense(4), (4, 8), (3, 4, 8), (3, 4, 3), 3),  # the same along a dimension of their own
        (dense(1), (1, 8), (8,), (1, 3), 1),
        (dense(1), (1, 8), (5, 8), (5, 3), 5),
        (vector(), (16,), (16,), (16,), 1),
        (vector(), (16,), (3, 16), (3, 16), 3),
        (mean_of_batch(4), (4, 8), (4, 8), (8,), 4),
        (mean_of_batch(4), (4, 8), (8, 8), (2, 8), 8),  # an output for each batch, not for each image
    ],
)


@CASES
def test_inputs_however_they_are_stacked(
    judge: Judge, content: bytes, own: tuple[int, ...], given: tuple[int, ...], right: tuple[int, ...], count: int
) -> None:
    inputs = RNG.normal(size=given).astype("f4")
    judged = [judge.outputs(content, [one]) for one in inputs.reshape(-1, *own)]
    assert not any(isinstance(one, str) for one in judged), judged
    found, images = inferred(content, inputs)
    assert (found.shape, images) == (right, count)
    assert np.allclose(found.ravel(), np.concatenate([np.ravel(one[0]) for one in judged]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("content", "given"), [(dense(4), (8, 8)), (vector(), (2, 16))])
def test_another_s_engine_takes_them_alike(judge: Judge, content: bytes, given: tuple[int, ...]) -> None:
    inputs = RNG.normal(size=given).astype("f4")
    assert np.allclose(inferred(content, inputs, "litert")[0], inferred(content, inputs)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("content", "given"), [(dense(4), (16, 8)), (dense(1), (6, 1, 8))])
def test_a_batch_of_batches_changes_nothing(content: bytes, given: tuple[int, ...]) -> None:
    inputs = RNG.normal(size=given).astype("f4")
    once, twice = inferred(content, inputs), inferred(content, inputs, batch=2)
    assert once[0].shape == twice[0].shape
    assert np.allclose(once[0], twice[0], rtol=1e-6)
    assert once[1] == twice[1]


@pytest.mark.parametrize(
    ("content", "given", "batch", "said"),
    [
        (dense(4), (5, 8), 1, "5 inputs are not a multiple of 4, the model's own batch"),
        (dense(4), (8,), 1, "the model takes 4x8, or several: Nx4x8"),
        (dense(4), (0, 8), 1, "the model takes 4x8"),
        (dense(4), (12, 8), 2, "12 inputs are not a multiple of --batch 2 x 4"),
        (dense(1), (3, 8), 2, "3 inputs are not a multiple of --batch 2"),
        (dense(1), (), 1, "the model takes 8, or several: Nx8"),
        (vector(), (32,), 1, "the model takes 16, or several: Nx16"),
        (vector(), (), 1, "the model takes 16"),
        (vector(), (0, 16), 1, "the model takes 16"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(content: bytes, given: tuple[int, ...], batch: int, said: str) -> None:
    with pytest.raises(CallError, match=said):
        inferred(content, np.zeros(given, "f4"), batch=batch)


@pytest.mark.parametrize("dtype", [">f4", "f8"])
def test_floats_of_any_size_and_byte_order(dtype: str) -> None:
    inputs = np.arange(16).reshape(2, 8)
    assert np.array_equal(inferred(dense(1), inputs.astype(dtype))[0], inferred(dense(1), inputs.astype("f4"))[0])


NAMES = [
    ["a/b", "a_b"],
    ["a_b", "a/b", "a\\b", "a_b_2"],
    ["same", "same"],
    ["file", "allow_pickle", "args", "kwds"],
    ["x", "x.npy", "x.npy.npy"],
    ["", "", "tensor2"],
    ["größe/ß", "日本", "\N{PILE OF POO}"],
    ["../../up", "/root", "C:\\windows"],
    ["a\0b", "a", "a\nb"],
    ["a/b"] * 20,
]


@pytest.mark.parametrize("names", NAMES, ids=str)
def test_no_output_is_lost_by_its_name(tmp_path: Path, names: list[str]) -> None:
    keys = keys_of(names)
    arrays = [np.full(3, place, "f4") for place in range(len(names))]
    write_archive(tmp_path / "x.npz", dict(zip(keys, arrays, strict=True)))
    with np.load(tmp_path / "x.npz") as loaded:
        assert sorted(loaded.files) == sorted(set(keys))
        for key, array in zip(keys, arrays, strict=True):
            assert np.array_equal(loaded[key], array), key
    for name, key in zip(names, keys, strict=True):
        assert (
            key == name or not name.isprintable() or set(name) & set("/\\") or names.count(name) > 1 or ".npy" in name
        )


def test_every_output_is_in_the_archive_and_its_name_is_said(bench: Bench) -> None:
    """Names collide, one is an argument of numpy.savez, two are the same, one tensor is there twice."""
    made = Builder()
    x, two = made.input((1, 4)), made.constant(np.float32(2))
    outputs = []
    for name in ("a/b", "a_b", "file", "twice", "twice"):
        x = made.op("MUL", [x, two], made.tensor((1, 4), name=name), "MulOptions")
        outputs.append(x)
    (bench.folder / "model.tflite").write_bytes(made.content(*outputs, outputs[2]))
    np.save(bench.folder / "in.npy", np.ones((1, 4), "f4"))
    done = bench.run("infer", "model.tflite", "-i", "in.npy", "-o", "out.npz")
    assert done.returncode == 0, done.stderr
    with np.load(bench.folder / "out.npz") as loaded:
        values = {key: float(loaded[key][0, 0]) for key in loaded.files}
    assert values == {"a_b": 4, "a_b_2": 2, "file": 8, "twice": 16, "twice_2": 32, "file_2": 8}
    said = [line for line in done.stdout.splitlines() if line.startswith("output")]
    assert said == [
        "output 'a/b' is a_b_2 there",
        "output 'twice' is twice_2 there",
        "output 'file' is file_2 there",
    ]


@pytest.mark.parametrize("over", ["in.npy", "./in.npy", "link.npy"])
def test_no_file_that_is_read_is_overwritten(bench: Bench, over: str) -> None:
    made = Builder()
    x = made.op("MUL", [made.input((1, 4)), made.constant(np.float32(2))], made.tensor((1, 4)), "MulOptions")
    (bench.folder / "model.tflite").write_bytes(made.content(x))
    np.save(bench.folder / "in.npy", np.ones((1, 4), "f4"))
    (bench.folder / "link.npy").symlink_to("in.npy")
    done = bench.run("infer", "model.tflite", "-i", "in.npy", "-o", over)
    assert done.returncode == 2
    assert "would overwrite in.npy; name another file" in one_sentence(done.stderr)
    assert np.load(bench.folder / "in.npy")[0, 0] == 1


def test_a_scalar_input_is_refused_with_a_sentence() -> None:
    made = Builder()
    content = made.content(made.op("LOGISTIC", [made.input(())], made.tensor(())))
    with pytest.raises(ModelError, match=r"has shape \[\]; 1 to 4 sizes"):
        inferred(content, np.zeros((), "f4"))
