"""The session of a device: a function of the plan and the device, wherever it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bnnbench.results.metrics import METRICS
from bnnbench.results.records import ComparisonRecord
from bnnbench.results.statistics.sequential import Rules
from bnnbench.results.store.calibration import Calibration
from bnnbench.results.store.runs import RunWriter
from bnnbench.results.verdict.paired import with_metric
from bnnbench.results.verdict.policy import MAIN, Policy

from ..bench.context import RunContext, Watcher
from ..bench.reach import Reached
from ..plan.cases import MeasurementPlan
from ..plan.config import RunConfig
from ..plan.extras import Extras
from ..session.base import DeviceSession
from ..session.comparing import ComparingSession
from ..session.sustaining import SustainingSession
from ..session.timing import TimingSession


def context_of(store: Path, writer: RunWriter, config: RunConfig, watcher: Watcher) -> RunContext:
    """What the sessions of a run share."""
    record = writer.record
    return RunContext(
        store=store,
        writer=writer,
        watcher=watcher,
        samples=record.samples_per_invocation,
        invocations=record.invocations_per_case,
        calibrates=bool(config.compare or config.sustain or record.invocations_per_case),
        min_sample_ns=int(config.suite.min_sample_ms * 1e6),
        min_warmup_ns=int(config.suite.warmup_ms * 1e6),
        seed=record.seed,
        extras=Extras.of(config.suite),
    )


def session_of(
    config: RunConfig,
    plan: MeasurementPlan,
    comparisons: Sequence[ComparisonRecord],
    reached: Reached,
    context: RunContext,
    calibration: Calibration | None,
) -> DeviceSession:
    """`calibration` is the device's last one."""
    device = reached.target.spec.name
    cases = plan.cases[device]
    if config.sustain is not None:
        return SustainingSession(reached.target, reached.transport, cases, context, reached.builds_ns, config.sustain)
    if config.compare is None:
        return TimingSession(reached.target, reached.transport, cases, context, reached.builds_ns)
    mine = [record for record in comparisons if record.device == device]
    policy = Policy.of(context.writer.record)
    rules = replace(with_metric(Rules(), policy.tuned(METRICS[MAIN], "", device)), between=config.compare.between)
    return ComparingSession(
        reached.target,
        reached.transport,
        cases,
        context,
        reached.builds_ns,
        comparisons=mine,
        rules=rules,
        untimed=config.compare.untimed,
        policy=policy,
        budget_s=config.compare.budget_s,
        calibration=calibration,
    )
