"""`engines check`: engines that keep the protocol pass, and one that breaks a point is found at that point."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bnnbench.harness.bench.one_off import leased
from bnnbench.harness.tasks.protocol_check import look_at, sample_workloads
from bnnbench.harness.tasks.protocol_points import POINTS
from bnnbench.harness.tasks.protocol_subject import Subject
from bnnbench.kernels.engines import ENGINES, CustomEngine
from bnnbench.kernels.targets import TRIPLES
from tests.harness.bench import Bench, one_sentence

pytestmark = pytest.mark.timeout(120)
EXAMPLE = Path(__file__).parents[2] / "examples/own_engine/my_engine.py"
REPLY = "    print(json.dumps(reply), flush=True)\n"
MUTATIONS: dict[str, tuple[str, str, str]] = {
    "another protocol": ("hello", '"protocol": 1', '"protocol": 2'),
    "an op of its own": ("hello", '["bgemm"]', '["bgemm", "attention"]'),
    "no thread at all": ("hello", '"max_threads": 1', '"max_threads": 0'),
    "chatter on stdout": (
        "lines",
        "        break\n",
        "        break\n    print('debug') if verb == 'no_such_verb' else None\n",
    ),
    "a last word": ("lines", '    if verb == "quit":\n', '    if verb == "quit":\n        print("bye")\n'),
    "an end at an unknown verb": (
        "unknown verb",
        """            raise ValueError(f"the verb '{verb}' is unknown")""",
        "            sys.exit(0)",
    ),
    "refusal without a sentence": ("unknown verb", '"error": f"{type(error).__name__}: {error}"', '"error": ""'),
    "unknown keys ignored": ("unknown key", "limit_ns=3600 * 10**9)", "limit_ns=3600 * 10**9, **more)"),
    "a default for what must be there": ("missing key", "def run(id, samples, ", "def run(id, samples=1, "),
    "no decoding": ("percent-encoding", "key: unquote(value)", "key: value"),
    "short lines only": ("long line", "    verb, *words", "    if len(line) > 4096:\n        break\n    verb, *words"),
    "any op is bgemm": ("unknown op", """    if op != "bgemm" or out != "i32":\n""", "    if 0:\n"),
    "data of any length": ("wrong data", "if len(content) != (m + n) * row_bytes:", "if not content:"),
    "an id twice": ("taken id", "    if id in cases:", "    if 0:"),
    "any id": ("unknown id", 'cases[id]["out"]', 'cases.get(id, {"out": array("i")})["out"]'),
    "a sample too many": ("samples", "range(int(samples))", "range(int(samples) + 1)"),
    "iterations not done": ("iterations", "        for _ in range(iterations):", "        for _ in range(1):"),
    "sum and not mean": ("iterations", "- start) / iterations", "- start)"),
    "other iterations": ("iterations", '"iterations": iterations, ', '"iterations": 3, '),
    "min_sample_ns ignored": ("min_sample_ns", "< int(min_sample_ns)", "< 0"),
    "no warm-up": ("warmup_ns", "int(warmup_ns)", "0"),
    "no limit": ("limit_ns", "if time.monotonic_ns() > limit:", "if 0:"),
    "times too small": ("times", "- start) / iterations", "- start) / iterations / 10"),
    "times too large": ("times", "- start) / iterations", "- start) / iterations * 100"),
    "a clock that stands": ("clock", '"first_ns": first_ns,', '"first_ns": first_ns, "start_ns": 9, "end_ns": 10,'),
    "unload that does nothing": ("unload", '"load": load,', '"load": load, "unload": lambda id: {},'),
    "a status of its own": ("quit", "        break\n", "        sys.exit(3)\n"),
    "no end": ("end of input", REPLY, REPLY + "else:\n    time.sleep(60)\n"),
    "a wrong bit": ("output of bgemm", "k - 2 * bin(", "k - 1 * bin("),
    "another digest": ("output of bgemm", "hashlib.sha256(data)", "hashlib.sha256(data[1:])"),
    "other bytes": ("output of bgemm", '"bytes": len(data)', '"bytes": 1'),
}
SLOW = {"no limit", "no end", "times too small", "iterations not done"}
"""It takes seconds until they are waited for long enough."""
STARTS = {"hello", "output of bgemm"}


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """The example on this machine, leased once for all mutations."""
    bench = Bench(tmp_path_factory.mktemp("check"))
    workloads = sample_workloads()
    binary = {triple.architecture: EXAMPLE for triple in TRIPLES.values()}
    engine = CustomEngine("mine", ("{binary}",), binary)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("BNNBENCH_LOCK", "BNNBENCH_CACHE", "HOME"):
            patch.setenv(name, bench.environment[name])
        with leased("local", None, engine, 1, "a test", print, data=[one.data for one in workloads]) as lease:
            yield Subject(lease, engine.name, workloads)


def outcomes(subject: Subject, path: Path, *names: str) -> dict[str, tuple[str, str]]:
    """What is found of a program at these points, and at hello and the outputs."""
    blob = subject.lease.folder.blob(path, executable=True)
    lease = replace(subject.lease, paths={**subject.lease.paths, "mine": [blob]})
    points = [point for point in POINTS if point[0] in names]
    found = look_at(replace(subject, lease=lease), lambda _: None, points)
    return {point.name: (point.outcome, point.why) for point in found}


def mutated(folder: Path, before: str, after: str) -> Path:
    """The example, with one thing changed."""
    text = EXAMPLE.read_text().replace("/usr/bin/env python3", sys.executable)
    assert before in text
    path = folder / "mine"
    path.write_text(text.replace(before, after, 1))
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    "mutation", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in MUTATIONS]
)
def test_a_broken_point_is_found_there(mutation: str, subject: Subject, tmp_path: Path) -> None:
    point, before, after = MUTATIONS[mutation]
    found = outcomes(subject, mutated(tmp_path, before, after), point)
    assert found[point][0] == "failed", found
    assert found[point][1]
    failed = {name for name, (outcome, _) in found.items() if outcome == "failed"}
    assert failed <= {point, "output of bgemm"}  # which nothing can be asked for where run is broken


def test_every_point_has_a_mutation() -> None:
    assert {point for point, _, _ in MUTATIONS.values()} == STARTS | {name for name, _, _ in POINTS}


def test_native_keeps_all_of_it(bench: Bench) -> None:
    done = bench.run("engines", "check", "native", "--json")
    assert done.returncode == 0, done.stdout
    points = json.loads(done.stdout)
    assert {one["outcome"] for one in points} == {"ok"}
    assert len(points) == len(POINTS) + 1 + 4


def test_the_example_keeps_all_that_it_has(bench: Bench) -> None:
    done = bench.run("engines", "check", EXAMPLE)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert sum(line.startswith("ok ") for line in lines) == len(POINTS)
    assert [line.split(":")[0] for line in lines if line.startswith("none ")] == ["none  clock", "none  unload"]
    assert lines[-1] == f"all {len(POINTS) + 2} points are kept"


def test_the_command_says_what_is_broken_and_its_status_does_too(bench: Bench, tmp_path: Path) -> None:
    done = bench.run("engines", "check", mutated(tmp_path, '"protocol": 1', '"protocol": 2'))
    assert done.returncode == 1
    assert "FAIL  hello: says protocol 1 and itself: engine 'mine' speaks protocol 2" in done.stdout
    assert "1 of 1 points are broken" in done.stdout
    silent = bench.write("silent", "#!/bin/sh\nexit 0\n")
    silent.chmod(0o755)
    done = bench.run("engines", "check", "./silent")
    assert done.returncode == 1
    assert "ended before it answered hello" in done.stdout


def test_what_is_no_engine_is_refused(bench: Bench) -> None:
    done = bench.run("engines", "check", "nowhere")
    assert done.returncode == 2
    assert "is neither a program nor an engine" in one_sentence(done.stderr)
    other = next(name for name, engine in ENGINES.items() if "op" not in engine.accepts)
    done = bench.run("engines", "check", other)
    assert done.returncode == 3
    assert "loads no ops" in one_sentence(done.stderr)
