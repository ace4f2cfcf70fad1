"""The reference interpreter against LCE's own outputs, and each op against the plainest loops."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.graph import Graph, Node, Tensor
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.interpreter import UNSURE, VARIANTS, Result, interpret, operations, sign_margins
from bnnbench.kernels.models.operations import BinaryConv2d, BitQuantize, Clamp, Conv2d, DepthwiseConv2d, Pool2d, Window
from bnnbench.kernels.models.quantization import (
    act_bounds_i8,
    conv_requantization,
    quantize,
    quantize_multiplier,
    requantize,
    requantize_once,
    round_half_away,
)
from bnnbench.kernels.models.tflite_file import read
from bnnbench.kernels.ops import words
from bnnbench.kernels.packing import pack
from bnnbench.kernels.reference import oracle
from bnnbench.kernels.window import out_size, pad_before

from .int8_cases import CASES, EXPECTED, RIGHT, case_input
from .model_builder import Builder

Array = NDArray[Any]
GOLDEN = Path(__file__).parents[1] / "golden"
TINY = sorted(path.stem for path in GOLDEN.glob("*.tflite"))
FULL = ["QuickNetSmall", "QuickNetSmall_int8", "BiRealNet", "RealToBinaryNet", "BinaryDenseNet28"]
TOLERANCE = 1e-5


def golden_path(name: str) -> Path:
    if name in TINY:
        return GOLDEN / f"{name}.tflite"
    folder = os.environ.get("BNNBENCH_GOLDEN")
    if not folder:
        pytest.skip("BNNBENCH_GOLDEN is not set: the folder with the full-size golden models")
    return Path(folder) / f"{name}.tflite"


def run_golden(name: str, variant: str | None = None) -> tuple[Graph, Result, dict[str, Array]]:
    path = golden_path(name)
    with np.load(path.with_suffix(".npz")) as arrays:
        golden = dict(arrays)
    model = read(path)
    graph = import_model(model, golden["input"].shape[0] // model.inputs[0].shape[0])
    found = interpret(graph, [golden["input"]], keep=True, variant=VARIANTS[variant] if variant else None)
    return graph, found, golden


def difference(output: Array, expected: Array) -> float:
    """Largest, of the expected output's scale; in steps for int8."""
    gap = float(np.abs(output.astype(np.float64) - expected).max())
    return gap if expected.dtype == np.int8 else gap / float(np.abs(expected).max())


@pytest.mark.parametrize("name", [name for name in TINY if name not in ("tiny_odd", "tiny_bmaxpool")])
def test_tiny_models_equal_lce(name: str) -> None:
    _, result, golden = run_golden(name, "x86" if "int8" in name else None)
    assert difference(result.outputs[0], golden["output"]) <= (0 if "int8" in name else TOLERANCE)


def test_where_lce_is_wrong_keras_is_right() -> None:
    """SAME zero-padding with dilation on a small map."""
    _, result, golden = run_golden("tiny_odd")
    assert np.array_equal(result.outputs[0], golden["keras_output"])
    assert np.abs(result.outputs[0] - golden["output"]).max() == 33


@pytest.mark.parametrize("name", FULL)
def test_full_models_equal_lce_or_have_a_sign_too_close_to_call(name: str) -> None:
    graph, result, golden = run_golden(name, "x86" if name.endswith("int8") else None)
    output = result.outputs[0]
    assert np.array_equal(output.argmax(axis=-1), golden["output"].argmax(axis=-1))
    allowed = 0 if name.endswith("int8") else TOLERANCE
    if difference(output, golden["output"]) > allowed:
        assert any(margin.unsure for margin in sign_margins(graph, result.values))
        if name != "BinaryDenseNet28":
            assert difference(output, golden["keras_output"]) <= TOLERANCE


@pytest.mark.parametrize("name", ["tiny_bmaxpool", "tiny_larq", "QuickNetSmall", "BiRealNet", "RealToBinaryNet"])
def test_lces_order_of_roundings_explains_what_differs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """LCE adds K * multiplier to the bias and leaves K out of the dot product; then nothing differs any more."""

    def as_lce(node: Node, operation: BinaryConv2d, x: Array) -> Array:
        if operation.multiplier is None or operation.bias is None:
            return original(node, operation, x)
        spec = replace(operation.spec, out="i32")
        dot = oracle.run(spec, {"x": x, "filter": operation.filter}) - np.int32(spec.dot_length)
        bias = operation.bias + spec.dot_length * operation.multiplier.astype(np.float64)
        return dot.astype(np.float32) * operation.multiplier + bias.astype(np.float32)

    original = operations._binary_convolution
    monkeypatch.setattr(operations, "_binary_convolution", as_lce)
    _, result, golden = run_golden(name)
    assert difference(result.outputs[0], golden["output"]) <= 2e-6


@pytest.mark.parametrize("name", [*TINY, "QuickNetSmall"])
def test_a_batch_of_four_is_four_images(name: str) -> None:
    model = read(golden_path(name))
    one, four = import_model(model), import_model(model, 4)
    x = np.random.default_rng(3).uniform(-1, 1, four.inputs[0].shape).astype(np.float32)
    together = interpret(four, [x]).outputs[0]
    apart = np.concatenate([interpret(one, [x[i : i + 1]]).outputs[0] for i in range(4)])
    assert together.tobytes() == apart.tobytes()


@pytest.mark.parametrize("name", CASES)
def test_int8_ops_equal_tflites_reference_kernels(name: str) -> None:
    builder = CASES[name]()
    (output,) = interpret(builder.graph(), [case_input(builder)]).outputs
    assert hashlib.sha256(output.tobytes()).hexdigest()[:16] == RIGHT.get(name, EXPECTED[name][1])


@pytest.mark.parametrize("name", CASES)
def test_int8_ops_equal_lces_interpreter_under_the_variant_x86(name: str) -> None:
    builder = CASES[name]()
    (output,) = interpret(builder.graph(), [case_input(builder)], variant=VARIANTS["x86"]).outputs
    first, digest = EXPECTED[name]
    assert output.reshape(-1)[: len(first)].tolist() == first
    assert hashlib.sha256(output.tobytes()).hexdigest()[:16] == digest


@pytest.mark.parametrize("op", ["ABS", "PRELU", "RELU_N1_TO_1"])
def test_int8_forms_of_unary_ops_round_the_real_result(op: str) -> None:
    b = Builder()
    x = b.input((1, 3, 3, 8), "int8", 0.05, 4)
    slopes = [b.constant(np.arange(-4, 4, dtype=np.int8).reshape(1, 1, 8), 0.2, 1)] if op == "PRELU" else []
    out = b.op(op, [x, *slopes], b.tensor((1, 3, 3, 8), "int8", 0.04, -9))
    stored = np.random.default_rng(5).integers(-128, 128, (1, 3, 3, 8)).astype(np.int8)
    real = 0.05 * (stored.astype(np.float64) - 4)
    alpha = 0.2 * (np.arange(-4, 4) - 1)
    expected = {
        "ABS": np.abs(real),
        "PRELU": np.where(real >= 0, real, real * alpha),
        "RELU_N1_TO_1": np.clip(real, -1, 1),
    }[op]
    steps = interpret(b.graph(out), [stored]).outputs[0]
    # TFLite's kernel rounds twice, so a result may be three quarters of a step from the real one.
    off = np.abs(0.04 * (steps.astype(np.float64) + 9) - np.clip(expected, 0.04 * -119, 0.04 * 136)).max()
    assert off <= 0.04 * 0.7501
    assert off <= 0.0201 or op == "PRELU"


def node(operation: Any, x: Tensor, shape: tuple[int, ...], dtype: Any = "f32", scale: float | None = None) -> Node:
    return Node(0, "OP", operation, (x,), Tensor("out", shape, dtype, scale, 2 if dtype == "i8" else 0))


def run_one(one: Node, x: Array) -> Array:
    return interpret(Graph((one,), one.inputs, (one.output,)), [x]).outputs[0]


@st.composite
def windows(draw: st.DrawFn) -> tuple[Window, int, int, int, int]:
    """A window, and the sizes of its input and output."""
    h, w, kh, kw = (draw(st.integers(1, 7)) for _ in range(4))
    sh, sw, dh, dw = (draw(st.integers(1, 3)) for _ in range(4))
    pad = draw(st.sampled_from(["same", "valid"]))
    out_h, out_w = out_size(h, kh, sh, dh, pad), out_size(w, kw, sw, dw, pad)
    window = Window(kh, kw, sh, sw, dh, dw, pad_before(h, kh, sh, dh, pad), pad_before(w, kw, sw, dw, pad))
    return window, h, w, max(out_h, 0), max(out_w, 0)


def taps(window: Window, y: int, x: int, h: int, w: int) -> list[tuple[int, int, int, int]]:
    """(tap row, tap column, row, column) of the taps inside the image."""
    found = []
    for ky in range(window.kh):
        for kx in range(window.kw):
            row = y * window.sh - window.pad_top + ky * window.dh
            column = x * window.sw - window.pad_left + kx * window.dw
            if 0 <= row < h and 0 <= column < w:
                found.append((ky, kx, row, column))
    return found


@given(windows(), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.booleans(), st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_convolutions_equal_plain_loops(
    sizes: tuple[Window, int, int, int, int], groups: int, depth: int, per_group: int, quantized: bool, seed: int
) -> None:
    window, h, w, out_h, out_w = sizes
    if not out_h or not out_w:
        return
    rng = np.random.default_rng(seed)
    c, oc = groups * depth, groups * per_group
    x = rng.integers(-128, 128, (2, h, w, c)).astype(np.int8)
    filters = rng.integers(-127, 128, (oc, window.kh, window.kw, depth)).astype(np.int8)
    bias = rng.integers(-999, 999, oc).astype(np.int32)
    zero = 5 if quantized else 0
    sums = np.zeros((2, out_h, out_w, oc), np.int64) + bias
    for y in range(out_h):
        for z in range(out_w):
            for ky, kx, row, column in taps(window, y, z, h, w):
                for o in range(oc):
                    first = o // per_group * depth
                    part = x[:, row, column, first : first + depth].astype(np.int64) - zero
                    sums[:, y, z, o] += part @ filters[o, ky, kx].astype(np.int64)
    if not quantized:
        operation = Conv2d(window, filters.astype(np.float32), bias.astype(np.float32), Clamp(0, 6000), groups)
        result = run_one(node(operation, Tensor("x", x.shape, "f32"), sums.shape), x.astype(np.float32))
        assert np.array_equal(result, np.clip(sums, 0, 6000).astype(np.float32))
        return
    scales = rng.uniform(0.001, 0.1, oc).astype(np.float32)
    operation = Conv2d(window, filters, bias, Clamp(0.0), groups, scales)
    result = run_one(node(operation, Tensor("x", x.shape, "i8", 0.1, zero), sums.shape, "i8", 2.5), x)
    multiplier, shift = conv_requantization(0.1, scales, 2.5)
    assert np.array_equal(result, np.clip(requantize(sums, multiplier, shift) + 2, 2, 127))
    assert np.abs(result - np.clip(np.rint(sums * (0.1 * scales.astype(np.float64) / 2.5)) + 2, 2, 127)).max() <= 1


@given(windows(), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_depthwise_and_pools_equal_plain_loops(
    sizes: tuple[Window, int, int, int, int], c: int, multiplier: int, seed: int
) -> None:
    window, h, w, out_h, out_w = sizes
    if not out_h or not out_w:
        return
    rng = np.random.default_rng(seed)
    x = rng.integers(-99, 99, (2, h, w, c)).astype(np.float32)
    filters = rng.integers(-9, 9, (window.kh, window.kw, c * multiplier)).astype(np.float32)
    shape = (2, out_h, out_w, c * multiplier)
    deep = np.zeros(shape)
    highest, average = np.zeros((*shape[:3], c)), np.zeros((*shape[:3], c))
    some_inside = True
    for y in range(out_h):
        for z in range(out_w):
            inside = taps(window, y, z, h, w)
            some_inside &= bool(inside)
            for ky, kx, row, column in inside:
                deep[:, y, z] += np.repeat(x[:, row, column], multiplier, axis=-1) * filters[ky, kx]
            values = np.array([x[:, row, column] for _, _, row, column in inside] or [x[:, 0, 0]])
            highest[:, y, z], average[:, y, z] = values.max(axis=0), values.astype(np.float64).mean(axis=0)
    source = Tensor("x", x.shape, "f32")
    assert np.array_equal(run_one(node(DepthwiseConv2d(window, filters, None, multiplier), source, shape), x), deep)
    if some_inside:  # pools have no dilation, so that a window always meets the image
        assert np.array_equal(run_one(node(Pool2d("max", window), source, highest.shape), x), highest)
        result = run_one(node(Pool2d("average", window), source, highest.shape), x)
        assert np.array_equal(result, average.astype(np.float32))


def signs_graph(channels: int = 40) -> Graph:
    x = Tensor("x", (1, 2, 2, channels), "f32")
    bits = Tensor("bits", x.shape, "bits")
    return Graph((Node(0, "LceQuantize", BitQuantize(), (x,), bits),), (x,), (bits,))


def test_another_engines_bits_are_taken_only_where_the_reference_is_unsure() -> None:
    graph = signs_graph()
    x = np.random.default_rng(1).uniform(0.1, 1.0, (1, 2, 2, 40)).astype(np.float32)
    x[0, 0, 0, 0], x[0, 0, 0, 1] = 1.0, 0.5 * UNSURE
    own = interpret(graph, [x], keep=True)
    (margin,) = sign_margins(graph, own.values)
    assert (margin.tensor, margin.unsure, margin.values) == ("bits", 1, 160)
    assert margin.smallest == pytest.approx(0.5 * UNSURE)
    other = x.copy()
    other[0, 0, 0, 1] *= -1
    right = interpret(graph, [x], bits={"bits": pack(other)})
    assert np.array_equal(right.outputs[0], pack(other))
    (flip,) = right.flips
    assert (flip.unsure, flip.wrong) == (1, 0)
    assert flip.margins == (pytest.approx(0.5 * UNSURE),)
    other[0, 1, 1, 39] *= -1
    wrong = interpret(graph, [x], bits={"bits": pack(other)})
    assert (wrong.flips[0].unsure, wrong.flips[0].wrong) == (1, 1)
    assert wrong.flips[0].margins[0] > 0.05
    other[0, 1, 1, 39] *= -1
    assert np.array_equal(wrong.outputs[0], pack(other))
    assert interpret(graph, [x], bits={"bits": pack(x)}).flips == ()


def test_bits_that_no_rounding_decides_are_wrong_when_they_differ() -> None:
    model = read(GOLDEN / "tiny_larq.tflite")
    graph = import_model(model)
    x = np.random.default_rng(2).uniform(-1, 1, graph.inputs[0].shape).astype(np.float32)
    own = interpret(graph, [x], keep=True)
    name = next(n.output.name for n in graph.nodes if n.op == "LceBconv2d")
    other = own.values[name].copy()
    other[0, 3, 3, 0] ^= np.uint32(1 << 7)
    result = interpret(graph, [x], bits={name: other})
    assert [(flip.tensor, flip.unsure, flip.wrong) for flip in result.flips] == [(name, 0, 1)]
    assert np.array_equal(result.outputs[0], own.outputs[0])


def test_every_value_is_kept_when_asked() -> None:
    graph, result, golden = run_golden("tiny_larq")
    assert set(result.values) == {node.output.name for node in graph.nodes} | {graph.inputs[0].name}
    for one in graph.nodes:
        assert result.values[one.output.name].shape == one.output.storage_shape
    assert interpret(graph, [golden["input"]]).values == {}


def test_inputs_that_do_not_fit_are_one_sentence() -> None:
    graph = signs_graph()
    with pytest.raises(ModelError, match="has 1 inputs, not 2"):
        interpret(graph, [np.zeros((1, 2, 2, 40), np.float32)] * 2)
    with pytest.raises(ModelError, match=r"input 'x' is float64\[1, 2, 2, 40\]; it must be float32"):
        interpret(graph, [np.zeros((1, 2, 2, 40))])
    with pytest.raises(ModelError, match=r"'bits' is uint32\[1, 2, 2, 1\]; it must be uint32\[1, 2, 2, 2\]"):
        interpret(graph, [np.zeros((1, 2, 2, 40), np.float32)], bits={"bits": np.zeros((1, 2, 2, 1), np.uint32)})
    assert words(40) == 2


@given(st.floats(1e-9, 1e6), st.integers(-(2**31), 2**31 - 1))
@settings(max_examples=300, deadline=None)
def test_fixed_point_is_close_to_the_real_product(real: float, value: int) -> None:
    q31, shift = quantize_multiplier(real)
    assert q31 == 0 or 2**30 <= q31 < 2**31
    assert q31 / 2**31 * 2.0**shift == pytest.approx(real, rel=1e-8)
    exact = value * real
    if abs(value) * 2.0 ** max(shift, 0) < 2**31:
        got = int(requantize(np.array([value]), q31, shift)[0])
        assert abs(got - exact) <= 1 + abs(exact) * 2e-9


def test_where_halves_go() -> None:
    # 2^30 / 2^31 * 2^0 is one half in the high multiply; a shift of 1 to the left first makes it exact there.
    away = [-2, -2, -1, -1, 0, 1, 1, 2, 2]
    assert requantize(np.arange(-4, 5) * 2, 2**30, -1).tolist() == away
    assert requantize_once(np.arange(-4, 5), 0.5).tolist() == away


def test_dense_layers_round_the_product_in_f64() -> None:
    assert requantize_once(np.array([5, -5, 15, -25]), 1 / 10).tolist() == [1, -1, 2, -3]
    below = 0.49999999999999994  # adding a half would round it to 1
    assert requantize_once(np.array([1, -1, 3, 2**31 - 1]), below).tolist() == [0, 0, 1, 2**30 - 1]
    assert requantize_once(np.array([1, -1, 2**31 + 5]), 1e80).tolist() == [2**31 - 1, -(2**31), -(2**31)]


@given(st.floats(1e-9, 1e6), st.integers(-(2**31), 2**31 - 1))
@settings(max_examples=300, deadline=None)
def test_dense_rounding_is_exact(factor: float, value: int) -> None:
    product = Fraction(float(value) * factor)
    nearest = floor(abs(product) + Fraction(1, 2)) * (1 if product > 0 else -1)
    assert requantize_once(np.array([value]), factor).tolist() == [min(max(nearest, -(2**31)), 2**31 - 1)]


def test_rounding_and_bounds() -> None:
    assert [round_half_away(value) for value in (-1.5, -0.5, -0.4, 0.5, 2.5)] == [-2, -1, 0, 1, 3]
    assert round_half_away(0.49999999999999994) == 0  # adding a half would round it to 1
    assert act_bounds_i8(Clamp(), 0.1, 3) == (-128, 127)
    assert act_bounds_i8(Clamp(0.0, 6.0), 0.05, -128) == (-128, -8)
    assert act_bounds_i8(Clamp(-1.0, 1.0), 0.25, 3) == (-1, 7)
    assert quantize(np.array([0.125, -0.125, 1e9, -1e9, np.inf], np.float32), 0.25, 3).tolist() == [
        4,
        2,
        127,
        -128,
        127,
    ]
