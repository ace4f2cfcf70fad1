"""Suite files: what is complete, and the sentence for each thing that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bnnbench.harness.errors import CallError, SuiteError
from bnnbench.harness.suite.load import load_suites, located, model_path, parse_suite
from bnnbench.harness.suite.tables import ModelTable, Suite
from bnnbench.harness.tasks.measure import with_invocations
from bnnbench.harness.workload.of_suite import workloads
from bnnbench.kernels.models.shipped import shipped_models

CONV = 'name = "s"\n[[kernel]]\nop = "bconv2d"\ninput = [4, 4, 32]\nfilters = 8\n'


def test_defaults_complete_a_partial_suite() -> None:
    suite = parse_suite(CONV, Path("s.toml"))
    assert (suite.engines, suite.threads, suite.invocations, suite.samples) == (["native", "numba"], [1], 7, 10)
    (workload,) = workloads(suite)
    assert workload.name == "bconv2d 4x4x32->8 3x3"


def test_quickstart_has_the_four_classic_shapes() -> None:
    assert len({workload.spec.macs_1bit for workload in workloads(load_suites([]))}) == 1
    assert len(workloads(load_suites([]))) == 4


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('name = "s"', "s.toml names nothing to measure"),
        ("name = ", "s.toml is not valid TOML"),
        (CONV.replace("filters", "filtres"), "unknown key 'filtres' in kernel 1 (did you mean 'filters'?)"),
        (CONV.replace("filters = 8\n", ""), "missing required field 'filters' in kernel 1"),
        (CONV.replace("8", '"8"'), "expected a whole number, got text in kernel 1.filters"),
        (CONV.replace("8", "0"), "kernel 1.filters"),
        (CONV.replace('"bconv2d"', '"conv"'), "; it is one of bconv2d, bgemm, bitpack, bmaxpool2d"),
        (CONV.replace("[4, 4, 32]", "[4, 4]"), "kernel 1.input"),
        (CONV + 'pad = "valid"\nkernel = [9, 9]\n', "kernel 1: bconv2d: a 9x9 window does not fit"),
        ("treads = [1]\n" + CONV, "unknown key 'treads' (did you mean 'threads'?)"),
        ('engines = ["natve"]\n' + CONV, "unknown engine 'natve' (did you mean 'native'?); there are native"),
        (CONV + '[engine.native]\ncommand = ["{binary}"]\nbinary = {}\n', "the name of a built-in engine"),
        (CONV + '[engine.x]\ncommand = ["run"]\nbinary = {arm = "x"}\n', "does not say where the {binary} goes"),
        (
            CONV + '[engine.x]\ncommand = ["{binary}"]\nbinary = {arm64 = "x"}\n',
            "unknown architecture 'arm64' (did you mean 'arm'?); there are",
        ),
        (CONV + '[engine.x]\ncommand = ["{binary}"]\nbinary = {aarch64 = "nix"}\n', "nix does not exist"),
        (CONV + "[verdict]\nfloor = 2\n", "verdict.floor"),
        (CONV + '[[model]]\nfile = "none.tflite"\n', "none.tflite does not exist"),
    ],
)
def test_what_is_wrong_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(SuiteError) as caught:
        parse_suite(text, Path("s.toml"))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


ENGINE = '[engine.x]\ncommand = ["{binary}"]\nbinary = {}\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (CONV + 'pad = "sme"\n', "'sme' in kernel 1.pad (did you mean 'same'?); it is one of same, valid"),
        (CONV + "pad_value = 2\n", "2 in kernel 1.pad_value; it is one of 0, 1"),
        (CONV + "act = 1\n", "kernel 1.act; it is one of none, relu, relu6, relu_n1_to_1"),
        (CONV.replace('op = "bconv2d"\n', ""), "field 'op' in kernel 1; it is one of bconv2d, bgemm"),
        (CONV + ENGINE + "protocol = 2\n", "2 in engine.x.protocol; it is one of 1, none"),
        (CONV + ENGINE + 'accepts = ["OP"]\n', "engine.x.accepts 1 (did you mean 'op'?); it is one of lce, onnx,"),
        (
            'name = "s"\n[[model]]\nfile = "x"\nmeasure = ["modl"]\n',
            "(did you mean 'model'?); it is one of layers, model",
        ),
        (
            'name = "s"\n[[model]]\nfile = "x"\nmeasure = "model"\n',
            "expected a list, got text in model 1.measure; it is",
        ),
    ],
)
def test_where_only_some_values_are_right_they_are_listed(text: str, sentence: str) -> None:
    with pytest.raises(SuiteError) as caught:
        parse_suite(text, Path("s.toml"))
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (CONV.replace("[[kernel]]", "[kernel]"), "write [[kernel]], not [kernel]"),
        (CONV.replace("[[kernel]]", "[kernel.first]"), "write [[kernel]], not [kernel.first]"),
        (2 * CONV[len('name = "s"\n') :].replace("[[kernel]]", "[kernel]"), "write [[kernel]], not [kernel]"),
        (CONV + '[model]\nfile = "x"\n', "write [[model]], not [model]"),
        (CONV + "[[verdict]]\nfloor = 0.1\n", "write [verdict], not [[verdict]]"),
        (CONV + "[[engine]]\nname = 1\n", "write [engine.NAME], not [[engine]]"),
        (CONV + ENGINE.replace("[engine.x]", "[[engine.x]]"), "write [engine.x], not [[engine.x]]"),
        (
            CONV + ENGINE.replace("[engine.x]", "[engine]"),
            "'command' is in [engine], which contains named tables",
        ),
    ],
)
def test_brackets_of_a_table_are_told(text: str, sentence: str) -> None:
    """One table where there may be several, and the reverse."""
    with pytest.raises(SuiteError) as caught:
        parse_suite(text, Path("s.toml"))
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda: load_suites([Path("quicknet_z")]),
        lambda: load_suites([Path("models/quicknet_z.tflite")]),
        lambda: located(ModelTable(file="quicknet_z"), Path()),
        lambda: model_path("quicknet_z", Path()),
        lambda: load_suites([Path("Quicknet_S.toml")]),
    ],
)
def test_a_model_that_is_none_lists_the_shipped_ones(call: Callable[[], object]) -> None:
    with pytest.raises(SuiteError) as caught:
        call()
    assert (
        f"(did you mean 'quicknet_s'?); correct the path, or name a shipped model: {', '.join(shipped_models())}."
        in str(caught.value)
    )


def test_suites_merge_or_disagree(tmp_path: Path) -> None:
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text(CONV)
    second.write_text(CONV.replace("filters = 8", "filters = 16"))
    assert len(workloads(load_suites([first, second]))) == 2
    second.write_text("invocations = 3\n" + CONV)
    with pytest.raises(SuiteError, match="disagree on invocations"):
        load_suites([first, second])


@pytest.mark.parametrize("content", [b"\xff\xfe\x00binary", None])
def test_a_file_that_is_no_suite(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SuiteError, match=r"x\.toml"):
        load_suites([path])


def test_a_model_without_binary_layers_says_so() -> None:
    golden = Path(__file__).parents[1] / "golden" / "tiny_dequant.tflite"
    with pytest.raises(SuiteError, match="no binary convolution"):
        workloads(load_suites([golden], layers=True))


def test_a_corrupt_model_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"TFL3 but not really")
    (found,) = workloads(load_suites([path]))
    assert found.unverified is not None
    assert "broken.tflite" in found.unverified
    assert "\n" not in found.unverified
    assert found.payload(frozenset({"plan", "tflite", "lce", "onnx"})) is None


def test_same_names_are_told_apart() -> None:
    suite = parse_suite(CONV + CONV.split("\n", 1)[1], Path("s.toml"))
    assert [workload.name for workload in workloads(suite)] == ["bconv2d 4x4x32->8 3x3", "bconv2d 4x4x32->8 3x3 #2"]


@pytest.mark.parametrize(("asked", "kept"), [(None, 7), (0, 0), (1, 1), (10_000, 10_000)])
def test_invocations_of_the_command_line_take_the_place_of_the_suite_s(asked: int | None, kept: int) -> None:
    """None measured is only verified, as a suite with `invocations = 0` is."""
    assert with_invocations(Suite(name="s"), asked).invocations == kept


@pytest.mark.parametrize(("asked", "said"), [(-1, "less than 0"), (10_001, "more than 10,000")])
def test_invocations_that_cannot_be_are_refused(asked: int, said: str) -> None:
    with pytest.raises(CallError, match=f"--invocations {asked} is {said}"):
        with_invocations(Suite(name="s"), asked)
