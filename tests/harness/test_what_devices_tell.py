"""What a device says beside an engine's replies is bounded too, and nothing of it ends a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from bnnbench.devices.probe import facts_of
from bnnbench.devices.probe_script import Section, Sections
from bnnbench.harness.bench.context import RunContext, Silent
from bnnbench.harness.bench.launcher_report import read_report
from bnnbench.harness.bench.surroundings import Watched
from bnnbench.kernels.engines.replies import Ran
from bnnbench.kernels.engines.tflite_benchmark import parse_summary
from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.instruction_counter import instructions_per_iteration
from bnnbench.results.records import Invocation, RunRecord
from bnnbench.results.store.runs import Store


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    record = RunRecord(
        run_id="r", created="2026-01-01T00:00:00Z", version="0", suite_name="s", seed=1, cases=[],
        invocations_per_case=1, samples_per_invocation=1,
    )  # fmt: skip
    return RunContext(
        store=tmp_path, writer=Store(tmp_path).create(record), watcher=Silent(), samples=1, invocations=1,
        calibrates=True, min_sample_ns=1, min_warmup_ns=1, seed=1,
    )  # fmt: skip


def test_a_record_that_would_not_read_back_is_stored_as_failed(context: RunContext) -> None:
    stored = context.append(Invocation(case_id="a", index=0, order=0, status="ok", samples_ns=[float("nan")]))
    run = context.writer.read()
    assert run.entries == [stored]
    assert not run.warnings
    assert stored.status == "failed"
    assert "cannot be stored" in (stored.reason or "")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"exit": 3, "signal": null, "killed": null}', "It ended with status 3."),
        ('{"exit": null, "signal": 11, "killed": null}', "It was ended by signal 11."),
        ('{"killed": ' + "[" * 100_000, None),
        ('{"killed": null, "exit": "' + "9" * 1_000_000 + '"}', None),
        ('{"killed": {"a": 1}}', None),
        ("[]", None),
    ],
)
def test_line_of_the_launcher(line: str, said: str | None) -> None:
    report = read_report(line)
    assert (None if report is None else report.words) == said


@pytest.mark.parametrize("blocks", ["1 2 3", "-1 5", "9" * 5000 + " " + "9" * 6000, "1e5 2e5", "", "5 3"])
def test_text_of_the_counting_plugin(blocks: str) -> None:
    assert instructions_per_iteration(blocks, 2) is None


@pytest.mark.parametrize(
    "figures",
    ["min=5e-324 max=5e-324 avg=5e-324", "min=-5 max=7 avg=3", "min=1 max=inf avg=3", "min=nan max=nan avg=nan"],
)
def test_summary_that_cannot_be(figures: str) -> None:
    with pytest.raises(EngineError):
        parse_summary(f"count=1 first=1 curr=1 {figures} std=0\ncount=70 first=3 curr=3 {figures} std=1\n")


def test_telemetry_beyond_anything_is_left_out() -> None:
    ran = Ran(
        samples_ns=[1.0],
        watch={
            "/sys/class/thermal/thermal_zone0/temp": ["9" * 255, "9" * 255],
            "/proc/loadavg": ["0.5 0 0", "0.7 0 0"],
        },
    )
    assert Watched({}).telemetry(ran, 1.0) == {"load": [0.5, 0.7]}


@pytest.mark.parametrize(
    ("section", "fact", "text"),
    [
        ("meminfo", "memory_bytes", "MemTotal: " + "9" * 400 + " kB"),
        ("meminfo", "memory_bytes", "MemTotal: " + "9" * 10_000 + " kB"),
        ("model", "model", "x" * 1_000_000),
        ("loadavg", "load_average", "9" * 400 + ".0 1.0 1.0"),
        ("tools", "tools", "\n".join(f"/bin/t{i}" for i in range(100_000))),
    ],
)
def test_facts_too_large_are_none(section: str, fact: str, text: str) -> None:
    facts = facts_of(Sections({section: Section(section, 0, text)}))
    assert facts.value(fact) is None
    assert len(facts[fact].source) < 5_000
