"""Ops of other engines, over engines that answer rubbish: one sentence, and never a table."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bnnbench.harness.bench.one_off import OneOff
from bnnbench.harness.tasks.op_times import Subject, by_profiler, by_repeats
from bnnbench.kernels.engines.client import EngineClient
from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.models.formats import read_model
from tests.kernels.test_client import Script

TINY = Path(__file__).parents[1] / "golden" / "tiny_larq.tflite"
ONNX = Path(__file__).parents[2] / "examples" / "pytorch" / "trained" / "bireal_script.onnx"
OK = '{"ok": true}'


def subject(name: str, *answers: str, model: Path = TINY, runs: int = 2) -> Subject:
    """An engine that gives these answers, one after another, and the last one for ever."""

    class Lasting(Script):
        def read_line(self, deadline: float) -> str:
            return self.answers.pop(0) if len(self.answers) > 1 else str(self.answers[0])

    lease = SimpleNamespace(paths={name: ["driver", "profiler"]})
    one = cast(OneOff, SimpleNamespace(client=EngineClient(Lasting(*answers), name), lease=lease))
    return Subject(one, name, read_model(model), runs, 1)


def profile(*ops: str, total: str = "[1000, 1000]") -> str:
    return f'{{"ok": true, "ops": [{", ".join(ops)}], "total_ns": {total}}}'


def op(ns: str, **keys: Any) -> str:
    more = "".join(f', "{key}": {value}' for key, value in keys.items())
    return f'{{"index": 0, "op": "node", "name": "#0#", "ns": {ns}{more}}}'


RUBBISH = {
    "no JSON": "rubbish",
    "a list": "[1, 2]",
    "a refusal": '{"ok": false, "error": "out of\\nmemory"}',
    "no ops": profile(),
    "an op of fewer runs": profile(op("[1]")),
    "an op of more runs": profile(op("[1, 1, 1]")),
    "totals of fewer runs": profile(op("[1, 1]"), total="[1000]"),
    "negative": profile(op("[1, -1]")),
    "not a number": profile(op("[1, NaN]")),
    "endless": profile(op("[1, 1e999]")),
    "text": profile(op('["1", "1"]')),
    "longer than the whole": profile(op("[1, 9000]")),
    "longer than the wait": profile(op("[1, 1]"), total="[1e12, 1e12]"),
    "a node below the first": profile(op("[1, 1]", node=-1)),
}


@pytest.mark.parametrize("answer", RUBBISH.values(), ids=RUBBISH)
@pytest.mark.parametrize(("name", "model"), [("litert", TINY), ("onnxruntime", ONNX)])
def test_profilers_of_rubbish(name: str, model: Path, answer: str) -> None:
    with pytest.raises(EngineError) as caught:
        by_profiler(subject(name, answer, model=model))
    assert name in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(("name", "model"), [("litert", TINY), ("onnxruntime", ONNX)])
def test_rows_that_are_no_op_of_the_file_hold_none(name: str, model: Path) -> None:
    honest, strange = op("[10, 30]", node=0), op("[1, 1]", node=10**9).replace("#0#", "#999999#")
    ops, sum_ns = by_profiler(subject(name, profile(honest, strange), model=model))
    assert ops[0].ops[0] == 0
    assert ops[1].ops == ()
    assert (ops[0].time_ns, sum_ns) == (20, 21)


def ran(ns: str) -> str:
    return f'{{"ok": true, "samples_ns": {ns}}}'


@pytest.mark.parametrize(
    "answer",
    [
        "rubbish",
        ran("[]"),
        ran("[1, 1]"),
        ran("[-1]"),
        ran("[0]"),
        ran("[NaN]"),
        ran("[1e999]"),
        ran('["1"]'),
        ran("[1e13]"),
    ],
)
@pytest.mark.parametrize("before", [0, 1])
def test_repeats_of_rubbish(before: int, answer: str) -> None:
    """In the first run, of the model, or in the second, of the model with an op repeated."""
    with pytest.raises(EngineError, match="engine 'lce'"):
        by_repeats(subject("lce", OK, *[ran("[1000]")] * before, answer))


def test_repeats_that_are_faster_take_no_time() -> None:
    """A model with an op repeated was not slower: 0, not less."""
    one = subject("lce")
    answers = iter([ran("[3000]"), ran("[1000]")] * 10_000)

    class Faster(Script):
        def read_line(self, deadline: float) -> str:
            return next(answers) if self.sent[-1].startswith("run") else OK

    client = EngineClient(Faster(), "lce")
    ops, sum_ns = by_repeats(Subject(cast(OneOff, SimpleNamespace(client=client)), "lce", one.model, 1, 1))
    assert {(found.time_ns, found.low_ns, found.high_ns) for found in ops} == {(0.0, 0.0, 0.0)}
    assert sum_ns == 0
