"""int8 to the last byte: every pair of values, and pixels on grids, against TFLite's reference kernels and LCE."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.interpreter import VARIANTS, interpret
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.models.tflite_file import read
from bnnbench.kernels.targets import IsaLevel
from bnnbench.kernels.toolchain import build_native
from tests.kernels.engine_process import HOST, INTEGER_LEVELS, EngineProcess

from .judges import Judge
from .model_builder import Builder
from .test_golden_models import run, started

Array = NDArray[Any]
GOLDEN = [Path(__file__).parents[1] / "golden" / "tiny_int8.tflite"]
if "BNNBENCH_GOLDEN" in os.environ:
    GOLDEN.append(Path(os.environ["BNNBENCH_GOLDEN"]) / "QuickNetSmall_int8.tflite")
VALUES = np.arange(-128, 128).astype(np.int8)
FIRST, SECOND = np.repeat(VALUES, 256).reshape(1, 256, 256, 1), np.tile(VALUES, 256).reshape(1, 256, 256, 1)
SETS = range(5)
PAIRED = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions", "PRELU": None}


def scales(seed: int) -> list[float]:
    """Three: powers of two, equal ones, and any."""
    rng = np.random.default_rng(seed)
    return [
        [0.5, 0.25, 1.0],
        [0.1, 0.1, 0.2],
        [0.25, 0.25, 0.125],
        *([float(np.float32(s)) for s in 10 ** rng.uniform(-3, 0, 3)] for _ in range(2)),
    ][seed]


def pairs(op: str, seed: int) -> Builder:
    """The op on all 65,536 pairs of int8 values."""
    rng = np.random.default_rng(seed)
    a, b, out = scales(seed)
    if op == "MUL" and seed > 2:
        out = float(np.float32(a * b * rng.uniform(20, 200)))
    zeros = [int(z) for z in rng.integers(-128, 128, 3)] if seed else [0, 0, 0]
    made = Builder()
    x = made.input(FIRST.shape, "int8", a, zeros[0])
    y = made.constant(SECOND[0] if op == "PRELU" else SECOND, b, zeros[1])
    act = {} if op == "PRELU" else {"fused_activation_function": seed % 4}
    made.outputs = [made.op(op, [x, y], made.tensor(FIRST.shape, "int8", out, zeros[2]), PAIRED[op], **act)]
    return made


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    with EngineProcess([build_native(HOST).path], tmp_path_factory.mktemp("engine")) as process:
        yield process


@pytest.mark.parametrize("op", PAIRED)
def test_every_pair_on_the_native_engine(op: str, engine: EngineProcess) -> None:
    for seed in SETS:
        graph = pairs(op, seed).graph()
        right = interpret(graph, [FIRST]).outputs[0]
        assert run(engine, make_plan(graph).to_bytes(), FIRST).tobytes() == right.tobytes(), seed


def test_every_pair_by_the_judge(tmp_path: Path) -> None:
    judge = Judge("litert-reference", tmp_path)
    for op in PAIRED:
        for seed in SETS:
            made = pairs(op, seed)
            theirs = judge.outputs(made.content(), [FIRST])
            assert not isinstance(theirs, str), theirs
            assert theirs[0].tobytes() == interpret(made.graph(), [FIRST]).outputs[0].tobytes(), (op, seed)
    judge.close()


DENSE = [  # scale of x, scales of weights, scale of the output; what becomes of the sums below
    (1.0, [1.0], 10.0),
    (1.0, [1.0, 5.0, 7.0], 70.0),
    (0.1, [0.3], 0.6),
    (3.0, [0.7, 0.1], 14.0),
    (2.0, [1.0, 3.0, 0.5], 50.0),
]


def ties(number: int, act: int = 0) -> Builder:
    """A dense layer of two rows whose sums lie on, or next to, halves of an output step, of all that there are."""
    x_scale, scales, out_scale = DENSE[number]
    halves = np.arange(-130, 131) + 0.5
    each = np.float32(np.tile(scales, halves.size)[: halves.size]).tolist()
    sums = np.rint(halves * out_scale / x_scale / np.array(each)).astype(np.int32)
    made = Builder()
    x = made.input((2, 1), "int8", x_scale, 3)
    per_channel = len(scales) > 1
    w = made.constant(np.ones((halves.size, 1), np.int8), each if per_channel else scales, axis=0)
    b = made.constant(sums, [float(np.float32(x_scale) * np.float32(s)) for s in (each if per_channel else scales)])
    out = made.tensor((2, halves.size), "int8", out_scale, -4)
    made.outputs = [made.op("FULLY_CONNECTED", [x, w, b], out, "FullyConnectedOptions", fused_activation_function=act)]
    return made


ROWS = np.array([[3], [127]], np.int8)
"""Of the first, the sums are the biases."""


def test_ties_of_dense_layers_by_the_judge(tmp_path: Path) -> None:
    judge = Judge("litert-reference", tmp_path)
    for number in range(len(DENSE)):
        for act in (0, 1, 3):  # none, RELU, RELU6
            made = ties(number, act)
            theirs = judge.outputs(made.content(), [ROWS])
            assert not isinstance(theirs, str), theirs
            assert theirs[0].tobytes() == interpret(made.graph(), [ROWS]).outputs[0].tobytes(), (number, act)
    judge.close()


@pytest.mark.parametrize("level", INTEGER_LEVELS, ids=lambda level: f"{level.triple.split('-')[0]}-{level.isa}")
def test_ties_of_dense_layers_on_every_level(level: IsaLevel, tmp_path: Path) -> None:
    with started(level, tmp_path) as process:
        for number in range(len(DENSE)):
            graph = ties(number).graph()
            right = interpret(graph, [ROWS]).outputs[0]
            assert run(process, make_plan(graph).to_bytes(), ROWS).tobytes() == right.tobytes(), number
        whole = ties(0)
        output = run(process, make_plan(whole.graph()).to_bytes(), ROWS)
    # Sums of -25, -15, ... 25 in steps of a tenth, beside the zero point.
    assert (output[127:133] + 4).tolist() == [-3, -2, -1, 1, 2, 3]


@cache
def golden(path: Path, number: int, variant: str | None = None) -> Array:
    """The right output for a grid."""
    graph = import_model(read(path))
    rounded = VARIANTS[variant] if variant else None
    return interpret(graph, [grid(graph, number)], variant=rounded).outputs[0]


def grids(path: Path) -> range:
    """Fewer of the large one."""
    return range(4) if path.stem.startswith("tiny") else range(1, 3)


def grid(graph: Graph, number: int) -> Array:
    """Pixels as images have them: multiples of a 255th, or of half a step of the model's own input."""
    (tensor,) = graph.inputs
    node = graph.nodes[0]
    rng = np.random.default_rng(number)
    if tensor.dtype == "i8":
        return rng.integers(-128, 128, tensor.shape).astype(np.int8) if number else np.full(tensor.shape, 5, np.int8)
    if number % 2 and node.output.scale is not None:
        return ((rng.integers(-256, 257, tensor.shape) / 2) * node.output.scale).astype(np.float32)
    return (rng.integers(0, 256, tensor.shape) / np.float32(127.5) - 1).astype(np.float32)


@pytest.mark.parametrize("level", INTEGER_LEVELS, ids=lambda level: f"{level.triple.split('-')[0]}-{level.isa}")
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
@pytest.mark.timeout(300)
def test_pixel_grids_on_every_level(path: Path, level: IsaLevel, tmp_path: Path) -> None:
    graph = import_model(read(path))
    plan = make_plan(graph).to_bytes()
    with started(level, tmp_path) as process:
        for number in grids(path):
            output = run(process, plan, grid(graph, number))
            assert output.tobytes() == golden(path, number).tobytes(), number


@pytest.mark.parametrize(("name", "variant"), [("lce", "x86"), ("lce-xnnpack", "xnnpack-older")])
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_lce_on_pixel_grids_is_the_reference_under_a_variant(
    path: Path, name: str, variant: str, tmp_path: Path
) -> None:
    graph, judge = import_model(read(path)), Judge(name, tmp_path)
    otherwise = 0
    for number in grids(path):
        theirs = judge.outputs(path.read_bytes(), [grid(graph, number)])
        assert not isinstance(theirs, str), theirs
        assert theirs[0].tobytes() == golden(path, number, variant).tobytes(), number
        otherwise += theirs[0].tobytes() != golden(path, number).tobytes()
    judge.close()
    assert otherwise  # these grids show what random inputs do not
