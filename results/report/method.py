"""What a page says of how a run was measured."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bnnbench.results import quantity
from bnnbench.results.records import Build
from bnnbench.results.report.facts import Fact, facts
from bnnbench.results.report.headline import minutes
from bnnbench.results.statistics.level import coverage, depth
from bnnbench.results.store.stored_run import StoredRun


@dataclass(frozen=True, slots=True)
class Method:
    """How a run was measured, in words and figures, with the command that repeats it where it may be shown."""

    run_id: str
    when: str
    outcome: str
    figures: list[tuple[str, str]]
    host: list[Fact]
    builds: list[Build]
    command: str
    overhead: list[tuple[str, str, str, str]]
    warnings: list[str]


def method(run: StoredRun, commands: bool) -> Method:
    record = run.record
    warm_ups = sorted(gate.warmup_ns for gate in run.gates.values() if gate.warmup_ns is not None)
    figures = [
        ("bnnbench", record.version + (f", commit {record.commit[:12]}" if record.commit else "")),
        ("seed of the order", str(record.seed)),
        ("invocations of a case", f"{record.invocations_per_case}, each a fresh process, in random order"),
        ("samples of an invocation", f"{record.samples_per_invocation}; their median stands for it"),
    ]
    if warm_ups:
        shortest, longest = quantity.duration(warm_ups[0]), quantity.duration(warm_ups[-1])
        span = shortest if shortest == longest else f"{shortest} to {longest}"
        figures.append(("warm-up of an invocation", f"{span}, found once for each case"))
    return Method(
        run_id=record.run_id,
        when=day(record.created),
        outcome=_outcome(run),
        figures=figures,
        host=facts(record.host),
        builds=record.builds,
        command=shlex.join(record.command) if commands else "",
        overhead=_overhead(run),
        warnings=run.warnings,
    )


def _outcome(run: StoredRun) -> str:
    if run.end is None:
        return f"did not end; finish it with bnnbench run --resume {run.record.run_id}"
    took = "" if run.end.wall_ns is None else f" in {minutes(run.end.wall_ns)}"
    if run.end.outcome == "complete":
        return f"complete{took}"
    return f"{run.end.outcome}{took}; finish it with bnnbench run --resume {run.record.run_id}"


def _overhead(run: StoredRun) -> list[tuple[str, str, str, str]]:
    """Device, overhead per invocation, share of the time inside `run` requests, builds and first push."""
    if run.end is None:
        return []
    shown = []
    for device, figures in run.end.overhead.items():
        each, share = figures.get("per_invocation_ns_median"), figures.get("run_share")
        builds = figures.get("builds_and_push_ns")
        shown.append(
            (
                device,
                "" if each is None else quantity.duration(each),
                "" if share is None else quantity.percentage(share),
                "" if builds is None else quantity.duration(builds),
            )
        )
    return shown


def interval(runs: Sequence[StoredRun]) -> str:
    return " ".join(_interval_of(n) for n in sorted({run.record.invocations_per_case for run in runs}))


def _interval_of(n: int) -> str:
    if n < 2:
        return "With a single invocation there is no range to speak of."
    k = depth(n)
    left_out = "" if k == 1 else f", leaving out the {k - 1} at either end"
    return (
        f"With {n} invocations it goes from the fastest to the slowest{left_out}, and holds the true median "
        f"with {100 * coverage(n, k):.1f} % probability if they are independent."
    )


def day(moment: str) -> str:
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    parsed = parsed.astimezone(UTC) if parsed.tzinfo else parsed
    return f"{parsed.day} {parsed:%B %Y, %H:%M} UTC"
