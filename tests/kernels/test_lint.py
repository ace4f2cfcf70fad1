"""What lint finds: in models that were made bad in one way, in good ones only what is true, and in no file a crash."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bnnbench.kernels.models.formats import graph_of, read_model
from bnnbench.kernels.models.lint import NOMINAL, Finding, Linted, Roofs, lint_model, measured_rates
from bnnbench.kernels.models.lint.linting import RULES
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.models.shipped import shipped_models
from tests.kernels.bad_models import BAD, BLOCKS, Network, good, small_stem
from tests.kernels.model_builder import Builder

pytestmark = pytest.mark.timeout(60)
PUBLISHED = sorted((Path(__file__).parents[1] / "golden").glob("*.tflite"))
PUBLISHED += sorted(Path(os.environ.get("BNNBENCH_GOLDEN", "/nonexistent")).glob("[!t]*.tflite"))
NOT_CONVERTED = {"old-converter"}
"""What is true of every file that the builder writes."""


def linted(path: Path) -> Linted:
    model = read_model(path)
    graph = graph_of(model)
    return lint_model(model, graph, make_plan(graph))


def written(folder: Path, builder: Builder) -> Linted:
    path = folder / "made.tflite"
    path.write_bytes(builder.content())
    return linted(path)


def by_id(found: Linted) -> dict[str, Finding]:
    return {finding.id: finding for finding in found.findings}


def places(finding: Finding) -> list[tuple[int | None, str]]:
    return [(place.op, place.name) for place in finding.places]


@pytest.mark.parametrize("make", [good, small_stem])
def test_a_good_model_has_nothing(tmp_path: Path, make: Callable[[], Builder]) -> None:
    assert by_id(written(tmp_path, make())).keys() <= {*NOT_CONVERTED, "float-weights"}


@pytest.mark.parametrize("name", BAD)
def test_what_was_made_bad_is_found_at_its_places(tmp_path: Path, name: str) -> None:
    finding, make = BAD[name]
    builder = make()
    found = by_id(written(tmp_path, builder))
    assert found.keys() <= {finding, "float-weights", *NOT_CONVERTED, *ALSO.get(name, ())}
    expected = [number for number, op in enumerate(builder.ops) if op["name"] == FIRST_OP[name](op, builder)]
    assert [op for op, _ in places(found[finding])] == expected
    assert len(expected) == (1 if name in ONE_PLACE else BLOCKS)
    assert all(place.cost > 0 and place.detail for place in found[finding].places)
    assert 0 < found[finding].cost_share < 1


ONE_PLACE = ("float_head", "float_between", "large_stem")
ALSO = {"large_stem": {"out-of-cache"}}
"""True as well: 56 x 56 x 64 floats are more than a usual second cache."""


def _float_convolution(op: dict[str, object], builder: Builder) -> str:
    is_stem = op is builder.ops[0]
    return "" if is_stem else "CONV_2D"


FIRST_OP: dict[str, Callable[[dict[str, object], Builder], str]] = {
    "zero_padded": lambda op, builder: "LceBconv2d",
    "unfused": lambda op, builder: "LceBconv2d",
    "channels_48": lambda op, builder: "LceBconv2d",
    "float_weights_kept": _float_convolution,
    "quantize_pairs": lambda op, builder: "LceDequantize",
    "float_head": lambda op, builder: "FULLY_CONNECTED",
    "float_between": _float_convolution,
    "large_stem": lambda op, builder: "CONV_2D" if op is builder.ops[0] else "",
}
"""Of each bad model: the name of an op where the finding has a place, or something else."""


@pytest.mark.parametrize(
    ("name", "share"),
    [("channels_48", 1 - (48 / 64) ** 2), ("quantize_pairs", 1.0)],
)
def test_costs_on_a_device_are_parts_of_measured_steps(tmp_path: Path, name: str, share: float) -> None:
    finding, make = BAD[name]
    path = tmp_path / "made.tflite"
    path.write_bytes(make().content())
    model = read_model(path)
    graph = graph_of(model)
    plan = make_plan(graph)
    times = dict.fromkeys(range(len(plan.steps)), 1000.0)
    rates = measured_rates(plan.steps, times, Roofs(100.0, 10.0, {}, 2**20, 2**23))
    found = by_id(lint_model(model, graph, plan, rates))[finding]
    assert rates.unit == "ns"
    assert found.cost == pytest.approx(1000.0 * share * len(found.places))
    assert found.cost_share == pytest.approx(found.cost / (1000.0 * len(times)))


def test_a_dense_layer_over_an_image_costs_what_pooling_saves(tmp_path: Path) -> None:
    path = tmp_path / "made.tflite"
    path.write_bytes(BAD["float_head"][1]().content())
    model = read_model(path)
    graph = graph_of(model)
    plan = make_plan(graph)
    times = {number: 5000.0 if step.kind == "conv" and number else 1000.0 for number, step in enumerate(plan.steps)}
    rates = measured_rates(plan.steps, times, Roofs(100.0, 10.0, {}, 2**20, 2**23))
    assert by_id(lint_model(model, graph, plan, rates))["large-head"].cost == pytest.approx(5000 * (1 - 1 / 28**2))


@pytest.mark.parametrize(
    ("size", "share"),
    [(16, None), (64, 1 - 50 / 100), (256, 1 - 10 / 100)],
)
def test_what_waits_for_memory_costs_what_a_nearer_cache_saves(tmp_path: Path, size: int, share: float | None) -> None:
    b = Builder()
    x = b.input((1, size, size, 64))
    options = {"padding": 0, "stride_h": 2, "stride_w": 2, "filter_height": 2, "filter_width": 2}
    b.outputs = [b.op("MAX_POOL_2D", [x], b.tensor((1, size // 2, size // 2, 64)), "Pool2DOptions", **options)]
    path = tmp_path / "made.tflite"
    path.write_bytes(b.content())
    model = read_model(path)
    graph = graph_of(model)
    plan = make_plan(graph)
    speeds = {"l1": 200.0, "l2": 100.0, "llc": 50.0, "dram": 10.0}
    rates = measured_rates(plan.steps, {0: 100.0}, Roofs(100.0, 10.0, speeds, 2**19, 2**22))
    found = by_id(lint_model(model, graph, plan, rates)).get("out-of-cache")
    assert (found is None) == (share is None)
    if found is not None and share is not None:
        assert found.cost == pytest.approx(100 * share)


TRUE_OF_SHIPPED = {
    "quicknet_xs": {"partial-words"},
    "quicknet_s": {"partial-words"},
    "quicknet_m_zero_padded": {"zero-padding"},
}


@pytest.mark.parametrize("name", shipped_models())
def test_of_shipped_models_only_what_is_true(name: str) -> None:
    found = by_id(linted(shipped_models()[name]))
    assert found.keys() - {"float-weights"} == TRUE_OF_SHIPPED.get(name, set())


TRUE_OF_GOLDEN = {
    "QuickNetSmall": {"float-weights"},
    "QuickNetSmall_int8": {"quantize-pair"},
    "BiRealNet": {"float-weights", "large-stem", "out-of-cache", "zero-padding"},
    "RealToBinaryNet": {"float-weights", "large-stem", "out-of-cache", "zero-padding"},
    "BinaryDenseNet28": {"float-weights", "out-of-cache", "zero-padding"},
    "tiny_larq": {"float-weights", "unfused-op"},
    "tiny_bmaxpool_presign": {"quantize-pair", "partial-words"},
}
"""BiRealNet and others in the zoo are zero-padded, and have ResNet's 7x7 stem; QuickNetSmall_int8 rounds its sums to
int8 and back; 112 x 112 x 64 floats are more than a usual second cache."""


@pytest.mark.parametrize(
    "path", [path for path in PUBLISHED if path.stem in TRUE_OF_GOLDEN], ids=lambda path: path.stem
)
def test_of_published_models_only_what_is_true(path: Path) -> None:
    assert by_id(linted(path)).keys() == TRUE_OF_GOLDEN[path.stem]


@pytest.mark.parametrize(
    ("reader", "why"),
    [
        ("MUL", "nothing in the file prevents it"),
        ("pool", "behind op 3 (MAX_POOL_2D)"),
        ("both", "reads the convolution too"),
    ],
)
def test_why_a_batch_normalization_is_an_op_of_its_own(tmp_path: Path, reader: str, why: str) -> None:
    m = Network(blocks=1)
    m.stem()
    y = m.binary(m.signs())
    x = y
    if reader == "pool":
        options = {"padding": 0, "stride_h": 1, "stride_w": 1, "filter_height": 3, "filter_width": 3}
        x = m.b.op("MAX_POOL_2D", [y], m.new(), "Pool2DOptions", **options)
    z = m.normalized(x)
    m.x = m.elementwise("ADD", z, y) if reader == "both" else z
    m.b.outputs = [m.head()]
    found = by_id(written(tmp_path, m.b))["unfused-op"]
    assert places(found) == [(2, "LceBconv2d")]
    assert why in found.places[0].detail
    assert found.cost > 0


def test_findings_that_take_time_come_first(tmp_path: Path) -> None:
    shares = [finding.cost_share for finding in written(tmp_path, BAD["float_head"][1]()).findings]
    assert len(shares) >= 2
    assert shares[0] > 0.3
    assert shares == sorted(shares, reverse=True)


def test_rules_are_sentences_with_names_for_the_command_line() -> None:
    for name, rule in RULES.items():
        assert name == name.lower().replace(" ", "-")
        assert name not in ("none", "any")
        assert rule.title.endswith(".")
        assert rule.mend.endswith(".")


def test_without_a_device_a_binary_mac_counts_a_sixteenth(tmp_path: Path) -> None:
    assert NOMINAL.unit == "MACs"
    path = tmp_path / "made.tflite"
    path.write_bytes(good().content())
    model = read_model(path)
    plan = make_plan(graph_of(model))
    work = sum(step.macs_32bit + step.macs_1bit / 16 for step in plan.steps)
    assert work < NOMINAL.whole(plan.steps) < 2 * work
