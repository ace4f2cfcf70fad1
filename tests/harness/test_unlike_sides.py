"""Two sides of very different speed: each is timed in blocks of its own length."""

from __future__ import annotations

from pathlib import Path

import pytest

from bnnbench.harness.session.pairs import alike
from bnnbench.results.records import Gate
from tests.harness.bench import Bench

SLEEP_S = 0.004
ENGINE = Path(__file__).parents[2] / "examples" / "own_engine" / "my_engine.py"
SUITE = """
name = "unlike"
samples = 2
warmup_ms = 1
min_sample_ms = 1

[engine.slow]
command = ["{binary}"]
binary = { x86_64 = "slow.py", aarch64 = "slow.py", arm = "slow.py" }

[[kernel]]
op = "bgemm"
m = 2
n = 2
k = 64
"""


def gate(iterations: int, block_ns: float, warmup_ns: int) -> Gate:
    return Gate(case_id="1", status="ok", started="", iterations=iterations, block_ns=block_ns, warmup_ns=warmup_ns)


def test_sides_of_one_speed_do_the_same_number_of_iterations() -> None:
    found = alike({"base": gate(10, 5e6, 30), "head": gate(16, 5e6, 20)}, 0)
    assert [(one.iterations, one.warmup_ns) for one in found.values()] == [(16, 30), (16, 30)]
    assert [one.block_ns for one in found.values()] == [8e6, 5e6]  # of so many iterations


def test_sides_of_unlike_speed_keep_their_own_number() -> None:
    found = alike({"base": gate(1, 5e6, 30), "head": gate(1000, 5e6, 20)}, 0)
    assert [(one.iterations, one.warmup_ns, one.block_ns) for one in found.values()] == [(1, 30, 5e6), (1000, 30, 5e6)]


@pytest.mark.parametrize("block_ns", [None, 0.0])
def test_programs_that_are_not_calibrated_stay_as_they_are(block_ns: float | None) -> None:
    bare = Gate(case_id="1", status="ok", started="", block_ns=block_ns)
    found = alike({"base": bare, "head": gate(8, 5e6, 20)}, 0)
    assert [(one.iterations, one.block_ns) for one in found.values()] == [(1, 0.0), (8, 5e6)]


def test_an_engine_a_thousand_times_as_fast_is_compared(bench: Bench) -> None:
    text = ENGINE.read_text("utf-8")
    slowed = text.replace("def compute(case):\n", f"def compute(case):\n    time.sleep({SLEEP_S})\n")
    assert slowed != text
    bench.write("slow.py", slowed).chmod(0o755)
    bench.write("suite.toml", SUITE)
    sides = ["--base", "slow", "--head", "native"]
    done = bench.run("ab", "suite.toml", *sides, "--budget", "3s", "--store", "store")
    run = bench.store.run("latest")
    (record,) = run.record.comparisons
    pairs = run.pairs_of(record.id)
    assert len(pairs) >= 2, done.stdout + done.stderr
    assert all(pair.base_ns >= SLEEP_S * 1e9 and pair.base_ns > 500 * pair.head_ns for pair in pairs)
    assert {one.status for one in run.invocations} == {"ok"}
    counts = {
        side: {one.iterations for one in run.invocations if one.case_id == id}
        for side, id in (("base", record.base_case), ("head", record.head_case))
    }
    assert counts["base"] == {1}
    assert min(counts["head"]) > 100
    assert {verdict.status for verdict in run.verdicts if verdict.metric == "latency"} == {"ok"}
