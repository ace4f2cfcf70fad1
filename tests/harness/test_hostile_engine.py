"""A run with engines that lie in every way: each fails its own case, and everything can be read again."""

from __future__ import annotations

import json
import sys

import pytest

from bnnbench.results import load
from tests.harness.bench import Bench
from tests.harness.hostile import HOSTILE
from tests.harness.test_run import FAKE

ALONE = ("arena beyond any memory", "nested", "memory of 2^63", "clock that stands", "times too small to be")
"""The others are tried on the client alone (tests/kernels/test_hostile_replies.py); these showed on whole runs."""


def suite_of(bench: Bench, engines: dict[str, tuple[str, str]], words: str = "") -> str:
    binary = bench.folder / "mine"
    binary.write_text(f"#!{sys.executable}\n" + FAKE.read_text())
    named = {f"e{number}": mode for number, mode in enumerate(engines.values())}
    tables = [
        f"[engine.{name}]\ncommand = {json.dumps(['{binary}', 'hostile', *mode])}\n"
        'binary = { x86_64 = "mine", aarch64 = "mine" }\n'
        for name, mode in named.items()
    ]
    bench.write(
        "hostile.toml",
        f'name = "hostile"\nengines = {json.dumps(["native", *named])}\ninvocations = 2\nsamples = 3\n'
        f"min_sample_ms = 1\nwarmup_ms = 1\n{words}\n"
        '[[kernel]]\nop = "bgemm"\nm = 64\nn = 64\nk = 4096\n' + "\n".join(tables),
    )
    return "hostile.toml"


def test_every_lie_fails_its_own_case(bench: Bench) -> None:
    run = bench.measure(suite_of(bench, {name: HOSTILE[name] for name in ALONE}), status=3)
    frame = load(run)
    assert list(frame["status"]) == ["ok", *["failed"] * len(ALONE)]
    for reason in frame["reason"][1:]:
        assert reason.count("answered") == 1
        assert len(reason) < 500
    assert not run.warnings
    again = bench.run("run", "--resume", "latest", "--store", "store")
    assert again.returncode == 3, again.stderr
    assert not bench.store.run("latest").warnings


@pytest.mark.parametrize(("sample_ns", "status"), [(10.0, "failed"), (2500.0, "unstable")])
def test_faster_than_the_roof_is_not_proven(sample_ns: float, status: str) -> None:
    """The output is right, and the times cannot be: 33.6 million operations in 10 ns."""
    from bnnbench.results.case_result import case_results
    from bnnbench.results.records import CaseRecord, Gate, Invocation, Peak, RunRecord
    from bnnbench.results.store.stored_run import StoredRun

    case = CaseRecord(
        id="a", workload="w", kind="kernel", engine="mine", device="d", threads=1, macs_1bit=64 * 64 * 4096
    )
    record = RunRecord(
        run_id="r",
        created="2026-01-01T00:00:00Z",
        version="0",
        suite_name="s",
        seed=1,
        cases=[case],
        invocations_per_case=1,
        samples_per_invocation=1,
    )
    entries = [
        Peak(device="d", popcount_gops=2000.0),
        Gate(case_id="a", status="ok"),
        Invocation(case_id="a", index=0, order=0, status="ok", samples_ns=[sample_ns]),
    ]
    (result,) = case_results(StoredRun(record, entries))
    assert result.status == status
    assert "times the roof measured on this device" in (result.reason or "")
    assert (result.gops is None) == (status == "failed")


def test_times_of_no_processor_fail_at_once() -> None:
    from bnnbench.results.records import CaseRecord
    from bnnbench.results.roof import beyond_any

    case = CaseRecord(id="a", workload="w", kind="kernel", engine="m", device="d", threads=1, macs_1bit=1_024_000)
    assert beyond_any(case, 1.0) == "its times say 2,048,000 GOPS, more than any processor does"
    assert beyond_any(case, 1000.0) is None


def test_claims_that_the_wait_denies_are_unstable(bench: Bench) -> None:
    """It waits for 0.6 s and claims some milliseconds, with the right output."""
    suite = suite_of(bench, {"sleeper": ("run", '"samples_ns": SAMPLES, "first_ns": 1.0')})
    frame = load(bench.measure(suite, "--engine", "e0", "--invocations", "1", status=3))
    assert frame.iloc[0]["status"] == "unstable"
    assert "the engine claims" in frame.iloc[0]["reason"]
