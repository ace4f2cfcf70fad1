"""Counters of the timed blocks, by the engine itself. The kernel's own ones count everywhere; a PMU is optional."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pytest

from bnnbench.kernels.counters import COUNTERS
from bnnbench.kernels.engines.replies import Profile
from bnnbench.kernels.toolchain import build_native
from tests.kernels.engine_process import HOST, EngineProcess, hello
from tests.kernels.test_native_model import tiny
from tests.kernels.trace_replay import ask, load

LOAD = (
    "load id=a op=bconv2d n=1 h=14 w=14 c=64 oc=64 kh=3 kw=3 sh=1 sw=1 dh=1 dw=1 groups=1 pad=same pad_value=1 "
    "act=none out=i32 data=data"
)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("counters")
    (folder / "data").write_bytes(bytes(4 * (14 * 14 * 2 + 64 * 9 * 2)))
    requests = [
        "hello",
        LOAD,
        "run id=a samples=5 iterations=200 counters=task_clock_ns,page_faults",
        "run id=a samples=5 iterations=200 counters=cycles,instructions",
        "run id=a samples=5 iterations=200",
        "run id=a samples=1 iterations=1 counters=moonbeams",
    ]
    engine: Path = build_native("x86_64-linux-musl").path
    done = subprocess.run(
        [engine], input="\n".join(requests), cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_kernel_s_clock_agrees_with_ours(asked: list[dict[str, Any]]) -> None:
    hello, _, ran, *_ = asked
    if "task_clock_ns" not in hello["counters"]:
        pytest.skip("perf_event_open is not permitted here")
    # Of an iteration, and what it waited for others is in our samples only: on a busy machine they take much longer.
    samples = ran["samples_ns"]
    assert 0.05 * min(samples) < ran["counters"]["task_clock_ns"] < 1.1 * fmean(samples)
    assert ran["counters"]["page_faults"] < 1
    assert 0 < ran["counters"]["running_share"] <= 1


def test_a_pmu_counts_or_says_why_not(asked: list[dict[str, Any]]) -> None:
    hello, ran = asked[0], asked[3]
    if "cycles" in hello["counters"]:
        assert ran["counters"]["cycles"] > 0
        assert ran["counters"]["instructions"] > 1000
    else:
        assert "cycles cannot be counted here" in ran["counters_error"]


def test_only_when_asked_for(asked: list[dict[str, Any]]) -> None:
    assert not {"counters", "counters_error"} & asked[4].keys()


def test_an_unknown_counter_is_refused(asked: list[dict[str, Any]]) -> None:
    assert asked[5] == {"ok": False, "error": "there is no counter moonbeams"}


def test_only_known_counters_are_listed(asked: list[dict[str, Any]]) -> None:
    assert set(asked[0]["counters"]) <= set(COUNTERS)


GOLDEN = Path(__file__).parents[1] / "golden"
RUNS, LIMIT_NS = 20, 60 * 10**9


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """With a small model loaded as `m`."""
    with EngineProcess([build_native(HOST).path], tmp_path_factory.mktemp("steps")) as process:
        plan, _, inputs = tiny(GOLDEN / "tiny_larq.tflite")
        load(process, plan, [inputs[:1]])
        yield process


def profiled(engine: EngineProcess, *counters: str) -> Profile:
    available = hello(engine).counters or []
    if missing := [name for name in counters if name not in available]:
        pytest.skip(f"perf_event_open gives no {missing[0]} here")
    return engine.client.profile("m", runs=RUNS, limit_ns=LIMIT_NS, counters=counters)


def counts(profile: Profile, name: str) -> list[list[float]]:
    """Of each step, in each run."""
    return [(op.counters or {})[name] for op in profile.ops]


def test_the_kernel_s_clock_of_each_step_agrees_with_ours(engine: EngineProcess) -> None:
    profile = profiled(engine, "task_clock_ns")
    cost = profile.counters_cost
    assert cost is not None
    assert 0 < cost["task_clock_ns"] <= 2 * cost["ns"]
    # Both include a reading. What a step waits for others is in our time only; most runs are not interrupted.
    for op, clocks in zip(profile.ops, counts(profile, "task_clock_ns"), strict=True):
        assert median(clocks) == pytest.approx(median(op.ns), rel=0.2, abs=2_000)


def test_pages_are_faulted_in_by_the_first_run_alone(tmp_path: Path) -> None:
    with EngineProcess([build_native(HOST).path], tmp_path) as fresh:
        plan, _, inputs = tiny(GOLDEN / "tiny_larq.tflite")
        load(fresh, plan, [inputs[:1]])
        found = counts(profiled(fresh, "page_faults"), "page_faults")
    assert sum(step[0] for step in found) >= 1
    assert sum(sum(step[1:]) for step in found) <= 2


def test_a_pmu_counts_in_each_step(engine: EngineProcess) -> None:
    if "cycles" not in (hello(engine).counters or []):
        profile = engine.client.profile("m", runs=2, limit_ns=LIMIT_NS, counters=["cycles"])
        assert "cycles cannot be counted here" in (profile.counters_error or "")
        return
    profile = profiled(engine, "cycles", "instructions")
    for name in ("cycles", "instructions"):
        assert all(median(step) > 100 for step in counts(profile, name))


def test_a_step_s_counter_that_is_missing_is_explained(engine: EngineProcess) -> None:
    missing = [name for name in COUNTERS if name not in (hello(engine).counters or [])]
    if not missing:
        pytest.skip("every counter can be had here")
    profile = engine.client.profile("m", runs=2, limit_ns=LIMIT_NS, counters=[missing[0]])
    assert f"{missing[0]} cannot be counted here" in (profile.counters_error or "")
    assert not any(op.counters for op in profile.ops)


def test_steps_are_timed_as_ever_without_counters(engine: EngineProcess) -> None:
    profile = engine.client.profile("m", runs=2, limit_ns=LIMIT_NS)
    assert not any(op.counters for op in profile.ops)
    assert profile.counters_cost is None
    assert profile.counters_error is None


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ("counters=moonbeams", "there is no counter moonbeams"),
        ("counters=page_faults threads=2", "counters= are of one thread"),
        ("counters=" + ",".join(["page_faults"] * 9), "at most 8"),
    ],
)
def test_bad_requests_for_counts_are_refused(engine: EngineProcess, keys: str, says: str) -> None:
    if "threads" in keys and (hello(engine).max_threads or 1) < 2:
        pytest.skip("one CPU")
    reply = ask(engine, f"profile id=m runs=1 {keys}")
    assert not reply["ok"]
    assert says in reply["error"]
    assert engine.client.profile("m", runs=1, limit_ns=LIMIT_NS).ops  # and it carries on
