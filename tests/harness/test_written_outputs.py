"""Programs that print a summary and can write outputs: a stand-in for `benchmark_model` that really computes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bnnbench.kernels.engines.installation import installed
from bnnbench.kernels.engines.tflite_benchmark import ONE_RUN, output_flags
from bnnbench.kernels.models.interpreter import interpret
from bnnbench.results import load
from tests.devices.sshd import LoopbackSsh
from tests.harness.bench import Bench
from tests.harness.benchmark_standin import standin
from tests.kernels.model_builder import Builder

LARQ = Path(__file__).parents[1] / "golden/tiny_larq.tflite"
COMMAND = '"{binary}", "--graph={model}", "--num_threads={threads}"'


def floats() -> Builder:
    """One input, two outputs of different sizes."""
    b = Builder()
    x = b.input((1, 4, 4, 8))
    first = b.op("RELU", [x], b.tensor((1, 4, 4, 8)))
    weights = b.constant(np.random.default_rng(1).uniform(-1, 1, (5, 128)).astype(np.float32))
    flat = b.op("RESHAPE", [x, b.constant(np.array([1, 128], np.int32))], b.tensor((1, 128)), "ReshapeOptions")
    second = b.op("FULLY_CONNECTED", [flat, weights, -1], b.tensor((1, 5)), "FullyConnectedOptions")
    b.outputs = [first, second]
    return b


def steps() -> Builder:
    """int8 in, int8 out, with halves to round."""
    b = Builder()
    x = b.input((1, 8, 8, 4), "int8", 0.0371, 3)
    c = b.constant(np.random.default_rng(8).integers(-128, 128, (1, 8, 8, 4)).astype(np.int8), 0.0512, -7)
    b.outputs = [b.op("ADD", [x, c], b.tensor((1, 8, 8, 4), "int8", 0.0613, 5), "AddOptions")]
    return b


def engine(name: str, program: str, command: str = COMMAND) -> str:
    return f"""[engine.{name}]
protocol = "none"
command = [{command}]
binary = {{ x86_64 = "{program}", aarch64 = "{program}" }}
"""


def suite(bench: Bench, model: Path, engines: dict[str, str]) -> Path:
    """One model on these engines, whose tables are given."""
    names = ", ".join(f'"{name}"' for name in engines)
    text = f'name = "written"\nengines = [{names}]\ninvocations = 1\n[[model]]\nfile = "{model}"\n'
    return bench.write("written.toml", text + "".join(engines.values()))


def made(bench: Bench, builder: Builder) -> Path:
    path = bench.folder / "made.tflite"
    path.write_bytes(builder.content())
    return path


def require(runtime: str) -> None:
    if installed(runtime) is None:
        pytest.skip(f"{runtime} is not installed: bnnbench engines install {runtime}")


OK = "right-outputs"
COMMANDS = {
    "own-input": f'{COMMAND}, "--input_layer=mine"',
    "own-output": f'{COMMAND}, "--output_filepath=mine"',
    "drops-words": '"sh", "-c", "exec \\"$0\\" \\"$1\\" --num_threads=1", "{binary}", "--graph={model}"',
    "passes-words": '"sh", "-c", "exec \\"$0\\" --num_threads=1 \\"$@\\"", "{binary}", "--graph={model}"',
}
"""Of which all but the last keep our flags from a program that is right."""
NEWER = "use one of TensorFlow 2.12 or newer"
EXPECTED = {
    OK: ("ok", ""),
    "passes-words": ("ok", ""),
    "wrong": ("wrong_output", "for random values: 1 of 5 values differ from the reference"),
    "wrong-at-extremes": ("wrong_output", "for zeros and extremes: 1 of 5 values differ"),
    "short": ("wrong_output", "has 529 bytes, not 532"),
    "empty": ("wrong_output", "has 0 bytes, not 532"),
    "long": ("wrong_output", "has more than 532 bytes"),
    "huge": ("wrong_output", "has more than 532 bytes"),
    "nan": ("wrong_output", "for random values: 128 of 128 values differ from the reference"),
    "wrong-when-timed": ("wrong_output", "the output differs from the verified one"),
    "old": ("unverified", f"this version writes no outputs: it ignores --output_filepath; {NEWER}"),
    "own-input": ("unverified", f"ignores --input_layer; {NEWER}"),
    "own-output": ("unverified", f"ignores --output_filepath; {NEWER}"),
    "silent": ("unverified", f"this version writes no outputs; {NEWER}"),
    "drops-words": ("unverified", "with a command that passes on the words behind it"),
    "strict": ("unverified", "it ended with status 1 and said: ERROR: Unknown command line flag --output_filepath"),
    "crash": ("failed", "it ended with status 1. It said: no such delegate"),
    "fails-after-writing": ("failed", "it ended with status 7. It said: "),
    "fails-when-timed": ("failed", "it ended with status 7. It said: "),
}
"""What becomes of the case, and what is said."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """One run of a model with two outputs by every kind of program."""
    require("litert")
    bench = Bench(tmp_path_factory.mktemp("written"))
    engines = {}
    for name in EXPECTED:
        standin(bench.folder / name, OK if name in COMMANDS else name)
        engines[name] = engine(name, name, COMMANDS.get(name, COMMAND))
    bench.measure(suite(bench, made(bench, floats()), engines), status=3)
    return bench


@pytest.mark.parametrize("name", list(EXPECTED))
def test_what_a_program_writes_decides(measured: Bench, name: str) -> None:
    frame = load(measured.store)
    case = frame[frame["engine"] == name].iloc[0]
    status, says = EXPECTED[name]
    assert case["status"] == status, case["reason"]
    assert says in ("" if pd.isna(case["reason"]) else case["reason"])
    assert pd.isna(case["latency_ns"]) != (status in ("ok", "unverified"))


def calls(bench: Bench, name: str) -> list[list[str]]:
    return [line.split() for line in (bench.folder / f"{name}.log").read_text().splitlines()]


def test_each_gate_input_is_a_run_and_the_timed_one_repeats_the_verified_output(measured: Bench) -> None:
    *gated, timed = calls(measured, OK)
    assert all(set(ONE_RUN) <= set(line) for line in gated)
    assert not set(ONE_RUN) & set(timed)
    inputs = [next(word for word in line if "value_files" in word) for line in gated]
    assert len(set(inputs)) == len(inputs) == 5
    assert inputs[0] in timed
    run = measured.store.run("latest")
    id = next(case.id for case in run.record.cases if case.engine == OK)
    (done,) = [one for one in run.invocations if one.case_id == id]
    assert done.output_sha256 == run.gates[id].output_sha256 is not None
    assert run.gates[id].confirmed_by


def test_an_old_version_is_timed_by_the_command_as_it_stands(measured: Bench) -> None:
    gated, timed = calls(measured, "old")
    assert any("--output_filepath=" in word for word in gated)
    assert [word.partition("=")[0] for word in timed] == ["--graph", "--num_threads"]


def test_a_wrong_program_is_not_timed(measured: Bench) -> None:
    assert len(calls(measured, "wrong")) == 1


def test_int8_outputs_are_compared_as_those_of_other_engines(bench: Bench) -> None:
    require("litert")
    standin(bench.folder / "right", "right")
    standin(bench.folder / "wrong", "wrong")
    engines = {name: engine(name, name) for name in ("right", "wrong")}
    path = suite(bench, made(bench, steps()), {**engines, "litert": ""})
    frame = load(bench.measure(path, status=3))
    by_name = frame.set_index("engine")
    assert dict(by_name["status"]) == {"right": "ok", "wrong": "wrong_output", "litert": "ok"}
    assert by_name["rounding"].fillna("")["right"] == by_name["rounding"].fillna("")["litert"]
    assert "1 of 256 values differ" in by_name["reason"]["wrong"]


def test_lce_by_its_program_over_ssh(bench: Bench, board: LoopbackSsh) -> None:
    require("lce")
    standin(bench.folder / "program", OK, "lce")
    path = suite(bench, LARQ, {"theirs": engine("theirs", "program")})
    frame = load(bench.measure(path, "--device", "board"))
    assert list(frame["status"]) == ["ok"], frame["reason"]
    assert not list((board.home / ".bnnbench/tmp").iterdir())


def test_several_inputs_and_outputs_travel_in_the_model_s_order(tmp_path: Path) -> None:
    require("litert")
    b = Builder()
    x, y = b.input((1, 3, 3, 4)), b.input((1, 1, 1, 4))
    first = b.op("SUB", [x, y], b.tensor((1, 3, 3, 4)), "SubOptions")
    second = b.op("ABS", [y], b.tensor((1, 1, 1, 4)), "AbsOptions")
    graph = b.graph(first, second)
    (tmp_path / "model").write_bytes(b.content(first, second))
    rng = np.random.default_rng(3)
    given = [rng.uniform(-1, 1, shape).astype(np.float32) for shape in ((1, 3, 3, 4), (1, 1, 1, 4))]
    for number, array in enumerate(given):
        (tmp_path / f"value{number}").write_bytes(array.tobytes())
    flags = output_flags([(f"value{number}", array.shape) for number, array in enumerate(given)], "out")
    assert flags == (
        "--input_layer=in0,in1",
        "--input_layer_shape=1,3,3,4:1,1,1,4",
        "--input_layer_value_files=in0:value0,in1:value1",
        "--output_filepath=out",
    )
    command = [str(standin(tmp_path / "program", OK)), "--graph=model", "--num_threads=1", *flags, *ONE_RUN]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    right = b"".join(array.tobytes() for array in interpret(graph, given).outputs)
    assert (tmp_path / "out").read_bytes() == right


@pytest.mark.slow
def test_two_proven_programs_get_a_verdict_and_one_without_outputs_none(bench: Bench) -> None:
    require("litert")
    engines = {}
    for name in ("right", "again", "old"):
        standin(bench.folder / name, name)
        engines[name] = engine(name, name)
    path = suite(bench, made(bench, steps()), engines)
    words = {}
    for head in ("again", "old"):
        done = bench.run("ab", path, "--base", "right", "--head", head, "--store", "store", "--json", "-")
        assert "Traceback" not in done.stderr
        (words[head],) = [
            one["verdict"] or one["status"] for one in json.loads(done.stdout)["verdicts"] if one["metric"] == "latency"
        ]
    assert words == {"again": "equivalent", "old": "unverified"}
