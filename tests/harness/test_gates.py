"""The gate of whole models: edge inputs, infinities by place, variants of rounding, and an independent reading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bnnbench.harness.workload.inputs import EDGES
from bnnbench.harness.workload.judges import opinions
from bnnbench.harness.workload.model import ModelWorkload
from bnnbench.harness.workload.output_match import Match, compare_array, compare_outputs, not_finite, tolerance
from bnnbench.kernels.engines.installation import installed
from bnnbench.kernels.models import tflite_file
from bnnbench.kernels.models.graph import Graph, Node, Tensor
from bnnbench.kernels.models.interpreter import VARIANTS, interpret
from bnnbench.kernels.models.interpreter.signs import relative, with_bits, with_steps
from bnnbench.kernels.models.operations import BitQuantize
from bnnbench.kernels.models.tflite_file import parse, read
from bnnbench.results.store.runs import Store
from tests.harness.bench import Bench
from tests.kernels.model_builder import PATH, Builder

GOLDEN = Path(__file__).parents[1] / "golden"
INT8 = GOLDEN / "tiny_int8.tflite"
INF, NAN = np.inf, np.nan


def f32(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("right", "output", "proven"),
    [
        ((INF, 1, 2, 3), (NAN, 1, 2, -12345), False),
        ((INF, 1, 2, 3), (INF, 1, 2, -12345), False),
        ((INF, 1, 2, 3), (-INF, 1, 2, 3), False),
        ((INF, 1, 2, 3), (1e30, 1, 2, 3), False),
        ((INF, 1, 2, 3), (np.finfo(np.float32).max, 1, 2, 3), True),
        ((INF, 1, 2, 3), (-np.finfo(np.float32).max, 1, 2, 3), False),
        ((INF, 1, 2, 3), (INF, 1, 2, 3), True),
        ((NAN, 1, 2, 3), (NAN, 1, 2, 3), True),
        ((NAN, 1, 2, 3), (0, 1, 2, 3), False),
        ((NAN, 1, 2, 3), (NAN, 1, 2, 4), False),
        ((0, 1, 2, 3), (NAN, 1, 2, 3), False),
        ((0, 1, 2, 3), (INF, 1, 2, 3), False),
        ((NAN, NAN), (1, 2), False),
        ((0, 0), (0, 1e-30), False),
        ((0, 0), (-0.0, 0), True),
        ((1e5, 1), (1e5 + 0.5, 1), True),
    ],
)
def test_what_is_not_finite_is_compared_by_its_place(
    right: tuple[float, ...], output: tuple[float, ...], proven: bool
) -> None:
    expected = f32(*right)
    assert (compare_array(f32(*output), expected, tolerance(expected)).wrong is None) == proven
    tensor = Tensor("out", expected.shape, "f32")
    found = compare_outputs(f32(*output).tobytes(), [tensor], [expected])
    assert (found.wrong is None) == proven
    assert found.difference is None or np.isfinite(found.difference)  # it can be stored


def test_a_reference_that_is_not_finite_is_said() -> None:
    assert (
        not_finite([f32(1, INF), f32(NAN)]) == "2 of the 3 right values are infinite or NaN: compared by their places"
    )
    assert not_finite([f32(1, 2), np.zeros(3, np.int8)]) is None


def test_an_infinite_value_makes_no_other_sign_unsure() -> None:
    x = f32(INF, 3, -1, 1e-9)
    assert relative(x).tolist() == [INF, 1, pytest.approx(1 / 3), pytest.approx(1e-9 / 3)]
    own, other = np.array([0b0100], np.uint32), np.array([0b1110], np.uint32)
    _, flips = with_bits("x", x, own, other)
    assert (flips.unsure, flips.wrong) == (1, 1)  # the tiny one may be either; that of 3 may not


def test_a_step_is_taken_over_only_between_two() -> None:
    steps = f32(0.25000001, 0.3, 100).astype(np.float64) / 0.5
    taken, flips = with_steps("q", steps, np.array([1, 1, 127], np.int8), np.array([0, 0, 127], np.int8))
    assert taken.tolist() == [0, 1, 127]
    assert (flips.unsure, flips.wrong) == (1, 1)


def made(b: Builder, *outputs: int) -> ModelWorkload:
    return ModelWorkload("made", parse(b.content(*outputs), PATH), 0)


def model_file(folder: Path, b: Builder, *outputs: int) -> Path:
    path = folder / "made.tflite"
    path.write_bytes(b.content(*outputs))
    return path


def test_edges_hold_what_random_inputs_do_not() -> None:
    workload = ModelWorkload("int8", read(INT8), 0)
    scale = workload.graph.nodes[0].output.scale
    assert scale is not None
    grid, extremes = (workload.input(which) for which in EDGES)
    steps = grid.astype(np.float64) / scale
    assert (np.abs(np.abs(steps % 1) - 0.5) < 1e-4).mean() > 0.4
    assert {0.0} < set(np.unique(extremes).tolist())
    assert np.signbit(extremes[extremes == 0]).any()
    assert np.abs(extremes).max() > 127 * scale
    given = ModelWorkload("i8", parse(_quantized().content(), PATH), 0)
    assert set(given.input(1).reshape(-1).tolist()) == set(range(-128, 128))
    assert {-128, 127} <= set(given.input(2).reshape(-1).tolist())


def _quantized() -> Builder:
    b = Builder()
    x = b.input((1, 16, 16, 1), "int8", 0.25, 3)
    b.outputs = [b.op("QUANTIZE", [x], b.tensor((1, 16, 16, 1), "int8", 1.0, 0))]
    return b


def test_int8_of_our_own_must_be_equal_and_of_others_under_a_variant() -> None:
    workload = ModelWorkload("int8", parse(_quantized().content(), PATH), 0)
    otherwise = workload.expected(1, "x86")[0].tobytes()
    assert otherwise != workload.expected(1)[0].tobytes()
    assert workload.compare(otherwise, 1, traced=True).wrong
    assert workload.compare(otherwise, 1, traced=False) == Match(0.0, None, "x86")
    nobodys = np.clip(workload.expected(1)[0].astype(int) + 1, -128, 127).astype(np.int8)
    assert workload.compare(nobodys.tobytes(), 1, traced=False).wrong  # one step off is off


def test_only_a_model_that_rounds_floats_may_be_a_step_off_on_anothers_engine() -> None:
    b = Builder()
    x = b.input((1, 4))
    y = b.op("LOGISTIC", [x], b.tensor((1, 4)))
    out = b.op("QUANTIZE", [y], b.tensor((1, 4), "int8", 1 / 256, -128))
    workload = made(b, out)
    off = (workload.expected(0)[0].astype(int) + 1).clip(-128, 127).astype(np.int8)
    assert workload.compare(off.tobytes(), 0, traced=False).wrong is None
    assert workload.compare(off.tobytes(), 0, traced=True).wrong


needs_litert = pytest.mark.skipif(installed("litert") is None, reason="bnnbench engines install litert")
needs_lce = pytest.mark.skipif(installed("lce") is None, reason="bnnbench engines install lce")


def _mul() -> Builder:
    b = Builder()
    x = b.input((1, 4))
    b.outputs = [b.op("MUL", [x, b.constant(f32(2, 3, 5, 7))], b.tensor((1, 4)))]
    return b


def old_field_zero(content: bytes) -> bytes:
    """The file as some tools write it: an op's number in the new field alone."""
    import tflite

    model = tflite.Model.GetRootAs(bytearray(content), 0)
    table = model.OperatorCodes(0)._tab
    table.Bytes[table.Pos + table.Offset(4)] = 0
    return bytes(table.Bytes)


def test_an_ops_number_is_the_larger_of_its_two_fields() -> None:
    content = old_field_zero(_mul().content())
    assert content != _mul().content()
    assert [op.name for op in parse(content, PATH).ops] == ["MUL"]


def test_options_of_another_op_are_refused() -> None:
    b = Builder()
    x = b.input((1, 4, 4, 1))
    out = b.op("MAX_POOL_2D", [x], b.tensor((1, 2, 2, 1)), "Conv2DOptions", padding=1, stride_h=2, stride_w=2)
    with pytest.raises(ValueError, match="its options are Conv2DOptions, not Pool2DOptions"):
        b.graph(out)


@needs_litert
def test_what_the_importer_misreads_is_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    right = opinions(ModelWorkload("mul", parse(_saved(_mul()).read_bytes(), _saved(_mul())), 0))
    assert [who.split()[0] for who in right.confirmed_by] == ["litert-reference"]
    monkeypatch.setattr(tflite_file, "builtin_code", lambda code: 0)  # everything is an ADD
    path = _saved(_mul())
    wrong = opinions(ModelWorkload("mul", read(path), 0))
    assert wrong.contradicted is not None
    assert "litert-reference (ai-edge-litert 2.3.0) reads the file differently: for random values" in wrong.contradicted


_FOLDER: dict[str, Path] = {}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> None:
    _FOLDER["made"] = tmp_path


def _saved(b: Builder) -> Path:
    path = _FOLDER["made"] / "made.tflite"
    path.write_bytes(b.content())
    return path


@needs_litert
@needs_lce
def test_the_record_says_who_agreed_and_which_variant(bench: Bench) -> None:
    bench.measure(INT8, "--invocations", "1", "-e", "native,lce,lce-best")
    run = Store(bench.folder / "store").run()
    engines = {case.id: case.engine for case in run.record.cases}
    gates = {engines[id]: gate for id, gate in run.gates.items()}
    assert {gate.status for gate in gates.values()} == {"ok"}
    assert (gates["native"].rounding, gates["lce"].rounding) == (None, "x86")
    assert gates["lce-best"].rounding in ("xnnpack", "xnnpack-older")  # they seldom differ
    assert all(gate.confirmed_by == ["lce (larq-compute-engine 0.16.0)"] for gate in gates.values())
    assert "x86" in (gates["lce"].reason or "")
    assert bench.run("report", "-o", "page", "--store", "store").returncode == 0
    page = (bench.folder / "page/index.html").read_text()
    assert "lce on tiny_int8: int8 is rounded as the variant x86 does." in page
    assert "The file of tiny_int8 was read for itself by lce (larq-compute-engine 0.16.0)" in page


@needs_lce
def test_predictions_for_pixel_images_are_right_under_a_variant(bench: Bench) -> None:
    rng = np.random.default_rng(1)
    images, labels = rng.integers(0, 256, (400, 16, 16, 3)).astype(np.uint8), rng.integers(0, 64, 400)
    np.savez(bench.folder / "own.npz", images=images, labels=labels, scale=np.float32(1 / 127.5), offset=np.float32(-1))
    done = bench.run("eval", INT8, "-e", "native,lce", "--dataset", "own.npz", "--json", "--store", "store")
    assert done.returncode == 0, done.stderr
    native, lce = json.loads(done.stdout)["cases"]
    assert {case["status"] for case in (native, lce)} == {"ok"}, (native["reason"], lce["reason"])
    assert native["evaluation"]["differing"] == 0
    assert lce["evaluation"]["differing"] > 0  # which a variant explains
    assert (native["rounding"], lce["rounding"]) == (None, "x86")


def test_a_graph_of_int8_shows_where_a_sum_was_rounded() -> None:
    x = Tensor("x", (1, 1, 1, 2), "i8", 0.5, 1)
    bits = Tensor("b", (1, 1, 1, 2), "bits")
    graph = Graph((Node(0, "LceQuantize", BitQuantize(), (x,), bits),), (x,), (bits,))
    given: Any = np.array([[[[0, 1]]]], np.int8)
    for variant in (None, *VARIANTS.values()):  # no variant changes what is not int8 arithmetic
        assert interpret(graph, [given], variant=variant).outputs[0].tolist() == [[[[1]]]]
