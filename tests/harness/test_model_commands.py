"""`model lint`, `model diff` and `model draw` as people and CI call them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from bnnbench.harness.errors import CallError
from bnnbench.harness.tasks.caches import caches_of
from bnnbench.harness.tasks.lint import condition, lint
from bnnbench.kernels.models.lint.linting import RULES
from tests.harness.bench import Bench
from tests.kernels.bad_models import BAD, good

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("models"))
    (bench.folder / "good.tflite").write_bytes(good().content())
    for name, (_, make) in BAD.items():
        (bench.folder / f"{name}.tflite").write_bytes(make().content())
    return bench


@pytest.mark.parametrize(("fail_on", "status"), [("none", 0), ("unfused-op", 1)])
def test_ci_fails_on_what_it_asked_for(user: Bench, fail_on: str, status: int) -> None:
    done = user.run("model", "lint", "unfused.tflite", "--fail-on", fail_on)
    assert done.returncode == status, done.stderr
    assert ("--fail-on" in done.stderr) == bool(status)


@pytest.mark.parametrize(
    ("fail_on", "fails"),
    [("none", False), ("any", True), ("unfused-op", True), ("large-head", False), ("90%", False), ("0%", True)],
)
def test_what_it_fails_on(user: Bench, fail_on: str, fails: bool) -> None:
    path = user.folder / "unfused.tflite"
    done = lint(path, device=None, inventory=None, threads=1, runs=1, tell=lambda line: None)
    assert bool(done.failing(condition(fail_on))) is fails


@pytest.mark.parametrize("fail_on", ["some", "10", "-1%", "101%", "%", "nan%", ""])
def test_what_cannot_be_failed_on_is_an_error(fail_on: str) -> None:
    with pytest.raises(CallError) as error:
        condition(fail_on)
    assert all(name in str(error.value) for name in RULES)


def test_a_wrong_call_is_an_error_before_anything_is_read(user: Bench) -> None:
    done = user.run("model", "lint", "none.tflite", "--fail-on", "some")
    assert done.returncode == 2
    assert "a share such as 10%" in " ".join(done.stderr.split())


@pytest.mark.parametrize("columns", [80, 120])
def test_cards_fit_the_terminal(user: Bench, columns: int) -> None:
    user.environment["COLUMNS"] = str(columns)
    try:
        done = user.run("model", "lint", "zero_padded.tflite")
    finally:
        del user.environment["COLUMNS"]
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= columns
    text = " ".join(done.stdout.split())
    for words in ("zero-padding", "op 2 LceBconv2d", "op 4 (MUL)", "Mend: Train with one-padding", "not measured"):
        assert words in text


def test_a_pipe_gets_a_line_for_each_place(user: Bench) -> None:
    lines = user.run("model", "lint", "zero_padded.tflite").stdout.splitlines()
    card = lines[lines.index(next(line for line in lines if line.startswith("zero-padding"))) :]
    card = card[: card.index("")]
    assert len(card) == 7, card
    assert [line.split(":")[0] for line in card[2:6]] == [f"  - op {n} LceBconv2d" for n in (2, 8, 14, 20)]


def test_costs_are_times_on_a_device(user: Bench) -> None:
    done = user.run("model", "lint", "float_between.tflite", "-d", "local", "--runs", "3", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["unit"], found["device"]) == ("ns", "local")
    first = found["findings"][0]
    assert first["id"] == "float-convolution"
    assert 0.2 < first["cost_share"] < 1
    assert first["cost"] == pytest.approx(first["cost_share"] * found["total"])
    assert found["trust"] in ("low", "medium", "high")


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("1024K\n32768K\n", (2**20, 2**25)),
        ("2M\n", (2**21, 2**21)),
        ("", (2**19, 2**19)),
        ("cat: no such file\n-1K\n" + "9" * 40 + "K\n", (2**19, 2**19)),
    ],
)
def test_the_sizes_of_caches_as_linux_says_them(text: str, sizes: tuple[int, int]) -> None:
    found = caches_of(text)
    assert (found.l2_bytes, found.last_bytes) == sizes
    assert found.l1_bytes == 2**15
    assert caches_of(text, first="48K\n").l1_bytes == 48 * 2**10


def test_what_lint_says_in_python(user: Bench) -> None:
    import bnnbench as bnn

    found = bnn.lint(user.folder / "quantize_pairs.tflite")
    assert found.unit == "MACs"
    assert found.ids[0] == "quantize-pair"
    assert list(found.frame[found.frame["id"] == "quantize-pair"]["op"]) == [2, 7, 12, 17]
    assert found.failing("any") == list(found.ids)
    assert found.failing("quantize-pair") == ["quantize-pair"]
    with pytest.raises(bnn.CallError, match="none of"):
        found.failing("everything")


def test_a_file_that_cannot_be_imported_is_looked_at_unless_it_is_to_be_measured(user: Bench) -> None:
    content = good().content().replace(b"LceBconv2d", b"LceBconv9d")
    (user.folder / "unknown.tflite").write_bytes(content)
    done = user.run("model", "lint", "unknown.tflite")
    assert done.returncode == 0, done.stderr
    assert "only the file was looked at" in done.stdout
    assert user.run("model", "lint", "unknown.tflite", "-d", "local").returncode == 2


def test_a_difference_is_found_on_the_given_input(user: Bench) -> None:
    np.save(user.folder / "zero.npy", np.zeros((56, 56, 3), np.float32))
    done = user.run("model", "diff", "good.tflite", "unfused.tflite", "--input", "zero.npy", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["input"] == "the given input"
    assert [row["status"] for row in found["rows"]].count("added") == 8
    assert found["rows"][found["first"]]["op"] == "ADD"
    assert found["b"]["ops"] - found["a"]["ops"] == 8
    shown = user.run("model", "diff", "good.tflite", "unfused.tflite")
    assert "values first differ at op 3 of a, op 5 of b (ADD)" in shown.stdout
    same = user.run("model", "diff", "good.tflite", "good.tflite")
    assert "all values of ops in both are the same" in same.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["good.tflite", "quicknet_xs", "--input", "zero.npy"], "their inputs are"),
        (["good.tflite", "good.tflite", "--input", "small.npy"], "the input has shape"),
        (["good.tflite", "good.tflite", "--tolerance", "2"], "--tolerance"),
        (["good.tflite", "none.tflite"], "does not exist"),
    ],
)
def test_what_cannot_be_compared_is_an_error(user: Bench, words: list[str], said: str) -> None:
    np.save(user.folder / "zero.npy", np.zeros((56, 56, 3), np.float32))
    np.save(user.folder / "small.npy", np.zeros((5, 56, 3), np.float32))
    done = user.run("model", "diff", *words)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())


def test_models_of_other_inputs_are_compared_without_values(user: Bench) -> None:
    done = user.run("model", "diff", "good.tflite", "quicknet_xs", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["first"] is None
    assert "their inputs are" in found["not_compared"]
    assert all(row["distance"] is None for row in found["rows"])


@pytest.mark.parametrize("words", [["-o", "a.png"], ["-o", "a.svg", "-d", "local", "--runs", "3"]], ids=" ".join)
def test_a_model_is_drawn(user: Bench, words: list[str]) -> None:
    done = user.run("model", "draw", "float_head.tflite", *words)
    assert done.returncode == 0, done.stderr
    start = (user.folder / words[1]).read_bytes()[:60]
    assert start.startswith(b"\x89PNG") or b"<?xml" in start


def test_another_suffix_is_refused_before_anything_is_read(user: Bench) -> None:
    done = user.run("model", "draw", "none.tflite", "-o", "a.gif")
    assert done.returncode == 2
    assert Path(user.folder / "a.gif").exists() is False


def test_the_readme_s_commands_work(user: Bench) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    block = text.split("## Why is it slow?\n", 1)[1].split("```sh\n")[1].split("```")[0]
    commands = [shlex.split(line, comments=True) for line in block.strip().splitlines()]
    assert [words[2] for words in commands] == ["lint", "diff", "draw"]
    for name in ("model", "before", "after"):
        (user.folder / f"{name}.tflite").write_bytes((user.folder / "unfused.tflite").read_bytes())
    for words in commands:
        done = user.run(*words[1:])
        assert done.returncode == 0, done.stderr
    assert (user.folder / "model.svg").stat().st_size > 1000
