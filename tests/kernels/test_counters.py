"""Counters of the timed blocks, by the engine itself. The kernel's own ones count everywhere; a PMU is optional."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from bnnbench.kernels.toolchain import build_native

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
