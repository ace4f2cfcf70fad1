"""The commands that pages of the site print are taken by the real command line."""

from __future__ import annotations

import re
import shlex

import pytest

from bnnbench.harness.cli.ab import app as ab
from bnnbench.harness.cli.alerts import app as alerts
from bnnbench.harness.cli.baseline import app as baseline
from bnnbench.results.records import Build, RunRecord
from bnnbench.results.site.comparing.ab_command import AbCommand, Case, KeptBaseline, of_comparison, of_engines, of_runs

WORKLOADS = (
    "bconv2d 56x56x64 to 64, 3x3",
    "quicknet_m",
    "-e --head=x",
    "'; touch /tmp/x; echo '",
    '$(reboot) `id` \\ " & |',
    "tab\tnew\nline",
    "\u202etfel",
)


def record(run_id: str, *, sources: list[str] | None = None, command: list[str] | None = None) -> RunRecord:
    return RunRecord(
        run_id=run_id,
        created="2026-01-31T14:25:01+00:00",
        version="0.3.0",
        suite_name="suite",
        seed=1,
        cases=[],
        invocations_per_case=1,
        samples_per_invocation=1,
        commit="c" * 40,
        command=command or ["bnnbench", "run", "bench/my suite.toml", "-d", "pi4"],
        suite={"sources": ["/home/me/bench/my suite.toml"] if sources is None else sources, "devices": ["pi4"]},
        builds=[Build(engine="native", triple="aarch64-linux-musl", sha256="0" * 64)],
    )


def commands(case: Case) -> dict[str, AbCommand]:
    base, head = record("20260131-142501-9f3a1c"), record("20260201-142501-9f3a1c")
    return {
        "engines": of_engines(head, case, "numba", "native"),
        "runs": of_runs(base, head, case, "native"),
        "baseline": of_runs(base, head, case, "native", [KeptBaseline("v1.2", base.run_id, ["native"])]),
        "comparison": of_comparison(head, case, "native@build/old", "native"),
    }


@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("kind", ["engines", "runs", "baseline", "comparison"])
def test_ab_takes_the_command(kind: str, workload: str) -> None:
    case = Case(workload, "pi4", 4)
    found = commands(case)[kind]
    words = shlex.split(found.command)
    assert words[:2] == ["bnnbench", "ab"]
    assert "\n" not in found.command
    _, bound, *_ = ab.parse_args(words[2:], exit_on_error=False)
    given = bound.arguments
    assert [str(path) for path in given["files"]] == ["bench/my suite.toml"]
    assert given["device"] == ["pi4"]
    assert given["threads"] == "4"
    assert re.search(given["filter"], workload)
    assert not re.search(given["filter"], f"{workload} and more")
    sides = {
        "engines": ("numba", "native"),
        "runs": ("native@20260131-142501-9f3a1c", "native"),
        "baseline": ("native@v1.2", "native"),
        "comparison": ("native@build/old", "native"),
    }
    assert (given["base"], given["head"]) == sides[kind]


def test_baseline_save_takes_the_command_before() -> None:
    found = commands(Case("quicknet_m", "pi4", 1))["runs"]
    words = shlex.split(found.before[0])
    assert words[:3] == ["bnnbench", "baseline", "save"]
    _, bound, *_ = baseline.parse_args(words[2:], exit_on_error=False)
    assert (bound.arguments["name"], bound.arguments["run"]) == ("20260131-142501-9f3a1c",) * 2


def test_local_runs_name_no_device_and_quickstart_no_file() -> None:
    local = record("a", sources=[], command=["bnnbench", "run"])
    words = shlex.split(of_engines(local, Case("w", "local", 1), "numba", "native").command)
    _, bound, *_ = ab.parse_args(words[2:], exit_on_error=False)
    assert "device" not in bound.arguments
    assert "files" not in bound.arguments


def test_alerts_takes_the_command_that_acknowledges() -> None:
    from bnnbench.results.site.pages.alerts import acknowledging

    words = shlex.split(acknowledging("3f2a91aaaaaa"))
    _, bound, *_ = alerts.parse_args(words[2:], exit_on_error=False)
    assert bound.arguments["id"] == "3f2a91aaaaaa"
