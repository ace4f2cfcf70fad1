"""Which cause `why` names: labelled fixtures of a machine whose cause is known. No PMU is needed here, nor believed."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bnnbench.harness.session.counted_why import LEAST_PAIRS, counted_pairs, explain_counts
from bnnbench.harness.session.why import why
from bnnbench.results.records import Invocation, Pair, Side, Verdict
from tests.harness.bench import Bench
from tests.harness.replaying import replayed, verdicts

BASE: dict[str, float] = {
    "instructions": 1e6,
    "cpi": 0.5,
    "ghz": 2.0,
    "cache_misses": 100.0,
    "branch_misses": 200.0,
    "page_faults": 0.0,
}
"""A machine per execution: an execution takes 250 us."""
PMU = ("cycles", "instructions", "cache_misses", "branch_misses")


def counters_of(machine: dict[str, float], rng: np.random.Generator) -> tuple[dict[str, Any], float]:
    """A fixture of what such a machine counts, and its ns, with noise of 0.3 % on time and cycles."""
    instructions = machine["instructions"] * math.exp(rng.normal(0, 0.001))
    cycles = instructions * machine["cpi"] * math.exp(rng.normal(0, 0.003))
    counters = {
        "cycles": cycles,
        "instructions": instructions,
        **{name: machine[name] * math.exp(rng.normal(0, 0.02)) for name in ("cache_misses", "branch_misses")},
        "page_faults": machine["page_faults"],
        "running_share": machine.get("running_share", 1.0),
    }
    return counters, cycles / machine["ghz"] * math.exp(rng.normal(0, 0.003)) + machine["page_faults"] * 700


def told(
    changed: dict[str, float], *, keep: Sequence[str] | None = None, pairs: int = 30, dropped: bool = False
) -> str | None:
    """What is said of a head that differs so from `BASE`; `keep`: the only counters that could be read."""
    rng = np.random.default_rng(5)
    made: list[Pair] = []
    invocations: dict[Side, list[Invocation]] = {"base": [], "head": []}
    machines: dict[Side, dict[str, float]] = {"base": BASE, "head": {**BASE, **changed}}
    for number in range(pairs):
        ns: dict[Side, float] = {}
        for side, machine in machines.items():
            counters, ns[side] = counters_of(machine, rng)
            if keep is not None:
                counters = {name: value for name, value in counters.items() if name in keep}
            invocations[side].append(
                Invocation(case_id=side, index=number, order=number, status="ok", counters=counters, pair=number)
            )
        made.append(
            Pair(
                comparison_id="c",
                stage="screen",
                number=number,
                first="base",
                base_ns=ns["base"],
                head_ns=ns["head"],
                dropped="head" if dropped else None,
            )
        )
    effect = float(np.exp(np.median([math.log(one.head_ns / one.base_ns) for one in made]))) - 1
    return explain_counts(counted_pairs(made, invocations), effect)


NEEDS = "the head needs {} cycles for each instruction"


def words_and_figures(text: str) -> tuple[str, list[float]]:
    figure = r"\d+(?:\.\d+)?(?= %| cache| mis| page|$)"
    return re.sub(figure, "N", text), [float(found) for found in re.findall(figure, text)]


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"instructions": 1.05e6}, "the head executes 5.0 % more instructions"),
        ({"instructions": 0.9e6}, "the head executes 10.0 % fewer instructions"),
        ({"cpi": 0.53}, NEEDS.format("6.0 % more")),
        ({"cpi": 0.45}, NEEDS.format("10.0 % fewer")),
        (
            {"cpi": 0.55, "cache_misses": 400},
            NEEDS.format("10.0 % more") + ", with 0.4 cache misses per 1000 instructions instead of 0.1",
        ),
        (
            {"cpi": 0.45, "cache_misses": 10},
            NEEDS.format("10.0 % fewer") + ", with 0.01 cache misses per 1000 instructions instead of 0.1",
        ),
        (
            {"cpi": 0.55, "branch_misses": 2800},
            NEEDS.format("10.0 % more") + ", with 2.8 mispredicted branches per 1000 instructions instead of 0.2",
        ),
        ({"cpi": 0.55, "cache_misses": 110}, NEEDS.format("10.0 % more")),  # ten misses more do not cost 50,000 cycles
        ({"ghz": 1.9}, "a cycle takes 5.3 % longer in the head: the clock while it computes, or time in the kernel"),
        ({"ghz": 2.2}, "a cycle takes 9.1 % less in the head: the clock while it computes, or time in the kernel"),
        ({"page_faults": 30}, "the head has 30 page faults in each execution instead of 0"),
        (
            {"instructions": 1.05e6, "cpi": 0.525},
            "the head executes 5.0 % more instructions and the head needs 5.0 % more cycles for each instruction",
        ),
        (
            {"instructions": 0.8e6, "cpi": 0.7},
            NEEDS.format("40.0 % more") + ", although the head executes 20.0 % fewer instructions",
        ),
    ],
)
def test_the_cause_of_a_labelled_fixture_is_named(changed: dict[str, float], cause: str) -> None:
    said = told(changed)
    assert said is not None
    (words, figures), (right_words, right) = words_and_figures(said), words_and_figures(cause)
    assert words == right_words
    assert figures == pytest.approx(right, rel=0.05, abs=0.3)


@pytest.mark.parametrize("read", [("page_faults",), ("page_faults", "cycles")])
def test_page_faults_are_named_where_there_is_no_pmu(read: Sequence[str]) -> None:
    assert told({"page_faults": 30}, keep=read) == "the head has 30 page faults in each execution instead of 0"
    assert told({"instructions": 1.05e6}, keep=("page_faults",)) is None


def test_a_few_page_faults_do_not_explain_a_large_effect() -> None:
    assert told({"cpi": 0.6, "page_faults": 2}, keep=("page_faults",)) is None


def test_instructions_alone_are_enough_when_they_are_the_cause() -> None:
    assert "more instructions" in (told({"instructions": 1.05e6}, keep=("instructions",)) or "")
    assert told({"cpi": 0.55}, keep=("instructions",)) is None


def test_nothing_is_said_without_counters_or_of_few_pairs() -> None:
    assert told({"instructions": 1.05e6}, keep=()) is None
    assert told({"instructions": 1.05e6}, pairs=LEAST_PAIRS - 1) is None
    assert told({"instructions": 1.05e6}, pairs=LEAST_PAIRS) is not None
    assert told({"instructions": 1.05e6}, dropped=True) is None


def test_counters_that_took_turns_are_not_believed() -> None:
    assert told({"instructions": 1.05e6, "running_share": 0.5}) is None


def test_equal_sides_have_no_cause() -> None:
    assert told({}) is None


@pytest.mark.parametrize("hostile", [{"cycles": 0, "instructions": 0}, {"cycles": "many", "instructions": -1e5}, {}])
def test_counters_that_cannot_be_are_left_out(hostile: dict[str, Any]) -> None:
    """As a store of anybody may have them."""
    made = [
        Pair(comparison_id="c", stage="screen", number=number, first="base", base_ns=1e5, head_ns=1.1e5)
        for number in range(10)
    ]
    base, head = (
        [
            Invocation(case_id="a", index=number, order=number, status="ok", counters=counters, pair=number)
            for number in range(10)
        ]
        for counters in ({"cycles": 2e5, "instructions": 1e5}, hostile)
    )
    assert explain_counts(counted_pairs(made, {"base": base, "head": head}), 0.1) is None


KERNEL: Any = SimpleNamespace(workload=SimpleNamespace(kind="kernel"))


@pytest.mark.parametrize(
    ("head_hz", "said"),
    [
        (2e9, "the head executes 10.0 % more instructions"),
        (1.8e9, "the head ran at a clock 10.0 % lower than the base"),  # what is measured directly comes first
    ],
)
def test_counters_are_asked_after_the_clock(head_hz: float, said: str) -> None:
    sides: dict[Side, list[Invocation]] = {"base": [], "head": []}
    made = []
    for number in range(10):
        for side, factor in (("base", 1.0), ("head", 1.1)):
            counters = {"cycles": 2e5 * factor, "instructions": 4e5 * factor}
            one = Invocation(case_id=side, index=number, order=number, status="ok", counters=counters, pair=number)
            sides["base" if side == "base" else "head"].append(one)
        made.append(
            Pair(
                comparison_id="c",
                stage="screen",
                number=number,
                first="base",
                base_ns=1e5,
                head_ns=1.1e5,
                base_clock_hz=2e9,
                head_clock_hz=head_hz,
            )
        )
    found = Verdict(comparison_id="c", metric="latency", unit="ns", status="ok", effect=0.1, finished="")
    assert why(Any, {"base": KERNEL, "head": KERNEL}, made, sides, found) == said  # type: ignore[arg-type]


def test_a_real_comparison_names_the_instructions(bench: Bench) -> None:
    """Real processes whose engine reports counters of a fixture: 8 % slower, by 8 % more instructions."""
    words = replayed(bench, factor=1.08, instructions=1.08)
    for side, instructions in (("base.py", 1.0), ("head.py", 1.08)):
        path = bench.folder / side
        text = path.read_text().replace(
            "SETTINGS: dict[str, float] = {", f"SETTINGS: dict[str, float] = {{'instructions': {instructions}, ", 1
        )
        path.write_text(text)
    (found,) = verdicts(bench, words, status=1)
    assert found["verdict"] == "regression"
    assert found["why"] == "the head executes 8.0 % more instructions"


def test_page_faults_are_counted_in_invocations_without_a_pmu(bench: Bench) -> None:
    run = bench.measure("small.toml", "--filter", "maxpool", "--engine", "native", "--invocations", "1")
    (done,) = run.invocations
    if not done.counters:
        pytest.skip("perf_event_open is not permitted here")
    assert done.counters["page_faults"] >= 0
    assert "cycles" in done.counters or "cycles cannot be counted here" in (done.counters_error or "")
