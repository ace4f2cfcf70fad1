"""`bnnbench profile --counters`: real counts of the kernel's own events; what a PMU would add is a fixture."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

import bnnbench as bnn
from bnnbench.harness.cli.profile_table import print_profile
from bnnbench.harness.tasks.profile import ModelProfile, OpTime, rates
from bnnbench.kernels.engines.replies import Peaks
from tests.harness.bench import Bench, one_sentence


def test_counts_are_in_the_document_the_table_and_the_trace(bench: Bench) -> None:
    words = ["profile", "quicknet_xs", "--runs", "5", "--counters", "page_faults,task_clock_ns,cycles"]
    done = bench.run(*words, "--trace", "steps.json", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    counted = [step["counters"] for step in document["ops"]]
    if not counted[0]:
        pytest.skip(document["counters_error"])
    assert all(step["page_faults"] == 0 for step in counted)  # the warm-up has touched every page
    assert sum(step["task_clock_ns"] for step in counted) > 0.5 * document["sum_ns"]
    assert document["counters_cost"]["ns"] > 0
    if "cycles" not in counted[0]:
        assert "cycles cannot be counted here" in document["counters_error"]
    trace = json.loads((bench.folder / "steps.json").read_text())["traceEvents"]
    assert [event["args"]["task_clock_ns"] for event in trace if event["ph"] == "X"] == [
        step["task_clock_ns"] for step in counted
    ]
    shown = bench.run(*words).stdout
    assert "task clock ns" in shown
    assert "each count includes one reading" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--counters", "cycle"], "did you mean 'cycles'"),
        (["--counters", ","], "--counters is empty"),
        (["--counters", "cycles", "--threads", "2"], "counters are read on one thread"),
    ],
)
def test_a_wrong_call_is_one_sentence(bench: Bench, words: list[str], said: str) -> None:
    done = bench.run("profile", "quicknet_xs", *words)
    assert done.returncode == 2
    assert said in one_sentence(done.stderr)


def test_python_s_arguments_are_checked_alike() -> None:
    with pytest.raises(bnn.CallError, match="there is no counter 'moonbeams'"):
        bnn.profile("quicknet_xs", counters="moonbeams")


@pytest.mark.parametrize(
    ("counters", "right"),
    [
        ({"cycles": 500.0, "instructions": 1000.0, "cache_misses": 3.0}, {"ipc": 2.0, "mpki": 3.0}),
        ({"cycles": 500.0, "cache_misses": 3.0}, {}),
        ({"cycles": 0.0, "instructions": 0.0, "cache_misses": 0.0}, {}),
        ({"instructions": 2000.0, "cache_misses": 0.0}, {"mpki": 0.0}),
    ],
)
def test_rates_of_a_fixture(counters: dict[str, float], right: dict[str, float]) -> None:
    assert rates(counters) == right


def test_a_pmu_s_counts_of_a_fixture_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    numbers: dict[str, Any] = dict.fromkeys(("macs_1bit", "macs_32bit", "bytes_moved"), 0)
    times: dict[str, Any] = {"time_ns": 10.0, "low_ns": 9.0, "high_ns": 11.0, "share": 1.0}
    step = OpTime(index=0, op="conv", name="one", kernel="k", gops=None, roof=None, roof_share=None, **numbers, **times)
    totals: dict[str, Any] = {f"{name}_{end}": 10.0 for name in ("total", "sum") for end in ("ns", "low_ns", "high_ns")}
    done = ModelProfile(
        ops=(replace(step, counters={"cycles": 2000.0, "instructions": 5000.0, "cache_misses": 20.0}),),
        trust="high",
        doubts=(),
        runs=5,
        threads=1,
        peaks=Peaks(),
        arena_bytes=None,
        plan_sha256="",
        engine_build="",
        isa=None,
        counters_cost={"ns": 300.0, "cycles": 40.0},
        **totals,
    )
    print_profile("model", "device", done)
    shown = " ".join(capsys.readouterr().out.split())
    assert "0 one 2,000 5,000 20 2.50 4.00" in shown
    assert "one reading, which takes 300 ns and adds at least 40 cycles" in shown
    assert "not all counters" not in shown
