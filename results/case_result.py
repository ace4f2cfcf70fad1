"""What became of one planned case: its status and reason, and its figures when it has any.

The statuses, from the journal of the run:

| status | when |
|---|---|
| `ok` | the gate passed and every planned invocation was measured with the gated output |
| `wrong_output` | the gate, a later invocation or predictions were other than the reference's: no times |
| `failed` | the gate or all invocations failed, the device was lost first, or times are far beyond its roof: no times |
| `unstable` | the gate or an invocation said so, the times are beyond the roof, or only some invocations are there |
| `unverified` | the engine can't show its output: times, but never a verdict |
| `skipped` | not planned, or not reached when the run was cut off |
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from bnnbench.results.metric import Metric
from bnnbench.results.metrics import METRICS
from bnnbench.results.records import Accuracy, CaseRecord, Gate, Invocation, Status, Sustain
from bnnbench.results.roof import beyond_roof
from bnnbench.results.statistics.level import Level, level
from bnnbench.results.statistics.quantile import quantile
from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.sustained import Sustained, asked, sustained
from bnnbench.results.trust import trust

_TIMED: frozenset[Status] = frozenset({"ok", "unstable", "unverified"})
_SHORTEST_NS = 1e-6
_LATENCY, _ACCURACY, _SUSTAINED = METRICS["latency"], METRICS["accuracy"], METRICS["sustained_latency"]
CUT_OFF = "cut_off"
_LOSING_EVENTS = frozenset({"lost", "gave_up", "lock"})


@dataclass(frozen=True, slots=True)
class CaseResult:
    """`latency` is in ns; every figure is None where it was not measured. `trust` is `high`, `medium` or
    `low`, and the reasons say what lowers it (trust.py)."""

    case: CaseRecord
    status: Status
    reason: str | None
    engine_build: str | None
    isa: str | None
    reason_code: str | None = None
    """What kind of reason, for programs: `CUT_OFF` where it is not finished because the run was cut off."""
    trust: str | None = None
    trust_reasons: tuple[str, ...] = ()
    trust_words: tuple[str, ...] = ()
    """The same in a word or two each, for a line in a terminal."""
    latency: Level | None = None
    p90_ns: float | None = None
    arena_bytes: int | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    """By the key of a metric; what was not measured is not in it."""
    intervals: Mapping[str, Level] = field(default_factory=dict)
    """Of the figures of its invocations, of metrics that have one; by the key of the metric."""
    accuracy: Accuracy | None = None
    """None too when it failed or the predictions were wrong."""
    rounding: str | None = None
    """The variant of int8 rounding under which its output is the reference's; None: as it stands."""
    confirmed_by: tuple[str, ...] | None = None
    """Other interpreters that read the model's file alike; None where there is no file, or nobody looked."""

    def figure(self, metric: Metric) -> float | None:
        """Its figure for a metric."""
        return self.figures.get(metric.key) if metric.of_case is None else metric.of_case(self.case)

    @property
    def gops(self) -> float | None:
        """Billions of binary operations per second, 2 for each multiply-accumulate."""
        if self.latency is None or not self.case.macs_1bit or self.latency.value <= 0:
            return None
        return 2.0 * self.case.macs_1bit / self.latency.value


def case_results(run: StoredRun) -> list[CaseResult]:
    """The result of every planned case of a run, in the order of its plan."""
    gates, invocations, accuracies = run.gates, run.invocations_by_case, run.accuracies
    results, lasting = [], sustained(run)
    goes_on = asked(run) is not None
    for case in run.record.cases:
        accuracy, gate = accuracies.get(case.id), gates.get(case.id)
        result = _result(run, case, gate, invocations.get(case.id, []))
        if gate is not None and result.status in _TIMED:
            by = None if gate.confirmed_by is None else tuple(gate.confirmed_by)
            result = replace(result, rounding=gate.rounding, confirmed_by=by)
            if goes_on:
                result = _with_sustained(run, result, lasting.get(case.id))
        results.append(result if accuracy is None else _with_accuracy(result, accuracy))
    return results


def median_ns(invocation: Invocation) -> float | None:
    """The figure of one invocation: the median of its samples, or None when it failed or they can't be times."""
    if invocation.status not in _TIMED or not invocation.samples_ns:
        return None
    median = statistics.median(invocation.samples_ns)
    return median if median >= _SHORTEST_NS else None


def _with_sustained(run: StoredRun, result: CaseResult, found: Sustained | None) -> CaseResult:
    """The latency that lasts; a case that was cut off, or whose engine failed, says so."""
    if found is None:
        return replace(result, **_unreached(run, result.case, "verified, but not timed").of_result())
    if not found.windows or found.reason is not None:
        status: Status = "wrong_output" if found.reason and not found.windows else "failed"
        return replace(result, status=status, reason=found.reason)
    if not found.is_whole:
        what = f"{found.seconds:.0f} s of {(asked(run) or Sustain(seconds=0, window_s=1)).seconds:.0f} s so far"
        return replace(result, **_unfinished(run, result.case, "unstable", what).of_result())
    if found.level is None:
        kept = result.reason if result.status == "unverified" else None
        return replace(result, reason="; ".join(filter(None, (kept, found.why_unknown))) or None)
    last = found.level
    level = Level(last.value, last.low, last.high, 0.95, (last.high - last.low) / last.value, len(found.windows))
    key = _SUSTAINED.key
    return replace(result, figures={**result.figures, key: last.value}, intervals={**result.intervals, key: level})


def _with_accuracy(result: CaseResult, accuracy: Accuracy) -> CaseResult:
    """Wrong predictions are wrong output; without predictions, the times still stand."""
    if accuracy.status == "wrong_output":
        return CaseResult(result.case, "wrong_output", accuracy.reason, result.engine_build, result.isa)
    if accuracy.status != "ok":
        reason = "; ".join(part for part in (result.reason, f"no accuracy: {accuracy.reason}") if part)
        return replace(result, reason=reason)
    if accuracy.correct is None or not accuracy.images:
        return replace(result, accuracy=accuracy)
    share = accuracy.correct / accuracy.images
    return replace(result, accuracy=accuracy, figures={**result.figures, _ACCURACY.key: share})


def _result(run: StoredRun, case: CaseRecord, gate: Gate | None, invocations: list[Invocation]) -> CaseResult:
    status, reason, code = _status(run, case, gate, invocations)
    timed = [invocation for invocation in invocations if median_ns(invocation) is not None]
    last: Gate | Invocation | None = timed[-1] if timed else gate
    build = (last.engine_build if last else None) or case.engine_build
    isa = (last.isa if last else None) or case.isa
    if status not in _TIMED or not timed:
        return CaseResult(case, status, reason, build, isa, code)
    arena = _largest([item.arena_bytes for item in timed])
    emulated = run.record.emulated(case.device)
    figures = {
        metric.key: figure
        for metric in METRICS.values()
        if not (metric.is_time and emulated) and (figure := _figure(metric, timed)) is not None
    }
    intervals = {
        key: level([value for item in timed if (value := of_invocation(item)) is not None])
        for key in figures
        if METRICS[key].low is not None and (of_invocation := METRICS[key].of_invocation) is not None
    }
    if emulated:
        return CaseResult(
            case, status, reason, build, isa, code, arena_bytes=arena, figures=figures, intervals=intervals
        )
    latency = level([statistics.median(item.samples_ns) for item in timed])
    beyond = beyond_roof(case, latency.value, run.peaks_of(case.device))
    if beyond is not None:
        (status, reason), code = beyond, None
    if status not in _TIMED:
        return CaseResult(case, status, reason, build, isa)
    grade, doubts = trust(gate, timed, run.events_of(case.device))
    return CaseResult(
        case,
        status,
        reason,
        build,
        isa,
        code,
        trust=grade,
        trust_reasons=tuple(doubt.sentence for doubt in doubts),
        trust_words=tuple(dict.fromkeys(doubt.word for doubt in doubts)),
        latency=latency,
        p90_ns=statistics.median(quantile(item.samples_ns, 0.9) for item in timed),
        arena_bytes=arena,
        figures={_LATENCY.key: latency.value, **figures},
        intervals=intervals,
    )


class _Standing(NamedTuple):
    """A status with its reason."""

    status: Status
    reason: str | None
    code: str | None = None

    def of_result(self) -> dict[str, Any]:
        return {"status": self.status, "reason": self.reason, "reason_code": self.code}


def _status(run: StoredRun, case: CaseRecord, gate: Gate | None, invocations: list[Invocation]) -> _Standing:
    if gate is None:
        return _unreached(run, case, "not measured")
    if gate.status not in _TIMED:
        return _Standing(gate.status, gate.reason)
    wrong = [invocation for invocation in invocations if invocation.status == "wrong_output"]
    if wrong:
        return _Standing("wrong_output", wrong[0].reason or "an invocation's output differs from the verified one")
    planned = run.record.invocations_per_case
    if case.device in run.record.counted:
        planned = min(1, planned)
    timed = [invocation for invocation in invocations if median_ns(invocation) is not None]
    failed = [invocation for invocation in invocations if median_ns(invocation) is None]
    why = next((item.reason for item in failed if item.reason), "no reason recorded")
    if failed and not timed:
        return _Standing("failed", why)
    if not planned:
        return _Standing(gate.status, gate.reason)
    if not invocations:
        return _unreached(run, case, "verified, but not timed")
    if failed:
        return _Standing("unstable", f"{len(failed)} of {planned} invocations failed: {why}")
    if gate.status != "ok":
        return _Standing(gate.status, gate.reason)
    unsteady = [item for item in timed if item.status != "ok"]
    if unsteady:
        return _Standing(unsteady[0].status, unsteady[0].reason)
    if len(timed) < planned:
        return _unfinished(run, case, "unstable", f"{len(timed)} of {planned} invocations so far")
    return _Standing("ok", gate.reason)


def _unreached(run: StoredRun, case: CaseRecord, what: str) -> _Standing:
    return _unfinished(run, case, "failed" if _loss(run, case) else "skipped", what)


def _unfinished(run: StoredRun, case: CaseRecord, status: Status, what: str) -> _Standing:
    """Why a case is not finished, and how to finish it."""
    loss = _loss(run, case)
    if loss:
        return _Standing(status, f"{what}: {loss}")
    ending = f"the run was cut off; finish it with bnnbench run --resume {run.record.run_id}"
    return _Standing(status, f"{what}: {ending}", CUT_OFF)


def _loss(run: StoredRun, case: CaseRecord) -> str | None:
    events = [event for event in run.events_of(case.device) if event.kind in _LOSING_EVENTS]
    return events[-1].message if events else None


def _figure(metric: Metric, timed: Sequence[Invocation]) -> float | None:
    """Of a metric of which every invocation has a figure."""
    if metric.of_invocation is None:
        return None
    figures = [value for item in timed if (value := metric.of_invocation(item)) is not None]
    if not figures:
        return None
    return int(metric.combined(figures)) if metric.is_whole else metric.combined(figures)


def _largest(figures: Sequence[int | None]) -> int | None:
    return max((figure for figure in figures if figure is not None), default=None)
